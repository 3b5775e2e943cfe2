"""The quantiser on a GPU: what `alpt_ref.quantizer` calls on device arrays and with ``device="cuda"``.

What comes in decides what goes out: a CuPy array for device arrays (anything with ``__cuda_array_interface__``), a
NumPy array for NumPy arrays. Results match the CPU's bit for bit. Codes are checked before they are returned, so a
call waits for the GPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import Backend, get_backend
from alpt_ref.kernels.cuda import quantize as kernels
from alpt_ref.kernels.cuda import random
from alpt_ref.quantizer.finite import check_grid, require_finite_values
from alpt_ref.quantizer.keys import counters_and_keys, row_numbers
from alpt_ref.quantizer.place import on_device
from alpt_ref.quantizer.spec import check_columns, words_per_row
from alpt_ref.scalar.philox import PURPOSE_QUANTIZE


class DeviceCall:
    """One call's backend, its arguments as device arrays, and its result where the first argument came from."""

    def __init__(self, first: Any) -> None:
        self.backend: Backend = get_backend("cuda")
        self.xp = self.backend.xp
        self.returns_host = not on_device(first)

    def matrix(self, name: str, value: Any, shape: tuple[int | None, int | None] = (None, None)) -> Any:
        """A float32 matrix on the device; `_check.float32_matrix` wherever it came from."""
        if on_device(value):
            return _check.float32_matrix(name, self.xp.asarray(value), shape, xp=self.xp)
        return self.backend.from_host(_check.float32_matrix(name, value, shape))

    def step_sizes(self, value: Any, rows: int, bits: int | None = None) -> Any:
        """Step sizes: one on the host, or (rows,) on the device; with `bits` every code's value is finite."""
        xp: Any = self.xp if on_device(value) else np
        checked = _check.step_sizes(xp.asarray(value) if on_device(value) else value, rows, xp=xp)
        if bits is not None:
            check_grid("step_size", checked, bits, numbered=np.ndim(value) == 1, xp=xp)
        if checked.shape[0] == 1:
            return self.backend.to_host(checked) if on_device(value) else checked
        return checked if on_device(value) else self.backend.from_host(checked)

    def back(self, array: Any) -> Any:
        """The result where the caller's arrays are."""
        return self.backend.to_host(array) if self.returns_host else array

    def require_finite(self, name: str, values: Any) -> None:
        """See `alpt_ref.quantizer.require_finite`."""
        finite = self.xp.isfinite(values)
        if not bool(finite.all()):
            row, column = (int(index[0]) for index in self.xp.nonzero(~finite))
            raise InputError(f"{name} must be finite, got {float(values[row, column])} at row {row}, column {column}")


def quantize(
    w: Any, step_size: Any, spec: Any, key: tuple[np.uint32, np.uint32], counter: int, rows: Any, packed: bool
) -> Any:
    """Codes, or packed words, of `w`; `spec`, `key` and `counter` are checked already."""
    call = DeviceCall(w)
    w = call.matrix("w", w)
    check_columns(w.shape[1])
    step_sizes = call.step_sizes(step_size, w.shape[0], spec.bits)
    n, d = w.shape
    stochastic = spec.rounding == "sr"
    first = row_numbers(rows, n)
    if not isinstance(first, int):
        if stochastic:
            raise InputError(
                "rows must be consecutive on a GPU, got numbers with gaps; quantise each run of consecutive rows by "
                "itself, or all of them with device='cpu'"
            )
        first = 0
    shape, dtype = ((n, words_per_row(spec.bits, d)), np.uint32) if packed else ((n, d), spec.dtype)
    out = call.backend.empty(shape, dtype)
    flags = call.backend.zeros(1, np.int32)
    arguments = (w, step_sizes, spec.bits, stochastic, counter, PURPOSE_QUANTIZE, first, *key, out, flags)
    kernels.quantize(*arguments, packed=packed)
    if int(flags[0]):
        call.require_finite("w", w)
    return call.back(out)


def dequantize(codes: Any, step_size: Any) -> Any:
    """See `alpt_ref.quantizer.dequantize`."""
    call = DeviceCall(codes)
    out = call.backend.empty(codes.shape, np.float32)
    step_sizes = call.step_sizes(step_size, codes.shape[0])
    kernels.dequantize(codes, step_sizes, out)
    require_finite_values(out, codes, step_sizes, call.xp)
    return call.back(out)


def step_gradient(w: Any, grad: Any, step_size: Any, bits: int) -> Any:
    """See `alpt_ref.quantizer.step_gradient`."""
    call = DeviceCall(w)
    w = call.matrix("w", w)
    grad = call.matrix("grad", grad, (w.shape[0], w.shape[1]))
    step_sizes = call.step_sizes(step_size, w.shape[0], bits)
    call.require_finite("w", w)
    call.require_finite("grad", grad)
    out = call.backend.empty((w.shape[0],), np.float32)
    kernels.step_gradient(w, grad, step_sizes, bits, out)
    return call.back(out)


def pack(codes: Any, bits: int, words: int) -> Any:
    """Checked codes (n, d) in `words` 32-bit words per row."""
    out = DeviceCall(codes).backend.empty((codes.shape[0], words), np.uint32)
    kernels.pack_rows(codes, bits, out)
    return out


def unpack(packed: Any, bits: int, d: int, dtype: Any) -> Any:
    """Codes (n, d) of checked 32-bit words."""
    call = DeviceCall(packed)
    out = call.backend.empty((packed.shape[0], d), dtype)
    kernels.unpack_rows(call.xp.ascontiguousarray(packed), bits, out)
    return out


def philox4x32(counter: Any, key: Any) -> Any:
    """See `alpt_ref.quantizer.philox4x32`."""
    call = DeviceCall(counter)
    counters, keys, shape = counters_and_keys(call.xp.asarray(counter), call.xp.asarray(key), call.xp)
    out = call.backend.empty(counters.shape, np.uint32)
    random.philox_rows(counters, keys, out)
    return out.reshape(*shape, 4)
