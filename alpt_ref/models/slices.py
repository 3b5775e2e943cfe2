"""A batch cut into slices: sums over its rows in one order, whoever computes which slice.

Rows are added in two steps. The sum over a slice is computed as the sum over a batch is, by whoever has the slice; the
slices' sums are then added one after another, in slice order. So nothing depends on how many processes share the
slices, as long as the cut does not.

The contract between who computes and who adds:

- Slice ``s`` of ``b`` rows in ``S`` slices has the rows ``b*s // S`` to ``b*(s+1) // S`` - 1 of the batch, in the
  batch's own order: a function of b and S alone. Lengths differ by at most one; with b < S some slices are empty, and
  an empty slice's sum is 0.
- A process owns a contiguous range of slices, `SliceSums.own`. The arrays that it computes with hold the rows of these
  slices one below the other (`Cut.local`). What is computed row by row does not need to know the cut; a matrix product
  is one product a slice, because its bits depend on the number of rows.
- A sum over rows is an array with one entry an owned slice, in slice order, that `SliceSums.total` or
  `SliceSums.gather` makes the same for all. Every process makes the same calls in the same order with arrays of
  the same shape behind the first axis: they are collective.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.check import whole_number
from alpt_ref.errors import InputError

Array = NDArray[Any]


def slice_bounds(rows: int, slices: int) -> NDArray[np.int64]:
    """Where the slices of `rows` rows begin and end: int64 (slices + 1,), slice s is ``bounds[s] : bounds[s + 1]``.

    Examples
    --------
    >>> slice_bounds(10, 4).tolist(), slice_bounds(2, 4).tolist()
    ([0, 2, 5, 7, 10], [0, 0, 1, 1, 2])
    """
    return np.arange(slices + 1, dtype=np.int64) * rows // slices


def owned_slices(slices: int, rank: int, ranks: int) -> range:
    """The slices that a rank computes.

    Raises
    ------
    InputError
        `ranks` does not divide `slices`.

    Examples
    --------
    >>> owned_slices(8, 1, 2)
    range(4, 8)
    """
    if slices % ranks != 0:
        raise InputError(
            f"train.slices must be a multiple of the number of ranks, got {slices} slices for {ranks} ranks; start "
            f"another number of ranks, or set train.slices={-(-slices // ranks) * ranks}, which is another run"
        )
    each = slices // ranks
    return range(rank * each, (rank + 1) * each)


class Cut(NamedTuple):
    """A batch as one process sees it.

    Attributes
    ----------
    rows : int
        Of the whole batch.
    bounds : int64 array (slices + 1,)
        Of `slice_bounds`.
    own : range
        Slices that this process computes.
    """

    rows: int
    bounds: NDArray[np.int64]
    own: range

    @property
    def first(self) -> int:
        """The first of the rows that this process has."""
        return int(self.bounds[self.own.start])

    @property
    def last(self) -> int:
        """One behind the last of them."""
        return int(self.bounds[self.own.stop])

    @property
    def local(self) -> list[tuple[int, int, int]]:
        """``(i, lo, hi)`` of every owned slice that is not empty: its place among the owned ones, its rows here."""
        begin = self.first
        spans = ((i, int(self.bounds[s]) - begin, int(self.bounds[s + 1]) - begin) for i, s in enumerate(self.own))
        return [(i, lo, hi) for i, lo, hi in spans if lo < hi]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Rows of every slice of the batch, int64 (slices,)."""
        return np.diff(self.bounds)


class SliceSums(ABC):
    """Who computes which slices, and their sums for all.

    Attributes
    ----------
    slices : int
    own : range
        Slices of this process.
    """

    def __init__(self, slices: int, own: range) -> None:
        self.slices, self.own = whole_number("slices", slices, 1), own

    def cut(self, rows: int) -> Cut:
        """A batch of this many rows."""
        return Cut(rows, slice_bounds(rows, self.slices), self.own)

    @abstractmethod
    def gather(self, parts: Array) -> Array:
        """All slices' entries, (slices, ...), from those of the owned ones, (len(own), ...)."""

    def total(self, parts: Array) -> Array:
        """Sum over the slices, in slice order and in the arrays' dtype, of (len(own), n); the same for all, (n,)."""
        return added(self.gather(parts))

    def reduce(self, parts: Array) -> None:
        """Sum over the slices, in any order and in place, where every process has one; nothing in a process alone."""
        if self.slices != len(self.own):
            raise NotImplementedError(f"{type(self).__name__} has no sum in any order")


class OneProcess(SliceSums):
    """All slices in this process: what any number of processes is compared with.

    Examples
    --------
    >>> import numpy as np
    >>> OneProcess(2).total(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [4.0, 6.0]
    """

    def __init__(self, slices: int) -> None:
        super().__init__(slices, range(whole_number("slices", slices, 1)))

    def gather(self, parts: Array) -> Array:
        """See `SliceSums.gather`."""
        return parts


def added(parts: Array) -> Array:
    """``parts[0] + parts[1] + ...``, one after another."""
    total: Array = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total
