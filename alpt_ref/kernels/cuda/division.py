"""Division by one number many times: the bits of ``w / delta`` for a multiplication and three fused operations.

A GPU has no division instruction: IEEE division is a dozen instructions and a branch. With the reciprocal of the step
size known to twice float32's precision, ``1/delta = high + low``,

    q = fma(w, high, w * low)          within one unit in the last place of w / delta
    r = fma(-q, delta, w)               the remainder, exact
    q + r / delta  =  fma(r, high, q)   rounded once

is the correctly rounded quotient (Markstein, "Computation of elementary functions on the IBM RISC System/6000
processor", 1990, theorem on final rounding: `high` is the nearest float32 to ``1/delta`` and `q` is faithful), provided
that nothing overflows or loses bits below 2**-149 on the way. `bounds` says for which numbers that is certain:

- ``2**-60 <= delta <= 2**60`` and ``|w| <= 2**17 delta`` (a number beyond has a code at the end of any range of up to
  16 bits, but is left to IEEE division, as NaN and infinity are);
- where ``|w / delta| >= 2**-33``, ``|w| >= 2**-93``: the remainder is a multiple of ``2**-24 ulp(w)``, hence exact;
- below that the quotient may differ in its last bits, but its rounding to an integer does not: every number smaller
  than ``2**-32`` in magnitude rounds to zero, stochastically (`scalar.rounding.sr`) as well as to nearest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.target import SIMULATED, device
from alpt_ref.scalar.arith import mul

if SIMULATED:

    @device
    def fma(a, b, c):  # type: ignore[no-untyped-def]
        """``a * b + c`` of float32 numbers, rounded once: the sum of doubles is rounded to odd before."""
        product = float(a) * float(b)
        total = product + float(c)
        part = total - product
        error = (product - (total - part)) + (float(c) - part)
        bits = np.float64(total).view(np.int64)
        if error != 0.0 and bits % 2 == 0:
            bits += 1 if (error > 0.0) == (total > 0.0) else -1
        return np.float32(np.int64(bits).view(np.float64))

else:
    from numba.cuda import libdevice

    fma: Any = libdevice.fmaf_rn  # type: ignore[no-redef]

SMALLEST, LARGEST = np.float32(2.0**-60), np.float32(2.0**60)
"""Step sizes that `quotient` may divide by."""


def known_step_size(delta: np.float32) -> tuple[np.float32, np.float32, np.float32, np.float32] | None:
    """``(delta, high, low, far)`` for `quotient`, with ``|w| <= far``; None if the step size is out of its range."""
    delta = np.float32(delta)
    if not SMALLEST <= delta <= LARGEST:
        return None
    high = np.float32(1.0 / np.float64(delta))
    # 1 - high * delta is exact in float64 (48 bits); its quotient by delta is the rest of the reciprocal
    low = np.float32((1.0 - np.float64(high) * np.float64(delta)) / np.float64(delta))
    return delta, high, low, np.float32(delta * np.float32(2.0**17))


@device
def quotient(w, delta, high, low):  # type: ignore[no-untyped-def]
    """``w / delta`` rounded to nearest, for what `known_step_size` returned and ``|w| <= far``."""
    q = fma(w, high, mul(w, low))
    return fma(fma(-q, delta, w), high, q)
