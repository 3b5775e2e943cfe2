"""Buffers and launches of a batch's unique rows on the GPU: row_class they are, their positions, the sums of many."""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import Backend
from alpt_ref.kernels.cuda import heavy, sums
from alpt_ref.kernels.cuda import unique as kernels
from alpt_ref.kernels.cuda.streams import MEDIUM, beside, fork, join
from alpt_ref.kernels.cuda.target import BLOCK, blocks_for, launch
from alpt_ref.kernels.cuda.team import team_of


class CudaUniqueRows:
    """Unique rows of one batch of at most `positions` ids; nothing here waits for the device.

    Attributes
    ----------
    records : int32 array (4 * positions,)
        Of each unique row, in no particular order: the row (uint32), its first place in `order`, its number of
        positions, and its only position, the first of two, or its place among the medium or heavy rows. How many there
        are is on the device, ``totals[0] >> 32``.
    sum_records : int32 array
        The records of the rows with more than two positions: medium ones from the front, heavy ones from the end; the
        last word is the place in `records`.
    inverse : int32 array (positions,)
        Which of them each position of the batch names, if that was asked for; room for it if `inverts`.
    """

    def __init__(self, backend: Backend, positions: int, d: int, *, inverts: bool) -> None:
        self.positions, self.d = positions, d
        if positions > kernels.MAX_POSITIONS:
            raise InputError(f"a batch may have at most {kernels.MAX_POSITIONS} ids on device 'cuda', got {positions}")
        slots = 1 << max(7, (positions + positions // 8).bit_length())
        medium = positions // 3 + 1
        many = positions // (kernels.HEAVY + 1) + 1
        self._chunks = positions // kernels.CHUNK + many + 1
        zeros, i32 = backend.zeros, np.int32
        self.shift = np.uint32(32 - (slots.bit_length() - 1))
        self.slots = zeros(2 * slots, np.uint32)
        self.slot_of, self.rank_of = zeros(positions, np.uint32), zeros(positions, i32)
        self.records = zeros(4 * positions, i32)
        self.order, self.inverse = zeros(positions, i32), zeros(positions if inverts else 1, i32)
        self.sum_records, self.summed = zeros(4 * (medium + many), i32), zeros(medium * d, np.float32)
        self.peaks, self.sums = zeros(many, i32), zeros(many * d, np.int64)
        self.chunks = zeros(4 * self._chunks, i32)
        self.totals, self.claimed = zeros(2, np.int64), zeros(1, np.int32)
        self._cleared = False
        self._medium, self._inverts, self._team = medium, inverts, team_of(d)

    def queue(self, ids: Any, *, inverts: bool | None = None) -> None:
        """Group `ids`, uint32 (len,) in range and at most `positions`, by row; `inverse` too, unless not asked for."""
        self.queue_rows(ids, inverts=inverts)
        self.queue_positions(ids.size, inverts=inverts)

    def queue_rows(self, ids: Any, *, inverts: bool | None = None) -> None:
        """The first part of `queue`: the unique rows and how often each occurs."""
        inverse = np.int32(self._inverts if inverts is None else inverts)
        size, positions = np.int64(ids.size), blocks_for(ids.size)
        found = (self.slot_of, self.rank_of, self.claimed, self.totals)
        self.slots.fill(0)
        launch(kernels.insert_ids, positions, BLOCK, ids, size, self.shift, self.slots, self.records, *found)
        places = (self.order, self.records, self.sum_records, self.chunks, self.totals, inverse)
        launch(kernels.complete_records, positions, BLOCK, self.claimed, self.slots, *places)

    def queue_positions(self, size: int, *, inverts: bool | None = None) -> None:
        """The rest of `queue`: `order` and `inverse` of `size` ids."""
        placing = (self.slots, self.order, self.inverse, np.int32(self._inverts if inverts is None else inverts))
        given = (np.int64(size), self.slot_of, self.rank_of, *placing, self.claimed)
        launch(kernels.scatter_positions, blocks_for(size), BLOCK, *given)
        self.queue_clear()

    def queue_clear(self) -> None:
        """Zero the integer sums ahead of the next `queue_sums`, which otherwise does so when it begins."""
        blocks = blocks_for(self._chunks, BLOCK, 2)
        launch(heavy.clear_heavy, blocks, BLOCK, self.totals, np.int64(self.d), self.peaks, self.sums)
        self._cleared = True

    def queue_sums(self, grads: Any) -> None:
        """Add up the gradients, float32 (len * d), of the rows with more than two positions."""
        block, found = self._team.block, (self.order, grads)
        fork(MEDIUM)
        if not self._cleared:
            self.queue_clear()
        self._cleared, blocks = False, blocks_for(self._chunks * block, block)
        chunked = (self.totals, self.chunks, *found, self.peaks, self.sums)
        launch(heavy.heavy_first(self.d), blocks, block, *chunked)
        with beside(MEDIUM):  # the two groups of rows have nothing to do with each other
            groups = blocks_for(self._medium * 32, block)
            launch(sums.sum_medium(self.d), groups, block, self.totals, self.sum_records, *found, self.summed)
        launch(heavy.heavy_rest(self.d), blocks, block, *chunked)
        join(MEDIUM)

    def arguments(self, row_class: int = kernels.EVERY) -> tuple[Any, ...]:
        """What the update kernels read of the batch, from `totals` to `summed`, for all rows or those of one kind."""
        records = self.sum_records if row_class == kernels.SUMMED else self.records
        return (self.totals, records, self.order, self.peaks, self.sums, self.summed)

    def unique(self) -> int:
        """Number of unique rows of the last batch (waits for the device)."""
        return int(self.totals[:1].tolist()[0]) >> 32
