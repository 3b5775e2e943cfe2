"""Numba's CUDA simulator, with the threads of a block taking turns.

The simulator starts one Python thread for each thread of a block and polls them all the time, which takes most of its
time. Here one thread runs until it waits for the others or ends, then the next one: nothing polls, and the order is the
same in every run. ``install()`` replaces the simulator's rule for the process that calls it, under
``NUMBA_ENABLE_CUDASIM=1``.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np


def install() -> None:
    """Let the threads of a simulated block take turns from now on."""
    from numba.cuda.simulator import kernel

    base: Any = kernel.BlockThread

    class Thread(base):  # type: ignore[misc]
        """A thread of a block that runs only when it is its turn."""

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.turn, self.given_back = threading.Semaphore(0), threading.Semaphore(0)
            self.ended = False

        def run(self) -> None:
            self.turn.acquire()
            try:
                if not self.abort:
                    super().run()
            finally:
                self.ended = True
                self.given_back.release()

        def syncthreads(self) -> None:
            self.given_back.release()
            self.turn.acquire()
            if self.abort:
                raise RuntimeError("another thread of the block has failed")

        def go_on(self) -> None:
            """Run until the next barrier or the end."""
            self.turn.release()
            self.given_back.acquire()

    def run(self: Any, grid_point: tuple[int, ...], *args: Any) -> None:
        points = np.ndindex(*self._block_dim)
        alive = [Thread(lambda: self._f(*args), self, grid_point, point, self._debug) for point in points]
        for thread in alive:
            thread.start()
        failed: Any = None
        while alive:
            for thread in alive:
                thread.abort = failed is not None
                thread.go_on()
                failed = failed or thread.exception
            alive = [thread for thread in alive if not thread.ended]
        if failed:
            raise failed[0].with_traceback(failed[1])

    kernel.BlockManager.run = run
