"""ALPT on the GPU: rows that moved wait, unrounded, for the second gradient, which moves their step sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.kernels.cuda import learned, optimizers, unique, update
from alpt_ref.kernels.cuda import pending as moved
from alpt_ref.kernels.cuda import units as unit_kernels
from alpt_ref.kernels.cuda.streams import DIRECT, MEDIUM, beside, fork, join
from alpt_ref.kernels.cuda.target import BLOCK, blocks_for, launch
from alpt_ref.tables.alpt import AdaptiveTable
from alpt_ref.tables.base import TableSpec
from alpt_ref.tables.cuda.rows import CudaRows
from alpt_ref.tables.cuda.tables import CudaLowPrecisionTable
from alpt_ref.tables.optimizers import LazyAdam, LazyMomentum, RowWiseAdagrad, make_row_optimizer
from alpt_ref.tables.step_sizes import gradient_scale


@dataclass
class CudaPending:
    """Rows that have moved but are not yet rounded: between `begin_update` and `finish_update`."""

    positions: int
    number: int


class CudaAdaptiveTable(CudaLowPrecisionTable, AdaptiveTable):
    """`AdaptiveTable` on the GPU."""

    def __init__(self, spec: TableSpec) -> None:
        super().__init__(spec)
        zeros = self.backend.zeros
        if self._units < 0:
            self._hand_out("step_size_", self._step_size_optimizer, 1)
            self._step_size_arrays = self._state_views()
        else:
            self._step_size_arrays = self._unit_views()
        units = max(self._units, 1)
        self._old_step_sizes = zeros(units, np.float32)
        self._unit_peak, self._unit_count = zeros(units, np.int32), zeros(units, np.int64)
        self._unit_total = zeros(units, np.int64)
        self._learns = np.int32(self.step_lr > 0)
        self._log_domain = spec.step_domain == "log"
        self._queued: CudaPending | None = None

    def _unit_views(self) -> tuple[Any, ...]:
        """State of the step sizes' optimiser where they belong to units: arrays of its own."""
        none, nothing = self.backend.zeros(1, np.float32), self.backend.zeros(1, np.int32)
        own = make_row_optimizer(self.spec.optimizer, self.backend, self._units, 1)
        self._step_size_optimizer = own
        if isinstance(own, LazyAdam):
            return own.first.reshape(-1), own.second.reshape(-1), own.count, self._corrections
        if isinstance(own, LazyMomentum):
            return own.first.reshape(-1), none, nothing, self._corrections
        if isinstance(own, RowWiseAdagrad):
            return own.accumulator, none, nothing, self._corrections
        return none, none, nothing, self._corrections

    def _unit_arrays(self) -> list[Any]:
        own = [] if self._units < 0 else list(self._step_size_optimizer.state().values())
        return [*super()._unit_arrays(), *own]

    def _reserve(self, positions: int) -> None:
        self._row_updates = self.backend.zeros(positions * self.d, np.float32)
        self._kept = self.backend.zeros(1, np.float32)  # grows when a one-pass update needs it
        self._row_values = self.backend.zeros(1, np.float32)  # grows when a queued update needs it
        self._row_gradient = self.backend.zeros(positions if self._units > 0 else 1, np.float32)

    def _rates(self, lr: float) -> NDArray[np.float32]:
        rates = super()._rates(lr)
        if hasattr(self, "step_lr"):
            rates[optimizers.STEP_SIZE_LR] = self.step_lr * (lr / self.lr if self.lr > 0 else 1.0)
            rates[optimizers.FLOOR] = self.min_step
        return rates

    def reserve_one_pass(self, positions: int) -> None:
        """As `reserve`, for one-pass updates, which keep the summed gradients too."""
        self.reserve(positions)
        if self._kept.size < self._row_updates.size:
            self._kept = self.backend.zeros(self._row_updates.size, np.float32)

    def queue_begin(self, grads: Any, out: Any) -> None:
        """Advance the optimiser of the batch's rows and hold their updates; codes and step sizes stay.

        ``out`` (len, d), float32 or bfloat16 bits, gets the moved rows rounded to the nearest, for the batch's ids.
        """
        assert self._unique is not None
        flat, values = grads.reshape(-1), out.reshape(-1)
        if self._row_values.size < self._row_updates.size:
            self._row_values = self.backend.zeros(self._row_updates.size, np.float32)
        fork(DIRECT)
        self._unique.queue_sums(flat)
        with beside(DIRECT):
            self._queue_begin(flat, False, unique.DIRECT, values)
        self._queue_begin(flat, False, unique.SUMMED, values)
        fork(MEDIUM)
        with beside(MEDIUM):
            self._unique.queue_clear()
        found = self._unique
        spread = (found.totals, found.sum_records, found.chunks, found.order, self._row_values, values)
        self._launch_positions(moved.spread(self.d), self._uniquened, self.guard, *spread)
        join(MEDIUM)
        join(DIRECT)

    def _queue_begin(self, grads: Any, keep_sums: bool, row_class: int = unique.EVERY, out: Any = None) -> None:
        assert self._unique is not None
        keep_values = out is not None
        kernel = moved.begin(self.d, self.quantizer.bits, self.optimizer, keep_sums, keep_values, self._layout)
        kept = (self._row_updates, self._kept, self._row_values, out if keep_values else self._row_values)
        given = (np.int32(row_class), self.guard, *self._unique.arguments(row_class), grads, *self._where)
        self._launch_rows(kernel, *given, *self._optimizer_arrays, self.rates, *kept)

    def _queue_pending(self, out: Any) -> None:
        """What `queue_begin` hands out, from the inverse that a checked call has made."""
        assert self._unique is not None
        kernel = moved.pending(self.d, self.quantizer.bits, self._layout)
        found = (self._unique.inverse, self._unique.records, self._row_updates)
        arguments = (np.int64(self._uniquened), *found, *self._where, self.rates, out.reshape(-1))
        self._launch_positions(kernel, self._uniquened, self.guard, *arguments)

    def queue_finish(self, grads: Any, batch_size: int) -> None:
        """Move the step sizes by the second gradient (len, d) and round the moved rows; counts itself."""
        assert self._unique is not None
        flat = grads.reshape(-1)
        if self._units >= 0:  # several launches need all sums
            self._unique.queue_sums(flat)
            self._queue_finish(flat, batch_size, one_pass=False)
        else:
            fork(DIRECT)
            self._unique.queue_sums(flat)
            with beside(DIRECT):
                self._queue_finish(flat, batch_size, one_pass=False, row_class=unique.DIRECT)
            self._queue_finish(flat, batch_size, one_pass=False, row_class=unique.SUMMED)
            join(DIRECT)
        launch(update.advance, 1, 1, self.guard, self._control)

    def _queue_sums_and_update(self, grads: Any, batch_size: int) -> None:
        CudaRows._queue_sums_and_update(self, grads, batch_size)  # several launches need all sums

    def _queue_update(self, grads: Any, batch_size: int) -> None:
        assert self._unique is not None
        if self._kept.size < self._row_updates.size:
            self._kept = self.backend.zeros(self._row_updates.size, np.float32)
        self._queue_begin(grads, True)
        self._queue_finish(self._kept, batch_size, one_pass=True)

    def _queue_finish(self, grads: Any, batch_size: int, *, one_pass: bool, row_class: int = unique.EVERY) -> None:
        assert self._unique is not None
        d, bits, found = self.d, self.quantizer.bits, self._unique
        scale = np.float32(gradient_scale(self.spec.grad_scale, batch_size, d, self.quantizer.q_max))
        random = (self._control, *self._key, self._stats)
        if self._units < 0:
            how = (self.optimizer, self._stochastic, self._log_domain, one_pass, self._layout)
            kernel = learned.finish_rows(d, bits, *how)
            arguments = (self._row_updates, *self._where[:2], *self._step_size_arrays, self.rates, self._learns, scale)
            given = (np.int32(row_class), self.guard, *found.arguments(row_class), grads)
            self._launch_rows(kernel, *given, *arguments, *random)
            return
        units = (self._device_offsets, np.int64(self._units))
        sums = (self._unit_peak, self._unit_count)
        arguments = (self._row_updates, *self._where, self.rates, scale, self._row_gradient, *sums)
        self._launch_rows(
            learned.step_gradients(d, bits, one_pass, self._layout), self.guard, *found.arguments(), grads, *arguments
        )
        number_at = np.int32(self._layout.keyed)
        gradient = (found.totals, found.records, number_at, self._row_gradient, *units, *sums, self._unit_total)
        self._between_unit_sums()
        launch(unit_kernels.sum_units, blocks_for(self._uniquened), BLOCK, self.guard, *gradient)
        self._after_unit_sums()
        state = (self._step_sizes, self._old_step_sizes, *self._step_size_arrays, self.rates, self._learns, self._stats)
        kernel = unit_kernels.move_units(self.optimizer, self._log_domain)
        launch(kernel, blocks_for(self._units), BLOCK, self.guard, units[1], *sums, self._unit_total, *state)
        where = (self._row_updates, self._items, self._step_sizes, self._old_step_sizes, *units, self.rates)
        kernel = moved.round_pending(d, bits, self._stochastic, self._layout)
        self._launch_rows(kernel, self.guard, found.totals, found.records, *where, *random)

    def _between_unit_sums(self) -> None:
        """Peaks and counts of the units are known; ranks that share a table make them known to each other here."""

    def _after_unit_sums(self) -> None:
        """The integer sums of the units are known."""

    # --- checked calls ------------------------------------------------------------------------------------------------

    def begin_update(self, ids: Any, grads: Any, *, lr: float | None = None) -> Any:
        """See `AdaptiveTable.begin_update`; takes host or device arrays."""
        flat, _ = self._begin_checked(ids, grads, lr, None)
        if flat.size:
            self._queue_begin(flat, False)
        self._queued = CudaPending(flat.size // self.d, self._updates)
        return self._queued

    def _check_queued(self, pending: Any) -> None:
        latest = isinstance(pending, CudaPending) and pending is self._queued and pending.number == self._updates
        if not latest:
            raise InputError("pending must be the unfinished result of this table's latest begin_update")

    def lookup_pending(self, pending: Any) -> Any:
        """See `AdaptiveTable.lookup_pending`; the result is an array of the device (CuPy)."""
        self._check_queued(pending)
        out = self.backend.zeros((pending.positions, self.d), np.float32)
        if pending.positions:
            self._queue_pending(out)
        return out

    def finish_update(self, pending: Any, grads: Any, *, batch_size: int | None = None) -> None:
        """See `AdaptiveTable.finish_update`; takes host or device arrays."""
        self._check_queued(pending)
        values = self._device_gradients(grads, pending.positions)
        batch = pending.positions if batch_size is None else _check.whole_number("batch_size", batch_size, 1)
        flat = self._checked_sums(values)
        if flat.size:
            self._queue_finish(flat, batch, one_pass=False)
        self._count_update()
        self._queued = None

    def went_back(self, updates: int) -> None:
        """See `CudaRows.went_back`."""
        super().went_back(updates)
        self._queued = None

    def counters(self) -> NDArray[np.int64]:
        """See `EmbeddingTable.counters`."""
        return self.backend.to_host(self._stats)

    def statistics(self, reset: bool = True) -> dict[str, float]:
        """See `AdaptiveTable.statistics`; waits for the device."""
        held = int(self.backend.to_host(self._stats)[update.FLOOR_HITS])
        return {**CudaLowPrecisionTable.statistics(self, reset), "step_floor_hits": float(held)}
