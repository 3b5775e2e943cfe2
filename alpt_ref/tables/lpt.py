"""LPT: codes and a fixed step size; no float32 copy of the table ever exists.

One step on the batch's unique rows is ``codes <- R(codes - update / step_size)``, ``update = lr * direction``, in grid
units (`scalar.quantizer.moved_code`), ``R`` stochastic or nearest. Rows outside the batch keep every bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref._util.former_names import former_fields
from alpt_ref.errors import InputError
from alpt_ref.kernels.arguments import PackedCodes, RandomStream, RowUpdates, UnitValues
from alpt_ref.kernels.cpu import lowbit, lowbit_step, packing, quantize, table
from alpt_ref.kernels.cpu.lowbit import PendingRows, Rounding
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.kernels.types import Codes
from alpt_ref.quantizer import QuantSpec, check_grid, lsq_step_size, seed_words, unpack, words_per_row
from alpt_ref.scalar.philox import PURPOSE_INITIAL, PURPOSE_REPLAY, PURPOSE_UPDATE
from alpt_ref.tables.base import GRAIN, TableSpec
from alpt_ref.tables.initial import initial_blocks, mean_magnitude
from alpt_ref.tables.options import LptOptions
from alpt_ref.tables.replaying import ReplayingTable
from alpt_ref.tables.state_keys import current_state
from alpt_ref.tables.unique_rows import UniqueRows


def initial_step(spec: TableSpec, quantizer: QuantSpec) -> float:
    """Initial step size by the rule of ``spec.init_step`` (see `GridOptions`)."""
    rule = spec.init_step
    if rule == "range":
        return float(spec.init_range) / -quantizer.q_min
    if rule == "lsq":
        magnitude = mean_magnitude(spec.n, spec.d, spec.init_std, spec.seed, spec.weights)
        if magnitude == 0.0:
            raise InputError(
                "init_step 'lsq' needs initial weights that are not all zero; "
                "give init_step a number or ('range', beta)"
            )
        return lsq_step_size(magnitude, quantizer.q_max)
    return float(rule)


def fresh_options(spec: TableSpec, quantizer: QuantSpec, shared: NDArray[np.float32] | None, field: int) -> Any:
    """`EmbeddingTable.fresh_options` of a table with step sizes: its rows' own (`shared` is None), or a field's."""
    if shared is None:
        step = float(np.float32(initial_step(spec, quantizer)))
    else:
        step = float(shared[0 if len(shared) == 1 else field])
    return msgspec.structs.replace(spec.options, init_step=step, min_step=None)


@former_fields(words="packed")
class LowPrecisionTable(ReplayingTable):
    """Packed codes (n, words), step sizes and an optimiser; the step sizes stay fixed.

    Attributes
    ----------
    packed : uint32 array (n, ceil(d * bits / 32))
        Codes, low bits first.
    quantizer : QuantSpec
    """

    method = "lpt"
    replays = True
    Options: ClassVar[type[msgspec.Struct]] = LptOptions
    _steps_stay: ClassVar[bool] = True

    def __init__(self, spec: TableSpec) -> None:
        self.quantizer = QuantSpec(spec.bits, spec.rounding)
        self._offsets, self._units = self._units_of(spec)
        super().__init__(spec)
        self._key = seed_words(spec.seed)
        self._decay_rate = float(spec.weight_decay)
        self._first_step_size = np.float32(self._first_step_of(spec))
        if not np.isfinite(self._first_step_size) or self._first_step_size <= 0:
            raise InputError(f"init_step must be finite and positive in float32, got {float(self._first_step_size)}")
        check_grid("init_step", self._first_step_size.reshape(1), spec.bits, numbered=False)
        self._allocate()
        self._step_sizes[...] = self._first_step_size
        self._find_units()
        if spec.weights is not None or spec.init_std > 0:  # else all codes are zero
            self._fill()

    def _allocate(self) -> None:
        """Packed codes and step sizes, and what the kernels need besides."""
        bits = self.quantizer.bits
        self.packed = self.backend.zeros((self.n, words_per_row(bits, self.d)), np.uint32)
        self._step_sizes = self.backend.zeros(self.n if self._units < 0 else self._units, np.float32)
        self._whole_bytes = self.d * bits % 8 == 0
        self._codes = PackedCodes(self.packed, self.packed.view(np.int8), self.packed.view(np.int16), bits)
        self._counts = np.zeros(4, np.int64)  # elements, with an update, stalled, clipped

    def _find_units(self) -> None:
        """Where step sizes are read: one of them, which stays in the cache, where they stay and all rows have the same.

        A row's own lies on a cache line of its own, which costs as much as its codes.
        """
        own = self._step_sizes
        same = self._steps_stay and self._units < 0 and isinstance(own, np.ndarray) and bool((own == own[:1]).all())
        self._of_units = UnitValues(own[:1] if same else own, self._offsets, 1 if same else self._units)

    def _units_of(self, spec: TableSpec) -> tuple[NDArray[np.int64], int]:
        """Field offsets and number of step sizes; see `_field_layout`."""
        return self._field_layout(spec, spec.granularity)

    def _first_step_of(self, spec: TableSpec) -> float:
        """Step size of every row before the first update."""
        return initial_step(spec, self.quantizer)

    @staticmethod
    def _field_layout(spec: TableSpec, granularity: str) -> tuple[NDArray[np.int64], int]:
        """Field offsets and the number of step-size units (-1: one per row), as the kernels take them."""
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
        for first, packed in self._initial_codes():
            self.packed[first : first + len(packed)] = packed

    def _initial_codes(self) -> Iterator[tuple[int, NDArray[np.uint32]]]:
        """(first row, packed codes) of each block of the initial table."""
        for first, block in initial_blocks(self.n, self.d, self.spec.init_std, self.spec.seed, self.spec.weights):
            yield first, self._first_codes(first, block)

    def _first_codes(self, first: int, block: NDArray[np.float32]) -> NDArray[np.uint32]:
        """Packed codes of initial weights that are those of the rows from `first` on."""
        q, step_size = self.quantizer, np.array([self._first_step_size], np.float32)
        stream = RandomStream(0, PURPOSE_INITIAL, *self._key)
        packed = np.empty((len(block), self.packed.shape[1]), np.uint32)
        if q.rounding == "dr":
            run_rows(quantize.quantize_dr_packed, len(block), block, step_size, q.bits, packed)
        else:
            run_rows(quantize.quantize_sr_packed, len(block), block, step_size, q.bits, stream, first, packed)
        return packed

    def _lookup(self, ids: NDArray[np.integer[Any]], out: NDArray[np.float32]) -> None:
        lookup = table.lookup_codes if self._whole_bytes else table.lookup_codes_ragged
        run_rows(lookup, len(out), ids, self._codes, self._of_units, out, grain=GRAIN)

    def _pending(self, unique: NDArray[np.int64], updates: NDArray[np.float32], lr: float) -> PendingRows:
        """The batch's unique rows with their codes, step sizes and updates; `updates` (u, d) is kept, not copied."""
        codes = aligned_empty((len(unique), self.d), np.int32)
        run_rows(packing.unpack_at, len(unique), unique, self._codes, codes, grain=GRAIN)
        of = RowUpdates(unique, updates, np.float32(lr * self._decay_rate))
        return PendingRows(of, codes, self._step_sizes_of(unique), self.quantizer.bits)

    def _step_sizes_of(self, unique: NDArray[np.int64]) -> NDArray[np.float32]:
        out = np.empty(len(unique), np.float32)
        run_rows(table.gather_units, len(unique), unique, self._of_units, out, grain=GRAIN)
        return out

    def _update(self, unique: UniqueRows, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        self._catch_up(unique.rows)
        of = RowUpdates(unique.rows, grads, np.float32(lr * self._decay_rate))
        arguments = (unique.keys, of, self._optimizer.step(lr), self._codes, self._of_units, self._rounding())
        self._count(grads.size, run_rows(lowbit_step.step_codes, len(unique), *arguments, grain=GRAIN))

    def _rounding(self, purpose: int = PURPOSE_UPDATE) -> Rounding:
        """How rows are rounded in the present update."""
        q = self.quantizer
        return Rounding(q.bits, q.rounding == "sr", RandomStream(self._updates, purpose, *self._key))

    def _count(self, elements: int, parts: list[tuple[int, int, int]]) -> None:
        self._counts[0] += elements
        for part in parts:
            self._counts[1:] += part

    def _current(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], Any]:
        """Values and codes of `rows` less their missed moves, rounded once; the table keeps its codes."""
        pending = LowPrecisionTable._pending(self, rows, self._optimizer.missed(rows), 0.0)
        _, stochastic, stream = self._rounding(PURPOSE_REPLAY)
        run_rows(lowbit.requantize_rows, len(rows), pending, pending.step_size, stochastic, stream, grain=GRAIN)
        values = np.asarray(pending.codes.astype(np.float32) * pending.step_size[:, None], np.float32)
        return values, pending.codes

    def _take(self, rows: NDArray[np.int64], current: Any) -> None:
        self._put(rows, current)

    def _put(self, rows: NDArray[np.int64], codes: NDArray[np.int32]) -> None:
        run_rows(packing.pack_at, len(rows), rows, codes, self._codes, grain=GRAIN)

    def codes(self) -> Codes:
        """Unpacked codes (n, d), int8 up to 8 bits, else int16; missed moves included (`settle`)."""
        if self._optimizer.behind:
            return cast(Codes, self._current(np.arange(self.n))[1].astype(self.quantizer.dtype))
        return unpack(self.packed, self.quantizer.bits, self.d)

    @property
    def step_size(self) -> NDArray[np.float32]:
        """Step sizes, float32 (n,), (fields,) or (1,) by granularity (a read-only view)."""
        view: NDArray[np.float32] = self._step_sizes.view()
        view.flags.writeable = False
        return view

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        return {"packed": self.packed, "step_size": self._step_sizes}

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """See `EmbeddingTable.load_state`; step sizes must also be positive, and every code's value finite."""
        state = current_state(state)
        if "step_size" in state:
            checked = _check.step_sizes(state["step_size"], len(self._step_sizes))
            check_grid("step_size", checked, self.quantizer.bits)
        super().load_state(state)
        self._find_units()

    def row_arrays(self) -> frozenset[str]:
        """See `EmbeddingTable.row_arrays`."""
        shared = self._units >= 0
        return frozenset(name for name in super().row_arrays() if not (shared and name.startswith("step_size")))

    def fresh_options(self, state: dict[str, NDArray[Any]], field: int) -> Any:
        """See `EmbeddingTable.fresh_options`: on the grid that the field has by now, or the first one of its own."""
        return fresh_options(self.spec, self.quantizer, state["step_size"] if self._units >= 0 else None, field)

    def statistics(self, reset: bool = True) -> dict[str, float]:
        """Shares over the updates since the last reset, and the step sizes now.

        ``clipped_share`` of all updated elements were limited to the code range; ``stalled_share`` of the elements
        with an update other than zero kept their code.
        """
        figures = self._figures(self._counts, self._step_sizes)
        if reset:
            self._counts[:] = 0
        return figures

    @staticmethod
    def _figures(counts: NDArray[np.int64], step_sizes: NDArray[np.float32]) -> dict[str, float]:
        elements, moved, stalled, clipped = (int(count) for count in counts)
        return {
            "clipped_share": clipped / max(elements, 1),
            "stalled_share": stalled / max(moved, 1),
            "step_size_mean": float(step_sizes.mean(dtype=np.float64)),
            "step_size_min": float(step_sizes.min()),
            "step_size_max": float(step_sizes.max()),
        }

    def counters(self) -> NDArray[np.int64]:
        """See `EmbeddingTable.counters`."""
        return self._counts.copy()

    def _load_counters(self, counts: NDArray[np.int64]) -> None:
        self._counts[...] = counts
