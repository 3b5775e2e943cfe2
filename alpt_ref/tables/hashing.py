"""Quotient-remainder hashing (Shi et al., "Compositional Embeddings Using Complementary Partitions", KDD 2020).

Feature ``i`` of a field with ``c`` features is the element-wise product of row ``i % m`` of a remainder table and row
``i // m`` of a quotient table, ``m = ceil(c / hash_ratio)``: no two features share both rows, and the two tables have
``m + ceil(c / m)`` rows in place of ``c``. Fields are told apart by `field_offsets`; without them the whole table is
one field. (In a field with a handful of features the two tables have more rows than one would.)

Remainder rows begin as N(0, init_std**2) and quotient rows as random signs, so that embeddings begin as those of every
other method do: N(0, init_std**2), and uncorrelated. Shi et al. draw both factors from a uniform distribution between
about 0 and 1. Then, as with quotients of 1, features that share a remainder begin alike and have to grow apart, which
costs accuracy; and two factors of 0.003 would begin with hardly any gradient.

Weights are float32. An update passes the batch's gradients on to the rows of both tables, sums them once for each such
row, in an order that does not depend on the batch, and lets one row optimiser move all of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError, TrainingError
from alpt_ref.kernels.arguments import RowUpdates
from alpt_ref.kernels.cpu import hashing as kernels
from alpt_ref.kernels.cpu.table import update_weights
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.tables.base import GRAIN, EmbeddingTable, TableSpec
from alpt_ref.tables.initial import initial_blocks
from alpt_ref.tables.lpt import LowPrecisionTable
from alpt_ref.tables.options import HashingOptions
from alpt_ref.tables.unique_rows import UniqueRows, sum_gradients, unique_rows

_PURPOSE = 0x68617368  # keeps these draws apart from all others of the same seed


def _signs(rows: int, d: int, seed: int) -> NDArray[np.int8]:
    """Independent -1 or 1 for each quotient."""
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, _PURPOSE], np.uint64)))
    return 2 * generator.integers(0, 2, (rows, d), np.int8) - np.int8(1)


class HashedTable(EmbeddingTable):
    """Remainder and quotient tables of all fields, stacked.

    Attributes
    ----------
    weights : float32 array (rows, d)
        Remainder tables, field by field, then quotient tables.
    """

    method = "hashing"
    Options = HashingOptions
    cannot_grow = "which rows a feature is made of depends on how many features its field has; train it anew"
    shares_rows = True

    def __init__(self, spec: TableSpec) -> None:
        ratio = spec.hash_ratio
        if spec.weights is not None:
            raise InputError("weights must be left out for method 'hashing', which has no row for each feature")
        scope = "table" if spec.field_offsets is None else "field"
        self._offsets, _ = LowPrecisionTable._field_layout(spec, scope)
        features = np.diff(self._offsets)
        self._sizes = -(-features // ratio)
        ends = np.cumsum(np.concatenate([self._sizes, -(-features // self._sizes)]))
        begins = np.concatenate([[0], ends[:-1]])
        self._remainders, self._quotients = np.split(begins, 2)
        self._fields = kernels.HashedFields(self._offsets, self._sizes, self._remainders, self._quotients)
        super().__init__(replace(spec, n=int(ends[-1])))
        self.spec, self.n = spec, int(spec.n)
        self.weights = aligned_empty((int(ends[-1]), self.d), np.float32)
        shared = int(self._quotients[0])
        for first, block in initial_blocks(shared, self.d, spec.init_std, spec.seed):
            self.weights[first : first + len(block)] = block
        self.weights[shared:] = _signs(len(self.weights) - shared, self.d, spec.seed)

    def sub_rows(self, ids: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Rows of `weights` that make up each feature: remainders, then quotients, int64 (2, len)."""
        out = np.empty((2, len(ids)), np.int64)
        run_rows(kernels.hashed_rows, len(ids), ids, self._fields, out, grain=GRAIN)
        return out

    def _lookup(self, ids: NDArray[np.integer[Any]], out: NDArray[np.float32]) -> None:
        run_rows(kernels.multiply_rows, len(out), self.sub_rows(ids), self.weights, out, grain=GRAIN)

    def _update(self, unique: UniqueRows, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        rows = self.sub_rows(unique.rows)
        factors = aligned_empty((2, len(unique), self.d), np.float32)
        run_rows(kernels.factor_gradients, len(unique), rows, self.weights, grads, factors, grain=GRAIN)
        parts = unique_rows(rows.reshape(-1), len(self.weights))
        updates, finite = sum_gradients(parts, factors.reshape(-1, self.d))
        if not finite:
            raise TrainingError(
                f"the gradients of the hashed rows must be below 2**48 in magnitude, one is not in table update "
                f"{self._updates}; the table has not changed: lower the learning rate or scale the loss"
            )
        self._optimizer.updates(parts.rows, updates, lr)
        of = RowUpdates(parts.rows, updates, np.float32(lr * self.spec.weight_decay))
        run_rows(update_weights, len(parts), of, self.weights, grain=GRAIN)

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        return {"weights": self.weights}
