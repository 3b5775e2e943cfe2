"""ALPT: low-precision training with a learned step size (Li et al., AAAI 2023; Algorithm 1 as this package defines it).

1. lookup, forward, backward: gradients of the batch's values;
2. `begin_update`: moved weights ``w = values - lr * direction`` of the batch's rows, not re-quantised;
3. `lookup_pending`: ``Q_DR(w; step size)`` for a second forward and backward, whose gradient gives the step size's
   (R5; with SR its expectation would be zero, R6); `finish_update` moves the step sizes;
4. and rounds ``w`` on the new grid.

`apply_gradients` is the one-pass variant: the first gradient serves for the step size too, at half the dense cost.
With ``step_lr = 0`` ALPT equals LPT bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError, TrainingError
from alpt_ref.kernels.arguments import RowUpdates
from alpt_ref.kernels.cpu import lowbit as kernels
from alpt_ref.kernels.cpu import lowbit_step, unit_steps
from alpt_ref.kernels.cpu.lowbit import PendingRows
from alpt_ref.kernels.cpu.lowbit_step import StepSizeMove
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.scalar.update import LARGEST_LEARNED
from alpt_ref.tables.base import GRAIN, TableSpec
from alpt_ref.tables.lpt import LowPrecisionTable
from alpt_ref.tables.optimizers import NOTHING, make_row_optimizer
from alpt_ref.tables.options import AlptOptions
from alpt_ref.tables.step_sizes import gradient_scale
from alpt_ref.tables.unique_rows import UniqueRows


@dataclass
class PendingUpdate:
    """Rows that have moved but are not yet rounded: between `begin_update` and `finish_update`.

    Attributes
    ----------
    unique : UniqueRows
    rows : PendingRows
        Their codes, step sizes and updates.
    lr : float
        Learning rate of the update.
    positions : int
        Ids of the batch.
    number : int
        Updates that the table had made before.
    """

    unique: UniqueRows
    rows: PendingRows
    lr: float
    positions: int
    number: int


class AdaptiveTable(LowPrecisionTable):
    """`LowPrecisionTable` whose step sizes are learned."""

    method = "alpt"
    Options = AlptOptions
    replays = True
    two_pass_capable = True
    _steps_stay = False

    def __init__(self, spec: TableSpec) -> None:
        super().__init__(spec)
        self.step_lr = float(spec.step_lr)
        floor = float(self._first_step_size) / 100 if spec.min_step is None else spec.min_step
        self.min_step = max(np.float32(floor), np.finfo(np.float32).smallest_subnormal)  # never 0: steps divide
        if self.min_step > self._first_step_size:
            raise InputError(
                f"min_step must not exceed the initial step size {self._first_step_size}, got {spec.min_step}"
            )
        if self._first_step_size > LARGEST_LEARNED:
            raise InputError(
                f"init_step must be at most {LARGEST_LEARNED:.7g} where step sizes are learned, got "
                f"{self._first_step_size:.7g}"
            )
        units = len(self._step_sizes)
        self._step_size_optimizer = (
            make_row_optimizer("adam", self.backend, units, 1)  # a step size moves with its row's updates
            if self._optimizer.replays
            else self._make_optimizer(units, 1)
        )
        self.shares_rows = self.shares_rows or self._units >= 0
        self._floor_hits = 0
        self._waiting: PendingUpdate | None = None

    def begin_update(self, ids: Any, grads: NDArray[np.float32], *, lr: float | None = None) -> PendingUpdate:
        """Advance the optimiser and hold the moved rows of the batch; codes and step sizes do not change yet."""
        unique, grads, rate, _ = self._checked_step(ids, grads, lr, None)
        self._waiting = self._begin(unique, self._finite_sums(unique, grads), rate)
        return self._waiting

    def _begin(self, unique: UniqueRows, updates: NDArray[np.float32], lr: float) -> PendingUpdate:
        """Turn summed gradients into updates, in place."""
        u = len(unique)
        of = RowUpdates(unique.rows, updates, np.float32(lr * self._decay_rate))
        codes, step_size = aligned_empty((u, self.d), np.int32), np.empty(u, np.float32)
        pending = PendingRows(of, codes, step_size, self.quantizer.bits)
        if u:
            self._catch_up(unique.rows)
            arguments = (unique.keys, pending, self._optimizer.step(lr), self._codes, self._of_units)
            run_rows(lowbit_step.begin_codes, u, *arguments, grain=GRAIN)
        return PendingUpdate(unique, pending, lr, len(unique.order), self._updates)

    def lookup_pending(self, pending: PendingUpdate) -> NDArray[np.float32]:
        """``Q_DR(w; step_size)`` of the moved rows, float32 (len, d), in the order of the ids of `begin_update`."""
        self._check_pending(pending)
        out: NDArray[np.float32] = aligned_empty((pending.positions, self.d), np.float32)
        order, starts = pending.unique.order, pending.unique.starts
        run_rows(
            kernels.pending_rows, len(pending.unique), pending.rows, order, starts, out, grain=GRAIN, weight=starts
        )
        return out

    def finish_update(
        self, pending: PendingUpdate, grads: NDArray[np.float32], *, batch_size: int | None = None
    ) -> None:
        """Move the step sizes by the second gradient (len, d), then round the moved rows on the new grid."""
        self._check_pending(pending)
        grads = self._checked_gradients(grads, pending.positions)
        batch = pending.positions if batch_size is None else _check.whole_number("batch_size", batch_size, 1)
        if len(pending.unique):
            self._finish(pending, self._finite_sums(pending.unique, grads), batch)
        self._updates += 1
        self._waiting = None

    def _check_pending(self, pending: PendingUpdate) -> None:
        latest = isinstance(pending, PendingUpdate) and pending is self._waiting
        if not latest or pending.number != self._updates:
            raise InputError("pending must be the unfinished result of this table's latest begin_update")

    def _update(self, unique: UniqueRows, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        self._finish(self._begin(unique, grads.copy(), lr), grads, batch_size)

    def _finish(self, pending: PendingUpdate, summed: NDArray[np.float32], batch_size: int) -> None:
        gradient = np.empty(len(pending.unique), np.float32)
        run_rows(kernels.pending_step_gradient, len(gradient), pending.rows, summed, gradient, grain=GRAIN)
        gradient *= np.float32(gradient_scale(self.spec.grad_scale, batch_size, self.d, self.quantizer.q_max))
        self._require_finite_step_gradient(gradient)
        log_domain, rate = self.spec.step_domain == "log", self._step_size_rate(pending.lr)
        if self._units >= 0:
            self._move_shared(pending.unique, gradient, log_domain, rate)
            optimizer = NOTHING
        else:
            if log_domain:
                self._by_logarithm(gradient, pending.rows.step_size)
            optimizer = self._step_size_optimizer.step(rate)
        learn = self.step_lr > 0
        move = StepSizeMove(self._units < 0, gradient.reshape(-1, 1), optimizer, learn, log_domain, self.min_step)
        arguments = (pending.unique.keys, pending.rows, move, self._codes, self._of_units, self._rounding())
        parts = run_rows(lowbit_step.finish_codes, len(gradient), *arguments, grain=GRAIN)
        self._count(summed.size, [part[:3] for part in parts])
        self._floor_hits += sum(part[3] for part in parts)

    def _step_size_rate(self, lr: float) -> float:
        """The learning-rate schedule scales `step_lr` as it scales `lr`."""
        return self.step_lr * (lr / self.lr if self.lr > 0 else 1.0)

    def _by_logarithm(self, gradient: NDArray[np.float32], step_sizes: NDArray[np.float32]) -> None:
        """Turn the derivative by the step size into that by its logarithm, in place."""
        with np.errstate(over="ignore"):  # seen in the next line
            gradient *= step_sizes
        self._require_finite_step_gradient(gradient)

    def _move_shared(self, unique: UniqueRows, gradient: NDArray[np.float32], log_domain: bool, rate: float) -> None:
        """Update the step sizes of the touched fields, or of the table."""
        units, total = self._unit_gradient(unique, gradient)
        self._require_finite_step_gradient(total)
        if log_domain:
            self._by_logarithm(total, self._step_sizes[units])
        updates = total.reshape(-1, 1)
        self._step_size_optimizer.updates(units, updates, rate)
        if self.step_lr > 0:
            flat = updates.reshape(-1)
            self._floor_hits += unit_steps.move_step_sizes(units, flat, log_domain, self.min_step, self._step_sizes)

    def _require_finite_step_gradient(self, gradient: NDArray[np.float32]) -> None:
        if not np.isfinite(gradient).all():
            raise TrainingError(
                f"the step-size gradient must be finite, it overflowed in table update {self._updates}; lower the "
                "learning rate or scale the loss"
            )

    def _unit_gradient(
        self, unique: UniqueRows, gradient: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Touched fields (or the table) in ascending order and the summed gradient of each."""
        unit = np.searchsorted(self._offsets, unique.keys, side="right") - 1
        sums = unit_steps.new_unit_sums(self._units)
        unit_steps.sum_units(gradient, unit, sums)
        touched = np.flatnonzero(sums.counts)
        return touched, sums.out[touched]

    def _state_arrays(self) -> dict[str, NDArray[np.generic]]:
        optimizer = {f"step_size_optimizer.{name}": array for name, array in self._step_size_optimizer.state().items()}
        return {**super()._state_arrays(), **optimizer}

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """See `EmbeddingTable.load_state`; a pending update of the state before is void."""
        super().load_state(state)
        self._waiting = None

    def statistics(self, reset: bool = True) -> dict[str, float]:
        """As for LPT, and ``step_floor_hits``: how often a step size was held at its floor."""
        figures = super().statistics(reset)
        figures["step_floor_hits"] = float(self._floor_hits)
        if reset:
            self._floor_hits = 0
        return figures

    def counters(self) -> NDArray[np.int64]:
        """See `EmbeddingTable.counters`."""
        return np.append(super().counters(), np.int64(self._floor_hits))

    def _load_counters(self, counts: NDArray[np.int64]) -> None:
        super()._load_counters(counts[:-1])
        self._floor_hits = int(counts[-1])
