"""The batch's unique rows: which they are, where each occurs, and the order-independent sum of its gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.backend import Backend
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_empty


@dataclass(frozen=True)
class Plan:
    """Unique rows of a batch of ids.

    Attributes
    ----------
    rows : int64 array (u,)
        Unique table rows, ascending.
    starts : int64 array (u + 1,)
        ``order[starts[i]:starts[i+1]]`` are the batch positions of row ``i``.
    order : int64 array (len,)
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    order: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of unique rows."""
        return int(self.rows.shape[0])


def make_plan(backend: Backend, ids: NDArray[np.integer[Any]], n: int) -> Plan:
    """Group checked ids in ``[0, n)`` by table row."""
    size = ids.shape[0]
    keys, order, spare_keys, spare_order = (np.empty(size, np.int64) for _ in range(4))
    if backend.kernels.sort_ids(ids, max(n - 1, 0), keys, order, spare_keys, spare_order):
        keys, order = spare_keys, spare_order
    rows = np.empty(size, np.int64)
    starts = np.empty(size + 1, np.int64)
    count = backend.kernels.mark_segments(keys, rows, starts)
    return Plan(rows[:count], starts[: count + 1], order)


def sum_gradients(backend: Backend, plan: Plan, grads: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum of the gradients of each unique row, float32 (u, d); does not depend on the order within the batch."""
    out: NDArray[np.float32] = aligned_empty((len(plan), grads.shape[1]), np.float32)
    arguments = (grads, grads.view(np.int32), plan.order, plan.starts, out)
    run_rows(backend.kernels.sum_duplicates, len(plan), *arguments, grain=1024, weight=plan.starts)
    return out
