"""Quantise, dequantise, step-size gradient: loops over rows of plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.arguments import RandomStream
from alpt_ref.kernels.cpu.inline import inline
from alpt_ref.kernels.cpu.packing import pack_row
from alpt_ref.kernels.cpu.prefetch import prefetch
from alpt_ref.kernels.cpu.random import (
    CHUNK_LANES,
    Chunk,
    compact_rows,
    draw_chunk,
    new_chunk,
    set_counters,
    set_counters_range,
)
from alpt_ref.kernels.cpu.vectors import fill_row
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int, Integers
from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.lattice import LARGEST_TRIED, SMALLEST_TRIED, nearest_code, random_code, tried_code
from alpt_ref.scalar.quantizer import decode, q_max, q_min, step_derivative

ROWS_A_CHECK = 64
"""Rows whose finiteness is checked while they are in the cache for rounding."""


@scalar
def overflow_bit(bits: np.int32) -> np.int32:
    """Below zero if the float32 with these bits is NaN or infinite: an exponent of all ones carries into the sign."""
    return np.int32(np.int32(bits & np.int32(0x7FFFFFFF)) + np.int32(0x00800000))


@inline
def not_finite(values: Any) -> bool:
    """Whether a flat float32 array holds NaN or infinity."""
    bits = values.view(np.int32)
    seen = np.int32(0)
    for t in range(bits.size):
        seen = np.int32(seen | overflow_bit(bits[t]))  # or it is kept in 64 bits, two vectors
    return bool(seen < np.int32(0))


@kernel
def quantize_dr(
    lo: Int, hi: Int, w: NDArray[np.float32], step_size: NDArray[np.float32], bits: Int, codes: Integers
) -> bool:
    """Codes of rows ``lo..hi`` of `w` (n, d) by nearest rounding; `step_size` is (n,) or (1,).

    Returns whether a weight is not finite: its code means nothing, the caller must refuse it.
    """
    low = np.float32(q_min(bits))
    high = np.float32(q_max(bits))
    each = step_size.shape[0] > 1
    bad = False
    for start in range(lo, hi, ROWS_A_CHECK):
        end = min(start + ROWS_A_CHECK, hi)
        bad |= not_finite(w[start:end].reshape(-1))
        for i in range(start, end):
            delta = step_size[i] if each else step_size[0]
            for j in range(w.shape[1]):
                codes[i, j] = nearest_code(w[i, j], delta, low, high)
    return bad


@kernel
def quantize_dr_packed(
    lo: Int, hi: Int, w: NDArray[np.float32], step_size: NDArray[np.float32], bits: Int, packed: NDArray[np.uint32]
) -> bool:
    """`quantize_dr` with the codes packed while they are in the cache; `packed` is (n, ceil(d * bits / 32))."""
    d = w.shape[1]
    codes = np.empty((ROWS_A_CHECK, d), np.int32)
    low = np.float32(q_min(bits))
    high = np.float32(q_max(bits))
    each = step_size.shape[0] > 1
    bad = False
    flat = codes.reshape(-1)
    for start in range(lo, hi, ROWS_A_CHECK):
        end = min(start + ROWS_A_CHECK, hi)
        bad |= not_finite(w[start:end].reshape(-1))
        for i in range(start, end):
            delta = step_size[i] if each else step_size[0]
            for j in range(d):
                codes[i - start, j] = nearest_code(w[i, j], delta, low, high)
        for i in range(start, end):
            pack_row(flat, (i - start) * d, d, bits, packed, i)
    return bad


@inline
def quantize_chunk(
    w: Any, step_size: NDArray[np.float32], first: Int, bits: Int, stream: RandomStream, chunk: Chunk, codes: Any
) -> bool:
    """Codes of a chunk of rows `w` (rows, d), the first of which is row `first` of `step_size`, into flat `codes`.

    The chunk's counters must have been set. Returns whether a weight is not finite.
    """
    rows, d = w.shape
    draw_chunk(rows * chunk.blocks, stream, chunk)
    flat = w.reshape(-1)
    bad = not_finite(flat)
    random_bits, deltas = chunk.random_bits, chunk.spare
    compact_rows(random_bits, rows, d, 4 * chunk.blocks)
    low = np.float32(q_min(bits))
    high = np.float32(q_max(bits))
    unsure = np.int32(0)
    if step_size.shape[0] > 1:
        own = step_size[first : first + rows]
        for i in range(rows):
            unsure = np.int32(unsure | np.int32((own[i] < SMALLEST_TRIED) | (own[i] > LARGEST_TRIED)))
        for i in range(first + 8 * rows, first + 9 * rows, 16):
            prefetch(step_size, i)  # a line at a time, too seldom for the processor to see that it goes on
        if d == 16:
            for i in range(rows):  # an instruction a row, without a switch
                fill_row(deltas, i * 16, deltas, 0, own[i], 16)
        else:
            for i in range(rows):
                fill_row(deltas, i * d, deltas, 0, own[i], d)
        for t in range(flat.size):
            code, doubt = tried_code(flat[t], deltas[t], low, high, random_bits[t])
            codes[t] = code
            unsure = np.int32(unsure | np.int32(doubt))
    else:
        delta = step_size[0]
        unsure = np.int32(unsure | np.int32(delta < SMALLEST_TRIED or delta > LARGEST_TRIED))
        for t in range(flat.size):
            code, doubt = tried_code(flat[t], delta, low, high, random_bits[t])
            codes[t] = code
            unsure = np.int32(unsure | np.int32(doubt))
    if unsure:  # one chunk in some thousand, unless the step size is extreme
        for t in range(flat.size):
            codes[t] = random_code(flat[t], step_size[(first + t // d) % step_size.shape[0]], low, high, random_bits[t])
    return bad


@kernel
def quantize_sr(
    lo: Int,
    hi: Int,
    w: NDArray[np.float32],
    step_size: NDArray[np.float32],
    bits: Int,
    stream: RandomStream,
    row_offset: Int,
    codes: Integers,
) -> bool:
    """Codes of rows ``lo..hi`` of `w` (n, d) by stochastic rounding; row ``i`` draws as row ``row_offset + i``.

    Returns whether a weight is not finite: its code means nothing, the caller must refuse it.
    """
    chunk = new_chunk(w.shape[1], CHUNK_LANES)
    bad = False
    for start in range(lo, hi, chunk.rows):
        end = min(start + chunk.rows, hi)
        set_counters_range((end - start) * chunk.blocks, row_offset + start, chunk)
        bad |= quantize_chunk(w[start:end], step_size, start, bits, stream, chunk, codes[start:end].reshape(-1))
    return bad


@kernel
def quantize_sr_rows(
    lo: Int,
    hi: Int,
    w: NDArray[np.float32],
    step_size: NDArray[np.float32],
    bits: Int,
    stream: RandomStream,
    rows: NDArray[np.int64],
    codes: Integers,
) -> bool:
    """`quantize_sr` where row ``i`` draws as row ``rows[i]``, in any order and with gaps."""
    chunk = new_chunk(w.shape[1], CHUNK_LANES)
    bad = False
    for start in range(lo, hi, chunk.rows):
        end = min(start + chunk.rows, hi)
        set_counters((end - start) * chunk.blocks, rows, start, chunk)
        bad |= quantize_chunk(w[start:end], step_size, start, bits, stream, chunk, codes[start:end].reshape(-1))
    return bad


@kernel
def quantize_sr_packed(
    lo: Int,
    hi: Int,
    w: NDArray[np.float32],
    step_size: NDArray[np.float32],
    bits: Int,
    stream: RandomStream,
    row_offset: Int,
    packed: NDArray[np.uint32],
) -> bool:
    """`quantize_sr` with the codes packed while they are in the cache; `packed` is (n, ceil(d * bits / 32))."""
    d = w.shape[1]
    chunk = new_chunk(d, CHUNK_LANES)
    codes = np.empty(chunk.rows * d, np.int32)
    bad = False
    for start in range(lo, hi, chunk.rows):
        end = min(start + chunk.rows, hi)
        set_counters_range((end - start) * chunk.blocks, row_offset + start, chunk)
        bad |= quantize_chunk(w[start:end], step_size, start, bits, stream, chunk, codes)
        for i in range(start, end):
            pack_row(codes, (i - start) * d, d, bits, packed, i)
    return bad


@kernel
def dequantize(lo: Int, hi: Int, codes: Integers, step_size: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """``out[i] = step_size[i] * codes[i]``; `step_size` is (n,) or (1,)."""
    each = step_size.shape[0] > 1
    for i in range(lo, hi):
        delta = step_size[i] if each else step_size[0]
        for j in range(codes.shape[1]):
            out[i, j] = decode(codes[i, j], delta)


@scalar
def row_sum(values: Any, d: Int) -> np.float32:
    """Sum of ``values[:d]`` in a fixed order: four interleaved partial sums, then ``(s0 + s1) + (s2 + s3)``."""
    s0 = np.float32(0.0)
    s1 = np.float32(0.0)
    s2 = np.float32(0.0)
    s3 = np.float32(0.0)
    whole = d - d % 4
    for j in range(0, whole, 4):
        s0 += values[j]
        s1 += values[j + 1]
        s2 += values[j + 2]
        s3 += values[j + 3]
    if whole < d:
        s0 += values[whole]
    if whole + 1 < d:
        s1 += values[whole + 1]
    if whole + 2 < d:
        s2 += values[whole + 2]
    return np.float32((s0 + s1) + (s2 + s3))


@kernel
def step_gradient(
    lo: Int,
    hi: Int,
    w: NDArray[np.float32],
    grad: NDArray[np.float32],
    step_size: NDArray[np.float32],
    bits: Int,
    out: NDArray[np.float32],
) -> None:
    """Gradient of the step size of each row: the row's sum of ``grad * step_derivative(w / step_size)``."""
    low = np.float32(q_min(bits))
    high = np.float32(q_max(bits))
    d = w.shape[1]
    each = step_size.shape[0] > 1
    products = np.empty(d, np.float32)
    for i in range(lo, hi):
        delta = step_size[i] if each else step_size[0]
        for j in range(d):
            products[j] = grad[i, j] * step_derivative(w[i, j] / delta, low, high)
        out[i] = row_sum(products, d)
