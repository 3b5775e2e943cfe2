"""The rows that one rank owns, on the CPU: the tables of `alpt_ref.tables` with as many rows as the rank has.

Arrays are indexed by place (`row_map`). Random words, and step sizes that rows share, go by the row of the whole table,
so that a row moves as it would in one process.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.distributed.agreement import agree
from alpt_ref.distributed.shard import Shard
from alpt_ref.errors import TrainingError
from alpt_ref.kernels.arguments import PackedCodes, RandomStream, RowUpdates
from alpt_ref.kernels.cpu import lowbit, packing, shard_sums
from alpt_ref.kernels.cpu.lowbit import PendingRows
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.scalar.philox import PURPOSE_REPLAY
from alpt_ref.tables.alpt import AdaptiveTable, PendingUpdate
from alpt_ref.tables.base import GRAIN, EmbeddingTable, TableSpec
from alpt_ref.tables.full import FullTable
from alpt_ref.tables.lpt import LowPrecisionTable
from alpt_ref.tables.unique_rows import UniqueRows

Parts = tuple[Any, ...]
"""Arrays with one entry for each row asked for."""


class OwnedRows(EmbeddingTable):
    """What the tables of one rank share; mixed in before the table's class."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        super().__init__(shard.part_spec())

    def whole_rows(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the whole table at these places."""
        return self.shard.rows.rows(self.shard.group.rank, places)

    @property
    def shares_units(self) -> bool:
        """Whether rows share step sizes, which every rank then holds."""
        return int(getattr(self, "_units", -1)) >= 0

    def count_update(self) -> None:
        """An update has been made."""
        self._updates += 1

    @abstractmethod
    def answer(self, places: NDArray[np.int64]) -> Parts:
        """What those who ask for the rows at `places` (with repeats) are sent."""

    def update(self, places: NDArray[np.int64], sums: NDArray[np.float32], lr: float, batch_size: int) -> None:
        """One step by the sums (u, d) of the unique `places`; all ranks call it, with rows or without."""
        self._update(_rows_only(places), sums, lr, batch_size)


def _rows_only(places: NDArray[np.int64]) -> UniqueRows:
    """The unique rows of an update whose gradients have been added up."""
    nothing = np.zeros(0, np.int64)
    return UniqueRows(places, nothing, nothing)


def _expanded(places: NDArray[np.int64], content: Any) -> Any:
    """``content(unique places)`` for each of `places`."""
    unique, inverse = np.unique(places, return_inverse=True)
    return content(unique)[inverse]


class OwnedFull(OwnedRows, FullTable):
    """A rank's rows of a float32 table."""

    replays = True

    def _fill(self) -> None:
        for _, block, places, mine in self.shard.blocks():
            self.weights[places] = block[mine]

    def answer(self, places: NDArray[np.int64]) -> Parts:
        """See `OwnedRows.answer`: the values."""
        if self._optimizer.behind:
            return (_expanded(places, lambda unique: self._current(unique)[0]),)
        return (self.weights[places],)

    def _update(self, unique: UniqueRows, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        self._catch_up(unique.rows)
        self._optimizer.updates(unique.rows, grads, lr)
        self._update_weights(unique.rows, grads, lr)


class OwnedLowPrecision(OwnedRows, LowPrecisionTable):
    """A rank's rows of an LPT table.

    The `PendingRows` of `_current` hold the rows of the whole table, from which random words are drawn.
    """

    replays = True

    def _units_of(self, spec: TableSpec) -> tuple[NDArray[np.int64], int]:
        return self._field_layout(self.shard.spec, self.shard.spec.granularity)

    def _fill(self) -> None:
        for first, block, places, mine in self.shard.blocks():
            self.packed[places] = self._first_codes(first, block)[mine]

    def _step_sizes_of(self, unique: NDArray[np.int64]) -> NDArray[np.float32]:
        return super()._step_sizes_of(unique if self._units < 0 else self.whole_rows(unique))

    def _unpacked(self, places: NDArray[np.int64]) -> NDArray[np.int32]:
        codes: NDArray[np.int32] = aligned_empty((len(places), self.d), np.int32)
        run_rows(packing.unpack_at, len(places), places, self._codes, codes, grain=GRAIN)
        return codes

    def _pending(self, unique: NDArray[np.int64], updates: NDArray[np.float32], lr: float) -> PendingRows:
        of = RowUpdates(self.whole_rows(unique), updates, np.float32(lr * self._decay_rate))
        return PendingRows(of, self._unpacked(unique), self._step_sizes_of(unique), self.quantizer.bits)

    def _current(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], Any]:
        pending = OwnedLowPrecision._pending(self, rows, self._optimizer.missed(rows), 0.0)
        stream = RandomStream(self._updates, PURPOSE_REPLAY, *self._key)
        stochastic = self.quantizer.rounding == "sr"
        run_rows(lowbit.requantize_rows, len(rows), pending, pending.step_size, stochastic, stream, grain=GRAIN)
        values = np.asarray(pending.codes.astype(np.float32) * pending.step_size[:, None], np.float32)
        return values, pending.codes

    def _named(self, unique: UniqueRows) -> UniqueRows:
        """The same with the rows' numbers in the whole table, which key their random words."""
        return replace(unique, numbers=self.whole_rows(unique.rows))

    def _update(self, unique: UniqueRows, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        super()._update(self._named(unique), grads, lr, batch_size)

    def _packed_rows(self, codes: NDArray[np.int32]) -> NDArray[np.uint32]:
        packed = np.zeros((len(codes), self.packed.shape[1]), np.uint32)
        own = PackedCodes(packed, packed.view(np.int8), packed.view(np.int16), self.quantizer.bits)
        run_rows(packing.pack_at, len(codes), np.arange(len(codes), dtype=np.int64), codes, own, grain=GRAIN)
        return packed

    def answer(self, places: NDArray[np.int64]) -> Parts:
        """See `OwnedRows.answer`: packed codes and step sizes."""
        if self._optimizer.behind:
            packed = _expanded(places, lambda unique: self._packed_rows(self._current(unique)[1]))
        else:
            packed = self.packed[places]
        return packed, self._step_sizes_of(places)


class OwnedAdaptive(OwnedLowPrecision, AdaptiveTable):
    """A rank's rows of an ALPT table. Step sizes that rows share are held, and moved alike, by every rank."""

    replays = True

    def begin(self, places: NDArray[np.int64], sums: NDArray[np.float32], lr: float) -> PendingUpdate:
        """First half of a step by the sums of the unique `places`."""
        return self._begin(self._named(_rows_only(places)), sums, lr)

    def answer_pending(self, pending: PendingUpdate, which: NDArray[np.int64]) -> Parts:
        """As `answer`, of the moved rows ``unique.rows[which]``, rounded to nearest."""
        (_, updates, decay), codes, step_size, bits = pending.rows
        moved = np.empty_like(codes)
        run_rows(shard_sums.pending_codes, len(moved), updates, decay, codes, step_size, bits, moved, grain=GRAIN)
        return self._packed_rows(moved)[which], step_size[which]

    def finish(self, pending: PendingUpdate, sums: NDArray[np.float32], batch_size: int) -> None:
        """Second half."""
        self._finish(pending, sums, batch_size)

    def _begin(self, unique: UniqueRows, updates: NDArray[np.float32], lr: float) -> PendingUpdate:
        if not len(unique):  # dense Adam counts the step on every rank
            self._catch_up(unique.rows)
            self._optimizer.step(lr)
        return super()._begin(unique, updates, lr)

    def _require_finite_step_gradient(self, gradient: NDArray[np.float32]) -> None:
        problem: TrainingError | None = None
        try:
            super()._require_finite_step_gradient(gradient)
        except TrainingError as error:
            problem = error
        agree(self.shard.group, "the rest of an update", problem)

    def _unit_gradient(
        self, unique: UniqueRows, gradient: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        if self._units < 0:
            return unique.rows, gradient
        unit = np.searchsorted(self._offsets, self.whole_rows(unique.rows), side="right") - 1
        peak, count, total = (
            np.zeros(self._units, np.int32),
            np.zeros(self._units, np.int64),
            np.zeros(self._units, np.int64),
        )
        shard_sums.unit_peaks(gradient, unit, peak, count)
        self.shard.group.largest(peak)
        self.shard.group.total(count)
        shard_sums.unit_totals(gradient, unit, peak, count, total)
        self.shard.group.total(total)
        out = np.empty(self._units, np.float32)
        shard_sums.unit_values(total, peak, count, out)
        touched = np.flatnonzero(count)
        return touched, out[touched]


OWNED: dict[str, type[OwnedRows]] = {"fp32": OwnedFull, "lpt": OwnedLowPrecision, "alpt": OwnedAdaptive}
