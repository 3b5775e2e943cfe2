"""LPT: codes and a fixed step size; no float32 copy of the table ever exists.

One step on the batch's unique rows is ``codes <- R(codes - move / step)`` with ``move = lr * direction``, in grid
units (`scalar.quantizer.moved_code`), ``R`` stochastic or nearest. Rows outside the batch keep every bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.kernels.types import Codes
from alpt_ref.quantizer import QuantSpec, seed_words, unpack, words_per_row
from alpt_ref.scalar.philox import PURPOSE_INITIAL, PURPOSE_UPDATE
from alpt_ref.tables.base import GRAIN, EmbeddingTable, TableSpec
from alpt_ref.tables.initial import initial_blocks, mean_magnitude
from alpt_ref.tables.options import LptOptions
from alpt_ref.tables.plan import Plan


def initial_step(spec: TableSpec, quantizer: QuantSpec) -> float:
    """Initial step size by the rule of ``spec.init_step`` (see `GridOptions`)."""
    rule = spec.init_step
    if rule == "range":
        return float(spec.init_range) / (1 << (quantizer.bits - 1))
    if rule == "lsq":
        magnitude = mean_magnitude(spec.n, spec.d, spec.init_std, spec.seed, spec.weights)
        if magnitude == 0.0:
            raise InputError(
                "init_step 'lsq' needs initial weights that are not all zero; "
                "give init_step a number or ('range', beta)"
            )
        return float(2.0 * magnitude / math.sqrt(quantizer.q_max))
    return float(rule)


class LowPrecisionTable(EmbeddingTable):
    """Packed codes (n, words), step sizes and an optimiser; the step sizes stay fixed.

    Attributes
    ----------
    words : uint32 array (n, ceil(d * bits / 32))
        Codes, low bits first.
    quantizer : QuantSpec
    """

    method = "lpt"
    Options: ClassVar[type[msgspec.Struct]] = LptOptions

    def __init__(self, spec: TableSpec) -> None:
        self.quantizer = QuantSpec(spec.bits, spec.rounding)
        self._offsets, self._units = self._field_layout(spec, spec.granularity)
        super().__init__(spec)
        self._key = seed_words(spec.seed)
        self._decay_rate = float(spec.weight_decay)
        self._first_step = np.float32(initial_step(spec, self.quantizer))
        if not np.isfinite(self._first_step) or self._first_step <= 0:
            raise InputError(f"init_step must be finite and positive in float32, got {float(self._first_step)}")
        self._allocate()
        self._step[...] = self._first_step
        if spec.weights is not None or spec.init_std > 0:  # else all codes are zero
            self._fill()

    def _allocate(self) -> None:
        """Words and step sizes, and what the kernels need besides."""
        self.words = self.backend.zeros((self.n, words_per_row(self.quantizer.bits, self.d)), np.uint32)
        self._step = self.backend.zeros(self.n if self._units < 0 else self._units, np.float32)
        self._whole_bytes = self.d * self.quantizer.bits % 8 == 0
        self._as8, self._as16 = self.words.view(np.int8), self.words.view(np.int16)
        self._counts = np.zeros(4, np.int64)  # elements, with a move, stalled, clipped

    @staticmethod
    def _field_layout(spec: TableSpec, granularity: str) -> tuple[NDArray[np.int64], int]:
        """Field offsets and the number of step-size units (-1: one a row), as the kernels take them."""
        if granularity == "row":
            return np.zeros(1, np.int64), -1
        if granularity == "table":
            return np.array([0, spec.n], np.int64), 1
        if spec.field_offsets is None:
            raise InputError("field_offsets (fields + 1 row numbers) must be given for granularity 'field'")
        given = np.asarray(spec.field_offsets)
        if given.dtype.kind not in "iu":
            raise InputError(f"field_offsets must be whole numbers of an integer dtype, got {given.dtype}")
        offsets = np.ascontiguousarray(given, np.int64)
        whole = offsets.ndim == 1 and len(offsets) >= 2 and offsets[0] == 0 and offsets[-1] == spec.n
        if not whole or (np.diff(offsets) <= 0).any():
            raise InputError(f"field_offsets must rise from 0 to n={spec.n}, got {offsets.tolist()[:8]}")
        return offsets, len(offsets) - 1

    def _fill(self) -> None:
        """Quantise the initial weights block by block, by the table's own rounding."""
        for first, words in self._initial_words():
            self.words[first : first + len(words)] = words

    def _initial_words(self) -> Iterator[tuple[int, NDArray[np.uint32]]]:
        """(first row, packed codes) of each block of the initial table."""
        kernels, q, steps = get_backend().kernels, self.quantizer, np.array([self._first_step], np.float32)
        for first, block in initial_blocks(self.n, self.d, self.spec.init_std, self.spec.seed, self.spec.weights):
            codes = np.empty(block.shape, q.dtype)
            if q.rounding == "dr":
                run_rows(kernels.quantize_dr, len(block), block, steps, q.bits, codes)
            else:
                arguments = (block, steps, q.bits, 0, PURPOSE_INITIAL, first, *self._key, codes)
                run_rows(kernels.quantize_sr, len(block), *arguments)
            words = np.empty((len(block), self.words.shape[1]), np.uint32)
            run_rows(kernels.pack_rows, len(block), codes, q.bits, words)
            yield first, words

    def _lookup(self, ids: NDArray[np.integer[Any]], out: NDArray[np.float32]) -> None:
        views = (self.words, self._as8, self._as16)
        arguments = (ids, *views, self._step, self._offsets, self._units, self.quantizer.bits, out)
        kernels = self.backend.kernels
        lookup = kernels.lookup_codes if self._whole_bytes else kernels.lookup_codes_ragged
        run_rows(lookup, len(out), *arguments, grain=GRAIN)

    def _steps_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        out = np.empty(len(rows), np.float32)
        arguments = (rows, self._step, self._offsets, self._units, out)
        run_rows(self.backend.kernels.gather_steps, len(rows), *arguments, grain=GRAIN)
        return out

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """Codes of the batch's unique rows, (u, d)."""
        out = aligned_empty((len(rows), self.d), np.int32)
        kernels = self.backend.kernels
        gather = kernels.gather_codes if self._whole_bytes else kernels.gather_codes_ragged
        arguments = (rows, self.words, self._as8, self._as16, self.quantizer.bits, out)
        run_rows(gather, len(rows), *arguments, grain=GRAIN)
        return out

    def _update(self, plan: Plan, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        moves = self._summed(plan, grads)
        self._optimizer.moves(plan.rows, moves, lr)
        steps = self._steps_of(plan.rows)
        self._requantize(plan, moves, self._read(plan.rows), steps, steps, lr)

    def _requantize(
        self,
        plan: Plan,
        moves: NDArray[np.float32],
        codes: NDArray[np.int32],
        old_step: NDArray[np.float32],
        new_step: NDArray[np.float32],
        lr: float,
    ) -> None:
        """Round the moved rows on the new grid and store them; `codes` is overwritten."""
        kernels, q = self.backend.kernels, self.quantizer
        where = (plan.rows, moves, old_step, new_step, np.float32(lr * self._decay_rate))
        how = (q.bits, q.rounding == "sr", self._updates, PURPOSE_UPDATE, *self._key)
        parts = run_rows(kernels.requantize_rows, len(plan), *where, *how, codes, grain=GRAIN)
        scatter = kernels.scatter_codes if self._whole_bytes else kernels.scatter_codes_ragged
        run_rows(scatter, len(plan), plan.rows, codes, q.bits, self.words, self._as8, self._as16, grain=GRAIN)
        self._counts[0] += moves.size
        for part in parts:
            self._counts[1:] += part

    def codes(self) -> Codes:
        """Unpacked codes (n, d), int8 up to 8 bits, else int16."""
        return unpack(self.words, self.quantizer.bits, self.d)

    @property
    def step_size(self) -> NDArray[np.float32]:
        """Step sizes, float32 (n,), (fields,) or (1,) by granularity (a read-only view)."""
        view: NDArray[np.float32] = self._step.view()
        view.flags.writeable = False
        return view

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        return {"words": self.words, "step": self._step}

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """See `EmbeddingTable.load_state`; step sizes must also be finite and positive."""
        if "step" in state:
            _check.step_sizes(state["step"], len(self._step))
        super().load_state(state)

    def statistics(self, reset: bool = True) -> dict[str, float]:
        """Shares over the updates since the last reset, and the step sizes now.

        ``clipped_share`` of all updated elements were limited to the code range; ``stalled_share`` of the elements
        with a move other than zero kept their code.
        """
        figures = self._figures(self._counts, self._step)
        if reset:
            self._counts[:] = 0
        return figures

    @staticmethod
    def _figures(counts: NDArray[np.int64], step: NDArray[np.float32]) -> dict[str, float]:
        elements, moved, stalled, clipped = (int(count) for count in counts)
        return {
            "clipped_share": clipped / max(elements, 1),
            "stalled_share": stalled / max(moved, 1),
            "step_size_mean": float(step.mean(dtype=np.float64)),
            "step_size_min": float(step.min()),
            "step_size_max": float(step.max()),
        }

    def counters(self) -> NDArray[np.int64]:
        """See `EmbeddingTable.counters`."""
        return self._counts.copy()

    def _load_counters(self, counts: NDArray[np.int64]) -> None:
        self._counts[...] = counts
