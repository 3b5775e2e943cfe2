"""The batch's unique rows: which they are, where each occurs, and the order-independent sum of its gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu import group
from alpt_ref.kernels.cpu import unique as kernels
from alpt_ref.kernels.jit import num_threads, run_rows
from alpt_ref.kernels.memory import aligned_empty

GRAIN = 1024
PART = 1 << 15
"""Ids that are worth a thread when they are grouped."""
ROWS_PER_ID = 32
"""Rows of the table for each id of the batch up to which a bitmap of all rows is cheaper than sorting the ids."""


@dataclass(frozen=True)
class UniqueRows:
    """Unique rows of a batch of ids.

    Attributes
    ----------
    rows : int64 array (u,)
        Unique table rows, ascending.
    starts : int64 array (u + 1,)
        ``order[starts[i]:starts[i+1]]`` are the batch positions of row ``i``.
    order : int64 array (len,)
    numbers : int64 array (u,), optional
        Row numbers that key the rows' random words, where `rows` are places in a part of a table.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    order: NDArray[np.int64]
    numbers: NDArray[np.int64] | None = None

    @property
    def keys(self) -> NDArray[np.int64]:
        """What keys the rows' random words: `numbers`, or the rows themselves."""
        return self.rows if self.numbers is None else self.numbers

    def __len__(self) -> int:
        """Number of unique rows."""
        return int(self.rows.shape[0])


def unique_rows(ids: NDArray[np.integer[Any]], n: int) -> UniqueRows:
    """Group checked ids in ``[0, n)`` by table row.

    Examples
    --------
    >>> import numpy as np
    >>> unique_rows(np.array([7, 3, 7]), 10).rows
    array([3, 7])
    """
    size = ids.shape[0]
    if 0 < size < 1 << 31 and n <= ROWS_PER_ID * size:
        return _by_bitmap(ids, n)
    keys, order, spare_keys, spare_order = (np.empty(size, np.int64) for _ in range(4))
    if kernels.sort_ids(ids, max(n - 1, 0), keys, order, spare_keys, spare_order):
        keys, order = spare_keys, spare_order
    rows = np.empty(size, np.int64)
    starts = np.empty(size + 1, np.int64)
    count = kernels.mark_segments(keys, rows, starts)
    return UniqueRows(rows[:count], starts[: count + 1], order)


def _by_bitmap(ids: NDArray[np.integer[Any]], n: int) -> UniqueRows:
    """`unique_rows` where the bits of all rows are few beside the ids."""
    size = ids.shape[0]
    parts = max(1, min(num_threads(), size // PART))
    bounds = np.array([size * part // parts for part in range(parts + 1)], np.int64)
    marks = np.zeros((parts, (n + 63) // 64), np.uint64)
    run_rows(group.mark_ids, parts, bounds, ids, marks, grain=1)
    before, rows = np.empty(marks.shape[1], np.int32), np.empty(min(size, n), np.int64)
    rows = rows[: group.list_rows(marks, before, rows)]
    ranks, counts = np.empty(size, np.int32), np.zeros((parts, len(rows)), np.int32)
    run_rows(group.count_ranks, parts, bounds, ids, marks, before, ranks, counts, grain=1)
    starts, order = np.empty(len(rows) + 1, np.int64), np.empty(size, np.int64)
    group.begin_ranks(counts, starts)
    run_rows(group.order_ranks, parts, bounds, ranks, counts, order, grain=1)
    return UniqueRows(rows, starts, order)


def sum_gradients(unique: UniqueRows, grads: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
    """Sum of the gradients of each unique row, and whether all are finite.

    Returns
    -------
    sums : float32 array (u, d)
        Not dependent on the order within the batch.
    finite : bool
        False if a gradient or a sum is NaN or infinite; `sums` then mean nothing.
    """
    out: NDArray[np.float32] = aligned_empty((len(unique), grads.shape[1]), np.float32)
    bits, order, starts = grads.view(np.int32), unique.order, unique.starts
    bad = run_rows(kernels.sum_duplicates, len(unique), grads, bits, order, starts, out, grain=GRAIN, weight=starts)
    return out, not any(bad)
