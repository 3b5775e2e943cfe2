"""One table over many processes: rows are spread over ranks, and the bits are those of one process.

torch.distributed (extra ``dist-train``) carries bytes; the arithmetic is that of `alpt_ref.tables`. A group of one
process needs no torch. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alpt_ref.distributed.launch import joined as joined
    from alpt_ref.distributed.launch import train as train
    from alpt_ref.distributed.row_map import RowMap as RowMap
    from alpt_ref.distributed.table import ShardedTable as ShardedTable

_HOMES = {"RowMap": "row_map", "ShardedTable": "table", "joined": "launch", "train": "launch"}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
