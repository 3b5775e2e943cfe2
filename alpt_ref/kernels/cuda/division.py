"""Whole part of a quotient by one number many times: a multiplication and three fused operations, no division.

A GPU has no division instruction: IEEE division is a dozen instructions and a branch. With the reciprocal of the step
size known to twice float32's precision, ``1/delta = high + low``,

    q = fma(w, high, w * low)          within one unit in the last place of w / delta
    r = fma(-q, delta, w)               the remainder, exact
    fma_rz(r, high, q)                  q + r / delta but for 2**-24 of r / delta, rounded towards zero

(the last step as in Markstein, "Computation of elementary functions on the IBM RISC System/6000 processor", 1990). Its
whole part is that of the real quotient x, or one less where x is a whole number: w and ``k delta``, k >= 1 whole, are
multiples of ``ulp(delta) / 2`` where they are within ``delta / 2`` of each other, so that x is a whole number or at
least ``2**-25`` away from any; what is rounded is within ``2**-47 x < 2**-25`` of x, and rounding towards zero does not
cross a whole number. Where ``w < delta / 2`` the whole part is zero, whatever the last bits are. This holds if nothing
overflows or loses bits below 2**-149 on the way, which is certain for ``2**-60 <= delta <= 2**60`` and
``0 <= w <= 2**17 delta``; a number beyond has a code at the end of any range of up to 16 bits.

The same holds with a reciprocal found on the device (`reciprocal`), where `high` is wrong by up to two units in the
last place, 2**-22 of it: ``e = fma(-high, delta, 1)`` is at most 2**-21 and known to 2**-24 of itself, so that
``high + low`` with ``low = e high`` misses 1/delta by less than 2**-42 of it, and q is still within one unit in the
last place; ``fma_rz(r, high, q)`` adds r / delta but for 2**-22 of it, so that what is rounded is within
``2**-45 x < 2**-25`` of x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.target import SIMULATED, device
from alpt_ref.scalar.arith import mul

_ONE = np.float32(1.0)
_FAR = np.float32(2.0**17)

if SIMULATED:

    def _fused(a: Any, b: Any, c: Any, nearest: bool) -> Any:
        """``a * b + c`` of float32 numbers, rounded once: the sum of doubles is rounded to odd before."""
        product = float(a) * float(b)
        total = product + float(c)
        part = total - product
        error = (product - (total - part)) + (float(c) - part)
        bits = np.float64(total).view(np.int64)
        if error != 0.0 and bits % 2 == 0:
            bits += 1 if (error > 0.0) == (total > 0.0) else -1
        odd = np.int64(bits).view(np.float64)
        result = np.float32(odd)
        if not nearest and abs(np.float64(result)) > abs(odd):
            result = np.nextafter(result, np.float32(0.0), dtype=np.float32)
        return result

    @device
    def fma(a, b, c):  # type: ignore[no-untyped-def]
        """``a * b + c`` of float32 numbers, rounded once, to nearest."""
        return _fused(a, b, c, True)

    @device
    def fma_rz(a, b, c):  # type: ignore[no-untyped-def]
        """``a * b + c`` of float32 numbers, rounded once, towards zero."""
        return _fused(a, b, c, False)

    @device
    def one_over(x):  # type: ignore[no-untyped-def]
        """``1 / x`` of a float32 number, wrong by at most two units in the last place."""
        return np.float32(_ONE / x)

else:
    from numba.cuda import libdevice

    fma: Any = libdevice.fmaf_rn  # type: ignore[no-redef]
    fma_rz: Any = libdevice.fmaf_rz  # type: ignore[no-redef]

    @device
    def one_over(x):  # type: ignore[no-untyped-def]
        """``1 / x`` of a float32 number, wrong by at most two units in the last place."""
        return libdevice.fast_fdividef(_ONE, x)


SMALLEST, LARGEST = np.float32(2.0**-60), np.float32(2.0**60)
"""Step sizes that `quotient` may divide by."""


def known_step_size(delta: np.float32) -> tuple[np.float32, np.float32, np.float32, np.float32] | None:
    """``(delta, high, low, far)`` for `quotient`, with ``w <= far``; None if the step size is out of its range."""
    delta = np.float32(delta)
    if not SMALLEST <= delta <= LARGEST:
        return None
    high = np.float32(1.0 / np.float64(delta))
    # 1 - high * delta is exact in float64 (48 bits); its quotient by delta is the rest of the reciprocal
    low = np.float32((1.0 - np.float64(high) * np.float64(delta)) / np.float64(delta))
    return delta, high, low, np.float32(delta * _FAR)


@device
def reciprocal(delta):  # type: ignore[no-untyped-def]
    """``high, low, far`` for `quotient` by a step size within `SMALLEST` and `LARGEST`."""
    high = one_over(delta)
    return high, np.float32(mul(fma(-high, delta, _ONE), high)), np.float32(mul(delta, _FAR))


@device
def quotient(w, delta, high, low):  # type: ignore[no-untyped-def]
    """A number with the whole part of ``w / delta``, or below by one where that is whole; ``0 <= w <= far``."""
    q = fma(w, high, mul(w, low))
    return fma_rz(fma(-q, delta, w), high, q)
