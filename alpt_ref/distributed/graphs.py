"""Launches of a step, NCCL's exchanges among them, as a CUDA graph."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from alpt_ref.kernels.cuda.target import SIMULATED


def recorded(work: Callable[[], None], *flags: Any) -> Callable[[], None]:
    """`work`, which only launches, as a CUDA graph: what is returned replays it on CuPy's current stream.

    It runs twice before, so that kernels are compiled and NCCL is connected, with `flags` (arrays of the device) up, so
    that nothing is updated; they are down afterwards.
    """
    if SIMULATED:
        return work
    cupy, torch = sys.modules["cupy"], sys.modules["torch"]
    stream = cupy.cuda.Stream(non_blocking=True)
    cupy.cuda.get_current_stream().synchronize()
    with stream, torch.cuda.stream(torch.cuda.ExternalStream(stream.ptr)):
        for _ in range(2):
            for flag in flags:
                flag.fill(1)
            work()
        for flag in flags:
            flag.fill(0)
        stream.synchronize()
        stream.begin_capture(cupy.cuda.runtime.streamCaptureModeThreadLocal)
        work()
        graph = stream.end_capture()
    before, after = (cupy.cuda.Event(disable_timing=True) for _ in range(2))

    def replay() -> None:
        current = cupy.cuda.get_current_stream()
        before.record(current)
        stream.wait_event(before)
        graph.launch(stream)
        after.record(stream)
        current.wait_event(after)

    return replay


def shared_stream(priority: int = 0) -> Any:
    """A stream of CuPy that is torch's current stream too inside its ``with`` block."""
    from alpt_ref.kernels.cuda.streams import new_stream

    if SIMULATED:
        return new_stream(priority)
    cupy, torch = sys.modules["cupy"], sys.modules["torch"]

    class Shared(cupy.cuda.Stream):  # type: ignore[misc, name-defined]
        """See `shared_stream`."""

        def __enter__(self) -> Any:
            inner = torch.cuda.stream(torch.cuda.ExternalStream(self.ptr))
            inner.__enter__()
            self.__dict__.setdefault("entered", []).append(inner)
            return super().__enter__()

        def __exit__(self, *error: Any) -> None:
            super().__exit__(*error)
            self.__dict__["entered"].pop().__exit__(*error)

    return Shared(non_blocking=True, priority=priority)
