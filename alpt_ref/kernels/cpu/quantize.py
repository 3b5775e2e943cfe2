"""Quantise, dequantise, step-size gradient, pack and unpack: loops over rows of plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.random import (
    chunk_layout,
    chunk_rows,
    close_ranks,
    fill_words,
    set_counters,
    set_counters_range,
)
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int, Integers
from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.quantizer import decode, encode_dr, encode_sr, q_max, q_min, sign_extend, step_derivative

ROWS_A_CHECK = 64
"""Rows whose finiteness is checked while they are in the cache for rounding."""


@scalar
def not_finite(values: Any) -> bool:
    """Whether a flat float32 array holds NaN or infinity: an exponent of all ones, carried into the sign bit."""
    bits = values.view(np.int32)
    seen = np.int32(0)
    for t in range(bits.size):
        seen |= np.int32(np.int32(bits[t] & np.int32(0x7FFFFFFF)) + np.int32(0x00800000))
    return bool(seen < np.int32(0))


@kernel
def quantize_dr(
    lo: Int, hi: Int, w: NDArray[np.float32], step: NDArray[np.float32], bits: Int, codes: Integers
) -> bool:
    """Codes of rows ``lo..hi`` of `w` (n, d) by nearest rounding; `step` is (n,) or (1,).

    Returns whether a weight is not finite: its code means nothing, the caller must refuse it.
    """
    low = np.float32(q_min(bits))
    high = np.float32(q_max(bits))
    each = step.shape[0] > 1
    bad = False
    for start in range(lo, hi, ROWS_A_CHECK):
        end = min(start + ROWS_A_CHECK, hi)
        bad |= not_finite(w[start:end].reshape(-1))
        for i in range(start, end):
            delta = step[i] if each else step[0]
            for j in range(w.shape[1]):
                codes[i, j] = encode_dr(w[i, j] / delta, low, high)
    return bad


@kernel
def quantize_sr(
    lo: Int,
    hi: Int,
    w: NDArray[np.float32],
    step: NDArray[np.float32],
    bits: Int,
    counter: Int,
    purpose: Int,
    row_offset: Int,
    k0: np.uint32,
    k1: np.uint32,
    codes: Integers,
) -> bool:
    """Codes of rows ``lo..hi`` of `w` (n, d) by stochastic rounding; row ``i`` draws as row ``row_offset + i``.

    Returns whether a weight is not finite: its code means nothing, the caller must refuse it.
    """
    low = np.float32(q_min(bits))
    high = np.float32(q_max(bits))
    d = w.shape[1]
    each = step.shape[0] > 1
    blocks = (d + 3) // 4
    rows_a_chunk = chunk_rows(d)
    lanes = rows_a_chunk * blocks
    lane_row = np.empty(lanes, np.int64)
    lane_block = np.empty(lanes, np.uint32)
    chunk_layout(rows_a_chunk, blocks, lane_row, lane_block)
    c0 = np.empty(lanes, np.uint32)
    c1 = np.empty(lanes, np.uint32)
    words = np.empty(4 * lanes, np.uint32)
    deltas = np.empty(rows_a_chunk * d, np.float32)
    one_step = step[0]
    bad = False
    for start in range(lo, hi, rows_a_chunk):
        end = min(start + rows_a_chunk, hi)
        used = (end - start) * blocks
        set_counters_range(used, row_offset + start, lane_row, lane_block, c0, c1)
        fill_words(used, c0, c1, counter, purpose, k0, k1, words)
        flat_w = w[start:end].reshape(-1)
        flat_codes = codes[start:end].reshape(-1)
        bad |= not_finite(flat_w)
        close_ranks(words, end - start, d, 4 * blocks)
        if each:
            for i in range(start, end):
                deltas[(i - start) * d : (i - start + 1) * d] = step[i]
            for t in range(flat_w.size):
                flat_codes[t] = encode_sr(flat_w[t] / deltas[t], low, high, words[t])
        else:
            for t in range(flat_w.size):
                flat_codes[t] = encode_sr(flat_w[t] / one_step, low, high, words[t])
    return bad


@kernel
def quantize_sr_rows(
    lo: Int,
    hi: Int,
    w: NDArray[np.float32],
    step: NDArray[np.float32],
    bits: Int,
    counter: Int,
    purpose: Int,
    rows: NDArray[np.int64],
    k0: np.uint32,
    k1: np.uint32,
    codes: Integers,
) -> bool:
    """`quantize_sr` where row ``i`` draws as row ``rows[i]``, in any order and with gaps."""
    low = np.float32(q_min(bits))
    high = np.float32(q_max(bits))
    d = w.shape[1]
    each = step.shape[0] > 1
    blocks = (d + 3) // 4
    rows_a_chunk = chunk_rows(d)
    lanes = rows_a_chunk * blocks
    lane_row = np.empty(lanes, np.int64)
    lane_block = np.empty(lanes, np.uint32)
    chunk_layout(rows_a_chunk, blocks, lane_row, lane_block)
    c0 = np.empty(lanes, np.uint32)
    c1 = np.empty(lanes, np.uint32)
    words = np.empty(4 * lanes, np.uint32)
    bad = False
    for start in range(lo, hi, rows_a_chunk):
        end = min(start + rows_a_chunk, hi)
        used = (end - start) * blocks
        set_counters(used, rows, start, lane_row, lane_block, c0, c1)
        fill_words(used, c0, c1, counter, purpose, k0, k1, words)
        bad |= not_finite(w[start:end].reshape(-1))
        for i in range(start, end):
            delta = step[i] if each else step[0]
            first = 4 * blocks * (i - start)
            for j in range(d):
                codes[i, j] = encode_sr(w[i, j] / delta, low, high, words[first + j])
    return bad


@kernel
def dequantize(lo: Int, hi: Int, codes: Integers, step: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """``out[i] = step[i] * codes[i]``; `step` is (n,) or (1,)."""
    each = step.shape[0] > 1
    for i in range(lo, hi):
        delta = step[i] if each else step[0]
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
    step: NDArray[np.float32],
    bits: Int,
    out: NDArray[np.float32],
) -> None:
    """Gradient of the step size of each row: the row's sum of ``grad * step_derivative(w / step)``."""
    low = np.float32(q_min(bits))
    high = np.float32(q_max(bits))
    d = w.shape[1]
    each = step.shape[0] > 1
    products = np.empty(d, np.float32)
    for i in range(lo, hi):
        delta = step[i] if each else step[0]
        for j in range(d):
            products[j] = grad[i, j] * step_derivative(w[i, j] / delta, low, high)
        out[i] = row_sum(products, d)


