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
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.tables.base import GRAIN, EmbeddingTable, TableSpec
from alpt_ref.tables.initial import initial_blocks
from alpt_ref.tables.lpt import LowPrecisionTable
from alpt_ref.tables.options import HashingOptions
from alpt_ref.tables.plan import Plan, make_plan, sum_gradients

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
        arguments = (ids, self._offsets, self._sizes, self._remainders, self._quotients, out)
        run_rows(self.backend.kernels.hashed_rows, len(ids), *arguments, grain=GRAIN)
        return out

    def _lookup(self, ids: NDArray[np.integer[Any]], out: NDArray[np.float32]) -> None:
        run_rows(self.backend.kernels.multiply_rows, len(out), self.sub_rows(ids), self.weights, out, grain=GRAIN)

    def _update(self, plan: Plan, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        summed, rows = self._summed(plan, grads), self.sub_rows(plan.rows)
        factors = aligned_empty((2, len(plan), self.d), np.float32)
        run_rows(self.backend.kernels.factor_gradients, len(plan), rows, self.weights, summed, factors, grain=GRAIN)
        flat = factors.reshape(-1, self.d)
        self._require_finite(flat)
        parts = make_plan(self.backend, rows.reshape(-1), len(self.weights))
        moves = sum_gradients(self.backend, parts, flat)
        self._require_finite(moves)
        self._optimizer.moves(parts.rows, moves, lr)
        arguments = (parts.rows, moves, np.float32(lr * self.spec.weight_decay), self.weights)
        run_rows(self.backend.kernels.subtract_rows, len(parts), *arguments, grain=GRAIN)

    def _require_finite(self, gradients: NDArray[np.float32]) -> None:
        if any(run_rows(self.backend.kernels.any_not_finite, len(gradients), gradients, grain=GRAIN)):
            raise TrainingError(
                f"the gradients of the hashed rows must be finite, one overflowed in table update {self._updates}; "
                "the table has not changed: lower the learning rate or scale the loss"
            )

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        return {"weights": self.weights}
