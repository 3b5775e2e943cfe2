"""Which rank owns a row, and at which place: a bijective hash of the row number, and its inverse.

``hash(row)`` is a bijection of ``[0, n)`` without a seed (`alpt_ref.scalar.row_hash`); its remainder by the number of
ranks is the owner, its quotient the place in the owner's arrays. So neither direction needs a table, and ranks hold
equally many rows, to one. One rank holds the rows in their own order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.row_hash import HashOf, find_rows, rows_at
from alpt_ref.kernels.jit import run_rows

GRAIN = 4096


class RowMap:
    """Owner and place of each of `n` rows over `ranks` ranks.

    Examples
    --------
    >>> import numpy as np
    >>> rows = RowMap(10, 3)
    >>> [rows.count(rank) for rank in range(3)]
    [4, 3, 3]
    >>> owners, places = rows.find(np.arange(10))
    >>> bool((rows.rows(1, places[owners == 1]) == np.flatnonzero(owners == 1)).all())
    True
    """

    def __init__(self, n: int, ranks: int) -> None:
        self.n, self.ranks = int(n), int(ranks)
        bits = max(1, (self.n - 1).bit_length())
        numbers = (self.n, (1 << bits) - 1, (bits + 1) // 2, self.ranks)
        self.hash_of = HashOf(*(np.uint64(number) for number in numbers))

    def count(self, rank: int) -> int:
        """Rows that a rank owns."""
        return (self.n - rank + self.ranks - 1) // self.ranks

    def find(self, rows: NDArray[np.integer[Any]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Owner of each row (below `n`) and its place there, two int64 arrays."""
        if self.ranks == 1:
            return np.zeros(len(rows), np.int64), rows.astype(np.int64)
        owners, places = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
        run_rows(find_rows, len(rows), rows, self.hash_of, owners, places, grain=GRAIN)
        return owners, places

    def rows(self, rank: int, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows at places of a rank, int64."""
        if self.ranks == 1:
            return places
        out = np.empty(len(places), np.int64)
        run_rows(rows_at, len(out), places, rank, self.hash_of, out, grain=GRAIN)
        return out
