"""Where the slices of a process lie in the arrays of its GPU.

The bits of a kernel or of a matrix product may depend on where its arrays begin. So the slices of a process lie `PAD`
rows apart or a multiple of that, whatever their lengths, and each begins as the first slice of another process would.
Rows between two slices hold anything: what is computed row by row goes over them, what is a sum over rows, a product or
a check does not.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from alpt_ref.models.slices import Cut

PAD = 4 if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1" else 128  # small cases in the simulator have gaps too
"""Rows: with two bytes an element and one column, every slice begins on 256 bytes."""


class Layout(NamedTuple):
    """Where the owned slices of a batch lie in the arrays of this process.

    Attributes
    ----------
    rows : int
        Of the arrays.
    spans : list of (i, lo, hi, first)
        Of every owned slice that is not empty: its place among the owned ones, its rows in the arrays, and where they
        begin in the batch's own rows, one slice behind the other.
    """

    rows: int
    spans: list[tuple[int, int, int, int]]

    @property
    def compact(self) -> bool:
        """Whether the arrays hold the slices without gaps."""
        return sum(hi - lo for _, lo, hi, _ in self.spans) == self.rows


def layout(cut: Cut) -> Layout:
    """Of the owned slices of a batch.

    Examples
    --------
    >>> from alpt_ref.models.slices import OneProcess
    >>> layout(OneProcess(2).cut(300))
    Layout(rows=512, spans=[(0, 0, 150, 0), (1, 256, 406, 150)])
    """
    local = cut.local
    if len(cut.own) == 1:
        return Layout(max(1, cut.last - cut.first), [(i, lo, hi, lo) for i, lo, hi in local])
    longest = -(-cut.rows // (len(cut.bounds) - 1))
    apart = -(-longest // PAD) * PAD
    spans = [(i, i * apart, i * apart + hi - lo, lo) for i, lo, hi in local]
    return Layout(len(cut.own) * apart, spans)
