"""Which categories of a field get a row of the table, and in which order: by their counts alone, or cut into bins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.data.bins import choose_bins
from alpt_ref.data.fields import FieldPlan


def check_min_count(min_count: int) -> None:
    """InputError unless `min_count` is a whole number of at least 1."""
    _check.whole_number("min_count", min_count, 1)


def choose_categories(names: Any, counts: NDArray[np.int64], min_count: int) -> tuple[Any, NDArray[np.uint32]]:
    """The categories of one field that earn a row.

    Parameters
    ----------
    names : sequence of str or Arrow array
    counts : int64 array (categories,)
    min_count : int

    Returns
    -------
    Arrow array of large strings
        Texts of local ids 1, 2, …
    uint32 array (categories,)
        Local id of each of `names`, 0 where it earns none.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kept = np.flatnonzero(counts >= min_count)
    texts = names if isinstance(names, pa.Array) else pa.array(names, type=pa.large_utf8())
    texts = texts.take(pa.array(kept))
    table = pa.table({"count": counts[kept], "text": texts})
    order = pc.sort_indices(table, sort_keys=[("count", "descending"), ("text", "ascending")]).to_numpy()
    local = np.zeros(len(counts), dtype=np.uint32)
    local[kept[order]] = np.arange(1, len(kept) + 1, dtype=np.uint32)
    return texts.take(pa.array(order)), local


def choose(plan: FieldPlan, names: Any, counts: NDArray[np.int64], min_count: int) -> tuple[Any, NDArray[np.uint32]]:
    """As `choose_categories` or `choose_bins`, after the field's own plan."""
    least = min_count if plan.min_count is None else plan.min_count
    if plan.bins:
        return choose_bins(names, counts, plan.bins, least)
    return choose_categories(names, counts, least)
