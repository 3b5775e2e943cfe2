"""What a step on a GPU changes before it is known whether all ranks can make it, as it was before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alpt_ref.kernels.backend import Backend
from alpt_ref.kernels.cuda.reduce import THREADS
from alpt_ref.kernels.cuda.slices import keep_before
from alpt_ref.kernels.cuda.target import blocks_for, launch

if TYPE_CHECKING:
    from alpt_ref.models.base import Model


class BeforeStep:
    """Batch norm's running statistics and the sum of the losses before the latest step that began.

    Parameters
    ----------
    model : Model
        Its buffers become views of one array.
    backend : Backend
    totals : float64 device array (2,)
        See `alpt_ref.kernels.cuda.steps`.
    """

    def __init__(self, model: Model, backend: Backend, totals: Any) -> None:
        buffers, zeros = model.buffers, backend.zeros
        size = max(1, sum(array.size for array in buffers.values()))
        self.backend, self.totals = backend, totals
        self.now, self.kept, self.kept_totals = zeros(size, np.float32), zeros(size, np.float32), zeros(2, np.float64)
        end = 0
        for name, array in buffers.items():
            view = self.now[end : end + array.size].reshape(array.shape)
            view[...] = array
            buffers[name], end = view, end + array.size

    def queue(self, guard: Any) -> None:
        """Queue the copy, which a run that has gone wrong no longer makes."""
        size = self.now.size
        given = (guard, self.now, size, self.kept, self.totals, self.kept_totals)
        launch(keep_before, blocks_for(size, THREADS), THREADS, *given)

    def back(self) -> float:
        """Put the statistics back; the sum of the losses."""
        self.now[...] = self.kept
        return float(self.backend.to_host(self.kept_totals)[0])
