"""Where a quantiser's arrays live, and the checks of codes that hold on either device."""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.types import Codes


def on_device(value: Any) -> bool:
    """Whether `value` is an array of a GPU."""
    return hasattr(value, "__cuda_array_interface__")


def grain(columns: int) -> int:
    """Rows worth a thread when a row has this many elements."""
    return max(1, 32768 // max(columns, 1))


def code_matrix(codes: Any) -> Codes:
    """`codes` as a contiguous int8 or int16 array (n, d) where it is, or `InputError`."""
    if on_device(codes):
        codes = get_backend("cuda").xp.asarray(codes)
    known = isinstance(codes, np.ndarray) or on_device(codes)
    if not known or codes.dtype.kind not in "iu" or codes.ndim != 2:
        found = f"{codes.dtype} of shape {codes.shape}" if known else type(codes).__name__
        raise InputError(f"codes must be an array (n, d) of integers, int8 or int16, got {found}")
    if codes.dtype not in (np.int8, np.int16):
        low, high = -(1 << 15), (1 << 15) - 1
        if codes.size and (codes.min() < low or codes.max() > high):
            raise InputError(f"codes must be in [{low}, {high}], got {codes.min()} to {codes.max()}")
        codes = codes.astype(np.int16)
    contiguous: Codes = get_backend("cuda" if on_device(codes) else "cpu").xp.ascontiguousarray(codes)
    return contiguous
