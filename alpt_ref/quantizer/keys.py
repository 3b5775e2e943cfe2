"""What keys the words of the generator: counters and keys after broadcasting, and the numbers of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.quantizer.place import on_device
from alpt_ref.scalar.philox import MAX_ROWS


def counters_and_keys(counter: Any, key: Any, xp: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """Counters (n, 4) and keys (n, 2) after broadcasting, and the leading shape."""
    for name, array, last in (("counter", counter, 4), ("key", key, 2)):
        if array.dtype != np.uint32 or array.ndim < 1 or array.shape[-1] != last:
            raise InputError(f"{name} must be uint32 of shape (..., {last}), got {array.dtype} of shape {array.shape}")
    try:
        shape = np.broadcast_shapes(counter.shape[:-1], key.shape[:-1])
    except ValueError:
        raise InputError(
            f"counter and key must have leading shapes that broadcast, got {counter.shape} and {key.shape}"
        ) from None
    spread = [
        array if array.shape[:-1] == shape else xp.broadcast_to(array, (*shape, last))
        for array, last in ((counter, 4), (key, 2))
    ]
    counters, keys = (xp.ascontiguousarray(array).reshape(-1, array.shape[-1]) for array in spread)
    return counters, keys, shape


def row_numbers(rows: Any, n: int) -> int | NDArray[np.int64]:
    """What keys the random words of `n` rows: the first number where they are consecutive, else all of them (n,)."""
    if rows is None:
        return 0
    if on_device(rows):
        rows = get_backend("cuda").to_host(rows)
    array = _check.as_array("rows", rows)
    if array.ndim == 0:
        return _check.whole_number("rows", rows, 0, MAX_ROWS - n + 1)
    if array.dtype.kind not in "iu" or array.shape != (n,):
        raise InputError(
            f"rows must be a whole number or an integer array with one number per row ({n}), "
            f"got {array.dtype} of shape {array.shape}"
        )
    if n == 0:
        return 0
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= MAX_ROWS:
        raise InputError(f"rows must be in [0, {MAX_ROWS}), got {low} to {high}")
    numbers = np.ascontiguousarray(array, np.int64)
    first = int(numbers[0])
    return first if np.array_equal(numbers, np.arange(first, first + n)) else numbers
