"""One rank's part of a batch on the GPU, and what its owner is asked for: `batches` with arrays of the device."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.cuda import lookup, pending, shard
from alpt_ref.kernels.cuda.target import BLOCK, blocks_for, launch
from alpt_ref.kernels.cuda.team import code_dtype, team_of
from alpt_ref.scalar.fixed_point import TOO_LARGE
from alpt_ref.tables import checks
from alpt_ref.tables.cuda.unique_rows import CudaUniqueRows
from alpt_ref.tables.unique_rows import unique_rows


class CudaBatch:
    """See `CpuBatch`; rows in no particular order."""

    def __init__(self, ids: Any, n: int, d: int) -> None:
        self.backend = get_backend("cuda")
        self._ids, self._n, self.d, self.positions = ids, n, d, int(ids.size)
        self._found = CudaUniqueRows(self.backend, max(self.positions, 1), d, inverts=True)
        count = 0
        if self.positions:
            self._found.queue(ids)
            count = self._found.unique()
        records = self._found.records[: 4 * count].reshape(count, 4)
        self.rows, self.times = records[:, 0].copy().view(np.uint32), records[:, 2].copy()

    @staticmethod
    def ids(ids: Any, n: int) -> Any:
        """See `CpuBatch.ids`: uint32 on the device."""
        backend = get_backend("cuda")
        xp = backend.xp
        if xp is np or not isinstance(ids, xp.ndarray):
            return backend.from_host(checks.id_array(ids, n).astype(np.uint32))
        if ids.dtype.kind not in "iu" or ids.ndim != 1:
            raise InputError(f"ids must be a one-dimensional integer array, got {ids.dtype} of shape {ids.shape}")
        if ids.size:
            low, high = int(ids.min()), int(ids.max())
            if low < 0 or high >= n:
                raise InputError(f"ids must be in [0, {n}), got {low if low < 0 else high}")
        return xp.ascontiguousarray(ids.astype(xp.uint32, copy=False))

    @staticmethod
    def gradients(grads: Any, shape: tuple[int, int]) -> Any:
        """See `CpuBatch.gradients`."""
        backend = get_backend("cuda")
        if backend.xp is np or not isinstance(grads, backend.xp.ndarray):
            return backend.from_host(_check.float32_matrix("grads", grads, shape))
        if grads.dtype != np.float32 or grads.shape != shape:
            raise InputError(f"grads must be float32 of shape {shape}, got {grads.dtype} {grads.shape}")
        return backend.xp.ascontiguousarray(grads)

    def require_finite(self, grads: Any, updates: int) -> None:
        """See `CpuBatch.require_finite`."""
        if not bool(self.backend.xp.isfinite(grads).all()):
            host = self.backend.to_host(grads)
            raise checks.not_finite_error(unique_rows(self.backend.to_host(self._ids), self._n), host, host, updates)

    def _launch(self, kernel: Any, size: int, *arguments: Any) -> None:
        if size:
            launch(kernel, blocks_for(size), BLOCK, *arguments)

    def floats(self, grads: Any, which: Any) -> Any:
        """See `CpuBatch.floats`."""
        out = self.backend.empty((len(self.rows), self.d), np.float32)
        if self.positions:
            flat, team, guard = grads.reshape(-1), team_of(self.d), self.backend.zeros(2, np.int32)
            self._found.queue_sums(flat)
            blocks = blocks_for(len(self.rows) * team.size, team.block, 8)
            launch(pending.sum_rows(self.d), blocks, team.block, guard, *self._found.arguments(), flat, out.reshape(-1))
        return out[which]

    def _slots(self, which: Any) -> Any:
        xp = self.backend.xp
        slots = xp.full(max(len(self.rows), 1), -1, np.int32)
        slots[which] = xp.arange(len(which), dtype=np.int32)
        return slots

    def peaks(self, grads: Any, which: Any) -> Any:
        """See `CpuBatch.peaks`."""
        peaks = self.backend.zeros(len(which), np.int32)
        if len(which):
            found = (np.int64(self.positions), self._found.inverse, self._slots(which))
            self._launch(shard.row_peaks, self.positions, grads.reshape(-1), np.int64(self.d), *found, peaks)
        return peaks

    def totals(self, grads: Any, which: Any, peaks: Any, times: Any) -> Any:
        """See `CpuBatch.totals`."""
        totals = self.backend.zeros((len(which), self.d), np.int64)
        if len(which):
            size = self.positions * self.d
            found = (np.int64(size), self._found.inverse, self._slots(which), peaks, times)
            self._launch(shard.row_totals, size, grads.reshape(-1), np.int64(self.d), *found, totals.reshape(-1))
        return totals

    def spread(self, order: Any) -> Any:
        """See `CpuBatch.spread`."""
        xp = self.backend.xp
        back = xp.empty(max(len(order), 1), np.uint32)
        back[order] = xp.arange(len(order), dtype=np.uint32)
        return back[self._found.inverse[: self.positions]]


def cuda_decoded(parts: tuple[Any, ...], spread: Any, d: int, bits: int | None) -> Any:
    """See `batches.decoded`."""
    backend = get_backend("cuda")
    out, size, layout = backend.empty((len(spread), d), np.float32), np.int64(len(spread)), shard.wire_layout(d, bits)
    if len(spread):
        team = team_of(d)
        grid = (blocks_for(len(spread) * team.size, team.block), team.block)
        if bits is None:
            kernel = lookup.lookup_weights(d, layout)
            launch(kernel, *grid, spread, size, parts[0].reshape(-1), out.reshape(-1))
        else:
            items = parts[0].reshape(-1).view(code_dtype(bits))
            offsets = backend.zeros(1, np.int64)
            kernel = lookup.lookup_codes(d, bits, layout)
            launch(kernel, *grid, spread, size, items, parts[1], offsets, np.int64(-1), out.reshape(-1))
    return out


class CudaParts:
    """See `CpuParts`; unique places in no particular order."""

    def __init__(self, places: Any, times: Any, n: int) -> None:
        self.backend = get_backend("cuda")
        self.places, self.times_in = places, times

    @cached_property
    def _found(self) -> CudaUniqueRows:
        size = len(self.places)
        found = CudaUniqueRows(self.backend, max(size, 1), 1, inverts=True)
        if size:
            found.queue(self.places.astype(np.uint32))
        return found

    @cached_property
    def unique(self) -> Any:
        """See `CpuParts.unique`."""
        count = self._found.unique() if len(self.places) else 0
        return self._found.records[: 4 * count : 4].view(np.uint32).astype(np.int64)

    @property
    def index(self) -> Any:
        """See `CpuParts.index`."""
        return self._found.inverse[: len(self.places)]

    @cached_property
    def times(self) -> Any:
        """See `CpuParts.times`."""
        found = self.backend.zeros(len(self.unique), np.int32)
        self._per_place(shard.add_times, self.times_in, self.index, found)
        return found

    @property
    def times_asked(self) -> Any:
        """See `CpuParts.times_asked`."""
        return self.times[self.index]

    @staticmethod
    def _per_place(kernel: Any, values: Any, index: Any, out: Any) -> None:
        if len(values):
            launch(kernel, blocks_for(len(values)), BLOCK, values, np.int64(len(values)), index, out)

    def largest(self, peaks: Any, asked: Any) -> Any:
        """See `CpuParts.largest`."""
        out = self.backend.zeros(len(self.unique), np.int32)
        self._per_place(shard.take_largest, peaks, self.index[asked], out)
        return out

    def joined(self, whole: Any, floats: Any, totals: Any, peaks: Any) -> Any:
        """See `CpuParts.joined`."""
        xp, size, d = self.backend.xp, np.int64(len(self.places)), np.int64(floats.shape[1])
        unique = len(self.unique)
        out = self.backend.empty((unique, floats.shape[1]), np.float32)
        if unique:
            place = xp.where(whole, xp.cumsum(whole), xp.cumsum(~whole)) - 1
            found, pair = self.backend.zeros(unique, np.int32), self.backend.zeros(2 * unique, np.int64)
            added = self.backend.zeros(unique * int(d), np.int64)
            which = (self.index, whole.view(np.uint8), place)
            launch(shard.list_floats, blocks_for(int(size)), BLOCK, size, *which, found, pair)
            blocks = blocks_for(int(size * d))
            launch(shard.add_totals, blocks, BLOCK, np.int64(size * d), d, *which, totals.reshape(-1), added)
            how = (found, pair, floats.reshape(-1), added, peaks, self.times, out.reshape(-1))
            launch(shard.finish_sums, blocks_for(out.size), BLOCK, np.int64(out.size), d, *how)
        return out

    @staticmethod
    def refused(sums: Any) -> Any:
        """See `CpuParts.refused`."""
        xp = get_backend("cuda").xp
        return xp.flatnonzero(((sums.view(np.int32) & np.int32(0x7FFFFFFF)) >= TOO_LARGE).any(axis=1))