@scalar
def pack_row(codes: Integers, at: Int, d: Int, bits: Int, words: NDArray[np.uint32], row: Int) -> None:
    """Put ``codes[at : at + d]`` into ``words[row]``, low bits first; unused bits of the last word are zero.

    Offsets instead of slices: a slice made inside a loop counts references and keeps it from vectorising.
    """
    mask = np.uint32((np.uint64(1) << np.uint64(bits)) - np.uint64(1))
    for k in range(words.shape[1]):
        words[row, k] = np.uint32(0)
    for j in range(d):
        bit = j * bits
        field = np.uint32(np.uint32(codes[at + j]) & mask)
        words[row, bit >> 5] |= np.uint32(field << np.uint32(bit & 31))


@scalar
def unpack_row(words: NDArray[np.uint32], row: Int, d: Int, bits: Int, codes: Integers, at: Int) -> None:
    """Inverse of `pack_row`: signed codes of one row into ``codes[at : at + d]``."""
    unused = np.uint32(32 - bits)
    for j in range(d):
        bit = j * bits
        shift = np.uint32(unused - np.uint32(bit & 31))
        codes[at + j] = sign_extend(np.uint32(words[row, bit >> 5] << shift), unused)


@kernel
def pack_rows(lo: Int, hi: Int, codes: Integers, bits: Int, words: NDArray[np.uint32]) -> None:
    """Pack rows ``lo..hi`` of `codes` (n, d) into `words` (n, ceil(d * bits / 32))."""
    d = codes.shape[1]
    flat = codes.reshape(-1)
    for i in range(lo, hi):
        pack_row(flat, i * d, d, bits, words, i)


@kernel
def unpack_rows(lo: Int, hi: Int, words: NDArray[np.uint32], bits: Int, codes: Integers) -> None:
    """Unpack rows ``lo..hi`` of `words` into `codes` (n, d)."""
    d = codes.shape[1]
    flat = codes.reshape(-1)
    for i in range(lo, hi):
        unpack_row(words, i, d, bits, flat, i * d)
