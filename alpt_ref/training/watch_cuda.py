"""What went wrong on the GPU, seen within ten steps, while the steps go on.

Guard, counters and totals of a run (`alpt_ref.kernels.cuda.steps`) lie in one piece of device memory. Every `LOOK`
steps a stream of its own copies it into pinned memory, and the host waits for the copy before that one: it is never
more than ``2 LOOK - 1`` steps ahead, and the device always has `LOOK` steps to go on with. A copy may meet a step that
is running: guard and counters lie in the same 32 bytes, and a step that fails counts itself no further.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.backend import Backend
from alpt_ref.kernels.cuda.streams import copy_back, current_stream, new_event, new_stream, pinned

LOOK = 5
"""Steps between two looks; what goes wrong is seen fewer than twice as many steps later."""


@dataclass(frozen=True)
class Seen:
    """What a look found: ``guard[0]``, steps of the run, sum of loss times rows, and the latest loss."""

    reason: int
    steps: int
    total: float
    loss: float


class Watch:
    """The state that the host looks at.

    Attributes
    ----------
    guard : int32 device array (2,)
    counters : int64 device array (3,)
    totals : float64 device array (2,)
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._words = backend.zeros(6, np.int64)
        self.guard = self._words[:1].view(np.int32)
        self.counters = self._words[1:4]
        self.totals = self._words[4:].view(np.float64)
        self._copying = new_stream()
        self._queued = new_event()
        self._slots = [(pinned((6,), np.int64), new_event()) for _ in range(2)]
        self._turn = self._under_way = 0

    def begin(self) -> None:
        """Forget earlier looks, which are all over."""
        self._turn = self._under_way = 0

    def look(self) -> Seen | None:
        """Queue a look after the steps queued so far; what the one before found, None if there was none."""
        words, copied = self._slots[self._turn % 2]
        self._queued.record(current_stream())
        self._copying.wait_event(self._queued)
        copy_back(words, self._words, self._copying)
        copied.record(self._copying)
        self._turn += 1
        self._under_way += 1
        if self._under_way < 2:
            return None
        self._under_way -= 1
        words, copied = self._slots[self._turn % 2]
        copied.synchronize()
        return _seen(words)

    def last(self) -> Seen:
        """Wait for all steps queued so far."""
        return _seen(self.backend.to_host(self._words))


def _seen(words: NDArray[np.int64]) -> Seen:
    total, loss = words[4:].view(np.float64).tolist()
    return Seen(int(words[:1].view(np.int32)[0]), int(words[3]), total, loss)
