"""Where the rows stood that were left out as bad, so that a store's rows can be joined to the rows of its files.

Written as a list of whole numbers in pairs: the first of a run of neighbouring bad rows, counted from 0 through all
files, and how many there are. Over `MAX_RUNS` pairs are not kept: a manifest is no place for millions of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_RUNS = 100_000
Runs = list[int]
"""First row and number of rows of each run, ascending."""


def runs_of(bad: NDArray[np.bool_]) -> Runs | None:
    """Runs of True, or None where there are too many.

    Examples
    --------
    >>> runs_of(np.array([False, True, True, False, True]))
    [1, 2, 4, 1]
    """
    edges = np.flatnonzero(np.diff(bad, prepend=False, append=False)).reshape(-1, 2)
    if len(edges) > MAX_RUNS:
        return None
    edges[:, 1] -= edges[:, 0]
    return edges.reshape(-1).tolist()


def joined(runs: Runs | None, following: Runs | None, start: int) -> Runs | None:
    """`runs`, which are extended in place, and after them those of a piece whose first row has the number `start`."""
    if runs is None or following is None or len(runs) + len(following) > 2 * MAX_RUNS:
        return None
    numbers = list(following)
    numbers[::2] = [first + start for first in following[::2]]
    if runs and numbers and runs[-2] + runs[-1] == numbers[0]:  # one run over the edge between two pieces
        runs[-1] += numbers[1]
        numbers = numbers[2:]
    runs += numbers
    return runs


def valid_runs(runs: Any, count: int) -> bool:
    """Whether a value read from a manifest is a list of ascending runs of `count` rows in all."""
    if not isinstance(runs, list) or len(runs) % 2 or any(type(number) is not int for number in runs):
        return False
    firsts, lengths = np.array(runs, dtype=object)[::2], np.array(runs, dtype=object)[1::2]
    ends = np.concatenate(([0], firsts + lengths))
    return bool((lengths > 0).all() and (firsts >= ends[:-1]).all() and lengths.sum() == count and ends[-1] < 2**62)


def rows_of_files(info: Mapping[str, Any], rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Numbers of a dataset's rows among all rows of the files that it was made of, bad ones included.

    Parameters
    ----------
    info : of the dataset
    rows : int64 array
        Row numbers within the dataset.

    Returns
    -------
    int64 array, or None where rows were left out and the dataset does not say which

    Examples
    --------
    >>> rows_of_files({"bad_rows": {"count": 3, "rows": [1, 2, 4, 1]}}, np.array([0, 1, 2]))
    array([0, 3, 5])
    """
    bad = info.get("bad_rows", {})
    if not bad.get("count"):
        return rows
    if "rows" not in bad:
        return None
    runs = np.array(bad["rows"], np.int64).reshape(-1, 2)
    before = np.concatenate(([0], np.cumsum(runs[:, 1])))
    return rows + before[np.searchsorted(runs[:, 0] - before[:-1], rows, side="right")]
