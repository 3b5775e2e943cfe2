"""Arrays of a kernel's own that begin on a cache line: a vector of 64 bytes that lies on two lines costs twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.types import Int
from alpt_ref.scalar.jit import scalar

_LINE = 64


@scalar
def new_words(count: Int) -> NDArray[np.uint32]:
    """`count` words that begin on a cache line, with any content."""
    raw = np.empty(count + _LINE // 4, np.uint32)
    skip = (-raw.ctypes.data % _LINE) // 4
    return raw[skip : skip + count]


@scalar
def new_floats(count: Int) -> NDArray[np.float32]:
    """The same as float32."""
    return new_words(count).view(np.float32)


@scalar
def new_integers(count: Int) -> NDArray[np.int32]:
    """The same as int32."""
    return new_words(count).view(np.int32)
