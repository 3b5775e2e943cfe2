"""Steps of a sharded table on GPUs that only launch: room of a fixed size for each pair of ranks, nothing waits.

`StaticSteps` does what `ShardedTable.lookup` and the updates do, with the same bits, for batches of one size. Its
``queue_`` methods can be recorded in a CUDA graph, NCCL's exchanges included (`recorded`), and replayed while ids,
gradients and learning rates change in their buffers. What does not fit, and gradients that are not finite, raise a flag
on the device, which all ranks share before they update: from then on none updates, until `check` has told the host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.distributed.graphs import recorded
from alpt_ref.distributed.table import ShardedTable
from alpt_ref.errors import InputError, TrainingError
from alpt_ref.kernels.cuda import lookup, pending, shard, update
from alpt_ref.kernels.cuda import shard_static as kernels
from alpt_ref.kernels.cuda.streams import POSITIONS, beside, fork, join
from alpt_ref.kernels.cuda.target import BLOCK, blocks_for, launch
from alpt_ref.kernels.cuda.team import code_dtype, team_of
from alpt_ref.tables.cuda.unique_rows import CudaUniqueRows


class _Owned:
    """The records of the rows that this rank was asked for; stands for `CudaUniqueRows` in an update."""

    def __init__(self, backend: Any, slots: int) -> None:
        self.positions = slots
        self.records, self.totals = backend.zeros(4 * slots, np.int32), backend.zeros(2, np.int64)
        self.order = backend.zeros(1, np.int32)
        self._unused = (backend.zeros(1, np.int32), backend.zeros(1, np.int64), backend.zeros(1, np.float32))

    def arguments(self, row_class: int = 0) -> tuple[Any, ...]:
        """What the update kernels read."""
        return (self.totals, self.records, self.order, *self._unused)


class StaticSteps:
    """Queued steps of a table whose rows are spread over GPUs.

    Parameters
    ----------
    table : ShardedTable
        On device ``"cuda"``; LPT or ALPT with one step size per row, or fp32.
    positions : int
        Ids of this rank's part of a batch, the same for every batch.
    capacity : int
        Most unique rows that a rank asks another for in one batch, the same on all ranks.

    Attributes
    ----------
    ids : uint32 array (positions,)
        Of the next batch, checked by nobody: each below n.
    values : float32 array (positions, d)
        What was looked up.
    grads : float32 array (positions, d)
    sent : int
        Bytes that a rank sends to others in one step of a lookup and a one-pass update.
    """

    asks_others = True
    """Whether `queue_asked` exchanges something, for which the rows should not wait."""

    def __init__(self, table: ShardedTable, positions: int, capacity: int) -> None:
        own, ranks = table.own, table.ranks
        if table.spec.device != "cuda" or own.shares_units or not 2 <= ranks <= shard.MAX_OWNERS:
            raise InputError(
                "steps of a fixed size must be of a table on device 'cuda' with one step size per row, on 2 to "
                f"{shard.MAX_OWNERS} ranks"
            )
        self.table, self.positions, self.capacity, self.d = table, positions, capacity, table.d
        self._own, self._backend, self._bits = own, own.backend, table.bits
        zeros, slots, d = self._backend.zeros, ranks * capacity, table.d
        self._slots, u32, i32, i64 = slots, np.uint32, np.int32, np.int64
        self.ids, self.values = zeros(positions, u32), zeros((positions, d), np.float32)
        self.grads, self.flags = zeros((positions, d), np.float32), zeros(3, i32)
        self._here = CudaUniqueRows(self._backend, positions, d, inverts=True)
        self._asked = CudaUniqueRows(self._backend, slots, 1, inverts=True)
        self._records = _Owned(self._backend, slots)
        own._reserve(slots)
        if table.two_pass_capable:
            own._kept = zeros(slots * d, np.float32)
        words = d if table.bits is None else int(own.packed.shape[1]) + 1
        self._words = words
        self._wire, self._wire_in = self._pair(2, u32)
        self._answer_in, self._answer = self._pair(words, u32)  # they travel back
        self._times_in, self._times = self._pair(1, i32)
        self._peaks, self._peaks_in = self._pair(1, i32)
        self._known_in, self._known = self._pair(1, i32)
        self._parts, self._parts_in = self._pair(d, i64)
        self._slot_of, self._spread, self._cursor = zeros(positions, i32), zeros(positions, u32), zeros(ranks, i32)
        self._places, self._split, self._split_in = zeros(slots, u32), zeros(slots, np.uint8), zeros(slots, np.uint8)
        self._times_of, self._peaks_of, self._found = zeros(slots, i32), zeros(slots, i32), zeros(slots, i32)
        self._two, self._added = zeros(2 * slots, i32), zeros(slots * d, i64)
        self._sums_here, self._sums = zeros(positions * d, np.float32), zeros(slots * d, np.float32)
        self._counter, self._record_at, self._which = zeros(1, i32), zeros(slots, i32), zeros(slots, i32)
        self._zero_guard = zeros(2, i32)
        self._handles: dict[int, Any] = {}
        of = table.row_map.hash_of
        self._hash = (of.n, of.mask, of.shift, of.ranks)
        self._nowhere = np.uint32(own.n)
        other = (ranks - 1) * capacity
        self.sent = other * (8 + 4 * words + 4 + 4 + 4 + 8 * d)

    def _pair(self, columns: int, kind: Any) -> tuple[Any, Any]:
        return self._backend.zeros(self._slots * columns, kind), self._backend.zeros(self._slots * columns, kind)

    def _launch(self, kernel: Any, size: int, *arguments: Any) -> None:
        launch(kernel, blocks_for(size), BLOCK, *arguments)

    def _move(self, array: Any, into: Any) -> None:
        self.table.group.swap(self._kept(array), self._kept(into))

    def _kept(self, array: Any) -> Any:
        if id(array) not in self._handles:  # in the first run, before anything is recorded
            self._handles[id(array)] = self.table.group.kept(array)
        return self._handles[id(array)]

    # --- lookup -------------------------------------------------------------------------------------------------------

    def queue_lookup(self, found: Callable[[], None] = lambda: None) -> None:
        """`values` = rows of `ids`; `found` is called once everything is queued that `queue_asked` needs."""
        here, size, slots = self._here, np.int64(self.positions), np.int64(self._slots)
        here.queue_rows(self.ids)
        self._wire.fill(0xFFFFFFFF)
        self._cursor.fill(0)
        rows = (here.totals, here.records, *self._hash, np.int64(self.capacity), self._cursor)
        self._launch(kernels.fill_slots, self.positions, *rows, self._wire, self._slot_of, self.flags)
        fork(POSITIONS)
        with beside(POSITIONS):  # while the rows travel
            here.queue_positions(self.positions)
            self._launch(kernels.pick, self.positions, self._slot_of, here.inverse, size, self._spread)
        self._move(self._wire, self._wire_in)
        self._launch(kernels.find_places, self._slots, self._wire_in, slots, *self._hash, self._nowhere, self._places)
        if not self.asks_others:
            found()
        store = self._own._store
        offset = store.shape.fields["weights" if self._bits is None else "codes"]
        where = (store.array.reshape(-1), np.int64(store.array.shape[1]), np.int64(offset), np.int64(self._words))
        total = self._slots * self._words
        gathered = (self._places, self._nowhere, np.int64(total), self._answer)
        self._launch(kernels.gather_rows, total, *where, *gathered)
        join(POSITIONS)
        self._take_answer()
        if self.asks_others:
            found()

    def _take_answer(self) -> None:
        """Answers travel back and are decoded into `values`."""
        self._move(self._answer, self._answer_in)
        d, bits, team = self.d, self._bits, team_of(self.d)
        layout = shard.wire_layout(d, bits, together=True)
        grid = (blocks_for(self.positions * team.size, team.block), team.block)
        size, out = np.int64(self.positions), self.values.reshape(-1)
        floats = self._answer_in.view(np.float32)
        if bits is None:
            launch(lookup.lookup_weights(d, layout), *grid, self._spread, size, floats, out)
            return
        items = self._answer_in.view(code_dtype(bits))
        codes = (self._spread, size, items, floats, self._own._device_offsets, np.int64(-1), out)
        launch(lookup.lookup_codes(d, bits, layout), *grid, *codes)

    # --- updates ------------------------------------------------------------------------------------------------------

    def queue_asked(self) -> None:
        """What an update needs of the batch besides gradients: unique owned rows, how often each row occurs."""
        asked, slots = self._asked, np.int64(self._slots)
        asked.queue(self._places)
        self._times_of.fill(0)
        self._launch(kernels.add_asked_times, self._slots, self._wire_in, slots, asked.inverse, self._times_of)
        self._launch(kernels.pick, self._slots, self._times_of, asked.inverse, slots, self._times)
        self._launch(kernels.mark_split, self._slots, self._wire_in, self._times, slots, self._split_in)
        self._move(self._times, self._times_in)
        self._launch(kernels.mark_split, self._slots, self._wire, self._times_in, slots, self._split)
        self._queue_records()

    def _queue_records(self) -> None:
        """Records of the owned rows that were asked for."""
        asked = self._asked
        self._counter.fill(0)
        rank = np.uint64(self.table.rank)
        made = (self._nowhere, self._counter, self._records.records, self._record_at)
        self._launch(kernels.own_records, self._slots, asked.totals, asked.records, rank, *self._hash, *made)

    def _queue_sums(self) -> None:
        """Sums of the owned rows' gradients from `grads`; flags are those of all ranks afterwards."""
        d, flat, here, asked = np.int64(self.d), self.grads.reshape(-1), self._here, self._asked
        slots, whole = np.int64(self._slots), self.positions * self.d
        self._queue_sums_here(flat)
        places = (here.inverse, self._slot_of, self._split)
        self._peaks.fill(0)
        self._launch(kernels.slot_peaks, self.positions, flat, d, np.int64(self.positions), *places, self._peaks)
        self._move(self._peaks, self._peaks_in)
        self._peaks_of.fill(0)
        self._launch(kernels.largest_asked, self._slots, self._peaks_in, slots, asked.inverse, self._peaks_of)
        self._launch(kernels.pick, self._slots, self._peaks_of, asked.inverse, slots, self._known)
        self._move(self._known, self._known_in)
        self._parts.fill(0)
        out = (self._slot_of, self._split, self._parts)
        self._launch(kernels.put_floats, whole, here.totals, d, self._sums_here, *out)
        scaled = (*places, self._known_in, self._times_in, self._parts)
        self._launch(kernels.put_totals, whole, flat, d, np.int64(whole), *scaled)
        self._move(self._parts, self._parts_in)
        self._found.fill(0)
        self._added.fill(0)
        index = (asked.inverse, self._split_in)
        self._launch(kernels.list_parts, self._slots, slots, *index, self._found, self._two)
        total = self._slots * self.d
        self._launch(kernels.add_parts, total, np.int64(total), d, *index, self._parts_in, self._added)
        parts = (self._found, self._two, self._parts_in, self._added, self._peaks_of, self._times_of)
        self._launch(kernels.finish_parts, total, asked.totals, d, *parts, self._sums, self.flags)
        self._open()

    def _queue_sums_here(self, flat: Any) -> None:
        """Float sums of this rank's gradients by row, which are checked."""
        here, team = self._here, team_of(self.d)
        self._queue_check(flat)
        here.queue_sums(flat)
        blocks = blocks_for(self.positions * team.size, team.block, 8)
        launch(pending.sum_rows(self.d), blocks, team.block, self._zero_guard, *here.arguments(), flat, self._sums_here)

    def _queue_check(self, flat: Any) -> None:
        self._launch(lookup.check_finite, flat.size, flat, np.int64(flat.size), self.flags[1:], np.int32(1))

    def _open(self) -> None:
        """All ranks know what any of them has found, and whether the rows may move."""
        self.table.group.raised(self._kept(self.flags))
        own, records = self._own, self._records
        own._unique, own._uniquened = records, self._slots
        launch(kernels.open_update, 1, 1, self._counter, records.totals, self.flags, own.guard)

    def queue_update(self, batch_size: int) -> None:
        """One step by `grads` on the rows of the last `queue_lookup`; `batch_size` samples over all ranks."""
        self.queue_asked()
        self._queue_sums()
        self._own._queue_update(self._sums, batch_size)
        self._queue_count()

    def _queue_count(self) -> None:
        launch(update.advance, 1, 1, self._own.guard, self._own._control)

    def queue_begin(self) -> None:
        """First half of a two-pass ALPT step by `grads`."""
        self.queue_asked()
        self._queue_sums()
        self._own._queue_begin(self._sums, False)

    def queue_pending(self) -> None:
        """`values` = nearest-rounded values of the moved rows."""
        own, slots = self._own, np.int64(self._slots)
        self._launch(kernels.pick, self._slots, self._record_at, self._asked.inverse, slots, self._which)
        wire = shard.wire_layout(self.d, self._bits, together=True)
        kernel = shard.moved_codes(self.d, own.quantizer.bits, own._layout, wire)
        items = self._answer.view(code_dtype(own.quantizer.bits))
        found = (self._which, slots, self._records.records, own._row_updates)
        own._launch_positions(kernel, self._slots, *found, *own._where, own.rates, items, self._answer.view(np.float32))
        self._take_answer()

    def queue_finish(self, batch_size: int) -> None:
        """Second half by `grads`."""
        self._queue_sums()
        self._own._queue_finish(self._sums, batch_size, one_pass=False)
        self._queue_count()

    def recorded(self, work: Callable[[], None]) -> Callable[[], None]:
        """`recorded` of launches of these steps; all ranks call it together."""
        return recorded(work, self.flags, self._own.guard)

    def check(self, steps: int) -> None:
        """Wait for the device, count `steps` queued updates, or raise what stopped them; all ranks call it together.

        Raises
        ------
        InputError
            A rank needed more than `capacity` slots; no row has changed since that batch.
        TrainingError
            A gradient or a sum was not finite or too large; no row has changed since.
        """
        overflow, bad, large = self._backend.to_host(self.flags).tolist()
        done = int(self._backend.to_host(self._own._control)[0]) - self.table.updates
        self._own.advance(done if overflow or bad or large else steps)
        if overflow or bad or large:
            self.flags.fill(0)
            self._own.guard[...] = 0
        if overflow:
            raise InputError(
                f"a rank may ask another for at most capacity={self.capacity} unique rows in one batch, more were "
                f"asked in table update {self.table.updates} and nothing has changed since: give a larger capacity"
            )
        if bad or large:
            raise TrainingError(
                f"gradients must be finite and their sums below 2**48, they are not in table update "
                f"{self.table.updates}; the table has not changed since: lower the learning rate"
            )
