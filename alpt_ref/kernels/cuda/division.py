"""Division by one number many times: the bits of ``w / step`` for a multiplication and three fused operations.

A GPU has no division instruction: IEEE division is a dozen instructions and a branch. With the reciprocal of the step
size known to twice float32's precision, ``1/step = high + low``,

    q = fma(w, high, w * low)          within one unit in the last place of w / step
    r = fma(-q, step, w)               the remainder, exact
    q + r / step  =  fma(r, high, q)   rounded once

is the correctly rounded quotient (Markstein, "Computation of elementary functions on the IBM RISC System/6000
processor", 1990, theorem on final rounding: `high` is the nearest float32 to ``1/step`` and `q` is faithful), provided
that nothing overflows or loses bits below 2**-149 on the way. `bounds` says for which numbers that is certain:

- ``2**-60 <= step <= 2**60`` and ``|w| <= 2**17 step`` (a number beyond has a code at the end of any range of up to 16
  bits, but is left to IEEE division, as NaN and infinity are);
- where ``|w / step| >= 2**-33``, ``|w| >= 2**-93``: the remainder is a multiple of ``2**-24 ulp(w)``, hence exact;
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


def known_step(step: np.float32) -> tuple[np.float32, np.float32, np.float32, np.float32] | None:
    """``(step, high, low, far)`` for `quotient`, with ``|w| <= far``; None if the step size is out of its range."""
    step = np.float32(step)
    if not SMALLEST <= step <= LARGEST:
        return None
    high = np.float32(1.0 / np.float64(step))
    # 1 - high * step is exact in float64 (48 bits); its quotient by the step is the rest of the reciprocal
    low = np.float32((1.0 - np.float64(high) * np.float64(step)) / np.float64(step))
    return step, high, low, np.float32(step * np.float32(2.0**17))


@device
def quotient(w, step, high, low):  # type: ignore[no-untyped-def]
    """``w / step`` rounded to nearest, for what `known_step` returned and ``|w| <= far``."""
    q = fma(w, high, mul(w, low))
    return fma(fma(-q, step, w), high, q)
