"""Quantisation-aware training (QAT): what LSQ and PACT share.

The table stays in float32 and is always read through nearest rounding, in training as in evaluation. The gradient at
the read values goes straight through the rounding to the weights and to the learned number of their row, field or
table (`scalar.straight_through`); both move at once, those of the batch's rows only. What is served are packed codes
and step sizes; what is held in training is the float32 table, the learned numbers and two optimisers.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError, TrainingError
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_zeros
from alpt_ref.kernels.types import Codes
from alpt_ref.quantizer import QuantSpec, words_per_row
from alpt_ref.tables.base import GRAIN, TableSpec
from alpt_ref.tables.full import FullTable
from alpt_ref.tables.lpt import LowPrecisionTable, initial_step
from alpt_ref.tables.optimizers import make_row_optimizer
from alpt_ref.tables.plan import Plan


class FakeQuantizedTable(FullTable):
    """Float32 weights read through the quantiser, with a learned number for each row, field or the table.

    Attributes
    ----------
    learned : float32 array (units,)
        Step sizes (LSQ) or clips (PACT), in weight units.
    quantizer : QuantSpec
    """

    learned_name: ClassVar[str]
    log_domain = False

    def __init__(self, spec: TableSpec) -> None:
        self.quantizer = QuantSpec(spec.bits, "dr")
        self.learned_lr, self.divisor, low = self._rule(spec)
        self._offsets, self._units = LowPrecisionTable._field_layout(spec, spec.granularity)
        step = initial_step(spec, self.quantizer)
        with np.errstate(over="ignore"):
            first = np.float32(step) * self.divisor
        if not np.isfinite(first) or first == 0:
            raise InputError(f"init_step must be finite and positive in float32 (times q_max for a clip), got {step}")
        super().__init__(spec)
        self.rounding = "dr"
        self._range = (np.float32(low), np.float32(self.quantizer.q_max))
        floor = float(first) / 100 if spec.min_step is None else spec.min_step * float(self.divisor)
        self._floor = max(np.float32(floor), self.divisor * np.finfo(np.float32).smallest_subnormal)  # steps divide
        if self._floor > first:
            raise InputError(
                f"min_step must not exceed the initial step size {first / self.divisor}, got {spec.min_step}"
            )
        self.shares_rows = self._units >= 0
        self.learned = np.full(self.n if self._units < 0 else self._units, first, np.float32)
        self._learned_optimizer = make_row_optimizer(spec.optimizer, self.backend, len(self.learned), 1)
        self._counts = np.zeros(3, np.int64)  # elements, outside the range, learned numbers held at their floor

    @abstractmethod
    def _rule(self, spec: TableSpec) -> tuple[float, np.float32, int]:
        """Learning rate of the learned number, what it is divided by to give the step size, smallest code."""

    @abstractmethod
    def _pass_back(self, rows: NDArray[np.int64], grads: NDArray[np.float32], out: NDArray[np.float32]) -> list[Any]:
        """Turn `grads` (u, d) at the read values of `rows` into the weights', in place; the rows' into `out` (u,)."""

    @abstractmethod
    def _gradient_scale(self, batch_size: int) -> float: ...

    def _decay_learned(self, units: NDArray[np.int64], rate: float) -> NDArray[np.float32] | None:
        """What decoupled weight decay takes off the learned numbers, or None."""
        return None

    def _lookup(self, ids: NDArray[np.integer[Any]], out: NDArray[np.float32]) -> None:
        arguments = (ids, self.weights, self.learned, self._offsets, self._units, self.divisor, *self._range, out)
        run_rows(self.backend.kernels.lookup_fake_quantized, len(out), *arguments, grain=GRAIN)

    def _learned_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        out = np.empty(len(rows), np.float32)
        arguments = (rows, self.learned, self._offsets, self._units, out)
        run_rows(self.backend.kernels.gather_steps, len(rows), *arguments, grain=GRAIN)
        return out

    def straight_through(
        self, rows: NDArray[np.int64], grads: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
        """Gradients that the update uses, before the gradient scale; nothing changes.

        Parameters
        ----------
        rows : int64 array (u,)
            Table rows, each once.
        grads : float32 array (u, d)
            Loss gradient at the values read from them, finite.

        Returns
        -------
        weights : float32 array (u, d)
            By the weights.
        learned : float32 array (u,)
            By the step size (LSQ) or clip (PACT), each row's share of it.
        outside : int
            Elements outside the range.
        """
        weights, learned = grads.copy(), np.empty(len(rows), np.float32)
        return weights, learned, sum(int(part) for part in self._pass_back(rows, weights, learned))

    def _update(self, plan: Plan, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        moves, gradient, outside = self.straight_through(plan.rows, self._summed(plan, grads))
        gradient *= np.float32(self._gradient_scale(batch_size))
        units, gradient = self._unit_gradient(plan, gradient)
        if self.log_domain:  # derivative by the logarithm
            gradient *= self.learned[units]
        if not np.isfinite(gradient).all():
            raise TrainingError(
                f"the gradient of the {self.learned_name} must be finite, it overflowed in table update "
                f"{self._updates}; the table has not changed: lower the learning rate or scale the loss"
            )
        self._optimizer.moves(plan.rows, moves, lr)
        where = (plan.rows, moves, np.float32(lr * self.spec.weight_decay), self.weights)
        run_rows(self.backend.kernels.subtract_rows, len(plan), *where, grain=GRAIN)
        self._counts += (moves.size, outside, self._move_learned(units, gradient, lr))

    def _unit_gradient(
        self, plan: Plan, gradient: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Touched units in ascending order and the sum of their rows' gradients."""
        if self._units < 0:
            return plan.rows, gradient
        unit = np.searchsorted(self._offsets, plan.rows, side="right") - 1
        total = np.bincount(unit, gradient, self._units)  # float64, one row after the other
        touched = np.unique(unit)
        with np.errstate(over="ignore"):  # seen by the caller
            return touched, total[touched].astype(np.float32)

    def _move_learned(self, units: NDArray[np.int64], gradient: NDArray[np.float32], lr: float) -> int:
        """Update the touched units; the schedule scales their rate as it scales `lr`. Returns hits of the floor."""
        rate = self.learned_lr * (lr / self.lr if self.lr > 0 else 1.0)
        moves = gradient.reshape(-1, 1)
        self._learned_optimizer.moves(units, moves, rate)
        if self.learned_lr == 0:
            return 0
        flat, decay = moves.reshape(-1), self._decay_learned(units, rate)
        if decay is not None:
            flat += decay
        return int(self.backend.kernels.move_steps(units, flat, self.log_domain, self._floor, self.learned))

    @property
    def step_size(self) -> NDArray[np.float32]:
        """Step sizes, float32 (n,), (fields,) or (1,) by granularity (a copy)."""
        return np.asarray(self.learned / self.divisor, np.float32)

    def codes(self) -> Codes:
        """Codes (n, d) of the present weights, int8 up to 8 bits, else int16."""
        if any(run_rows(self.backend.kernels.any_not_finite, self.n, self.weights, grain=GRAIN)):
            raise TrainingError("weights must be finite to have codes, got NaN or infinity: the training diverged")
        codes = cast(Codes, np.empty((self.n, self.d), self.quantizer.dtype))
        arguments = (self.weights, self.learned, self._offsets, self._units, self.divisor, *self._range, codes)
        run_rows(self.backend.kernels.nearest_codes, self.n, *arguments, grain=GRAIN)
        return codes

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        """Packed codes, uint32 (n, words), and step sizes: made anew from the present weights."""
        bits = self.quantizer.bits
        words = aligned_zeros((self.n, words_per_row(bits, self.d)), np.uint32)
        run_rows(self.backend.kernels.pack_rows, self.n, self.codes(), bits, words, grain=GRAIN)
        return {"words": words, "step": self.step_size}

    def _state_arrays(self) -> dict[str, NDArray[np.generic]]:
        state = {"weights": self.weights, self.learned_name: self.learned}
        for name, optimizer in (("", self._optimizer), (f"{self.learned_name}_", self._learned_optimizer)):
            state |= {f"{name}optimizer.{key}": array for key, array in optimizer.state().items()}
        return state

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """See `EmbeddingTable.load_state`; step sizes or clips must also be finite and positive."""
        given = np.asarray(state.get(self.learned_name, self.learned), np.float32)
        if not (np.isfinite(given) & (given > 0)).all():
            raise InputError(f"state[{self.learned_name!r}] must be finite and positive")
        super().load_state(state)

    def statistics(self, reset: bool = True) -> dict[str, float]:
        """Shares since the last reset and the step sizes now.

        ``clipped_share`` of all updated elements were outside the range before their update; ``step_floor_hits``
        counts how often a step size (or clip) was held at its floor.
        """
        elements, outside, hits = (int(count) for count in self._counts)
        if reset:
            self._counts[:] = 0
        steps = self.step_size
        return {
            "clipped_share": outside / max(elements, 1),
            "step_size_mean": float(steps.mean(dtype=np.float64)),
            "step_size_min": float(steps.min()),
            "step_size_max": float(steps.max()),
            "step_floor_hits": float(hits),
        }

    def counters(self) -> NDArray[np.int64]:
        """See `EmbeddingTable.counters`."""
        return self._counts.copy()

    def _load_counters(self, counts: NDArray[np.int64]) -> None:
        self._counts[...] = counts
