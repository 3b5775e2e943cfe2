"""The GPU's fast quantiser, with one step size or one a row: 16 elements per thread, codes straight into 32-bit words.

For rows of whole Philox blocks whose codes lie in memory as 32-bit words without gaps, which int8 codes do too. A
thread has four 128-bit loads in flight together and counts instructions, which are its limit:

* to nearest the cell below a magnitude comes of one fused operation (`division.cell`). No cell is too low: a weight
  that the next cell holds is nearer to that cell's lower end, which it gets;
* by a word u in [0, 1) the code is the whole part of ``s = w / step + 1 - u``, one fused operation too. Where s is far
  enough from whole numbers that is what `scalar.lattice.goes_away` decides, see `_random`;
* magnitudes are cut to the value of ``-low``, so that no cell lies beyond the range, and codes to `high` in the end;
* a product with zero finds weights that are not finite;
* codes are whole float32 numbers, of which the low bits are taken (`target.low_bits`).

Where a code is not sure a thread rounds its elements again by the scalar rule, with a row whose step size `division`
does not take. Neighbouring threads write neighbouring words.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda import random
from alpt_ref.kernels.cuda.division import LARGEST, SMALLEST, add_rz, cell, fma, reciprocal
from alpt_ref.kernels.cuda.lattice import random_code
from alpt_ref.kernels.cuda.random import block_words, keyed_words
from alpt_ref.kernels.cuda.target import BLOCK, cuda, device, kernel, load4, low_bits, one_to_two
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.lattice import nearest_code

INFINITY = np.float32(np.inf)
_UP = np.int64(16)
_BLOCK, _TWO_BLOCKS, _THREE_BLOCKS = np.uint64(BLOCK), np.uint64(2 * BLOCK), np.uint64(3 * BLOCK)
REGISTERS = {False: 40, True: 40}
"""Of a thread, by whether rows have step sizes of their own: with fewer the loads do not go out together."""
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_TWO_23, _TWO_23_AND_2 = np.float32(8388608.0), np.float32(8388610.0)
_MIDDLE = np.float32(1.5)
_NEAR, _SURE = np.float32(2.0**-22), np.float32(0.5 - 2.0**-20)
"""A code k is sure if s is less than ``_SURE - k * _NEAR`` from ``k + 1/2``."""


@device
def _signed(code, w, high):  # type: ignore[no-untyped-def]
    """The code of a magnitude with the sign of the weight, at most `high`; float32."""
    return np.float32(min(high, np.float32(math.copysign(code, w))))


@device
def _nearest(w, step, below, top, high):  # type: ignore[no-untyped-def]
    size = np.float32(min(top, abs(w)))
    whole = cell(size, below)
    up = np.float32(whole + _ONE)
    rest = np.float32(size - np.float32(mul(whole, step)))
    left = np.float32(np.float32(mul(up, step)) - size)
    away = rest > left if w < _ZERO else rest >= left
    return _signed(up if away else whole, w, high)


@device
def _random(w, word, below, top, high):  # type: ignore[no-untyped-def]
    """Code by the word, and whether that is not sure.

    With ``v_k <= size < v_{k+1}``, ``T = size / step`` and the exact ``u = word / 2**32`` the rule asks for the whole
    part of ``k + (size - v_k) / (v_{k+1} - v_k) + 1 - u``, which is ``moved + 2`` but for ``T 2**-22 + 5/4 2**-22`` at
    most: values of codes are rounded, ``(T + 1) 2**-24``; `below` is less than 1 / step, ``T 2**-23`` (and 2**-42 of
    T); u is cut, ``2**-23``; and `moved` is rounded, ``(T + 2) 2**-24``. ``T <= code + 1`` but for that error, which
    so is less than ``(code + 3) 2**-22``; as much again as 2**-22 covers the rounding of the comparison.
    """
    size = np.float32(min(top, abs(w)))
    moved = fma(size, below, -one_to_two(word))
    code = np.float32(add_rz(moved, _TWO_23_AND_2) - _TWO_23)
    part = np.float32(moved - np.float32(code - _MIDDLE))
    return _signed(code, w, high), fma(code, _NEAR, abs(part)) >= _SURE


@device
def _slot(base, slot, per, last):  # type: ignore[no-untyped-def]
    """Group of four elements that is the thread's number `slot`; `per` groups make a word, words are a block apart."""
    return np.int32(min(np.int32(base + np.int32((slot // per) * BLOCK)), last) * per + slot % per)


@device
def _joined(bits, p, q, r, s):  # type: ignore[no-untyped-def]
    """The low bits of four numbers as one number, the first's lowest."""
    mask = np.uint32((1 << bits) - 1)
    return np.uint32(
        np.uint32(np.uint32(p) & mask)
        | np.uint32(np.uint32(np.uint32(q) & mask) << np.uint32(bits))
        | np.uint32(np.uint32(np.uint32(r) & mask) << np.uint32(2 * bits))
        | np.uint32(np.uint32(np.uint32(s) & mask) << np.uint32(3 * bits))
    )


@functools.cache
def _of_row(each: bool) -> tuple[Any, Any]:
    """A row's step size; of a step size the number for `division.cell`, and whether `division` does not take it."""
    if each:

        @device
        def step_of(step_size, row):  # type: ignore[no-untyped-def]
            return step_size[row]

        @device
        def below_of(step, below):  # type: ignore[no-untyped-def]
            return reciprocal(step), (step < SMALLEST) | (step > LARGEST)

    else:

        @device
        def step_of(step_size, row):  # type: ignore[no-untyped-def]
            return step_size

        @device
        def below_of(step, below):  # type: ignore[no-untyped-def]
            return below, False

    return step_of, below_of


@functools.cache
def _field(bits: int, stochastic: bool, each: bool, split: Any) -> Any:
    """Codes of a group's four weights as one number, and whether one of them is not sure."""
    step_of, below_of = _of_row(each)

    @device
    def field(  # type: ignore[no-untyped-def]
        weights, step_size, below, low, high, group, blocks, multiplier, shift, first, upper, c2, c3, keys
    ):
        a, b, c, e = weights
        row, block = split(group, blocks, multiplier, shift)
        step = step_of(step_size, row)
        one_by_step, unsure = below_of(step, below)
        top = np.float32(mul(step, -low))
        if stochastic:
            c0, c1 = np.uint32(np.uint32(first) + np.uint32(row)), np.uint32(np.uint32(upper) | np.uint32(block))
            r0, r1, r2, r3 = keyed_words(c0, c1, c2, c3, keys)
            p, unsure_p = _random(a, r0, one_by_step, top, high)
            q, unsure_q = _random(b, r1, one_by_step, top, high)
            r, unsure_r = _random(c, r2, one_by_step, top, high)
            s, unsure_s = _random(e, r3, one_by_step, top, high)
            unsure = unsure | unsure_p | unsure_q | unsure_r | unsure_s
        else:
            p, q = _nearest(a, step, one_by_step, top, high), _nearest(b, step, one_by_step, top, high)
            r, s = _nearest(c, step, one_by_step, top, high), _nearest(e, step, one_by_step, top, high)
        return _joined(bits, low_bits(p), low_bits(q), low_bits(r), low_bits(s)), unsure

    return field


@functools.cache
def _again(bits: int, stochastic: bool, each: bool, split: Any) -> Any:
    """The words of a thread by the scalar rule, written over; rare, and apart so that it costs no registers."""
    groups, step_of = 8 // bits, _of_row(each)[0]

    @device
    def again(  # type: ignore[no-untyped-def]
        w, packed, base, last, step_size, low, high, blocks, multiplier, shift, first, upper, c2, c3, keys
    ):
        for k in range(bits // 2):
            place = np.int32(base + np.int32(k * BLOCK))
            if place <= last:
                value = np.uint32(0)
                for g in range(groups):
                    group = np.int32(place * groups + g)
                    row, block = split(group, blocks, multiplier, shift)
                    step = step_of(step_size, row)
                    a, b, c, e = load4(w, 4 * group)
                    if stochastic:
                        number = np.int64(np.int64(upper) << _UP | np.int64(np.uint32(first + row)))
                        r0, r1, r2, r3 = block_words(number, block, c2, c3, keys[0], keys[1])
                        p, q = random_code(a, step, low, high, r0), random_code(b, step, low, high, r1)
                        r, s = random_code(c, step, low, high, r2), random_code(e, step, low, high, r3)
                    else:
                        p, q = nearest_code(a, step, low, high), nearest_code(b, step, low, high)
                        r, s = nearest_code(c, step, low, high), nearest_code(e, step, low, high)
                    value = np.uint32(value | np.uint32(_joined(bits, p, q, r, s) << np.uint32(4 * bits * g)))
                packed[place] = value

    return again


@functools.cache
def fast(bits: int, stochastic: bool, each: bool = False, split: Any = random.split) -> Any:
    """Kernel for fields of `bits` bits (8, 4 or 2), ``bits // 2`` words per thread.

    With `each` `step_size` is an array, one a row, and `below` is not read. `split` takes a group's number apart into
    row and block. Row i draws as row ``first + i`` (uint32, less than 2**32), with `upper` in the second counter.
    """
    per = 8 // bits
    field, again = _field(bits, stochastic, each, split), _again(bits, stochastic, each, split)

    @kernel(registers=REGISTERS[each])
    def quantize_fast(  # type: ignore[no-untyped-def]
        w, packed, flags, step_size, below, low, high, blocks, multiplier, shift, first, upper, c2, c3, keys
    ):
        last = np.int32(packed.shape[0] - 1)
        base = np.int32(np.int32(cuda.blockIdx.x * np.int32(BLOCK * (bits // 2))) + np.int32(cuda.threadIdx.x))
        i, j = _slot(base, 0, per, last), _slot(base, 1, per, last)
        m, n = _slot(base, 2, per, last), _slot(base, 3, per, last)
        a, b, c, e = load4(w, 4 * i), load4(w, 4 * j), load4(w, 4 * m), load4(w, 4 * n)
        if np.float32(np.float32(_zero(a) + _zero(b)) + np.float32(_zero(c) + _zero(e))) != _ZERO:  # NaN is not
            flags[0] = 1
        x, unsure_x = field(a, step_size, below, low, high, i, blocks, multiplier, shift, first, upper, c2, c3, keys)
        y, unsure_y = field(b, step_size, below, low, high, j, blocks, multiplier, shift, first, upper, c2, c3, keys)
        z, unsure_z = field(c, step_size, below, low, high, m, blocks, multiplier, shift, first, upper, c2, c3, keys)
        u, unsure_u = field(e, step_size, below, low, high, n, blocks, multiplier, shift, first, upper, c2, c3, keys)
        at = np.uint64(base)  # an index without a sign costs no look at whether it is negative
        if per == 1:
            if base <= last:
                packed[at] = x
            if base + BLOCK <= last:
                packed[at + _BLOCK] = y
            if base + 2 * BLOCK <= last:
                packed[at + _TWO_BLOCKS] = z
            if base + 3 * BLOCK <= last:
                packed[at + _THREE_BLOCKS] = u
        elif per == 2:
            if base <= last:
                packed[at] = np.uint32(x | np.uint32(y << np.uint32(16)))
            if base + BLOCK <= last:
                packed[at + _BLOCK] = np.uint32(z | np.uint32(u << np.uint32(16)))
        elif base <= last:
            packed[at] = np.uint32(
                np.uint32(x | np.uint32(y << np.uint32(8)))
                | np.uint32(np.uint32(z << np.uint32(16)) | np.uint32(u << np.uint32(24)))
            )
        if unsure_x | unsure_y | unsure_z | unsure_u:
            again(w, packed, base, last, step_size, low, high, blocks, multiplier, shift, first, upper, c2, c3, keys)

    return quantize_fast


@device
def _zero(weights):  # type: ignore[no-untyped-def]
    """0 if four weights are finite, else NaN."""
    a, b, c, e = weights
    return fma(a, _ZERO, fma(b, _ZERO, fma(c, _ZERO, np.float32(mul(e, _ZERO)))))
