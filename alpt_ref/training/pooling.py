"""From table rows to a batch's fields and back: multi-valued and valued fields are sums of rows times values.

The embedding of a field is ``sum_s values[s] * table[ids[s]]`` over its slots; a mean is a sum whose values are divided
by their number, as the dataset stores them. A slot of value 0 is empty: it is neither looked up nor updated, so that
its row keeps every bit. A field without any filled slot is the zero vector. The gradient takes the same way back: that
of a slot's row is the field's, times the slot's value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.table import pool_rows
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_empty

F32 = NDArray[np.float32]


class Positions(NamedTuple):
    """What is looked up for some rows of a dataset, in order.

    Attributes
    ----------
    rows : int
        b.
    ids : uint32 array (k,)
        Of the filled slots.
    values : float32 array (k,) or None
        Their values; None: each slot is filled, has value 1 and is a field of its own.
    bounds : int64 array (b * fields + 1,) or None
        Those of a field are ``ids[bounds[g] : bounds[g + 1]]``, with ``g = row * fields + field``.

    Examples
    --------
    >>> ids = np.array([[0, 5, 6], [1, 4, 4]], np.uint32)  # a field of one slot, and one of two
    >>> values = np.array([[1, 0.5, 0.5], [1, 0, 0]], np.float32)  # the mean of two rows, and no value at all
    >>> at = positions(ids, values, (1, 2))
    >>> at.ids.tolist(), at.bounds.tolist()
    ([0, 5, 6, 1], [0, 1, 3, 4, 4])
    >>> at.pooled(np.array([[1.0], [2.0], [4.0], [8.0]], np.float32)).reshape(2, -1).tolist()
    [[1.0, 3.0], [8.0, 0.0]]
    """

    rows: int
    ids: NDArray[np.uint32]
    values: F32 | None = None
    bounds: NDArray[np.int64] | None = None

    def pooled(self, embeddings: F32) -> F32:
        """Embeddings of the fields, float32 (b, fields * d), from those of `ids` (k, d), which may be overwritten.

        Added in float32 in the order of the slots, whatever the number of threads.
        """
        if self.values is None or self.bounds is None:
            return embeddings.reshape(self.rows, -1) if self.rows else embeddings
        np.multiply(embeddings, self.values[:, None], out=embeddings)
        out: F32 = aligned_empty((len(self.bounds) - 1, embeddings.shape[1]), np.float32)
        run_rows(pool_rows, len(out), embeddings, self.bounds, False, out, weight=self.bounds)
        return out.reshape(self.rows, -1) if self.rows else out

    def spread(self, gradients: F32, d: int) -> F32:
        """Gradient by the embeddings of `ids`, float32 (k, d), from that by the fields."""
        gradients = gradients.reshape(-1, d)
        if self.values is None or self.bounds is None:
            return gradients
        each: F32 = np.repeat(gradients, np.diff(self.bounds), axis=0)
        each *= self.values[:, None]
        return each


def positions(ids: NDArray[np.uint32], values: F32 | None, slots: Sequence[int] | None) -> Positions:
    """What to look up for rows of a dataset.

    Parameters
    ----------
    ids : uint32 array (b, slots)
    values : float32 array (b, slots) or None
        0 marks an empty slot; None: each value is 1.
    slots : sequence of int or None
        Slots of each field, together the columns of `ids`; None: one each.
    """
    if values is None:
        return Positions(len(ids), ids.reshape(-1))
    filled = values != 0
    counts = filled if slots is None else np.add.reduceat(filled, np.cumsum([0, *slots[:-1]]), axis=1, dtype=np.int64)
    bounds = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts.reshape(-1), out=bounds[1:])
    return Positions(len(ids), ids[filled], values[filled], bounds)
