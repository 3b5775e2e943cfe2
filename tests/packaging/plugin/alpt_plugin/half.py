"""A table whose rows are float16: half the bytes of FP32, nearest rounding at every update, plain SGD."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np

from alpt_ref import EmbeddingTable, TableSpec


class HalfTable(EmbeddingTable):
    """Rows (n, d) in float16."""

    method = "half"

    class Options(msgspec.Struct, frozen=True):
        """Settings: ``--set table.limit=0.5`` on the command line, ``limit=0.5`` in `make_table`."""

        limit: Annotated[float, msgspec.Meta(gt=0, le=100, description="Largest magnitude of a weight.")] = 10.0

    def __init__(self, spec: TableSpec) -> None:
        super().__init__(spec)
        self._optimizer = self._make_optimizer(0, spec.d)  # SGD without state
        rng = np.random.default_rng(spec.seed)
        self.weights = (spec.init_std * rng.standard_normal((self.n, self.d))).astype(np.float16)

    def _lookup(self, ids: Any, out: Any) -> None:
        out[...] = self.weights[ids]

    def _update(self, unique: Any, grads: Any, lr: float, batch_size: int) -> None:
        moved = self.weights[unique.rows] - np.float32(lr) * grads
        self.weights[unique.rows] = np.clip(moved, -self.spec.limit, self.spec.limit)

    def _arrays(self) -> dict[str, Any]:
        return {"weights": self.weights}
