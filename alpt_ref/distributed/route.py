"""The ways of a batch: which rows this rank asks whom for, which others ask it for, and how gradients come together.

The unique rows of a rank travel to their owners with how often they occur. What owners answer comes back in the same
order. Gradients take the way of the ids: a row that no other rank has, or that occurs twice in the whole batch, as its
float32 sum, which is final or lacks one addition that commutes; a row that several ranks have, three times or more in
all, as integers whose scale follows from its largest gradient on all ranks, which owners find first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.distributed.group import Group
from alpt_ref.distributed.row_map import RowMap


class Route:
    """Ways of one batch, the same for every exchange about it.

    Attributes
    ----------
    batch : CpuBatch
        This rank's part.
    order : int array (u,)
        Its unique rows by owner.
    asked : CpuParts
        What others, and this rank, ask this one for.
    """

    def __init__(self, group: Group, rows: RowMap, batch: Any, kinds: Any) -> None:
        self._group, self.batch, self._kinds = group, batch, kinds
        owners, _ = rows.find(batch.rows)
        self.order = kinds.by_owner(owners)
        self.counts_out: NDArray[np.int64] = kinds.owner_counts(owners, group.ranks)
        self._owners = owners
        self._map = rows
        self._times_known = False

    def connect(self, counts_in: NDArray[np.int64]) -> None:
        """Send the ids to their owners; `counts_in` says how many come from each rank."""
        self.counts_in = np.ascontiguousarray(counts_in)
        dtype = np.uint32 if self._map.n <= 1 << 32 else np.int64
        asked = self._there(self.batch.rows[self.order].astype(dtype))
        times = self._there(self.batch.times[self.order])
        _, places = self._map.find(asked)
        self.asked = self._kinds.parts(places, times, self._map.count(self._group.rank))
        self._times_in = times
        self._spread: Any = None

    def _there(self, array: Any) -> Any:
        return self._group.exchange(array, self.counts_out, self.counts_in)

    def _back(self, array: Any) -> Any:
        return self._group.exchange(array, self.counts_in, self.counts_out)

    def values(self, parts: tuple[Any, ...], d: int, bits: int | None) -> Any:
        """What owners answered (`parts` of what this one was asked for), decoded: float32 (len, d)."""
        received = tuple(self._back(part) for part in parts)
        if self._spread is None:
            self._spread = self.batch.spread(self.order)
        return self._kinds.decoded(received, self._spread, d, bits)

    def _learn_times(self) -> None:
        """How often each row of this rank occurs on all ranks, once."""
        if self._times_known:
            return
        times = self._back(self.asked.times_asked)
        own = self.batch.times[self.order]
        self._times, self._whole = times, (times == own) | (times == 2)
        self._whole_asked = (self.asked.times_asked == self._times_in) | (self.asked.times_asked == 2)
        owners = self._owners[self.order]
        self._split_out = self._kinds.owner_counts(owners[~self._whole], self._group.ranks)
        xp = self._kinds.xp
        splits = xp.concatenate([xp.zeros(1, np.int64), xp.cumsum(~self._whole_asked)])  # before each asked row
        ends = xp.asarray(np.concatenate([[0], np.cumsum(self.counts_in)]))
        self._split_in = np.diff(self._kinds.host(splits[ends])).astype(np.int64)
        self._times_known = True

    def sums(self, grads: Any) -> Any:
        """Sums of the gradients of ``asked.unique`` over all ranks, float32 (u, d), on their owner."""
        self._learn_times()
        xp, group, batch = self._kinds.xp, self._group, self.batch
        whole_rows, split_rows = self.order[self._whole], self.order[~self._whole]
        split_asked = xp.flatnonzero(~self._whole_asked)
        floats_out, floats_in = self.counts_out - self._split_out, self.counts_in - self._split_in
        floats = group.exchange(batch.floats(grads, whole_rows), floats_out, floats_in)
        peaks_in = group.exchange(batch.peaks(grads, split_rows), self._split_out, self._split_in)
        peaks = self.asked.largest(peaks_in, split_asked)
        known = group.exchange(peaks[self.asked.index[split_asked]], self._split_in, self._split_out)
        totals = batch.totals(grads, split_rows, known, self._times[~self._whole])
        totals_in = group.exchange(totals, self._split_out, self._split_in)
        return self.asked.joined(self._whole_asked, floats, totals_in, peaks)
