"""Streams, events, pinned memory and free memory by CuPy; stand-ins in the simulator, where nothing is queued."""

from __future__ import annotations

import ctypes
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


class Prioritised:
    """A recorded CUDA graph whose kernels keep the priorities of their streams, which CuPy leaves out.

    CuPy's own executable form of the graph stays unused. Calls are the driver's, whose handles the runtime shares.
    """

    def __init__(self, graph: Any) -> None:
        self._graph, self._driver, self._executable = graph, ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p()
        flags = ctypes.c_ulonglong(_USE_NODE_PRIORITY)
        made = ctypes.c_void_p(graph.graph)
        self._check(self._driver.cuGraphInstantiateWithFlags(ctypes.byref(self._executable), made, flags))

    @staticmethod
    def _check(status: int) -> None:
        if status:
            raise RuntimeError(f"the driver could not take a recorded graph: status {status}")

    def launch(self, stream: Any) -> None:
        """Replay it on `stream`."""
        self._check(self._driver.cuGraphLaunch(self._executable, ctypes.c_void_p(stream.ptr)))

    def __del__(self) -> None:
        """The driver keeps an executable graph until it is told."""
        if self._executable:
            self._driver.cuGraphExecDestroy(self._executable)


_USE_NODE_PRIORITY = 8  # CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY of cuda.h


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
