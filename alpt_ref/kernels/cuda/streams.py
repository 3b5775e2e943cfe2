"""Streams, events, pinned memory and free memory by CuPy; stand-ins in the simulator, where nothing is queued."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from alpt_ref.kernels.cuda.target import SIMULATED


class _Nothing:
    """A stream or event of the simulator: nothing is ever queued."""

    def __enter__(self) -> _Nothing:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def record(self, stream: Any = None) -> None:
        pass

    def wait_event(self, event: Any) -> None:
        if event is None:
            raise ValueError("a stream waits for an event, got None")


def new_stream(priority: int = 0) -> Any:
    """A stream that does not wait for the default one; of two the blocks of the lower `priority` go first."""
    if SIMULATED:
        return _Nothing()
    import cupy

    return cupy.cuda.Stream(non_blocking=True, priority=priority)


def new_event() -> Any:
    """An event that keeps no time."""
    if SIMULATED:
        return _Nothing()
    import cupy

    return cupy.cuda.Event(disable_timing=True)


def current_stream() -> Any:
    """The stream that work is queued on."""
    if SIMULATED:
        return _Nothing()
    import cupy

    return cupy.cuda.get_current_stream()


MEDIUM, DIRECT, POSITIONS = range(3)
"""Side streams of a table: the sums of medium rows; the rows that need no sums; places of a batch's positions."""
_PRIORITIES = {MEDIUM: -2, DIRECT: 0, POSITIONS: -1}  # what nothing waits for takes what the others leave


@functools.cache
def _side(which: int) -> Any:
    return new_stream(_PRIORITIES[which])


def fork(which: int) -> None:
    """Let a side stream go on from here: after what the current stream holds so far. Can be captured, up to `join`."""
    here = new_event()
    here.record(current_stream())
    _side(which).wait_event(here)


@contextmanager
def beside(which: int) -> Iterator[None]:
    """Launch what is inside on a side stream, after its last `fork`; `join` waits for it."""
    with _side(which):
        yield


def join(which: int) -> None:
    """Let the current stream go on only when what was launched `beside` it is done."""
    done = new_event()
    done.record(_side(which))
    current_stream().wait_event(done)


def copy_ahead(target: Any, source: NDArray[Any], stream: Any) -> None:
    """Queue a copy from pinned host memory to a device array of its size on `stream`."""
    if SIMULATED:
        target[...] = source
    else:
        target.set(source, stream=stream)


def copy_back(target: NDArray[Any], source: Any, stream: Any) -> None:
    """Queue a copy from a device array to pinned host memory of its size on `stream`."""
    if SIMULATED:
        target[...] = source
        return
    import cupy

    runtime = cupy.cuda.runtime
    runtime.memcpyAsync(target.ctypes.data, source.data.ptr, target.nbytes, runtime.memcpyDeviceToHost, stream.ptr)


def pinned(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """A host array that the device can read while the host goes on."""
    if SIMULATED:
        return np.empty(shape, dtype)
    import cupy

    size = int(np.prod(shape))
    memory = cupy.cuda.alloc_pinned_memory(size * np.dtype(dtype).itemsize)
    return np.frombuffer(memory, dtype, size).reshape(shape)


def free_memory() -> int:
    """Bytes of device memory that nobody uses, blocks that CuPy keeps for reuse included."""
    if SIMULATED:
        return 1 << 40
    import cupy

    return int(cupy.cuda.runtime.memGetInfo()[0]) + int(cupy.get_default_memory_pool().free_bytes())
