"""FP32: the table in float32, the baseline that every other method is compared with."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.arguments import RowUpdates
from alpt_ref.kernels.cpu import table as kernels
from alpt_ref.kernels.jit import run_rows
from alpt_ref.tables.base import GRAIN, TableSpec
from alpt_ref.tables.initial import initial_blocks
from alpt_ref.tables.options import FullOptions
from alpt_ref.tables.replaying import ReplayingTable
from alpt_ref.tables.unique_rows import UniqueRows


class FullTable(ReplayingTable):
    """Float32 weights (n, d) and an optimiser."""

    method = "fp32"
    replays = True
    Options: ClassVar[type[msgspec.Struct]] = FullOptions

    def __init__(self, spec: TableSpec) -> None:
        super().__init__(spec)
        self._allocate()
        self._fill()

    def _fill(self) -> None:
        """Put the initial weights in, block by block."""
        spec = self.spec
        for first, block in initial_blocks(self.n, self.d, spec.init_std, spec.seed, spec.weights):
            self.backend.assign(self.weights[first : first + len(block)], block)

    def _allocate(self) -> None:
        self.weights = self.backend.zeros((self.n, self.d), np.float32)

    def _lookup(self, ids: NDArray[np.integer[Any]], out: NDArray[np.float32]) -> None:
        run_rows(kernels.lookup_fp32, len(out), ids, self.weights, out, grain=GRAIN)

    def _update(self, unique: UniqueRows, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        self._catch_up(unique.rows)
        of = RowUpdates(unique.rows, grads, np.float32(lr * self.spec.weight_decay))
        run_rows(kernels.step_weights, len(unique), of, self._optimizer.step(lr), self.weights, grain=GRAIN)

    def _current(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], Any]:
        values = np.asarray(self.weights[rows] - self._optimizer.missed(rows), np.float32)
        return values, values

    def _take(self, rows: NDArray[np.int64], current: Any) -> None:
        self.weights[rows] = current

    def _update_weights(self, rows: NDArray[np.int64], updates: NDArray[np.float32], lr: float) -> None:
        of = RowUpdates(rows, updates, np.float32(lr * self.spec.weight_decay))
        run_rows(kernels.update_weights, len(rows), of, self.weights, grain=GRAIN)

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        return {"weights": self.weights}
