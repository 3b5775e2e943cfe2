"""The ways of a batch: which rows this rank asks whom for, which others ask it for, and how gradients come together.

The unique rows of a rank travel to their owners with how often they occur. What owners answer comes back in the same
order. Gradients take the way of the ids: a row that no other rank has, or that occurs twice in the whole batch, as its
float32 sum, which is final or lacks one addition that commutes; a row that several ranks have, three times or more in
all, as integers whose scale follows from its largest gradient on all ranks, which owners find first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.distributed.group import Group
from alpt_ref.distributed.row_map import RowMap


class Route:
    """Ways of one batch, the same for every exchange about it.

    Attributes
    ----------
    group : Group
    trip : int
        Which of the group's travels it is, from 1, the same number on all ranks; 0 until it is connected.
    batch : CpuBatch
        This rank's part.
    order : int array (u,)
        Its unique rows by owner.
    asked : CpuParts
        What others, and this rank, ask this one for.
    """

    def __init__(self, group: Group, rows: RowMap, batch: Any, kinds: Any) -> None:
        self.group, self.trip, self._map, self.batch, self._kinds = group, 0, rows, batch, kinds
        owners, _ = rows.find(batch.rows)
        self.order, self.counts_out = kinds.by_owner(owners, group.ranks)
        self._spread: Any = None
        self._halves: _Halves | None = None

    def connect(self, counts_in: NDArray[np.int64]) -> None:
        """Send the ids to their owners; `counts_in` says how many come from each rank."""
        self.group.trips += 1
        self.trip = self.group.trips
        self.counts_in = np.ascontiguousarray(counts_in)
        dtype = np.uint32 if self._map.n <= 1 << 32 else np.int64
        rows, times = self._kinds.unpaired(self._there(self._kinds.paired(self.batch, self.order, dtype)))
        _, places = self._map.find(rows)
        self.asked = self._kinds.parts(places, times, self._map.count(self.group.rank))

    def _there(self, array: Any) -> Any:
        return self.group.exchange(array, self.counts_out, self.counts_in)

    def _back(self, array: Any) -> Any:
        return self.group.exchange(array, self.counts_in, self.counts_out)

    def values(self, parts: tuple[Any, ...], d: int, bits: int | None) -> Any:
        """What owners answered (`parts` of what this one was asked for), decoded: float32 (len, d)."""
        received = tuple(self._back(part) for part in parts)
        if self._spread is None:
            self._spread = self.batch.spread(self.order)
        return self._kinds.decoded(received, self._spread, d, bits)

    def _learn_times(self) -> _Halves:
        """How often each row of this rank occurs on all ranks, once, and which way its gradients take."""
        if self._halves is None:
            times = self._back(self.asked.times_asked)
            whole = _is_whole(times, self.batch.times[self.order])
            whole_asked = _is_whole(self.asked.times_asked, self.asked.times_in)
            here = self._kinds.halves(whole, self.counts_out)
            asked = self._kinds.halves(whole_asked, self.counts_in)
            self._halves = _Halves(times, whole_asked, *here, *asked[1:])
        return self._halves

    def sums(self, grads: Any) -> Any:
        """Sums of the gradients of ``asked.unique`` over all ranks, float32 (u, d), on their owner."""
        if self.group.ranks == 1 and self._kinds.ascending:
            return self.batch.all_floats(grads)
        half, group, batch = self._learn_times(), self.group, self.batch
        there = (half.split_out, half.split_in)
        rows = self.order[half.split]
        floats_out, floats_in = self.counts_out - half.split_out, self.counts_in - half.split_in
        floats = group.exchange(batch.floats(grads, self.order[half.whole]), floats_out, floats_in)
        peaks = self.asked.largest(group.exchange(batch.peaks(grads, rows), *there), half.split_asked)
        known = group.exchange(peaks[self.asked.index[half.split_asked]], half.split_in, half.split_out)
        totals = batch.totals(grads, rows, known, half.times[half.split])
        return self.asked.joined(half.whole_asked, floats, group.exchange(totals, *there), peaks)


class _Halves(NamedTuple):
    """Which gradients travel whole, as float32 sums, and which split, as integers.

    Attributes
    ----------
    times : int32 array (u,)
        How often each row of this rank, by owner, occurs on all ranks.
    whole_asked : bool array (m,)
        Of what this rank was asked for, which gradients come whole.
    whole, split : int arrays
        Numbers, below u, of the rows that travel either way.
    split_out : int64 array (ranks,)
        How many split ones go to each rank.
    split_asked : int array
        Numbers, below m, of those that come split.
    split_in : int64 array (ranks,)
        How many of them come from each rank.
    """

    times: Any
    whole_asked: Any
    whole: Any
    split: Any
    split_out: NDArray[np.int64]
    split_asked: Any
    split_in: NDArray[np.int64]


def _is_whole(times: Any, here: Any) -> Any:
    """Rows that occur on one rank only, or twice in all."""
    return (times == here) | (times == 2)
