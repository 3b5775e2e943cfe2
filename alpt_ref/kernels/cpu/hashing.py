"""Quotient-remainder hashing: which two rows a feature is made of, their product, and the gradients of both.

All sub-tables are stacked in one array: the remainder tables of the fields, then their quotient tables. Field `f` has
features ``offsets[f]..offsets[f+1]-1`` and ``sizes[f]`` remainders; its sub-tables begin at ``remainders[f]`` and
``quotients[f]``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int, Integers
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.units import unit_of


class HashedFields(NamedTuple):
    """Where the sub-tables of the fields lie; see the top of this file.

    Attributes
    ----------
    offsets : int64 array (fields + 1,)
    sizes, remainders, quotients : int64 arrays (fields,)
    """

    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    remainders: NDArray[np.int64]
    quotients: NDArray[np.int64]


@kernel
def hashed_rows(lo: Int, hi: Int, ids: Integers, fields: HashedFields, out: NDArray[np.int64]) -> None:
    """``out[0, i]`` and ``out[1, i]`` = stacked rows of the remainder and of the quotient of feature ``ids[i]``."""
    offsets, sizes, remainders, quotients = fields
    for i in range(lo, hi):
        row = np.int64(ids[i])
        field = unit_of(row, offsets, sizes.shape[0])
        local = row - offsets[field]
        out[0, i] = remainders[field] + local % sizes[field]
        out[1, i] = quotients[field] + local // sizes[field]


@kernel
def multiply_rows(
    lo: Int, hi: Int, rows: NDArray[np.int64], table: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """``out[i] = table[rows[0, i]] * table[rows[1, i]]``, element by element."""
    d = table.shape[1]
    for i in range(lo, hi):
        if i + AHEAD < hi:  # quotient rows are few and stay in the cache
            prefetch(table, rows[0, i + AHEAD] * d)
        for j in range(d):
            out[i, j] = np.float32(table[rows[0, i], j] * table[rows[1, i], j])


@kernel
def factor_gradients(
    lo: Int,
    hi: Int,
    rows: NDArray[np.int64],
    table: NDArray[np.float32],
    grads: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Gradients of both factors of each product: `grads` (u, d) times the other factor, into `out` (2, u, d)."""
    d = table.shape[1]
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(table, rows[0, i + AHEAD] * d)
        for j in range(d):
            out[0, i, j] = np.float32(mul(grads[i, j], table[rows[1, i], j]))
            out[1, i, j] = np.float32(mul(grads[i, j], table[rows[0, i], j]))
