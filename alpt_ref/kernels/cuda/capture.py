"""A captured call whose preparations wait for its own last run alone, not for what was queued in between.

cuBLAS clears a few counters in its workspace before it multiplies. Recorded in a CUDA graph that is a node of its own
between the kernel before and the product, which costs several microseconds each time. `Ahead.call` has it wait for the
last product with the same workspace instead; the kernels of the call still wait for everything they waited for.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

_CAPTURING, _SET, _KERNEL = 1, 1, 0  # CUstreamCaptureStatus, CUstreamUpdateCaptureDependencies_flags, CUgraphNodeType
_NAMES = (
    "cuStreamGetCaptureInfo_v3",
    "cuStreamUpdateCaptureDependencies_v2",
    "cuGraphNodeGetDependencies_v2",
    "cuGraphAddDependencies_v2",
    "cuGraphNodeGetType",
)


@functools.cache
def _driver() -> Any:
    """The driver, or None where it is too old to be asked (before CUDA 12.3)."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    return driver if all(hasattr(driver, name) for name in _NAMES) else None


def _do(call: str, *args: Any) -> None:
    status = getattr(_driver(), call)(*args)
    if status:
        raise RuntimeError(f"{call} failed with CUDA driver status {status}")


class Ahead:
    """The calls that share one workspace; all are queued on one stream, or on streams that follow each other."""

    def __init__(self) -> None:
        self._capture: int | None = None
        self._last: list[int] = []

    def call(self, stream: int, queue: Callable[[], int]) -> int:
        """What `queue` returns, which queues work on `stream` by a library."""
        before = _captured(stream) if _driver() is not None else None
        if before is None:
            return queue()
        capture, graph, waits, edges = before
        known, last = self._capture == capture, self._last
        if known:
            _do("cuStreamUpdateCaptureDependencies_v2", ctypes.c_void_p(stream), _nodes(last), None,
                ctypes.c_size_t(len(last)), ctypes.c_uint(_SET))  # fmt: skip
        status = queue()
        after = _captured(stream)
        assert after is not None
        self._capture, self._last = capture, after[2]
        if known:
            for node in _kernels(after[2], set(last)):
                _add(graph, waits, edges, node)
        return status


def _nodes(nodes: list[int]) -> Any:
    return (ctypes.c_void_p * len(nodes))(*nodes)


def _captured(stream: int) -> tuple[int, Any, list[int], list[int]] | None:
    """(number of the capture, its graph, nodes that the stream's next one waits for, how), if `stream` is captured."""
    status, number, graph = ctypes.c_int(), ctypes.c_uint64(), ctypes.c_void_p()
    nodes, edges = ctypes.POINTER(ctypes.c_void_p)(), ctypes.POINTER(ctypes.c_uint64)()
    size = ctypes.c_size_t()
    places = (ctypes.byref(one) for one in (status, number, graph, nodes, edges, size))
    _do("cuStreamGetCaptureInfo_v3", ctypes.c_void_p(stream), *places)
    if status.value != _CAPTURING:
        return None
    found = [int(nodes[k] or 0) for k in range(size.value)]
    return number.value, graph, found, [int(edges[k]) if edges else 0 for k in range(size.value)]


def _waits(node: int) -> list[int]:
    """The nodes that a node waits for."""
    size = ctypes.c_size_t()
    _do("cuGraphNodeGetDependencies_v2", ctypes.c_void_p(node), None, None, ctypes.byref(size))
    if not size.value:
        return []
    nodes, edges = (ctypes.c_void_p * size.value)(), (ctypes.c_uint64 * size.value)()
    _do("cuGraphNodeGetDependencies_v2", ctypes.c_void_p(node), nodes, edges, ctypes.byref(size))
    return [int(one or 0) for one in nodes]


def _kernels(nodes: list[int], known: set[int]) -> list[int]:
    """Kernels among `nodes` and what they wait for, down to the `known` ones."""
    found, seen, left = [], set(known), list(nodes)
    while left:
        node = left.pop()
        if node in seen:
            continue
        seen.add(node)
        kind = ctypes.c_int()
        _do("cuGraphNodeGetType", ctypes.c_void_p(node), ctypes.byref(kind))
        if kind.value == _KERNEL:
            found.append(node)
        left += _waits(node)
    return found


def _add(graph: Any, waits: list[int], edges: list[int], node: int) -> None:
    """Let `node` wait for these too."""
    has = {*_waits(node), node}
    new = [(one, edge) for one, edge in zip(waits, edges, strict=True) if one not in has]
    if not new:
        return
    kinds = (ctypes.c_uint64 * len(new))(*(edge for _, edge in new))
    end = (_nodes([one for one, _ in new]), _nodes([node] * len(new)), kinds, ctypes.c_size_t(len(new)))
    _do("cuGraphAddDependencies_v2", graph, *end)
