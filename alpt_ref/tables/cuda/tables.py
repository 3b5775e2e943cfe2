"""The float32 table and LPT on the GPU: state and results match the CPU bit for bit; one launch per step.

A class here is the CPU's with other arrays (CuPy's) and other loops (`CudaRows`): configuration, initial values, state,
bytes and checks are inherited.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cuda import lookup, unique, update
from alpt_ref.kernels.cuda.streams import DIRECT, beside, fork, join
from alpt_ref.kernels.cuda.team import code_dtype
from alpt_ref.kernels.types import Codes
from alpt_ref.quantizer import unpack, words_per_row
from alpt_ref.tables.cuda.rows import CudaRows
from alpt_ref.tables.full import FullTable
from alpt_ref.tables.lpt import LowPrecisionTable

_FILL_ROWS = 1 << 19


class OneLaunchRows(CudaRows):
    """Tables whose update is one launch, which can be split: the rows that need no sums go beside the sums."""

    @abstractmethod
    def _queue_rows(self, grads: Any, row_class: int) -> None:
        """Update rows of one kind (`unique.rows_of`)."""

    def _queue_update(self, grads: Any, batch_size: int) -> None:
        self._queue_rows(grads, unique.EVERY)

    def _queue_sums_and_update(self, grads: Any, batch_size: int) -> None:
        assert self._unique is not None
        fork(DIRECT)
        self._unique.queue_sums(grads)
        with beside(DIRECT):
            self._queue_rows(grads, unique.DIRECT)
        self._queue_rows(grads, unique.SUMMED)
        join(DIRECT)


class CudaFullTable(OneLaunchRows, FullTable):
    """`FullTable` on the GPU."""

    def _allocate(self) -> None:
        self._make_store(None)
        self.weights = self._store.field("weights", np.float32, self.d)
        self._flat_weights = self._store.flat[np.dtype(np.float32)]

    def _queue_pool(self, ids: Any, bounds: Any, mean: bool, out: Any) -> None:
        count = np.int64(len(out))
        pool = lookup.pool_weights(self.d, mean, self._store.layout)
        self._launch_positions(pool, len(out), ids, bounds, count, self._flat_weights, out.reshape(-1))

    def queue_lookup(self, ids: Any, out: Any) -> None:
        """See `CudaRows.queue_lookup`."""
        arguments = (ids, np.int64(ids.size), self._flat_weights, out.reshape(-1))
        self._launch_positions(lookup.lookup_weights(self.d, self._store.layout), ids.size, *arguments)

    def _queue_rows(self, grads: Any, row_class: int) -> None:
        assert self._unique is not None
        kernel = update.update_weights(self.d, self.optimizer, self._store.layout)
        found = (np.int32(row_class), self.guard, *self._unique.arguments(row_class), grads)
        arguments = (self._flat_weights, *self._optimizer_arrays, self.rates)
        self._launch_rows(kernel, *found, *arguments)


class CudaLowPrecisionTable(OneLaunchRows, LowPrecisionTable):
    """`LowPrecisionTable` on the GPU."""

    def _allocate(self) -> None:
        bits, per_row = self.quantizer.bits, self._units < 0
        self._make_store(bits, per_row=per_row, learned=self.two_pass_capable)
        self._layout = self._store.layout
        self.packed = self._store.field("codes", np.uint32, words_per_row(bits, self.d))
        own = self._store.field("step_size", np.float32) if per_row else self.backend.zeros(self._units, np.float32)
        self._step_sizes = own
        step_sizes = self._store.flat[np.dtype(np.float32)] if per_row else own
        self._items = self._store.flat[np.dtype(code_dtype(bits))]
        self._device_offsets = self.backend.from_host(self._offsets)
        self._stats = self.backend.zeros(5, np.int64)
        self._where = (self._items, step_sizes, self._device_offsets, np.int64(self._units))
        self._stochastic = self.quantizer.rounding == "sr"

    def _fill(self) -> None:
        gathered: list[NDArray[np.uint32]] = []
        first = rows = 0
        for start, packed in self._initial_codes():
            gathered.append(packed)
            rows += len(packed)
            if rows >= _FILL_ROWS or start + len(packed) == self.n:
                self.backend.assign(self.packed[first : first + rows], np.concatenate(gathered))
                first, rows, gathered = first + rows, 0, []

    def queue_lookup(self, ids: Any, out: Any) -> None:
        """See `CudaRows.queue_lookup`."""
        kernel = lookup.lookup_codes(self.d, self.quantizer.bits, self._layout)
        self._launch_positions(kernel, ids.size, ids, np.int64(ids.size), *self._where, out.reshape(-1))

    def _queue_pool(self, ids: Any, bounds: Any, mean: bool, out: Any) -> None:
        kernel = lookup.pool_codes(self.d, self.quantizer.bits, mean, self._layout)
        arguments = (ids, bounds, np.int64(len(out)), *self._where, out.reshape(-1))
        self._launch_positions(kernel, len(out), *arguments)

    def _queue_rows(self, grads: Any, row_class: int) -> None:
        assert self._unique is not None
        kernel = update.update_codes(self.d, self.quantizer.bits, self.optimizer, self._stochastic, self._layout)
        found = (np.int32(row_class), self.guard, *self._unique.arguments(row_class), grads)
        state = (*self._optimizer_arrays, self.rates, self._control, *self._key, self._stats)
        self._launch_rows(kernel, *found, *self._where, *state)

    def _unit_arrays(self) -> list[Any]:
        return [] if self._units < 0 else [self._step_sizes]

    def codes(self) -> Codes:
        """See `LowPrecisionTable.codes`: a NumPy array."""
        return unpack(self.backend.to_host(self.packed), self.quantizer.bits, self.d)

    @property
    def step_size(self) -> NDArray[np.float32]:
        """See `LowPrecisionTable.step_size`: a NumPy array."""
        host = self.backend.to_host(self._step_sizes)
        host.flags.writeable = False
        return host

    def statistics(self, reset: bool = True) -> dict[str, float]:
        """See `LowPrecisionTable.statistics`; waits for the device."""
        counted = self.backend.to_host(self._stats)
        if reset:
            self._stats[...] = 0
        return self._figures(counted[:4], self.step_size)

    def counters(self) -> NDArray[np.int64]:
        """See `EmbeddingTable.counters`."""
        return self.backend.to_host(self._stats)[:4]

    def _load_counters(self, counts: NDArray[np.int64]) -> None:
        self._stats[: len(counts)] = self.backend.from_host(counts)
