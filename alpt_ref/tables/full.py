"""FP32: the table in float32, the baseline that every other method is compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.kernels.arguments import RowUpdates
from alpt_ref.kernels.cpu import table as kernels
from alpt_ref.kernels.jit import run_rows
from alpt_ref.tables.base import GRAIN, EmbeddingTable, TableSpec
from alpt_ref.tables.initial import initial_blocks
from alpt_ref.tables.unique_rows import UniqueRows


def require_float32(spec: TableSpec, method: str) -> None:
    """`InputError` if a width or rounding of codes is given to a method that has none."""
    if spec.bits is not None or spec.rounding is not None:
        raise InputError(
            f"bits and rounding must be left out for method {method!r}, "
            f"got bits={spec.bits}, rounding={spec.rounding!r}"
        )


class FullTable(EmbeddingTable):
    """Float32 weights (n, d) and an optimiser."""

    method = "fp32"

    def __init__(self, spec: TableSpec) -> None:
        require_float32(spec, self.method)
        super().__init__(spec)
        self._allocate()
        for first, block in initial_blocks(self.n, self.d, spec.init_std, spec.seed, spec.weights):
            self.backend.assign(self.weights[first : first + len(block)], block)

    def _allocate(self) -> None:
        self.weights = self.backend.zeros((self.n, self.d), np.float32)

    def _lookup(self, ids: NDArray[np.integer[Any]], out: NDArray[np.float32]) -> None:
        run_rows(kernels.lookup_fp32, len(out), ids, self.weights, out, grain=GRAIN)

    def _update(self, unique: UniqueRows, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        self._optimizer.updates(unique.rows, grads, lr)
        self._update_weights(unique.rows, grads, lr)

    def _update_weights(self, rows: NDArray[np.int64], updates: NDArray[np.float32], lr: float) -> None:
        of = RowUpdates(rows, updates, np.float32(lr * self.spec.weight_decay))
        run_rows(kernels.update_weights, len(rows), of, self.weights, grain=GRAIN)

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        return {"weights": self.weights}
