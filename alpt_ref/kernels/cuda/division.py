"""The cell of a weight among the values of codes in one fused operation, without a division.

A GPU has no division instruction: IEEE division is a dozen instructions and a branch. With ``r <= 1/delta``, a float32
number that is less by at most ``2**-22`` of it,

    fma_rz(w, r, 2**23) - 2**23

is the whole part K of the real product ``w r``: from 2**23 on float32 numbers are whole. For ``w <= 2**15 delta``, with
``v_k = fl(k delta)`` and the k of ``v_k <= w < v_{k+1}`` (`scalar.lattice`), K is k or k - 1:

* ``v_K <= w``: ``w >= K / r >= K delta``, and a float32 number from ``K delta`` on is no less than ``fl(K delta)``;
* ``w r > k - 1``: ``w >= v_k >= k delta (1 - 2**-24)``, so that ``w r >= k (1 - 2**-24) (1 - 2**-22) > k - 1``.

Where K is k - 1, ``w > v_{K+1}`` shows it, or w is the value of k, which has the same code in either cell.

The reciprocal of one step size is found on the host, that of a row's on the device: ``r = fma_rz(h, e, h)`` with h an
approximation of 1/delta that is wrong by at most two units in the last place and ``e = fma(-h, delta, 1)``, at most
2**-21. ``h (1 + e)`` is ``(1 - e**2)/delta`` but for the rounding of e, 2**-45 of it. Rounded towards zero it is at
most one unit in the last place and 2**-42 of it below 1/delta, and above it by at most 2**-45 of it. That does no
harm: where w is less than ``K delta``, it is so by at least 2**-39 of it, since both are multiples of that.

All this holds if nothing overflows or loses bits below 2**-149 on the way, which is certain for
``2**-60 <= delta <= 2**60``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.target import SIMULATED, device, one_over

_ONE = np.float32(1.0)
_TWO_23 = np.float32(8388608.0)

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
    def add_rz(a, b):  # type: ignore[no-untyped-def]
        """``a + b`` of float32 numbers, rounded towards zero."""
        return _fused(a, _ONE, b, False)

else:
    from numba.cuda import libdevice

    fma: Any = libdevice.fmaf_rn  # type: ignore[no-redef]
    fma_rz: Any = libdevice.fmaf_rz  # type: ignore[no-redef]
    add_rz: Any = libdevice.fadd_rz  # type: ignore[no-redef]

SMALLEST, LARGEST = np.float32(2.0**-60), np.float32(2.0**60)
"""Step sizes that `cell` may be asked for."""


def known_step_size(delta: np.float32) -> tuple[np.float32, np.float32] | None:
    """``delta`` and the largest float32 number that is at most its reciprocal; None if `cell` does not take it."""
    delta = np.float32(delta)
    if not SMALLEST <= delta <= LARGEST:
        return None
    below = np.float32(1.0 / np.float64(delta))
    if np.float64(below) * np.float64(delta) > 1.0:  # exact: 48 bits
        below = np.nextafter(below, np.float32(0.0), dtype=np.float32)
    return delta, below


@device
def reciprocal(delta):  # type: ignore[no-untyped-def]
    """A number for `cell` that is hardly less than ``1 / delta``."""
    near = one_over(delta)
    return fma_rz(near, fma(-near, delta, _ONE), near)


@device
def cell(w, below):  # type: ignore[no-untyped-def]
    """Whole part of ``w * below``, float32; ``0 <= w``, and the product at most 2**22."""
    return np.float32(fma_rz(w, below, _TWO_23) - _TWO_23)
