"""bfloat16 on the host: the upper half of a float32, rounded to the nearest, ties to even.

What `alpt_ref.kernels.cuda.bf16` does on a device: NaN becomes 0x7FFF, and what is beyond the largest number infinity.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BF16: np.dtype[Any] = np.dtype(np.uint16)
"""dtype of an array of bfloat16 bits."""
_NAN = np.uint32(0x7FFF)


def rounded(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """bfloat16 bits of float32 numbers, rounded to the nearest, ties to even; on the host.

    Examples
    --------
    >>> [hex(bits) for bits in rounded(np.array([1.0, 1.00390625, 1.01171875, np.inf], np.float32))]
    ['0x3f80', '0x3f80', '0x3f82', '0x7f80']
    """
    words = np.ascontiguousarray(values, np.float32).view(np.uint32)
    with np.errstate(over="ignore"):  # of NaNs alone
        upper = (words + np.uint32(0x7FFF) + ((words >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    return np.where(np.isnan(values), _NAN, upper).astype(np.uint16)


def widened(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """float32 of bfloat16 bits, exactly; on the host.

    Examples
    --------
    >>> widened(np.array([0x3F80, 0xC040], np.uint16)).tolist()
    [1.0, -3.0]
    """
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
