"""The rows that one rank owns, on the GPU: `owned` with arrays and launches of the device."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.distributed.agreement import agree
from alpt_ref.distributed.owned import OwnedRows, Parts
from alpt_ref.distributed.shard import Shard
from alpt_ref.errors import InputError, TrainingError
from alpt_ref.kernels.cuda import shard as kernels
from alpt_ref.kernels.cuda.target import BLOCK, blocks_for, launch
from alpt_ref.kernels.cuda.team import code_dtype
from alpt_ref.tables.cuda.alpt import CudaAdaptiveTable
from alpt_ref.tables.cuda.rows import MAX_ROWS
from alpt_ref.tables.cuda.tables import CudaFullTable, CudaLowPrecisionTable
from alpt_ref.tables.lpt import LowPrecisionTable


class ReducedRows:
    """Unique rows of an update whose gradients have been added up; stands for `CudaUniqueRows`."""

    def __init__(self, backend: Any, places: Any, rows: Any) -> None:
        size = len(places)
        self.positions = size
        self.records = backend.zeros(4 * max(size, 1), np.int32)
        self.totals = backend.zeros(2, np.int64)
        self.order = backend.zeros(1, np.int32)
        self._unused = (backend.zeros(1, np.int32), backend.zeros(1, np.int64), backend.zeros(1, np.float32))
        launch(
            kernels.reduced_records, blocks_for(size), BLOCK, places, rows, np.int64(size), self.records, self.totals
        )

    def arguments(self, row_class: int = 0) -> tuple[Any, ...]:
        """What the update kernels read."""
        return (self.totals, self.records, self.order, *self._unused)


class CudaOwnedRows(OwnedRows):
    """What the tables of one rank share on the GPU."""

    def __init__(self, shard: Shard) -> None:
        if shard.spec.n > MAX_ROWS:
            raise InputError(f"on device 'cuda' n must be at most {MAX_ROWS}, got {shard.spec.n}")
        super().__init__(shard)

    def whole_rows(self, places: Any) -> Any:
        """See `OwnedRows.whole_rows`."""
        return self.shard.rows.rows(self.shard.group.rank, places)

    def _hold(self, places: Any, sums: Any, lr: float) -> Any:
        """Make the unique `places` those of the next launches; the sums, flat."""
        own: Any = self
        own.set_rates(lr)
        own._unique = ReducedRows(self.backend, places, self.whole_rows(places))
        own._uniquened = len(places)
        own.guard[...] = 0
        return sums.reshape(-1)

    def _gathered(self, array: Any, words: int, offset: int, places: Any) -> Any:
        """Words from `offset` of the rows at `places`, uint32 (m, words)."""
        out = self.backend.empty((len(places), words), np.uint32)
        if out.size:
            flat = array.reshape(-1)
            place = (np.int64(array.shape[1]), np.int64(offset), np.int64(words), places, np.int64(out.size))
            launch(kernels.gather_words, blocks_for(out.size), BLOCK, flat, *place, out.reshape(-1))
        return out

    def update(self, places: Any, sums: Any, lr: float, batch_size: int) -> None:
        """See `OwnedRows.update`."""
        own: Any = self
        own._queue_update(self._hold(places, sums, lr), batch_size)
        self._agree_on_guard()

    def _agree_on_guard(self) -> None:
        """All ranks raise if a step size's gradient overflowed on one."""
        own: Any = self
        problem = None
        if int(self.backend.to_host(own.guard)[1]):
            own.guard[...] = 0
            problem = TrainingError(
                f"the step-size gradient must be finite, it overflowed in table update {self._updates}; lower the "
                "learning rate or scale the loss"
            )
        agree(self.shard.group, "the rest of an update", problem)

    def count_update(self) -> None:
        """See `OwnedRows.count_update`."""
        own: Any = self
        self._updates += 1
        own._control[...] = self._updates

    def _scatter_blocks(self, array: Any, blocks: Any) -> None:
        """Rows of (places, rows) into an array of the device, several blocks at once."""
        held: list[tuple[NDArray[np.int64], NDArray[Any]]] = []
        for part in (*blocks, None):
            if part is not None:
                held.append(part)
            if held and (part is None or sum(len(places) for places, _ in held) >= 1 << 19):
                places = self.backend.from_host(np.concatenate([one for one, _ in held]))
                array[places] = self.backend.from_host(np.concatenate([rows for _, rows in held]))
                held = []


