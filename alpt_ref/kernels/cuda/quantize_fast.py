"""The GPU's fast quantiser: one step size for all, 16 elements per thread, codes straight into 32-bit words.

For rows of whole Philox blocks whose codes lie in memory as 32-bit words without gaps, which int8 codes do too. A
thread has four 128-bit loads in flight together, divides by `division.quotient` and rounds with the scalar functions
of the package; neighbouring threads write neighbouring words.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.division import quotient
from alpt_ref.kernels.cuda.random import block_words, split
from alpt_ref.kernels.cuda.target import BLOCK, cuda, device, kernel, load4, whole_part
from alpt_ref.scalar.rounding import rounding_rules, saturate

INFINITY = np.float32(np.inf)


_dr, _sr = rounding_rules(whole_part, device)
"""The package's rounding, with the cheap whole part of a magnitude up to 2**22: an addition for two conversions."""


@device
def _encode_sr(x, low, high, word):  # type: ignore[no-untyped-def]
    return _sr(saturate(x, low, high), word)


@device
def _encode_dr(x, low, high):  # type: ignore[no-untyped-def]
    return _dr(saturate(x, low, high))


@device
def _slot(base, slot, per, last):  # type: ignore[no-untyped-def]
    """Group of four elements that is the thread's number `slot`; `per` groups make a word, words are a block apart."""
    return np.int32(min(np.int32(base + np.int32((slot // per) * BLOCK)), last) * per + slot % per)


@device
def _within(a, b, c, e, far):  # type: ignore[no-untyped-def]
    return (abs(a) <= far) & (abs(b) <= far) & (abs(c) <= far) & (abs(e) <= far)


@device
def _field(  # type: ignore[no-untyped-def]
    bits, stochastic, a, b, c, e, low, high, group, blocks, multiplier, shift, offset, c2, c3, k0, k1
):
    """Four codes as one number, low bits first."""
    if stochastic:
        row, block = split(group, blocks, multiplier, shift)
        r0, r1, r2, r3 = block_words(np.int64(offset + np.int64(row)), block, c2, c3, k0, k1)
        p, q = _encode_sr(a, low, high, r0), _encode_sr(b, low, high, r1)
        r, s = _encode_sr(c, low, high, r2), _encode_sr(e, low, high, r3)
    else:
        p, q = _encode_dr(a, low, high), _encode_dr(b, low, high)
        r, s = _encode_dr(c, low, high), _encode_dr(e, low, high)
    mask = np.uint32((1 << bits) - 1)
    return np.uint32(
        np.uint32(np.uint32(p) & mask)
        | np.uint32(np.uint32(np.uint32(q) & mask) << np.uint32(bits))
        | np.uint32(np.uint32(np.uint32(r) & mask) << np.uint32(2 * bits))
        | np.uint32(np.uint32(np.uint32(s) & mask) << np.uint32(3 * bits))
    )


@functools.cache
def fast(bits: int, stochastic: bool) -> Any:
    """Kernel for fields of `bits` bits (8, 4 or 2), ``bits // 2`` words per thread."""
    per = 8 // bits

    @kernel
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
        if (
            _within(a0, a1, a2, a3, far)
            & _within(b0, b1, b2, b3, far)
            & (_within(e0, e1, e2, e3, far) & _within(f0, f1, f2, f3, far))
        ):
            a0, a1 = quotient(a0, step_size, inverse, rest), quotient(a1, step_size, inverse, rest)
            a2, a3 = quotient(a2, step_size, inverse, rest), quotient(a3, step_size, inverse, rest)
            b0, b1 = quotient(b0, step_size, inverse, rest), quotient(b1, step_size, inverse, rest)
            b2, b3 = quotient(b2, step_size, inverse, rest), quotient(b3, step_size, inverse, rest)
            e0, e1 = quotient(e0, step_size, inverse, rest), quotient(e1, step_size, inverse, rest)
            e2, e3 = quotient(e2, step_size, inverse, rest), quotient(e3, step_size, inverse, rest)
            f0, f1 = quotient(f0, step_size, inverse, rest), quotient(f1, step_size, inverse, rest)
            f2, f3 = quotient(f2, step_size, inverse, rest), quotient(f3, step_size, inverse, rest)
        else:
            if not (
                _finite(a0, a1, a2, a3) & _finite(b0, b1, b2, b3) & _finite(e0, e1, e2, e3) & _finite(f0, f1, f2, f3)
            ):
                flags[0] = 1
            a0, a1, a2, a3 = a0 / step_size, a1 / step_size, a2 / step_size, a3 / step_size
            b0, b1, b2, b3 = b0 / step_size, b1 / step_size, b2 / step_size, b3 / step_size
            e0, e1, e2, e3 = e0 / step_size, e1 / step_size, e2 / step_size, e3 / step_size
            f0, f1, f2, f3 = f0 / step_size, f1 / step_size, f2 / step_size, f3 / step_size
        x = _field(bits, stochastic, a0, a1, a2, a3, low, high, i, blocks, multiplier, shift, offset, c2, c3, k0, k1)
        y = _field(bits, stochastic, b0, b1, b2, b3, low, high, j, blocks, multiplier, shift, offset, c2, c3, k0, k1)
        z = _field(bits, stochastic, e0, e1, e2, e3, low, high, m, blocks, multiplier, shift, offset, c2, c3, k0, k1)
        u = _field(bits, stochastic, f0, f1, f2, f3, low, high, n, blocks, multiplier, shift, offset, c2, c3, k0, k1)
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

    return quantize_fast


@device
def _finite(a, b, c, e):  # type: ignore[no-untyped-def]
    return (abs(a) < INFINITY) & (abs(b) < INFINITY) & (abs(c) < INFINITY) & (abs(e) < INFINITY)
