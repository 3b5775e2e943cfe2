"""The GPU's fast quantiser: one step size for all, 16 elements per thread, codes straight into 32-bit words.

For rows of whole Philox blocks whose codes lie in memory as 32-bit words without gaps, which int8 codes do too. A
thread has four 128-bit loads in flight together, finds the cells by `division.quotient`, compares in float32
(`scalar.lattice.tried`; again in float64 where that is not sure) and otherwise rounds with the scalar functions of the
package; neighbouring threads write neighbouring words.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.lattice import known_cell
from alpt_ref.kernels.cuda.random import block_words, split
from alpt_ref.kernels.cuda.target import BLOCK, cuda, device, kernel, load4
from alpt_ref.scalar.lattice import nearest_in_cell, random_code, rest_and_gap, signed_code, tried

INFINITY = np.float32(np.inf)
_ZERO = np.float32(0.0)


@device
def _cell(w, low, high, step_size, inverse, rest, far):  # type: ignore[no-untyped-def]
    """Sign, magnitude and cell of a weight."""
    negative, size = w < _ZERO, np.float32(min(far, abs(w)))
    whole, count = known_cell(size, negative, low, high, step_size, inverse, rest)
    return negative, size, whole, count


@device
def _nearest(w, low, high, step_size, inverse, rest, far):  # type: ignore[no-untyped-def]
    negative, size, whole, count = _cell(w, low, high, step_size, inverse, rest, far)
    return nearest_in_cell(negative, size, whole, count, step_size)


@device
def _tried(w, word, low, high, step_size, inverse, rest, far):  # type: ignore[no-untyped-def]
    """Code by the word, and whether that is not sure."""
    negative, size, whole, count = _cell(w, low, high, step_size, inverse, rest, far)
    above, gap = rest_and_gap(size, whole, step_size)
    away, unsure = tried(word, above, gap)
    return signed_code(negative, count, away), unsure


@device
def _slot(base, slot, per, last):  # type: ignore[no-untyped-def]
    """Group of four elements that is the thread's number `slot`; `per` groups make a word, words are a block apart."""
    return np.int32(min(np.int32(base + np.int32((slot // per) * BLOCK)), last) * per + slot % per)


@device
def _joined(bits, p, q, r, s):  # type: ignore[no-untyped-def]
    """Four codes as one number, low bits first."""
    mask = np.uint32((1 << bits) - 1)
    return np.uint32(
        np.uint32(np.uint32(p) & mask)
        | np.uint32(np.uint32(np.uint32(q) & mask) << np.uint32(bits))
        | np.uint32(np.uint32(np.uint32(r) & mask) << np.uint32(2 * bits))
        | np.uint32(np.uint32(np.uint32(s) & mask) << np.uint32(3 * bits))
    )


@device
def _field(  # type: ignore[no-untyped-def]
    bits, stochastic, a, b, c, e, low, high, step, inverse, rest, far, group, blocks, multiplier, shift, offset, c2, c3,
    k0, k1
):  # fmt: skip
    """Codes of four weights as one number, and whether one of them is not sure."""
    if stochastic:
        row, block = split(group, blocks, multiplier, shift)
        r0, r1, r2, r3 = block_words(np.int64(offset + np.int64(row)), block, c2, c3, k0, k1)
        p, unsure_p = _tried(a, r0, low, high, step, inverse, rest, far)
        q, unsure_q = _tried(b, r1, low, high, step, inverse, rest, far)
        r, unsure_r = _tried(c, r2, low, high, step, inverse, rest, far)
        s, unsure_s = _tried(e, r3, low, high, step, inverse, rest, far)
        return _joined(bits, p, q, r, s), unsure_p | unsure_q | unsure_r | unsure_s
    p, q = _nearest(a, low, high, step, inverse, rest, far), _nearest(b, low, high, step, inverse, rest, far)
    r, s = _nearest(c, low, high, step, inverse, rest, far), _nearest(e, low, high, step, inverse, rest, far)
    return _joined(bits, p, q, r, s), False


@device
def _again(  # type: ignore[no-untyped-def]
    bits, w, packed, base, last, low, high, step, blocks, multiplier, shift, offset, c2, c3, k0, k1
):
    """The words of a thread by the scalar rule, written over; rare, and apart so that it costs no registers."""
    groups = 8 // bits
    for k in range(bits // 2):
        place = np.int32(base + np.int32(k * BLOCK))
        if place <= last:
            value = np.uint32(0)
            for g in range(groups):
                group = np.int32(place * groups + g)
                row, block = split(group, blocks, multiplier, shift)
                r0, r1, r2, r3 = block_words(np.int64(offset + np.int64(row)), block, c2, c3, k0, k1)
                a, b, c, e = load4(w, 4 * group)
                p, q = random_code(a, step, low, high, r0), random_code(b, step, low, high, r1)
                r, s = random_code(c, step, low, high, r2), random_code(e, step, low, high, r3)
                value = np.uint32(value | np.uint32(_joined(bits, p, q, r, s) << np.uint32(4 * bits * g)))
            packed[place] = value


@functools.cache
def fast(bits: int, stochastic: bool) -> Any:
    """Kernel for fields of `bits` bits (8, 4 or 2), ``bits // 2`` words per thread."""
    per = 8 // bits

    @kernel(registers=32)  # all threads of a multiprocessor at once, without spilling
    def quantize_fast(  # type: ignore[no-untyped-def]
        w, packed, flags, step_size, inverse, rest, far, low, high, blocks, multiplier, shift, offset, c2, c3, k0, k1
    ):
        last = np.int32(packed.shape[0] - 1)
        base = np.int32(np.int32(cuda.blockIdx.x * np.int32(BLOCK * (bits // 2))) + np.int32(cuda.threadIdx.x))
        i, j = _slot(base, 0, per, last), _slot(base, 1, per, last)
        m, n = _slot(base, 2, per, last), _slot(base, 3, per, last)
        a0, a1, a2, a3 = load4(w, 4 * i)
        b0, b1, b2, b3 = load4(w, 4 * j)
        e0, e1, e2, e3 = load4(w, 4 * m)
        f0, f1, f2, f3 = load4(w, 4 * n)
        if not (
            _finite(a0, a1, a2, a3) & _finite(b0, b1, b2, b3) & (_finite(e0, e1, e2, e3) & _finite(f0, f1, f2, f3))
        ):
            flags[0] = 1
        x, unsure_x = _field(
            bits, stochastic, a0, a1, a2, a3, low, high, step_size, inverse, rest, far, i, blocks, multiplier, shift,
            offset, c2, c3, k0, k1,
        )  # fmt: skip
        y, unsure_y = _field(
            bits, stochastic, b0, b1, b2, b3, low, high, step_size, inverse, rest, far, j, blocks, multiplier, shift,
            offset, c2, c3, k0, k1,
        )  # fmt: skip
        z, unsure_z = _field(
            bits, stochastic, e0, e1, e2, e3, low, high, step_size, inverse, rest, far, m, blocks, multiplier, shift,
            offset, c2, c3, k0, k1,
        )  # fmt: skip
        u, unsure_u = _field(
            bits, stochastic, f0, f1, f2, f3, low, high, step_size, inverse, rest, far, n, blocks, multiplier, shift,
            offset, c2, c3, k0, k1,
        )  # fmt: skip
        if per == 1:
            if base <= last:
                packed[base] = x
            if base + BLOCK <= last:
                packed[base + BLOCK] = y
            if base + 2 * BLOCK <= last:
                packed[base + 2 * BLOCK] = z
            if base + 3 * BLOCK <= last:
                packed[base + 3 * BLOCK] = u
        elif per == 2:
            if base <= last:
                packed[base] = np.uint32(x | np.uint32(y << np.uint32(16)))
            if base + BLOCK <= last:
                packed[base + BLOCK] = np.uint32(z | np.uint32(u << np.uint32(16)))
        elif base <= last:
            packed[base] = np.uint32(
                np.uint32(x | np.uint32(y << np.uint32(8)))
                | np.uint32(np.uint32(z << np.uint32(16)) | np.uint32(u << np.uint32(24)))
            )
        if unsure_x | unsure_y | unsure_z | unsure_u:
            _again(bits, w, packed, base, last, low, high, step_size, blocks, multiplier, shift, offset, c2, c3, k0, k1)

    return quantize_fast


@device
def _finite(a, b, c, e):  # type: ignore[no-untyped-def]
    return (abs(a) < INFINITY) & (abs(b) < INFINITY) & (abs(c) < INFINITY) & (abs(e) < INFINITY)
