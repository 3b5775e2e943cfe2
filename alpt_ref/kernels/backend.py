"""Where the arrays live. The only module that knows about CUDA, and lazily.

A backend bundles an array module and the few array operations that differ between devices, so that tables and models
are written once. Kernels are not part of it: who runs one imports it from `kernels.cpu` or `kernels.cuda`.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from alpt_ref.errors import InputError
from alpt_ref.kernels.cuda.available import require_device
from alpt_ref.kernels.memory import aligned_empty, aligned_zeros

DEVICES = ("cpu", "cuda")


class Backend:
    """Array module `xp` of one device, and what differs between devices."""

    def __init__(self, name: str, xp: Any) -> None:
        self.name = name
        self.xp = xp

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Any:
        """A new array of zeros on this device, the start on a cache line."""
        return aligned_zeros(shape, dtype)

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Any:
        """A new array on this device whose values do not matter."""
        return aligned_empty(shape, dtype)

    def to_host(self, array: Any) -> NDArray[Any]:
        """A copy of `array` as a NumPy array."""
        return np.array(array)

    def from_host(self, array: NDArray[Any]) -> Any:
        """A copy of a NumPy array as an array of this device."""
        return np.array(array)

    def assign(self, array: Any, values: NDArray[Any]) -> None:
        """Overwrite an array of this device by a NumPy array of its shape and dtype."""
        array[...] = values

    def synchronize(self) -> None:
        """Wait until everything that was queued on the device is done."""

    def description(self) -> dict[str, Any]:
        """What a measurement says about the device."""
        return {"device": "cpu"}


class CudaBackend(Backend):
    """CuPy arrays on one GPU; everything is queued on CuPy's current stream."""

    def __init__(self, cupy: Any) -> None:
        super().__init__("cuda", cupy)

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Any:
        """See `Backend.zeros`; raises `InputError` naming the bytes when the device's memory is full."""
        with device_memory():
            return self.xp.zeros(shape, dtype)

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Any:
        """See `Backend.empty`; raises `InputError` naming the bytes when the device's memory is full."""
        with device_memory():
            return self.xp.empty(shape, dtype)

    def to_host(self, array: Any) -> NDArray[Any]:
        """See `Backend.to_host`."""
        host: NDArray[Any] = self.xp.asnumpy(array)
        return host

    def from_host(self, array: NDArray[Any]) -> Any:
        """See `Backend.from_host`."""
        with device_memory():
            return self.xp.asarray(np.ascontiguousarray(array))

    def assign(self, array: Any, values: NDArray[Any]) -> None:
        """See `Backend.assign`."""
        if array.flags.c_contiguous:
            array.set(np.ascontiguousarray(values))
        else:
            array[...] = self.xp.asarray(values)

    def synchronize(self) -> None:
        """See `Backend.synchronize`."""
        self.xp.cuda.get_current_stream().synchronize()

    def description(self) -> dict[str, Any]:
        """See `Backend.description`."""
        runtime = self.xp.cuda.runtime
        properties = runtime.getDeviceProperties(self.xp.cuda.Device().id)
        return {
            "device": properties["name"].decode(),
            "memory_bytes": int(properties["totalGlobalMem"]),
            "driver": runtime.driverGetVersion(),
            "cuda": runtime.runtimeGetVersion(),
        }


@contextmanager
def device_memory() -> Iterator[None]:
    """Turn CuPy's out-of-memory error into one sentence with the bytes."""
    import cupy

    try:
        yield
    except cupy.cuda.memory.OutOfMemoryError as error:
        free, total = cupy.cuda.runtime.memGetInfo()
        raise InputError(
            f"the GPU's memory is full ({error}; {free:,} of {total:,} bytes are free): "
            "use fewer bits, a smaller table, batch or optimiser state, or --device cpu"
        ) from None


_CPU = Backend("cpu", np)


def get_backend(device: str = "cpu") -> Backend:
    """Backend of a device name, ``"cpu"`` or ``"cuda"`` (the current CUDA device).

    Raises
    ------
    InputError
        If the device is unknown or cannot be used here, with the reason.
    """
    if device not in DEVICES:
        raise InputError(f"device must be 'cpu' or 'cuda', got {device!r}")
    if sys.byteorder != "little":
        raise InputError("packed codes are little-endian words: this processor's byte order is not supported")
    return _CPU if device == "cpu" else _cuda()


@functools.cache
def _cuda() -> Backend:
    if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1":
        return Backend("cuda", np)  # Numba's simulator: NumPy arrays stand for the device's
    require_device()
    import cupy

    return CudaBackend(cupy)
