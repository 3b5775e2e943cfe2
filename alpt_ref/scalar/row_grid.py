"""The grid that a row defines itself (FBGEMM, torchao): a step size from its extremes, and codes on it.

Affine: the value of the unsigned code u, ``0 .. K = 2**m - 1``, is ``v_u = fl(fl(u D) + b)``, two float32 operations,
with ``b`` the row's minimum. Symmetric: `quantizer.decode`, ``fl(c D)`` with ``|c| <= K = 2**(m - 1) - 1``, and b = 0.

**The step size** is the largest float32 D with ``v_K <= top``, top being the row's maximum (affine) or largest
magnitude (symmetric); the quotient ``(top - b)/K`` that others take is within some float32 spacings of it. With the
quotient the maximum can lie between the last two values, from where a rewrite of the same row may move it, the grid
after it, and all codes after that. With the largest D

* the top of the row gets the last code whatever the word, since ``v_K <= top``; it loses at most the gap, a few float32
  spacings (where rows span less than their own float32 spacing allows, nothing);
* a rewrite changes nothing. The row then holds ``b = v_0`` and ``v_K`` as its extremes; the largest D' with
  ``v_K(D') <= v_K(D)`` is at least D, and ``v_K(D') <= top`` makes it at most D. On the same grid every element is a
  value of a code, and gets its code.

So rows that are touched without an update never drift, at any width. D is kept between `SMALLEST` and a largest value
that keeps all values finite; a row without any extent (zeros; constant; d = 1) has D = 1 and loses nothing.

**The code** of w (affine) is found by the values, not by the quotient: k is the first with ``v_k >= w``; below it
``v_{k-1} < w``. To nearest: up if ``w - v_{k-1} >= v_k - w``. By a word, uniform on 32 bits: up iff
``word (v_k - v_{k-1}) < (w - v_{k-1}) 2**32`` in float64, so that the mean over all words is w to 2**-32 of the gap.
Where a row's extent is so small beside its values that neighbouring codes have one value, the first of them is taken.
The symmetric grid is that of `lattice`.
"""

from __future__ import annotations

import math

import numpy as np

from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.jit import scalar

SMALLEST = np.float32(2.0**-126)
"""Smallest step size: values of codes are normal numbers."""
_FIRST = np.int32(0x00800000)  # bits of SMALLEST
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_WORDS = np.float64(4294967296.0)


@scalar
def affine_value(code: np.int32, step_size: np.float32, bias: np.float32) -> np.float32:
    """``fl(fl(code * step_size) + bias)`` of an unsigned code."""
    return np.float32(np.float32(mul(np.float32(code), step_size)) + bias)


@scalar
def row_step_size(bottom: np.float32, top: np.float32, last: np.int32, largest: np.float32) -> np.float32:
    """Largest step size, from `SMALLEST` to `largest`, under which the value of the `last` code is at most `top`.

    `bottom` is the value of code 0: the row's minimum, or 0 for a symmetric grid. 1 where ``bottom == top``. Float32
    numbers of one sign are ordered as their bits are: the largest is found by halving.
    """
    if not bottom < top:
        return _ONE
    low, high = _FIRST, np.int32(np.float32(largest).view(np.int32))
    while low < high:
        middle = np.int32(low + (high - low + np.int32(1)) // np.int32(2))
        if affine_value(last, np.int32(middle).view(np.float32), bottom) <= top:
            low = middle
        else:
            high = np.int32(middle - np.int32(1))
    return np.float32(np.int32(low).view(np.float32))


@scalar
def first_code(w: np.float32, step_size: np.float32, bias: np.float32, last: np.int32) -> np.int32:
    """The first code, 0 to `last`, whose value is at least `w`; `last` if there is none."""
    place = (np.float64(w) - np.float64(bias)) / np.float64(step_size)
    code = np.int32(math.ceil(min(max(place, np.float64(0.0)), np.float64(last))))
    if affine_value(code, step_size, bias) >= w and (
        code == 0 or affine_value(np.int32(code - 1), step_size, bias) < w
    ):
        return code
    low, high = np.int32(0), last
    while low < high:
        middle = np.int32((low + high) // np.int32(2))
        if affine_value(middle, step_size, bias) >= w:
            high = middle
        else:
            low = np.int32(middle + np.int32(1))
    return low


@scalar
def affine_code(
    w: np.float32, step_size: np.float32, bias: np.float32, last: np.int32, stochastic: bool, word: np.uint32
) -> np.int32:
    """Unsigned code of `w`, 0 to `last`: of the neighbour that the word chooses, or of the nearer one (a tie up)."""
    code = first_code(w, step_size, bias, last)
    upper = affine_value(code, step_size, bias)
    if code == 0 or upper <= w:
        return code
    lower = affine_value(np.int32(code - 1), step_size, bias)
    rest, gap = np.float64(w) - np.float64(lower), np.float64(upper) - np.float64(lower)
    up = np.float64(word) * gap < rest * _WORDS if stochastic else rest >= gap - rest
    return code if up else first_code(lower, step_size, bias, last)
