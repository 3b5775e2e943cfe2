"""What an exchange needs of the GPU: `kinds.CpuKinds` with CuPy's arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.distributed.cuda_batches import CudaBatch, CudaParts, cuda_decoded
from alpt_ref.distributed.row_map import RowMap
from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.cuda import shard
from alpt_ref.kernels.cuda.target import BLOCK, array_module, blocks_for, launch


class CudaRowMap(RowMap):
    """`RowMap` for arrays of either side."""

    def find(self, rows: Any) -> tuple[Any, Any]:
        """See `RowMap.find`."""
        xp = array_module()
        if isinstance(rows, np.ndarray):
            return super().find(rows)
        if self.ranks == 1:
            return xp.zeros(len(rows), np.int64), rows.astype(np.int64)
        owners, places = xp.empty(len(rows), np.int64), xp.empty(len(rows), np.int64)
        if len(rows):
            launch(
                shard.find_rows, blocks_for(len(rows)), BLOCK, rows, np.int64(len(rows)), *self.hash_of, owners, places
            )
        return owners, places

    def rows(self, rank: int, places: Any) -> Any:
        """See `RowMap.rows`."""
        if isinstance(places, np.ndarray) or self.ranks == 1:
            return super().rows(rank, places)
        out = array_module().empty(len(places), np.int64)
        if len(places):
            numbers = (np.int64(len(places)), np.uint64(rank), *self.hash_of)
            launch(shard.rows_at, blocks_for(len(places)), BLOCK, places, *numbers, out)
        return out


class CudaKinds:
    """Arrays of the device."""

    xp: Any = array_module()
    ascending = False
    row_map = CudaRowMap
    batch = CudaBatch
    parts = CudaParts
    decoded = staticmethod(cuda_decoded)

    @staticmethod
    def host(array: Any) -> NDArray[Any]:
        """The array as NumPy's."""
        return get_backend("cuda").to_host(array)

    @staticmethod
    def by_owner(owners: Any, ranks: int) -> tuple[Any, NDArray[np.int64]]:
        """See `CpuKinds.by_owner`; the rows of an owner in no particular order."""
        xp, size = array_module(), len(owners)
        if ranks == 1 or not size:
            counts = np.zeros(ranks, np.int64)
            counts[0] = size
            return xp.arange(size), counts
        if ranks > shard.MAX_OWNERS:
            return xp.argsort(owners), CudaKinds.host(xp.bincount(owners, minlength=ranks)).astype(np.int64)
        numbers, found = (np.int64(size), np.int64(ranks)), xp.zeros(ranks, np.int64)
        launch(shard.count_owners, blocks_for(size), BLOCK, owners, *numbers, found)
        counts = CudaKinds.host(found)
        order, cursor = xp.empty(size, np.int64), xp.asarray(np.cumsum(counts) - counts)
        launch(shard.place_by_owner, blocks_for(size), BLOCK, owners, *numbers, cursor, order)
        return order, counts

    @staticmethod
    def paired(batch: Any, order: Any, dtype: Any) -> Any:
        """See `CpuKinds.paired`; uint32."""
        pairs = array_module().empty((len(order), 2), np.uint32)
        if len(order):
            rows = (batch.rows, batch.times, order, np.int64(len(order)))
            launch(shard.pair_rows, blocks_for(len(order)), BLOCK, *rows, pairs.reshape(-1))
        return pairs

    @staticmethod
    def unpaired(pairs: Any) -> tuple[Any, Any]:
        """See `CpuKinds.unpaired`."""
        size = len(pairs)
        rows, times = array_module().empty(size, np.uint32), array_module().empty(size, np.int32)
        if size:
            launch(shard.unpair_rows, blocks_for(size), BLOCK, pairs.reshape(-1), np.int64(size), rows, times)
        return rows, times

    @staticmethod
    def halves(whole: Any, counts: NDArray[np.int64]) -> tuple[Any, Any, NDArray[np.int64]]:
        """See `CpuKinds.halves`."""
        xp = array_module()
        others = xp.concatenate([xp.zeros(1, np.int64), xp.cumsum(~whole)])
        ends = CudaKinds.host(others[xp.asarray(np.concatenate([[0], np.cumsum(counts)]))])
        return xp.flatnonzero(whole), xp.flatnonzero(~whole), np.diff(ends).astype(np.int64)
