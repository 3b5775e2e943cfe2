"""Deterministic and stochastic rounding of a number in grid units to an integer.

``dr(x) = floor(x + 1/2)`` (ties go up) and ``sr(x) = floor(x)`` with probability ``1 - frac(x)``, else
``floor(x) + 1``. Both are exact for every float32 with ``|x| < 2**31``: the part after the point is
``x - trunc(x)``, which a binary float holds without error, whereas ``x - floor(x)`` loses bits just below zero and
``x + 1/2`` rounds 0.49999997 up to 1.

The random word of `sr` is an argument, an integer, and is compared with an integer. Away from zero the rounding goes
for exactly ``floor(|r| 2**32)`` of the ``2**32`` words, ``r = x - trunc(x)``. So the mean of ``sr(x, word)`` over all
words differs from x by less than ``2**-32``, towards zero, and not at all where ``|r| 2**32`` is whole; a whole number
never moves.

This is about the float32 number x. Training rounds moves with it, on the grid of the real multiples of the step size,
where x is the quotient ``move / step_size`` rounded to float32 (`quantizer.moved_code`). It is not how a weight is
quantised: the quotient of a weight, rounded to float32, is off by up to ``2**-10`` of a step at 16 bits, so that
`lattice` compares weights with the values of codes instead.
"""

from __future__ import annotations

import numpy as np

from alpt_ref.scalar.jit import scalar

_HALF = np.float32(0.5)
_ABOVE_HALF = np.nextafter(_HALF, np.float32(1.0))
_ZERO = np.float32(0.0)
_WORDS = np.float32(4294967296.0)
_WHOLE = np.float32(12582912.0)
_I0 = np.int32(0)
_I1 = np.int32(1)


@scalar
def saturate(x: np.float32, low: np.float32, high: np.float32) -> np.float32:
    """`x` limited to ``[low, high]``; done before a cast to an integer, never after."""
    return min(max(x, low), high)


@scalar
def truncated(size: np.float32) -> tuple[np.float32, np.int32]:
    """Whole part of ``0 <= size < 2**31``, as float32 and as int32."""
    count = np.int32(size)
    return np.float32(count), count


@scalar
def dr(x: np.float32) -> np.int32:
    """``floor(x + 1/2)`` for ``|x| < 2**31``."""
    size = np.float32(abs(x))
    whole, count = truncated(size)
    negative = x < _ZERO
    up_from = _ABOVE_HALF if negative else _HALF  # a tie goes up: towards zero for a negative number
    count = np.int32(count + (_I1 if np.float32(size - whole) >= up_from else _I0))
    return np.int32(-count) if negative else count


@scalar
def near_dr(x: np.float32) -> np.int32:
    """`dr` for ``|x| <= 2**22`` in two thirds of the instructions.

    Between 2**23 and 2**24 float32 numbers are the whole ones, so that adding ``1.5 * 2**23`` rounds to the nearest,
    of two to the even one; what that took away, ``x - whole``, is exact, and one half where the even one is below.
    """
    whole = np.float32(np.float32(x + _WHOLE) - _WHOLE)
    return np.int32(np.int32(whole) + (_I1 if np.float32(x - whole) >= _HALF else _I0))


@scalar
def sr(x: np.float32, word: np.uint32) -> np.int32:
    """`x` rounded stochastically by one uniform 32-bit word, for ``|x| < 2**31``."""
    size = np.float32(abs(x))
    whole, count = truncated(size)
    count = np.int32(count + (_I1 if word < np.uint32(np.float32(size - whole) * _WORDS) else _I0))
    return np.int32(-count) if x < _ZERO else count
