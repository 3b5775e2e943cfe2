"""rowmax: each row defines its grid, which is computed from it anew after every update (FBGEMM, torchao).

One step on a row of the batch, in float32: ``w = values - lr * direction`` (with weight decay), then ::

    affine (FBGEMM):      bias = min w,  step_size = (max w - min w) / (2**bits - 1),      value = step_size * u + bias
    symmetric (torchao):  step_size = max|w| / q_max,                                      value = step_size * code

and every element is rounded to a neighbouring value, elements without an update too: the grid has moved beneath them.
Nothing is clipped and nothing is to be set. `scalar.row_grid` says how the step size is rounded so that rows without an
update keep every bit. A row without extent has step size 1.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.kernels.arguments import RandomStream, RowUpdates
from alpt_ref.kernels.cpu import packing
from alpt_ref.kernels.cpu import row_grid as kernels
from alpt_ref.kernels.cpu.row_grid import RowGrids
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.kernels.types import Codes
from alpt_ref.quantizer import pack
from alpt_ref.scalar.code_range import largest_step_size
from alpt_ref.scalar.philox import PURPOSE_INITIAL, PURPOSE_UPDATE
from alpt_ref.tables.base import GRAIN, TableSpec
from alpt_ref.tables.initial import initial_blocks
from alpt_ref.tables.lpt import LowPrecisionTable
from alpt_ref.tables.options import RowmaxOptions
from alpt_ref.tables.unique_rows import UniqueRows


class RowmaxTable(LowPrecisionTable):
    """Packed codes, a step size a row and, on affine grids, a bias a row; and an optimiser.

    Examples
    --------
    >>> import numpy as np
    >>> from alpt_ref import make_table
    >>> weights = np.array([[-1.0, 0.0, 0.5, 2.0]], np.float32)
    >>> table = make_table("rowmax", 1, 4, bits=2, rounding="dr", weights=weights)
    >>> table.lookup([0]).tolist(), table.bias.tolist(), table.step_size.tolist()
    ([[-1.0, 0.0, 1.0, 2.0]], [-1.0], [1.0])
    """

    method = "rowmax"
    Options: ClassVar[type[msgspec.Struct]] = RowmaxOptions
    _steps_stay = False

    def __init__(self, spec: TableSpec) -> None:
        self._affine = spec.grid == "affine"
        super().__init__(spec)

    def _units_of(self, spec: TableSpec) -> tuple[NDArray[np.int64], int]:
        return np.zeros(1, np.int64), -1

    def _first_step_of(self, spec: TableSpec) -> float:
        return 1.0

    def _allocate(self) -> None:
        super()._allocate()
        self._bias = self.backend.zeros(self.n if self._affine else 1, np.float32)
        self._bias[...] = np.float32(self.quantizer.q_min)  # code 0 of a row that nothing fills is worth 0
        self._largest = np.float32(largest_step_size(self.quantizer.bits + self._affine))

    def _grids(self, step_size: NDArray[np.float32], bias: NDArray[np.float32]) -> RowGrids:
        return RowGrids(step_size, bias, self.quantizer.bits, self._affine, self._largest)

    def _fill(self) -> None:
        """Initial weights, block by block: rows of zeros that move there."""
        bits = self.quantizer.bits
        for first, block in initial_blocks(self.n, self.d, self.spec.init_std, self.spec.seed, self.spec.weights):
            here = slice(first, first + len(block))
            codes = np.zeros(block.shape, np.int32)
            of = RowUpdates(np.arange(first, first + len(block)), -block, np.float32(0.0))
            bias = self._bias[here] if self._affine else np.zeros(len(block), np.float32)
            self._round(
                of, codes, self._grids(self._step_sizes[here], bias), RandomStream(0, PURPOSE_INITIAL, *self._key)
            )
            narrow: Codes = codes.astype(np.int16) if bits == 16 else codes.astype(np.int8)
            self.packed[here] = pack(narrow, bits)

    def _round(
        self, of: RowUpdates, codes: NDArray[np.int32], grids: RowGrids, stream: RandomStream
    ) -> list[tuple[int, int, int]]:
        stochastic = self.quantizer.rounding == "sr"
        return run_rows(kernels.update_rows, len(codes), of, codes, grids, stochastic, stream, grain=GRAIN)

    def _lookup(self, ids: NDArray[np.integer[Any]], out: NDArray[np.float32]) -> None:
        if not self._affine:
            super()._lookup(ids, out)
            return
        grids = self._grids(self._step_sizes, self._bias)
        run_rows(kernels.lookup_affine, len(out), ids, self._codes, grids, out, grain=GRAIN)

    def _update(self, unique: UniqueRows, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        rows = unique.rows
        self._optimizer.updates(rows, grads, lr)
        of = RowUpdates(unique.keys, grads, np.float32(lr * self._decay_rate))
        codes = aligned_empty((len(rows), self.d), np.int32)
        run_rows(packing.unpack_at, len(rows), rows, self._codes, codes, grain=GRAIN)
        bias = self._bias[rows] if self._affine else np.zeros(len(rows), np.float32)
        grids = self._grids(self._step_sizes[rows], bias)
        parts = self._round(of, codes, grids, RandomStream(self._updates, PURPOSE_UPDATE, *self._key))
        self._put(rows, codes)
        self._step_sizes[rows] = grids.step_size
        if self._affine:
            self._bias[rows] = grids.bias
        self._count(grads.size, parts)

    def fresh_options(self, state: dict[str, NDArray[Any]], field: int) -> Any:
        """See `EmbeddingTable.fresh_options`: a fresh row defines its grid as any other."""
        return self.spec.options

    @property
    def bias(self) -> NDArray[np.float32] | None:
        """Biases of the rows, float32 (n,), a read-only view; None where the grid is symmetric."""
        if not self._affine:
            return None
        view: NDArray[np.float32] = self._bias.view()
        view.flags.writeable = False
        return view

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        return {**super()._arrays(), **({"bias": self._bias} if self._affine else {})}

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """See `EmbeddingTable.load_state`; step sizes must also be positive, and every value finite."""
        if self._affine and {"step_size", "bias"} <= state.keys() and state["bias"].shape == (self.n,):
            step_size = _check.step_sizes(state["step_size"], self.n).astype(np.float64)
            ends = state["bias"].astype(np.float64) + [[0.0], [2.0**self.quantizer.bits - 1]] * step_size
            if not (np.abs(ends) <= np.finfo(np.float32).max).all():
                raise InputError("state must hold rows whose values are finite, got a step size or bias too large")
        super().load_state(state)
