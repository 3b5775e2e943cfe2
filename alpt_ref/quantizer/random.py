"""The generator behind stochastic rounding on arrays: Philox4x32-10, and which row numbers key its words."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.cpu.random import philox_rows
from alpt_ref.kernels.jit import run_rows
from alpt_ref.quantizer.place import gpu_half, on_device
from alpt_ref.scalar.philox import MAX_ROWS


def philox4x32(counter: Any, key: Any) -> NDArray[np.uint32]:
    """Philox4x32-10 of each counter under each key (Salmon et al., SC 2011).

    Parameters
    ----------
    counter : uint32 array (..., 4)
    key : uint32 array (..., 2)
        Leading dimensions are broadcast against those of `counter`.

    Returns
    -------
    uint32 array (..., 4)
        A NumPy array for a NumPy `counter`, a CuPy array for an array on a GPU.

    Raises
    ------
    InputError
        If a dtype is not uint32 or a last dimension is not 4 and 2.

    Examples
    --------
    The first known answer of the authors' library Random123:

    >>> import numpy as np
    >>> from alpt_ref import philox4x32
    >>> words = philox4x32(np.zeros(4, np.uint32), np.zeros(2, np.uint32))
    >>> [f"{word:08x}" for word in words.tolist()]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    if on_device(counter):
        return cast(NDArray[np.uint32], gpu_half().philox4x32(counter, key))
    counters, keys, shape = counters_and_keys(np.asarray(counter), np.asarray(key), np)
    out = np.empty_like(counters)
    run_rows(philox_rows, len(out), counters, keys, out, grain=4096)
    return cast(NDArray[np.uint32], out.reshape(*shape, 4))


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
