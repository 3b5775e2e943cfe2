"""Checks of what a table is asked for: row numbers and bags of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.check import as_array
from alpt_ref.errors import InputError
from alpt_ref.kernels.cpu.unique import id_range


def bag_bounds(bags: Any, ids: int) -> NDArray[np.int64]:
    """Bag boundaries (bags + 1,): from 0 to the number of ids, never falling."""
    array = as_array("bags", bags)
    if array.dtype.kind not in "iu" or array.ndim != 1 or len(array) < 1:
        raise InputError(f"bags must be a one-dimensional integer array (bags + 1,), got {array.dtype} {array.shape}")
    bounds = np.ascontiguousarray(array, np.int64)
    if bounds[0] != 0 or bounds[-1] != ids or (np.diff(bounds) < 0).any():
        raise InputError(f"bags must rise from 0 to the number of ids {ids}, got {bounds.tolist()[:8]}")
    return bounds


def id_array(ids: Any, n: int) -> NDArray[np.integer[Any]]:
    """Row numbers as a contiguous native integer array (len,), each in ``[0, n)``."""
    array = as_array("ids", ids)
    if array.size == 0 and array.ndim == 1:
        return np.zeros(0, np.int64)
    if array.dtype.kind not in "iu":
        raise InputError(f"ids must be whole numbers of an integer dtype, got {array.dtype}")
    if array.ndim != 1:
        raise InputError(f"ids must have one dimension, got shape {array.shape}; pass ids.reshape(-1)")
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    low, high = (int(value) for value in id_range(array))
    if low < 0 or high >= n:
        wrong = low if low < 0 else high
        raise InputError(f"ids must be in [0, {n}), got {wrong}")
    return array
