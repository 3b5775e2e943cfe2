"""Sums that do not depend on the order of their terms: float32 numbers as integers relative to the largest of them.

With `peak` the largest magnitude of `count` numbers, ``2**(62 - log2(count))`` over the power of two above the peak
turns each into an integer whose sum stays within ``2**62``. The cut is below ``2**-62 * count**2`` of the peak (the
pre-rounding of Demmel and Nguyen, "Fast reproducible floating-point summation", ARITH 2013).
"""

from __future__ import annotations

import numpy as np

from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.types import Int

TOO_LARGE = np.int32(0x57800000)
"""Bits of 2**48, from which the sum of a row's gradients is refused.

Squares of smaller ones stay within float32 when they are added over 2**18 columns or 2**31 steps; an accumulator that
is once infinite would never let its row move again.
"""
_MANTISSA_32 = np.int32(23)
_MANTISSA_64 = np.int64(52)
_BIAS_64 = np.int64(1023)


@scalar
def power_of_two(exponent: Int) -> np.float64:
    """``2.0**exponent`` for exponents from -1022 to 1023."""
    return np.float64(np.int64(np.int64(np.int64(exponent) + _BIAS_64) << _MANTISSA_64).view(np.float64))


@scalar
def fixed_shift(peak: np.int32, count: Int) -> np.int64:
    """Binary exponent of the scale for `count` numbers, the largest with the float32 magnitude bits `peak`."""
    exponent = max(np.int32(peak >> _MANTISSA_32), np.int32(1)) - 126
    spread = 0
    while (1 << spread) < count:
        spread += 1
    return np.int64(62 - spread - exponent)


@scalar
def fixed_scale(peak: np.int32, count: Int) -> np.float64:
    """Factor that turns each number into an integer."""
    return power_of_two(fixed_shift(peak, count))


@scalar
def fixed_unit(peak: np.int32, count: Int) -> np.float64:
    """What one unit of the integer sum is worth: the inverse of `fixed_scale`, exact."""
    return power_of_two(-fixed_shift(peak, count))
