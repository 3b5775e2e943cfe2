"""Steps and sums of a training run whose ranks are GPUs: `StaticSteps` that share what went wrong, sums by NCCL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from alpt_ref.distributed.group import Group
from alpt_ref.distributed.static import StaticSteps
from alpt_ref.distributed.table import ShardedTable
from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.cuda import shard_fast
from alpt_ref.kernels.cuda import slices as kernels
from alpt_ref.kernels.cuda.target import blocks_for, launch
from alpt_ref.kernels.cuda.team import team_of
from alpt_ref.models.ops_cuda_cross import address
from alpt_ref.models.slices import Array, SliceSums, owned_slices


class RankSteps(StaticSteps):
    """The calls of `training.steps_cuda` for a table over ranks.

    Several of them may serve one table, for batches of different sizes.
    """

    def __init__(self, table: ShardedTable, positions: int, capacity: int) -> None:
        super().__init__(table, positions, capacity)
        own = self._own
        self._learns = table.two_pass_capable
        self._room: tuple[Any, ...] = (
            (own._row_updates, own._kept, own._row_values, own._row_gradient) if self._learns else ()
        )
        self._late = self._backend.zeros(1, np.int32)

    def reset(self) -> None:
        """Forget what went wrong before."""
        self.flags.fill(0)
        self._own.guard.fill(0)

    def queue_lookup(self, found: Callable[[], None] = lambda: None) -> None:
        """See `StaticSteps.queue_lookup`."""
        if self._learns:
            own = self._own
            own._row_updates, own._kept, own._row_values, own._row_gradient = self._room
        super().queue_lookup(found)

    def queue_sums(self, guard: Any) -> None:
        """Sums of the owned rows' gradients; `guard` and the table's are those of all ranks afterwards."""
        launch(kernels.raise_flags, 1, 1, guard, self.flags)
        self._queue_sums()
        launch(kernels.take_flags, 1, 1, self.flags, guard)

    def queue_rows(self, batch_size: int) -> None:
        """One step of the rows."""
        self._own._queue_update(self._sums, batch_size)
        self._queue_count()

    def queue_moved(self) -> None:
        """The rows move and wait."""
        self._own._queue_begin(self._sums, False)

    def queue_rounded(self, batch_size: int) -> None:
        """Their step sizes move, and they are rounded."""
        self._own._queue_finish(self._sums, batch_size, one_pass=False)
        self._queue_count()

    def queue_end(self, guard: Any) -> None:
        """A gradient of a step size that overflowed on one rank ends the run on all."""
        if not self._learns:
            return
        self._late[...] = self._own.guard[1:]
        self.table.group.raised(self._kept(self._late))
        guard[1:] = self._late


class FastSteps(RankSteps):
    """`RankSteps` that add the ranks' sums of a row as float32, in the order of the ranks (`shard_fast`)."""

    asks_others = False
    checked = False
    """Whether the gradients were checked while they were written."""

    def __init__(self, table: ShardedTable, positions: int, capacity: int) -> None:
        super().__init__(table, positions, capacity)
        d, zeros = table.d, self._backend.zeros
        self._floats, self._floats_in = self._pair(d, np.float32)
        self._lists = zeros(self._slots * table.ranks, np.int32)
        self.sent = (table.ranks - 1) * capacity * (8 + 4 * self._words + 4 * d)

    def queue_asked(self) -> None:
        """See `StaticSteps.queue_asked`."""
        asked, slots, ranks = self._asked, np.int64(self._slots), np.int64(self.table.ranks)
        asked.queue(self._places)
        self._lists.fill(0)
        given = (self._wire_in, slots, np.int64(self.capacity), ranks, asked.inverse, self._lists)
        self._launch(shard_fast.list_slots, self._slots, *given)
        self._queue_records()

    def _queue_sums_here(self, flat: Any) -> None:
        """This rank's sums into the slots."""
        here, team = self._here, team_of(self.d)
        if not self.checked:
            self._queue_check(flat)
        here.queue_sums(flat)
        blocks, out = blocks_for(self.positions * team.size, team.block, 8), (self._slot_of, self._floats)
        launch(shard_fast.sum_into_slots(self.d), blocks, team.block, *here.arguments(), flat, *out)

    def _queue_sums(self) -> None:
        d, total = np.int64(self.d), self._slots * self.d
        self._queue_sums_here(self.grads.reshape(-1))
        self._move(self._floats, self._floats_in)
        given = (self._asked.totals, np.int64(self.table.ranks), d, self._lists, self._floats_in, self._sums)
        self._launch(shard_fast.add_ranks, total, *given, self.flags)
        self._open()


class DeviceSums(SliceSums):
    """The slices of one of several ranks; `gather` and `reduce` queue on the device."""

    def __init__(self, group: Group, slices: int) -> None:
        super().__init__(slices, owned_slices(slices, group.rank, group.ranks))
        self.group = group
        self._known: dict[tuple[int, int], tuple[Any, Any, Any]] = {}

    def _handles(self, parts: Array) -> tuple[Any, Any, Any]:
        """What the group takes for `parts`, the room for all ranks' and what it takes for that; kept for replays."""
        key = (address(parts), parts.nbytes)
        if key not in self._known:
            group = self.group
            into = get_backend("cuda").zeros((self.slices, *parts.shape[1:]), parts.dtype)
            self._known[key] = group.kept(parts), into, group.kept(into)
        return self._known[key]

    def gather(self, parts: Array) -> Array:
        """See `SliceSums.gather`."""
        own, into, kept = self._handles(parts)
        self.group.gathered(own, kept)
        found: Array = into
        return found

    def reduce(self, parts: Array) -> None:
        """See `SliceSums.reduce`."""
        key = (address(parts), -1)
        if key not in self._known:
            self._known[key] = self.group.kept_floats(parts), None, None
        self.group.summed(self._known[key][0])


def table_capacity(table: ShardedTable, batches: Sequence[Any], most: int) -> int:
    """Slots for each pair of ranks: a quarter more than `batches` (ids of this rank, host) need, at most `most`."""
    needed = 0
    for ids in batches:
        owners, _ = table.row_map.find(np.unique(ids).astype(np.int64))
        needed = max(needed, int(np.bincount(owners, minlength=table.ranks).max()))
    return min(needed + needed // 4 + 64, most)
