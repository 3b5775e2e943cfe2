"""Buffers and launches of a batch's plan on the GPU: unique rows, their positions, the sums of heavy rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Backend
from ..errors import InputError
from ..kernels.cuda import plan as kernels
from ..kernels.cuda import sums
from ..kernels.cuda.target import BLOCK, beside, blocks_for, join, launch
from ..kernels.cuda.team import team_of


class CudaPlan:
    """Unique rows of one batch of at most `positions` ids; nothing here waits for the device.

    Attributes
    ----------
    records : int32 array (4 * positions,)
        Of each unique row, in no particular order: the row (uint32), its first place in `order`, its number of
        positions, its place among the medium or heavy rows. How many there are is on the device, ``totals[0] >> 32``.
    inverse : int32 array (positions,)
        Which of them each position of the batch names, if `inverts`.
    """

    def __init__(self, backend: Backend, positions: int, d: int, *, inverts: bool) -> None:
        self.positions, self.d = positions, d
        if positions > kernels.MAX_POSITIONS:
            raise InputError(f"a batch may have at most {kernels.MAX_POSITIONS} ids on device 'cuda', got {positions}")
        slots = 1 << max(7, (positions + positions // 8).bit_length())
        medium = positions // 3 + 1
        heavy = positions // (kernels.HEAVY + 1) + 1
        self._chunks = positions // kernels.CHUNK + heavy + 1
        zeros, i32 = backend.zeros, np.int32
        self.shift = np.uint32(32 - (slots.bit_length() - 1))
        self.slots, self.placed = zeros(slots, np.int64), zeros(slots, np.int64)
        self.slot_of, self.rank_of = zeros(positions, np.uint32), zeros(positions, i32)
        self.records = zeros(4 * positions, i32)
        self.order, self.inverse = zeros(positions, i32), zeros(positions if inverts else 1, i32)
        self.medium, self.summed = zeros(2 * medium, i32), zeros(medium * d, np.float32)
        self.peaks, self.sums = zeros(heavy, i32), zeros(heavy * d, np.int64)
        self.chunks = zeros(4 * self._chunks, i32)
        self.totals = zeros(2, np.int64)
        self._medium, self._inverts, self._team = medium, np.int32(inverts), team_of(d)

    def queue(self, ids: Any) -> None:
        """Group `ids`, uint32 (len,) in range and at most `positions`, by row."""
        size, blocks = np.int64(ids.size), blocks_for(ids.size)
        counting = (self.slots, self.slot_of, self.rank_of, self.totals)
        launch(kernels.insert_ids, blocks, BLOCK, ids, size, self.shift, *counting)
        threads = self.slots.size // kernels.SLOTS_A_THREAD
        found = (self.records, self.medium, self.chunks, self.totals)
        block = kernels.SLOT_BLOCK
        launch(kernels.compact, blocks_for(threads, block), block, self.slots, self.placed, *found)
        placing = (self.slot_of, self.rank_of, self.placed, self.order, self.inverse, self._inverts)
        launch(kernels.scatter_positions, blocks, BLOCK, size, *placing)

    def queue_sums(self, grads: Any) -> None:
        """Add up the gradients, float32 (len * d), of the rows with more than two positions."""
        block, found = self._team.block, (self.order, grads)
        with beside():  # the two groups of rows have nothing to do with each other
            groups = blocks_for(self._medium * 32, block)
            launch(sums.sum_medium(self.d), groups, block, self.totals, self.medium, *found, self.summed)
        d, blocks = np.int64(self.d), blocks_for(self._chunks * block, block)
        launch(sums.clear_heavy, blocks_for(self._chunks, BLOCK, 2), BLOCK, self.totals, d, self.peaks, self.sums)
        launch(sums.heavy_peaks(self.d), blocks, block, self.totals, self.chunks, *found, self.peaks)
        launch(sums.heavy_sums(self.d), blocks, block, self.totals, self.chunks, *found, self.peaks, self.sums)
        join()

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What the update kernels read of the plan, from `totals` to `summed`."""
        return (self.totals, self.records, self.order, self.peaks, self.sums, self.summed)

    def unique(self) -> int:
        """Number of unique rows of the last batch (waits for the device)."""
        return int(self.totals[:1].tolist()[0]) >> 32
