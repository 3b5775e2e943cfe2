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
            launch(shard.find_rows, blocks_for(len(rows)), BLOCK, rows, np.int64(len(rows)), *self._of, owners, places)
        return owners, places

    def rows(self, rank: int, places: Any) -> Any:
        """See `RowMap.rows`."""
        if isinstance(places, np.ndarray) or self.ranks == 1:
            return super().rows(rank, places)
        out = array_module().empty(len(places), np.int64)
        if len(places):
            numbers = (np.int64(len(places)), np.uint64(rank), *self._of)
            launch(shard.rows_at, blocks_for(len(places)), BLOCK, places, *numbers, out)
        return out


class CudaKinds:
    """Arrays of the device."""

    xp: Any = array_module()
    row_map = CudaRowMap
    batch = CudaBatch
    parts = CudaParts
    decoded = staticmethod(cuda_decoded)

    @staticmethod
    def host(array: Any) -> NDArray[Any]:
        """The array as NumPy's."""
        return get_backend("cuda").to_host(array)

    @staticmethod
    def by_owner(owners: Any) -> Any:
        """Order of the rows by owner."""
        return array_module().argsort(owners)

    @staticmethod
    def owner_counts(owners: Any, ranks: int) -> NDArray[np.int64]:
        """How many of each owner, a host array."""
        if not len(owners):
            return np.zeros(ranks, np.int64)
        return get_backend("cuda").to_host(array_module().bincount(owners, minlength=ranks)).astype(np.int64)
