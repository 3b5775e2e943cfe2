"""Exact sums of float32 numbers, as integers that may be added in any order."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


def sums_by_exponent(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Sums of the mantissas of positive float32 numbers by exponent, int64 (256,): exact up to 2**39 numbers."""
    bits = np.ascontiguousarray(values).view(np.int32)
    exponents = bits >> 23
    sums = np.zeros(256, np.int64)
    for exponent in np.unique(exponents).tolist():
        of = bits[exponents == exponent] & 0x7FFFFF
        sums[exponent] = int(of.sum(dtype=np.int64)) + (len(of) << 23 if exponent else 0)
    return sums


def exact_sum(sums: NDArray[np.int64]) -> Fraction:
    """The sum of the numbers that `sums_by_exponent` was given.

    Examples
    --------
    >>> exact_sum(sums_by_exponent(np.array([1.5, 0.25], np.float32)))
    Fraction(7, 4)
    """
    total = sum(int(one) << max(exponent, 1) for exponent, one in enumerate(sums))
    return Fraction(total, 1 << 150)
