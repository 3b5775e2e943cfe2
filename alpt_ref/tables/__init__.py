"""What an embedding layer can be: one file a method, one interface (`base.EmbeddingTable`), named in `catalog`.

Names load on first use: `options`, the methods' settings, must be readable without Numba.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alpt_ref.tables.alpt import AdaptiveTable as AdaptiveTable
    from alpt_ref.tables.base import EmbeddingTable as EmbeddingTable
    from alpt_ref.tables.full import FullTable as FullTable
    from alpt_ref.tables.lpt import LowPrecisionTable as LowPrecisionTable
    from alpt_ref.tables.make import make_table as make_table
    from alpt_ref.tables.spec import TableSpec as TableSpec

_HOMES = {
    "AdaptiveTable": "alpt",
    "EmbeddingTable": "base",
    "FullTable": "full",
    "LowPrecisionTable": "lpt",
    "TableSpec": "spec",
    "make_table": "make",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
