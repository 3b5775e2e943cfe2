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
from alpt_ref.kernels.arguments import FakeQuantizer, UnitValues
from alpt_ref.kernels.cpu import qat as kernels
from alpt_ref.kernels.cpu.packing import pack_rows
from alpt_ref.kernels.cpu.table import gather_units
from alpt_ref.kernels.cpu.unique import any_not_finite
from alpt_ref.kernels.cpu.unit_steps import move_step_sizes
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_zeros
from alpt_ref.kernels.types import Codes
from alpt_ref.quantizer import QuantSpec, check_grid, words_per_row
from alpt_ref.scalar.update import LARGEST_LEARNED
from alpt_ref.tables.base import GRAIN, TableSpec
from alpt_ref.tables.full import FullTable
from alpt_ref.tables.lpt import LowPrecisionTable, fresh_options, initial_step
from alpt_ref.tables.optimizers import make_row_optimizer
from alpt_ref.tables.state_keys import current_state
from alpt_ref.tables.unique_rows import UniqueRows


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
        if first > LARGEST_LEARNED:
            raise InputError(
                f"init_step must be at most {LARGEST_LEARNED / self.divisor:.7g} where step sizes or clips are "
                f"learned, got {step:.7g}"
            )
        super().__init__(spec)
        self.rounding = "dr"
        self._range = (np.float32(low), np.float32(self.quantizer.q_max))
        floor = float(first) / 100 if spec.min_step is None else spec.min_step * float(self.divisor)
        self._floor = max(np.float32(floor), self.divisor * np.finfo(np.float32).smallest_subnormal)  # steps divide
        if self._floor > first:
            raise InputError(
                f"min_step must not exceed the initial step size {first / self.divisor}, got {spec.min_step}"
            )
        self.shares_rows = self.shares_rows or self._units >= 0
        self.learned = np.full(self.n if self._units < 0 else self._units, first, np.float32)
        self._learned_optimizer = make_row_optimizer(spec.optimizer, self.backend, len(self.learned), 1)
        self._counts = np.zeros(3, np.int64)  # elements, outside the range, learned numbers held at their floor

    @abstractmethod
    def _rule(self, spec: TableSpec) -> tuple[float, np.float32, int]:
        """Learning rate of the learned number, what it is divided by to give the step size, smallest code."""

    @abstractmethod
    def _pass_back(self, rows: NDArray[np.int64], grads: NDArray[np.float32], out: NDArray[np.float32]) -> list[int]:
        """Turn `grads` (u, d) at the read values of `rows` into the weights', in place; the rows' into `out` (u,)."""

    @abstractmethod
    def _gradient_scale(self, batch_size: int) -> float: ...

    def _decay_learned(self, units: NDArray[np.int64], rate: float) -> NDArray[np.float32] | None:
        """What decoupled weight decay takes off the learned numbers, or None."""
        return None

    def _lookup(self, ids: NDArray[np.integer[Any]], out: NDArray[np.float32]) -> None:
        run_rows(kernels.lookup_fake_quantized, len(out), ids, self.weights, self._quantizer(), out, grain=GRAIN)

    def _quantizer(self) -> FakeQuantizer:
        """How the weights are read at present."""
        return FakeQuantizer(UnitValues(self.learned, self._offsets, self._units), self.divisor, *self._range)

    def _learned_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        out = np.empty(len(rows), np.float32)
        run_rows(gather_units, len(rows), rows, self._quantizer().learned, out, grain=GRAIN)
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
        return weights, learned, sum(self._pass_back(rows, weights, learned))

    def _update(self, unique: UniqueRows, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        updates, gradient, outside = self.straight_through(unique.rows, grads)
        gradient *= np.float32(self._gradient_scale(batch_size))
        units, gradient = self._unit_gradient(unique, gradient)
        if self.log_domain:  # derivative by the logarithm
            with np.errstate(over="ignore"):  # seen in the next line
                gradient *= self.learned[units]
        if not np.isfinite(gradient).all():
            raise TrainingError(
                f"the gradient of the {self.learned_name.replace('_', ' ')} must be finite, it overflowed in table "
                f"update {self._updates}; the table has not changed: lower the learning rate or scale the loss"
            )
        self._optimizer.updates(unique.rows, updates, lr)
        self._update_weights(unique.rows, updates, lr)
        self._counts += (updates.size, outside, self._move_learned(units, gradient, lr))

    def _unit_gradient(
        self, unique: UniqueRows, gradient: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Touched units in ascending order and the sum of their rows' gradients."""
        if self._units < 0:
            return unique.rows, gradient
        unit = np.searchsorted(self._offsets, unique.rows, side="right") - 1
        total = np.bincount(unit, gradient, self._units)  # float64, one row after the other
        touched = np.unique(unit)
        with np.errstate(over="ignore"):  # seen by the caller
            return touched, total[touched].astype(np.float32)

    def _move_learned(self, units: NDArray[np.int64], gradient: NDArray[np.float32], lr: float) -> int:
        """Update the touched units; the schedule scales their rate as it scales `lr`. Returns hits of the floor."""
        rate = self.learned_lr * (lr / self.lr if self.lr > 0 else 1.0)
        updates = gradient.reshape(-1, 1)
        self._learned_optimizer.updates(units, updates, rate)
        if self.learned_lr == 0:
            return 0
        flat, decay = updates.reshape(-1), self._decay_learned(units, rate)
        if decay is not None:
            flat += decay
        return move_step_sizes(units, flat, self.log_domain, self._floor, self.learned)

    @property
    def step_size(self) -> NDArray[np.float32]:
        """Step sizes, float32 (n,), (fields,) or (1,) by granularity (a copy)."""
        return np.asarray(self.learned / self.divisor, np.float32)

    def codes(self) -> Codes:
        """Codes (n, d) of the present weights, int8 up to 8 bits, else int16."""
        if any(run_rows(any_not_finite, self.n, self.weights, grain=GRAIN)):
            raise TrainingError("weights must be finite to have codes, got NaN or infinity: the training diverged")
        codes = cast(Codes, np.empty((self.n, self.d), self.quantizer.dtype))
        run_rows(kernels.nearest_codes, self.n, self.weights, self._quantizer(), codes, grain=GRAIN)
        return codes

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        """Packed codes, uint32 (n, ceil(d * bits / 32)), and step sizes: made anew from the present weights."""
        bits = self.quantizer.bits
        packed = aligned_zeros((self.n, words_per_row(bits, self.d)), np.uint32)
        run_rows(pack_rows, self.n, self.codes(), bits, packed, grain=GRAIN)
        return {"packed": packed, "step_size": self.step_size}

    def _state_arrays(self) -> dict[str, NDArray[np.generic]]:
        state = {"weights": self.weights, self.learned_name: self.learned}
        for name, optimizer in (("", self._optimizer), (f"{self.learned_name}_", self._learned_optimizer)):
            state |= {f"{name}optimizer.{key}": array for key, array in optimizer.state().items()}
        return state

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """See `EmbeddingTable.load_state`; step sizes or clips must also be finite and positive."""
        state = current_state(state)
        given = np.asarray(state.get(self.learned_name, self.learned), np.float32)
        if not (np.isfinite(given) & (given > 0)).all():
            raise InputError(f"state[{self.learned_name!r}] must be finite and positive")
        check_grid(f"state[{self.learned_name!r}]", given / self.divisor, self.quantizer.bits)
        super().load_state(state)

    def row_arrays(self) -> frozenset[str]:
        """See `EmbeddingTable.row_arrays`."""
        shared = self._units >= 0
        return frozenset(name for name in super().row_arrays() if not (shared and name.startswith(self.learned_name)))

    def fresh_options(self, state: dict[str, NDArray[Any]], field: int) -> Any:
        """See `EmbeddingTable.fresh_options`."""
        shared = (state[self.learned_name] / self.divisor).astype(np.float32) if self._units >= 0 else None
        return fresh_options(self.spec, self.quantizer, shared, field)

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