class CudaOwnedFull(CudaOwnedRows, CudaFullTable):
    """A rank's rows of a float32 table."""

    replays = True

    def _fill(self) -> None:
        self._scatter_blocks(self.weights, ((places, block[mine]) for _, block, places, mine in self.shard.blocks()))

    def answer(self, places: Any) -> Parts:
        """See `OwnedRows.answer`."""
        found = self._gathered(self._store.array, self.d, self._store.shape.fields["weights"], places)
        return (found.view(np.float32),)


class CudaOwnedLowPrecision(CudaOwnedRows, CudaLowPrecisionTable):
    """A rank's rows of an LPT table."""

    replays = True

    def _units_of(self, spec: Any) -> tuple[NDArray[np.int64], int]:
        return LowPrecisionTable._field_layout(self.shard.spec, self.shard.spec.granularity)

    def _allocate(self) -> None:
        super()._allocate()
        self._layout = replace(self._layout, keyed=True)

    def _fill(self) -> None:
        coded = ((places, self._first_codes(first, block)[mine]) for first, block, places, mine in self.shard.blocks())
        self._scatter_blocks(self.packed, coded)

    def _sizes(self, places: Any) -> Any:
        if self._units < 0:
            found = self._gathered(self._store.array, 1, self._store.shape.fields["step_size"], places)
            return found.reshape(-1).view(np.float32)
        xp = self.backend.xp
        unit = xp.searchsorted(self._device_offsets, self.whole_rows(places), side="right") - 1
        return self._step_sizes[unit]

    def answer(self, places: Any) -> Parts:
        """See `OwnedRows.answer`."""
        codes = self._gathered(self._store.array, self.packed.shape[1], self._store.shape.fields["codes"], places)
        return codes, self._sizes(places)


class CudaOwnedAdaptive(CudaOwnedLowPrecision, CudaAdaptiveTable):
    """A rank's rows of an ALPT table."""

    replays = True

    def _hold(self, places: Any, sums: Any, lr: float) -> Any:
        flat = super()._hold(places, sums, lr)
        self._reserve(max(len(places), 1))
        return flat

    def begin(self, places: Any, sums: Any, lr: float) -> int:
        """See `OwnedAdaptive.begin`."""
        self._queue_begin(self._hold(places, sums, lr), False)
        return len(places)

    def answer_pending(self, pending: int, which: Any) -> Parts:
        """See `OwnedAdaptive.answer_pending`."""
        out = self.backend.zeros((len(which), self.packed.shape[1]), np.uint32)
        sizes = self.backend.empty(len(which), np.float32)
        if len(which):
            assert self._unique is not None
            wire = kernels.wire_layout(self.d, self.quantizer.bits)
            kernel = kernels.moved_codes(self.d, self.quantizer.bits, self._layout, wire)
            items = out.reshape(-1).view(code_dtype(self.quantizer.bits))
            found = (which, np.int64(len(which)), self._unique.records, self._row_updates)
            self._launch_positions(kernel, len(which), *found, *self._where, self.rates, items, sizes)
        return out, sizes

    def finish(self, pending: int, sums: Any, batch_size: int) -> None:
        """See `OwnedAdaptive.finish`."""
        self._queue_finish(sums.reshape(-1), batch_size, one_pass=False)
        self._agree_on_guard()

    def _between_unit_sums(self) -> None:
        self._agree_on_guard()
        self.shard.group.largest(self._unit_peak)
        self.shard.group.total(self._unit_count)

    def _after_unit_sums(self) -> None:
        self.shard.group.total(self._unit_total)


CUDA_OWNED: dict[str, Any] = {"fp32": CudaOwnedFull, "lpt": CudaOwnedLowPrecision, "alpt": CudaOwnedAdaptive}
