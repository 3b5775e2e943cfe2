"""What a training step on the GPU does with the table, queued: `LocalSteps` for a table of this process.

`Ranks.table_steps` gives what serves here where the rows are spread over ranks. The calls of a step, in this order:

    queue_lookup(found)                 `values` of `ids`; calls `found` once `queue_asked` can begin
    queue_asked()                       whatever depends on ids alone; may be queued beside what follows
    queue_sums(guard)                   from `grads`; guard[0] says afterwards, on all ranks, whether the step goes on
    queue_rows(batch_size)              one pass: the rows move
    queue_moved(), queue_pending()      two passes: the rows move but are not rounded; `values` of them; then
    queue_sums(guard), queue_rounded(batch_size)
    queue_end(guard)                    guard[1]: what was found while the rows moved
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda import steps as kernels
from alpt_ref.kernels.cuda.reduce import THREADS
from alpt_ref.kernels.cuda.target import blocks_for, launch


class LocalSteps:
    """Steps of a table of this process.

    Attributes
    ----------
    ids : uint32 array (positions,)
    values, grads : float32 array (positions, d)
        `grads` may be replaced by an array of this shape before a step is queued.
    """

    def __init__(self, table: Any, positions: int, guard: Any) -> None:
        self.table = table
        zeros = table.backend.zeros
        self.ids, self.values = zeros(positions, np.uint32), zeros((positions, table.d), np.float32)
        self.grads: Any = None
        self._looked_up = self._moved = None
        table.guard = guard

    def reset(self) -> None:
        """Forget what went wrong before."""

    def queue_lookup(self, found: Callable[[], None]) -> None:
        """See above."""
        found()
        if self._looked_up is not None:
            self.values = self._looked_up
        self.table.queue_lookup(self.ids, self.values)

    def queue_asked(self) -> None:
        """See above."""
        self.table.queue_unique_rows(self.ids)

    def queue_sums(self, guard: Any) -> None:
        """See above; the table itself adds them up."""
        flat = self.grads.reshape(-1)
        blocks = blocks_for(flat.size // 4, THREADS)
        launch(kernels.check_finite, blocks, THREADS, flat, flat.size, guard, kernels.BAD_GRADIENT)

    def queue_rows(self, batch_size: int) -> None:
        """See above."""
        self.table.queue_update(self.grads, batch_size)

    def queue_moved(self) -> None:
        """See above; `values` becomes another array, since the first pass may still read what was looked up."""
        if self._moved is None:  # in a step that is not recorded
            self._looked_up, self._moved = self.values, self.table.backend.zeros(self.values.shape, self.values.dtype)
        self.values = self._moved
        self.table.queue_begin(self.grads, self.values)

    def queue_pending(self) -> None:
        """See above; `queue_moved` has put them there."""

    def queue_rounded(self, batch_size: int) -> None:
        """See above."""
        self.table.queue_finish(self.grads, batch_size)

    def queue_end(self, guard: Any) -> None:
        """See above."""
