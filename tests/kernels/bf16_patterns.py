"""float32 numbers that meet every case of rounding to bfloat16, and the rounding by its definition."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.scalar.bfloat16 import widened

Bits = NDArray[np.uint16]
Floats = NDArray[np.float32]

LOWER = (0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF)
"""Lower halves of a float32: what rounding drops; 0x8000 is a tie."""


def patterns(lower: tuple[int, ...] = LOWER, every: int = 1) -> Floats:
    """float32 of every upper half with each of these lower halves: zeros, subnormals, infinities and NaN among them."""
    upper = np.arange(0, 1 << 16, every, dtype=np.uint32) << np.uint32(16)
    return np.concatenate([upper + np.uint32(half) for half in lower]).view(np.float32)


def nearest(values: Floats) -> Bits:
    """Rounding by comparing distances to both neighbours in float64, which is exact here; ties to the even one."""
    upper = (values.view(np.uint32) >> np.uint32(16)).astype(np.uint16)
    inside, ends = np.isfinite(values), np.array([upper, upper + np.uint16(1)])
    with np.errstate(invalid="ignore"):
        low, high = widened(ends).astype(np.float64)
        high = np.where(np.isinf(high), np.copysign(2.0**128, high), high)  # as if the exponents went on
        x = values.astype(np.float64)
        down, up = np.abs(x - low), np.abs(high - x)
        taken = np.where((up < down) | ((up == down) & (upper % 2 == 1)), ends[1], upper)
    return np.where(np.isnan(values), np.uint16(0x7FFF), np.where(inside, taken, upper)).astype(np.uint16)
