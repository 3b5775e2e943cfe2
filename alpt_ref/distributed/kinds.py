"""What an exchange needs of a device: array module, grouping, decoding. One for the CPU, one for the GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.distributed.batches import CpuBatch, CpuParts, decoded
from alpt_ref.distributed.owned import OWNED
from alpt_ref.distributed.row_map import RowMap


class CpuKinds:
    """NumPy arrays and the kernels of the CPU."""

    xp: Any = np
    ascending = True
    """Whether unique rows and places are in ascending order."""
    row_map = RowMap
    batch = CpuBatch
    parts = CpuParts
    decoded = staticmethod(decoded)

    @staticmethod
    def host(array: Any) -> NDArray[Any]:
        """The array as NumPy's."""
        return np.asarray(array)

    @staticmethod
    def by_owner(owners: Any, ranks: int) -> tuple[Any, NDArray[np.int64]]:
        """Order of the rows by owner, equal ones in their order, and how many each has, a host array."""
        if ranks == 1:
            return np.arange(len(owners)), np.array([len(owners)], np.int64)
        return np.argsort(owners, kind="stable"), np.bincount(owners, minlength=ranks).astype(np.int64)

    @staticmethod
    def paired(batch: CpuBatch, order: Any, dtype: Any) -> Any:
        """Rows of the batch in this order and how often each occurs, (u, 2), to travel together."""
        pairs = np.empty((len(order), 2), dtype)
        pairs[:, 0], pairs[:, 1] = batch.rows[order], batch.times[order]
        return pairs

    @staticmethod
    def unpaired(pairs: Any) -> tuple[Any, Any]:
        """Rows, and how often each occurs, int32."""
        return np.ascontiguousarray(pairs[:, 0]), pairs[:, 1].astype(np.int32)

    @staticmethod
    def halves(whole: Any, counts: NDArray[np.int64]) -> tuple[Any, Any, NDArray[np.int64]]:
        """Numbers of the whole ones, of the others, and how many others there are among `counts` (ranks,) each."""
        others = np.concatenate([[0], np.cumsum(~whole)])[np.concatenate([[0], np.cumsum(counts)])]
        return np.flatnonzero(whole), np.flatnonzero(~whole), np.diff(others).astype(np.int64)


def kinds_of(device: str) -> Any:
    """What an exchange needs of a device, by its name."""
    if device == "cuda":
        from alpt_ref.distributed.cuda_kinds import CudaKinds  # loads CuPy

        return CudaKinds
    return CpuKinds


def owned_class(method: str, device: str) -> Any:
    """The class of the rows that a rank owns."""
    if device == "cuda":
        from alpt_ref.distributed.cuda_owned import CUDA_OWNED  # loads CuPy

        return CUDA_OWNED[method]
    return OWNED[method]
