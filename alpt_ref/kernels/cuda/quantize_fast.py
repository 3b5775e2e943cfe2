"""The GPU's fast quantiser, with one step size or one a row: 16 elements per thread, codes straight into 32-bit words.

For rows of whole Philox blocks whose codes lie in memory as 32-bit words without gaps, which int8 codes do too. A
thread has four 128-bit loads in flight together, finds the cells by `division.quotient`, compares in float32
(`scalar.lattice.tried`; again in float64 where that is not sure) and otherwise rounds with the scalar functions of the
package; neighbouring threads write neighbouring words. The reciprocal of a row's step size is found where its weights
are rounded; a row whose step size `division` does not take is rounded again with the few that are not sure.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.division import LARGEST, SMALLEST, reciprocal
from alpt_ref.kernels.cuda.lattice import known_cell
from alpt_ref.kernels.cuda.random import block_words, split
from alpt_ref.kernels.cuda.target import BLOCK, cuda, device, kernel, load4
from alpt_ref.scalar.lattice import nearest_code, nearest_in_cell, random_code, rest_and_gap, signed_code, tried

INFINITY = np.float32(np.inf)
REGISTERS = {False: 32, True: 40}
"""Of a thread, by whether rows have step sizes of their own: all threads at once, or three quarters; none spill."""
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


@functools.cache
def _numbers(each: bool) -> Any:
    """``step size, reciprocal, its rest, limit, whether these do not hold`` of a row."""
    if each:

        @device
        def numbers(step_size, inverse, rest, far, row):  # type: ignore[no-untyped-def]
            step = step_size[row]
            high, low, limit = reciprocal(step)
            return step, high, low, limit, (step < SMALLEST) | (step > LARGEST)

    else:

        @device
        def numbers(step_size, inverse, rest, far, row):  # type: ignore[no-untyped-def]
            return step_size, inverse, rest, far, False

    return numbers


@functools.cache
def _field(bits: int, stochastic: bool, each: bool) -> Any:
    """Codes of a group's four weights as one number, and whether one of them is not sure."""
    numbers = _numbers(each)

    @device
    def field(  # type: ignore[no-untyped-def]
        weights, low, high, known, group, blocks, multiplier, shift, offset, c2, c3, k0, k1
    ):
        a, b, c, e = weights
        row, block = split(group, blocks, multiplier, shift)
        step, inverse, rest, far, unsure = numbers(known[0], known[1], known[2], known[3], row)
        if stochastic:
            r0, r1, r2, r3 = block_words(np.int64(offset + np.int64(row)), block, c2, c3, k0, k1)
            p, unsure_p = _tried(a, r0, low, high, step, inverse, rest, far)
            q, unsure_q = _tried(b, r1, low, high, step, inverse, rest, far)
            r, unsure_r = _tried(c, r2, low, high, step, inverse, rest, far)
            s, unsure_s = _tried(e, r3, low, high, step, inverse, rest, far)
            unsure = unsure | unsure_p | unsure_q | unsure_r | unsure_s
        else:
            p, q = _nearest(a, low, high, step, inverse, rest, far), _nearest(b, low, high, step, inverse, rest, far)
            r, s = _nearest(c, low, high, step, inverse, rest, far), _nearest(e, low, high, step, inverse, rest, far)
        return _joined(bits, p, q, r, s), unsure

    return field


@functools.cache
def _again(bits: int, stochastic: bool, each: bool) -> Any:
    """The words of a thread by the scalar rule, written over; rare, and apart so that it costs no registers."""
    groups, numbers = 8 // bits, _numbers(each)

    @device
    def again(  # type: ignore[no-untyped-def]
        w, packed, base, last, low, high, known, blocks, multiplier, shift, offset, c2, c3, k0, k1
    ):
        for k in range(bits // 2):
            place = np.int32(base + np.int32(k * BLOCK))
            if place <= last:
                value = np.uint32(0)
                for g in range(groups):
                    group = np.int32(place * groups + g)
                    row, block = split(group, blocks, multiplier, shift)
                    step, _, _, _, _ = numbers(known[0], known[1], known[2], known[3], row)
                    a, b, c, e = load4(w, 4 * group)
                    if stochastic:
                        r0, r1, r2, r3 = block_words(np.int64(offset + np.int64(row)), block, c2, c3, k0, k1)
                        p, q = random_code(a, step, low, high, r0), random_code(b, step, low, high, r1)
                        r, s = random_code(c, step, low, high, r2), random_code(e, step, low, high, r3)
                    else:
                        p, q = nearest_code(a, step, low, high), nearest_code(b, step, low, high)
                        r, s = nearest_code(c, step, low, high), nearest_code(e, step, low, high)
                    value = np.uint32(value | np.uint32(_joined(bits, p, q, r, s) << np.uint32(4 * bits * g)))
                packed[place] = value

    return again


@functools.cache
def fast(bits: int, stochastic: bool, each: bool = False) -> Any:
    """Kernel for fields of `bits` bits (8, 4 or 2), ``bits // 2`` words per thread.

    With `each` it takes an array of step sizes, one a row, for the first of the step size's numbers and does not read
    the others.
    """
    per = 8 // bits
    field, again = _field(bits, stochastic, each), _again(bits, stochastic, each)

    @kernel(registers=REGISTERS[each])
    def quantize_fast(  # type: ignore[no-untyped-def]
        w, packed, flags, step_size, inverse, rest, far, low, high, blocks, multiplier, shift, offset, c2, c3, k0, k1
    ):
        known = step_size, inverse, rest, far
        last = np.int32(packed.shape[0] - 1)
        base = np.int32(np.int32(cuda.blockIdx.x * np.int32(BLOCK * (bits // 2))) + np.int32(cuda.threadIdx.x))
        i, j = _slot(base, 0, per, last), _slot(base, 1, per, last)
        m, n = _slot(base, 2, per, last), _slot(base, 3, per, last)
        a, b, c, e = load4(w, 4 * i), load4(w, 4 * j), load4(w, 4 * m), load4(w, 4 * n)
        if not (_finite(a) & _finite(b) & (_finite(c) & _finite(e))):
            flags[0] = 1
        x, unsure_x = field(a, low, high, known, i, blocks, multiplier, shift, offset, c2, c3, k0, k1)
        y, unsure_y = field(b, low, high, known, j, blocks, multiplier, shift, offset, c2, c3, k0, k1)
        z, unsure_z = field(c, low, high, known, m, blocks, multiplier, shift, offset, c2, c3, k0, k1)
        u, unsure_u = field(e, low, high, known, n, blocks, multiplier, shift, offset, c2, c3, k0, k1)
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
            again(w, packed, base, last, low, high, known, blocks, multiplier, shift, offset, c2, c3, k0, k1)

    return quantize_fast


@device
def _finite(weights):  # type: ignore[no-untyped-def]
    a, b, c, e = weights
    return (abs(a) < INFINITY) & (abs(b) < INFINITY) & (abs(c) < INFINITY) & (abs(e) < INFINITY)
