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
    row_map = RowMap
    batch = CpuBatch
    parts = CpuParts
    decoded = staticmethod(decoded)

    @staticmethod
    def host(array: Any) -> NDArray[Any]:
        """The array as NumPy's."""
        return np.asarray(array)

    @staticmethod
    def by_owner(owners: Any) -> Any:
        """Order of the rows by owner, equal ones in their order."""
        return np.argsort(owners, kind="stable")

    @staticmethod
    def owner_counts(owners: Any, ranks: int) -> NDArray[np.int64]:
        """How many of each owner, a host array."""
        return np.bincount(owners, minlength=ranks).astype(np.int64)


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
