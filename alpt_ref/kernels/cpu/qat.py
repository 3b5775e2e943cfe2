"""Quantisation-aware training (LSQ, PACT): reads through the quantiser, straight-through gradients, codes to serve.

The learned number of a row, field or table is LSQ's step size or PACT's clip; the step size is that number over
`divisor`, which is 1 for LSQ and ``q_max`` for PACT.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.arguments import FakeQuantizer
from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.cpu.quantize import row_sum
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int, Integers
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.quantizer import encode_dr, step_derivative
from alpt_ref.scalar.straight_through import clip_derivative, fake_quantized, passed_gradient
from alpt_ref.scalar.units import unit_of


class TouchedRows(NamedTuple):
    """The batch's unique rows of a float32 table.

    Attributes
    ----------
    rows : int64 array (u,)
    table : float32 array (n, d)
    learned : float32 array (u,)
        Step size or clip of each of `rows`.
    """

    rows: NDArray[np.int64]
    table: NDArray[np.float32]
    learned: NDArray[np.float32]


@kernel
def lookup_fake_quantized(
    lo: Int, hi: Int, ids: Integers, table: NDArray[np.float32], how: FakeQuantizer, out: NDArray[np.float32]
) -> None:
    """``out[i]`` = the quantised values of table row ``ids[i]``."""
    (learned, offsets, units), divisor, low, high = how
    d = table.shape[1]
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(table, np.int64(ids[i + AHEAD]) * d)
        row = np.int64(ids[i])
        step_size = np.float32(learned[unit_of(row, offsets, units)] / divisor)
        for j in range(d):
            out[i, j] = fake_quantized(table[row, j], step_size, low, high)


@kernel
def nearest_codes(lo: Int, hi: Int, table: NDArray[np.float32], how: FakeQuantizer, codes: Integers) -> None:
    """Codes of the table's rows ``lo..hi`` (finite weights) into `codes` (n, d)."""
    (learned, offsets, units), divisor, low, high = how
    for i in range(lo, hi):
        step_size = np.float32(learned[unit_of(i, offsets, units)] / divisor)
        for j in range(table.shape[1]):
            codes[i, j] = encode_dr(np.float32(table[i, j] / step_size), low, high)


@kernel
def lsq_gradients(
    lo: Int, hi: Int, at: TouchedRows, low: np.float32, high: np.float32, grads: NDArray[np.float32],
    out: NDArray[np.float32],
) -> int:  # fmt: skip
    """`grads` (u, d) at the read values become those of the weights, in place; ``out[i]`` is that of the step size.

    Returns how many elements are outside the code range ``[low, high]``.
    """
    rows, table, step_size = at
    d = grads.shape[1]
    products = np.empty(d, np.float32)
    outside = 0
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(table, rows[i + AHEAD] * d)
        for j in range(d):
            x = np.float32(table[rows[i], j] / step_size[i])
            products[j] = mul(grads[i, j], step_derivative(x, low, high))
            outside += int(x < low or x > high)
            grads[i, j] = passed_gradient(grads[i, j], x, low, high)
        out[i] = row_sum(products, d)
    return outside


@kernel
def pact_gradients(lo: Int, hi: Int, at: TouchedRows, grads: NDArray[np.float32], out: NDArray[np.float32]) -> int:
    """As `lsq_gradients`, for a clip: compared in weight units, so that its ends are exact."""
    rows, table, clip = at
    d = grads.shape[1]
    products = np.empty(d, np.float32)
    outside = 0
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(table, rows[i + AHEAD] * d)
        for j in range(d):
            w = table[rows[i], j]
            products[j] = mul(grads[i, j], clip_derivative(w, clip[i]))
            outside += int(w < -clip[i] or w > clip[i])
            grads[i, j] = passed_gradient(grads[i, j], w, -clip[i], clip[i])
        out[i] = row_sum(products, d)
    return outside
