"""How fast this package is here: what ``alpt-ref bench`` measures, on a processor or a GPU, and PyTorch beside it."""

from __future__ import annotations

from alpt_ref.bench.run import SIZES, Size, bench, table_of

__all__ = ["SIZES", "Size", "bench", "table_of"]
