"""Numba's CUDA simulator, with the threads of a block taking turns, and without what is slow in it.

The simulator starts one Python thread for each thread of a block and polls them all the time, which takes most of its
time. Here one thread runs until it waits for the others or ends, then the next one: nothing polls, and the order is the
same in every run. Threads are kept from block to block, a kernel without a barrier needs none, and a kernel reads NumPy
arrays instead of an imitation of records around them. ``install()`` replaces all that for the process that calls it,
under ``NUMBA_ENABLE_CUDASIM=1``.
"""

from __future__ import annotations

import _thread
import functools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


class _Worker:
    """A Python thread that runs one thread of a block after the other, each in turns."""

    def __init__(self) -> None:
        self.turn, self.given_back = _thread.allocate_lock(), _thread.allocate_lock()
        self.turn.acquire()
        self.given_back.acquire()
        self.work: Callable[[], None] = lambda: None
        _thread.start_new_thread(self._serve, ())

    def _serve(self) -> None:
        while True:
            self.turn.acquire()
            self.work()
            self.given_back.release()

    def go_on(self) -> None:
        """Let it run until it gives its turn back."""
        self.turn.release()
        self.given_back.acquire()

    def give_back(self) -> None:
        """In the thread itself: wait for the next turn."""
        self.given_back.release()
        self.turn.acquire()


def install() -> None:
    """Let the threads of a simulated block take turns from now on."""
    from numba.cuda.simulator import kernel, kernelapi

    base: Any = kernel.BlockThread
    dim: Any = kernel.Dim3
    workers: list[_Worker] = []
    running: list[Any] = [None]

    class Thread:
        """What a kernel finds out about the thread that runs, and its barriers."""

        syncthreads_count, syncthreads_and, syncthreads_or = (
            base.syncthreads_count,
            base.syncthreads_and,
            base.syncthreads_or,
        )

        def __init__(self, function: Any, args: Any, manager: Any, place: tuple[Any, Any], worker: Any) -> None:
            self.function, self.args, self._manager, self.worker = function, args, manager, worker
            self.blockIdx, self.threadIdx = place
            wide, high, _ = manager._block_dim
            self.thread_id = self.threadIdx.x + wide * (self.threadIdx.y + high * self.threadIdx.z)
            self.ended, self.abort = False, False
            self.exception: tuple[Exception, Any] | None = None

        def run(self) -> None:
            """The kernel, in this thread."""
            try:
                if not self.abort:
                    self.function(*self.args)
            except Exception as error:  # one of the block's threads: told to the caller of the kernel
                place = f"tid={list(self.threadIdx)} ctaid={list(self.blockIdx)}"
                self.exception = type(error)(f"{place}: {error}" if str(error) else place), sys.exc_info()[2]
            finally:
                self.ended = True

        def syncthreads(self) -> None:
            """Wait for the other threads of the block."""
            if self.worker is None:
                raise AssertionError("a barrier in a kernel that was found to have none")
            self.worker.give_back()
            running[0] = self
            if self.abort:
                raise RuntimeError("another thread of the block has failed")

    def run(self: Any, grid_point: tuple[int, ...], *args: Any) -> None:
        block = dim(*grid_point)
        points = [dim(*point) for point in np.ndindex(*self._block_dim)]
        if not waits(self._f):
            for point in points:
                thread = running[0] = Thread(self._f, args, self, (block, point), None)
                thread.run()
                if thread.exception:
                    raise thread.exception[0].with_traceback(thread.exception[1])
            return
        workers.extend(_Worker() for _ in range(len(points) - len(workers)))
        alive = []
        for worker, point in zip(workers, points, strict=False):
            thread = Thread(self._f, args, self, (block, point), worker)
            worker.work = thread.run
            alive.append(thread)
        failed: Any = None
        while alive:
            for thread in alive:
                thread.abort = failed is not None
                running[0] = thread
                thread.worker.go_on()
                failed = failed or thread.exception
            alive = [thread for thread in alive if not thread.ended]
        if failed:
            raise failed[0].with_traceback(failed[1])

    kernel.BlockManager.run = run
    kernel.FakeWithinKernelCUDAArray = lambda array: array._ary  # the package has no arrays of records
    kernelapi.threading = types.SimpleNamespace(current_thread=lambda: running[0])
    kernelapi.traceback = types.SimpleNamespace(extract_stack=_two_callers)
    call = kernel.FakeCUDAKernel.__call__
    kernel.FakeCUDAKernel.__call__ = (  # the package never has its device module swapped: `kernels.cuda.target`
        lambda self, *args: self.fn(*args) if self._device else call(self, *args)
    )


def _two_callers(frame: Any) -> list[tuple[str, int]]:
    """File and line of a frame's caller, in front of its own: all that the simulator asks of a stack."""
    caller = frame.f_back
    return [(caller.f_code.co_filename, caller.f_lineno), (frame.f_code.co_filename, frame.f_lineno)]


@functools.cache
def waits(function: Any) -> bool:
    """Whether a kernel, or a function that it may call, names a barrier."""
    seen: set[Any] = set()
    open_ = [function]
    while open_:
        one = open_.pop()
        one = getattr(one, "fn", one)  # a device function of the simulator
        if not isinstance(one, types.FunctionType) or one in seen:
            continue
        seen.add(one)
        if any(name.startswith("sync") for code in _codes(one.__code__) for name in code.co_names):
            return True
        known = [cell.cell_contents for cell in one.__closure__ or ()]
        names = [name for code in _codes(one.__code__) for name in code.co_names]
        known += [one.__globals__[name] for name in names if name in one.__globals__]
        modules = [part for part in known if isinstance(part, types.ModuleType)]
        open_ += [*known, *(getattr(module, name) for module in modules for name in names if hasattr(module, name))]
    return False


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A function's code and that of functions and comprehensions within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)
