"""Arrays that begin on a cache line.

A row of 16 floats is one 64-byte line if the array begins on one and two lines if not; gathering rows of a large
table through 512-bit loads and stores is several times slower in the second case. NumPy aligns to 16 bytes only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LINE = 64


def aligned_empty(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """`numpy.empty` that begins on a cache line."""
    return _place(np.empty, shape, dtype)


def aligned_zeros(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """`numpy.zeros` (memory is touched only when used) that begins on a cache line."""
    return _place(np.zeros, shape, dtype)


def _place(make: Any, shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    kind = np.dtype(dtype)
    size = math.prod(shape) if isinstance(shape, tuple) else int(shape)
    raw = make(size * kind.itemsize + LINE, np.uint8)
    offset = -raw.ctypes.data % LINE
    array: NDArray[Any] = raw[offset : offset + size * kind.itemsize].view(kind).reshape(shape)
    return array
