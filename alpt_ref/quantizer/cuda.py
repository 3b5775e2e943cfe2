"""The quantiser on a GPU: what `alpt_ref.quantizer` calls for device arrays and ``device="cuda"``, the same bits.

What comes in decides what goes out: a CuPy array for device arrays (anything with ``__cuda_array_interface__``), a
NumPy array for NumPy arrays. Codes are checked before they are returned, so a call waits for the GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import Backend, get_backend
from alpt_ref.kernels.cuda import quantize as kernels
from alpt_ref.kernels.cuda import random
from alpt_ref.scalar.philox import PURPOSE_QUANTIZE


def is_device_array(value: Any) -> bool:
    """Whether `value` lives on a GPU."""
    return hasattr(value, "__cuda_array_interface__")


class Placed:
    """The device's backend, arguments as device arrays, and the way back to where the first one came from."""

    def __init__(self, first: Any) -> None:
        self.backend: Backend = get_backend("cuda")
        self.xp = self.backend.xp
        self.returns_host = not is_device_array(first)

    def matrix(self, name: str, value: Any, shape: tuple[int | None, int | None] = (None, None)) -> Any:
        """A float32 matrix on the device; `_check.float32_matrix` wherever it came from."""
        if is_device_array(value):
            return _check.float32_matrix(name, self.xp.asarray(value), shape, xp=self.xp)
        return self.backend.from_host(_check.float32_matrix(name, value, shape))

    def steps(self, value: Any, rows: int) -> Any:
        """Step sizes: one on the host, or (rows,) on the device."""
        if is_device_array(value):
            checked = _check.step_sizes(self.xp.asarray(value), rows, xp=self.xp)
            return self.backend.to_host(checked) if checked.shape[0] == 1 else checked
        checked = _check.step_sizes(value, rows)
        return checked if checked.shape[0] == 1 else self.backend.from_host(checked)

    def back(self, array: Any) -> Any:
        """The result where the caller's arrays are."""
        return self.backend.to_host(array) if self.returns_host else array

    def require_finite(self, name: str, values: Any) -> None:
        """See `alpt_ref.quantizer.require_finite`."""
        finite = self.xp.isfinite(values)
        if not bool(finite.all()):
            row, column = (int(index[0]) for index in self.xp.nonzero(~finite))
            raise InputError(f"{name} must be finite, got {float(values[row, column])} at row {row}, column {column}")


def quantize(w: Any, step: Any, spec: Any, key: tuple[np.uint32, np.uint32], counter: int, packed: bool) -> Any:
    """Codes, or packed words, of `w`; the other arguments are checked already."""
    from alpt_ref.quantizer.spec import check_columns, words_per_row

    placed = Placed(w)
    w = placed.matrix("w", w)
    check_columns(w.shape[1])
    steps = placed.steps(step, w.shape[0])
    n, d = w.shape
    shape, dtype = ((n, words_per_row(spec.bits, d)), np.uint32) if packed else ((n, d), spec.dtype)
    out = placed.backend.empty(shape, dtype)
    flags = placed.backend.zeros(1, np.int32)
    stochastic = spec.rounding == "sr"
    kernels.quantize(w, steps, spec.bits, stochastic, counter, PURPOSE_QUANTIZE, 0, *key, out, flags, packed=packed)
    if int(flags[0]):
        placed.require_finite("w", w)
    return placed.back(out)


def dequantize(codes: Any, step: Any) -> Any:
    """See `alpt_ref.quantizer.dequantize`."""
    placed = Placed(codes)
    out = placed.backend.empty(codes.shape, np.float32)
    kernels.dequantize(codes, placed.steps(step, codes.shape[0]), out)
    return placed.back(out)


def step_gradient(w: Any, grad: Any, step: Any, bits: int) -> Any:
    """See `alpt_ref.quantizer.step_gradient`."""
    placed = Placed(w)
    w = placed.matrix("w", w)
    grad = placed.matrix("grad", grad, (w.shape[0], w.shape[1]))
    steps = placed.steps(step, w.shape[0])
    placed.require_finite("w", w)
    placed.require_finite("grad", grad)
    out = placed.backend.empty((w.shape[0],), np.float32)
    kernels.step_gradient(w, grad, steps, bits, out)
    return placed.back(out)


def pack(codes: Any, bits: int, words: int) -> Any:
    """Checked codes (n, d) in `words` 32-bit words a row."""
    out = Placed(codes).backend.empty((codes.shape[0], words), np.uint32)
    kernels.pack_rows(codes, bits, out)
    return out


def unpack(words: Any, bits: int, d: int, dtype: Any) -> Any:
    """Codes (n, d) of checked words."""
    placed = Placed(words)
    out = placed.backend.empty((words.shape[0], d), dtype)
    kernels.unpack_rows(placed.xp.ascontiguousarray(words), bits, out)
    return out


def philox4x32(check: Callable[..., tuple[Any, Any, tuple[int, ...]]], counter: Any, key: Any) -> Any:
    """See `alpt_ref.quantizer.philox4x32`; `check` broadcasts with this array module."""
    placed = Placed(counter)
    counters, keys, shape = check(placed.xp.asarray(counter), placed.xp.asarray(key), placed.xp)
    out = placed.backend.empty(counters.shape, np.uint32)
    random.philox_rows(counters, keys, out)
    return out.reshape(*shape, 4)
