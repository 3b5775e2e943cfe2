"""ALPT: low-precision training with a learned step size (Li et al., AAAI 2023; Algorithm 1 as this package defines it).

1. lookup, forward, backward: gradients of the batch's values;
2. `begin_update`: moved weights ``w = values - lr * direction`` of the batch's rows, not re-quantised;
3. `lookup_pending`: ``Q_DR(w; step)`` for a second forward and backward, whose gradient gives the step size's (R5;
   with SR its expectation would be zero, R6); `finish_update` moves the step sizes;
4. and rounds ``w`` on the new grid.

`apply_gradients` is the one-pass variant: the first gradient serves for the step size too, at half the dense cost.
With ``step_lr = 0`` ALPT equals LPT bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError, TrainingError
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.tables.base import GRAIN, TableSpec
from alpt_ref.tables.lpt import LowPrecisionTable
from alpt_ref.tables.options import AlptOptions
from alpt_ref.tables.plan import Plan


@dataclass
class PendingUpdate:
    """Rows that have moved but are not yet rounded: between `begin_update` and `finish_update`."""

    plan: Plan
    moves: NDArray[np.float32]
    codes: NDArray[np.int32]
    steps: NDArray[np.float32]
    lr: float
    positions: int
    update: int


class AdaptiveTable(LowPrecisionTable):
    """`LowPrecisionTable` whose step sizes are learned."""

    method = "alpt"
    Options = AlptOptions
    two_pass_capable = True

    def __init__(self, spec: TableSpec) -> None:
        super().__init__(spec)
        self.step_lr = float(spec.step_lr)
        floor = float(self._first_step) / 100 if spec.min_step is None else spec.min_step
        self.min_step = max(np.float32(floor), np.finfo(np.float32).smallest_subnormal)  # never 0: steps divide
        if self.min_step > self._first_step:
            raise InputError(f"min_step must not exceed the initial step size {self._first_step}, got {spec.min_step}")
        self._step_optimizer = self._make_optimizer(len(self._step), 1)
        self.shares_rows = self._units >= 0
        self._floor_hits = 0
        self._pending: PendingUpdate | None = None

    def begin_update(self, ids: Any, grads: NDArray[np.float32], *, lr: float | None = None) -> PendingUpdate:
        """Advance the optimiser and hold the moved rows of the batch; codes and step sizes do not change yet."""
        plan, grads, rate, _ = self._checked_step(ids, grads, lr, None)
        self._pending = self._begin(plan, self._summed(plan, grads), rate)
        return self._pending

    def _begin(self, plan: Plan, moves: NDArray[np.float32], lr: float) -> PendingUpdate:
        """Turn summed gradients into moves, in place."""
        if len(plan):
            self._optimizer.moves(plan.rows, moves, lr)
        codes, steps = self._read(plan.rows), self._steps_of(plan.rows)
        return PendingUpdate(plan, moves, codes, steps, lr, len(plan.order), self._updates)

    def lookup_pending(self, pending: PendingUpdate) -> NDArray[np.float32]:
        """``Q_DR(w; step)`` of the moved rows, float32 (len, d), in the order of the ids of `begin_update`."""
        self._check_pending(pending)
        out: NDArray[np.float32] = aligned_empty((pending.positions, self.d), np.float32)
        plan = pending.plan
        where = (pending.moves, pending.steps, self._decay(pending.lr), self.quantizer.bits, pending.codes)
        arguments = (*where, plan.order, plan.starts, out)
        run_rows(self.backend.kernels.pending_rows, len(plan), *arguments, grain=GRAIN, weight=plan.starts)
        return out

    def finish_update(
        self, pending: PendingUpdate, grads: NDArray[np.float32], *, batch_size: int | None = None
    ) -> None:
        """Move the step sizes by the second gradient (len, d), then round the moved rows on the new grid."""
        self._check_pending(pending)
        grads = self._checked_gradients(grads, pending.positions)
        batch = pending.positions if batch_size is None else _check.whole_number("batch_size", batch_size, 1)
        if len(pending.plan):
            self._finish(pending, self._summed(pending.plan, grads), batch)
        self._updates += 1
        self._pending = None

    def _check_pending(self, pending: PendingUpdate) -> None:
        if not isinstance(pending, PendingUpdate) or pending is not self._pending or pending.update != self._updates:
            raise InputError("pending must be the unfinished result of this table's latest begin_update")

    def _update(self, plan: Plan, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        summed = self._summed(plan, grads)
        self._finish(self._begin(plan, summed.copy(), lr), summed, batch_size)

    def _decay(self, lr: float) -> np.float32:
        return np.float32(lr * self._decay_rate)

    def _finish(self, pending: PendingUpdate, summed: NDArray[np.float32], batch_size: int) -> None:
        plan, bits = pending.plan, self.quantizer.bits
        gradient = np.empty(len(plan), np.float32)
        arguments = (pending.moves, summed, pending.steps, self._decay(pending.lr), bits, pending.codes, gradient)
        run_rows(self.backend.kernels.pending_step_gradient, len(plan), *arguments, grain=GRAIN)
        gradient *= np.float32(self._gradient_scale(batch_size))
        self._move_steps(plan, gradient, pending.lr)
        new_steps = self._steps_of(plan.rows)
        self._requantize(plan, pending.moves, pending.codes, pending.steps, new_steps, pending.lr)

    def _gradient_scale(self, batch_size: int) -> float:
        per_row = self.d * self.quantizer.q_max
        return {"bdq": 1.0 / math.sqrt(batch_size * per_row), "dq": 1.0 / math.sqrt(per_row), "none": 1.0}[
            self.spec.grad_scale
        ]

    def _move_steps(self, plan: Plan, gradient: NDArray[np.float32], lr: float) -> None:
        """Step-size update of the touched units; the learning-rate schedule scales `step_lr` as it scales `lr`."""
        self._require_finite_step_gradient(gradient)
        units, gradient = self._unit_gradient(plan, gradient)
        log_domain = self.spec.step_domain == "log"
        if log_domain:  # derivative by log(step)
            gradient *= self._step[units]
        self._require_finite_step_gradient(gradient)
        moves = gradient.reshape(-1, 1)
        rate = self.step_lr * (lr / self.lr if self.lr > 0 else 1.0)
        self._step_optimizer.moves(units, moves, rate)
        if self.step_lr > 0:
            flat = moves.reshape(-1)
            self._floor_hits += self.backend.kernels.move_steps(units, flat, log_domain, self.min_step, self._step)

    def _require_finite_step_gradient(self, gradient: NDArray[np.float32]) -> None:
        if not np.isfinite(gradient).all():
            raise TrainingError(
                f"the step-size gradient must be finite, it overflowed in table update {self._updates}; lower the "
                "learning rate or scale the loss"
            )

    def _unit_gradient(
        self, plan: Plan, gradient: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Touched step-size units in ascending order and the summed gradient of each."""
        if self._units < 0:
            return plan.rows, gradient
        unit = np.searchsorted(self._offsets, plan.rows, side="right") - 1
        peak, count = np.zeros(self._units, np.int32), np.zeros(self._units, np.int64)
        total = np.empty(self._units, np.float32)
        self.backend.kernels.sum_units(gradient, unit, peak, count, np.zeros(self._units, np.int64), total)
        touched = np.flatnonzero(count)
        return touched, total[touched]

    def _state_arrays(self) -> dict[str, NDArray[np.generic]]:
        optimizer = {f"step_optimizer.{name}": array for name, array in self._step_optimizer.state().items()}
        return {**super()._state_arrays(), **optimizer}

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """See `EmbeddingTable.load_state`; a pending update of the state before is void."""
        super().load_state(state)
        self._pending = None

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
