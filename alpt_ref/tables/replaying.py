"""Tables whose rows may have missed moves: what they read, and how the moves are made up for.

With ``optimizer="dense_adam"`` a row moves at every step (`dense_adam`). Its missed moves are summed and subtracted
where the row is read, which changes nothing; before its next update, and by `settle`, they are taken for good. A table
of codes rounds the sum once. Its random words belong to the number of the table's updates, so that what is read before
an update is what the update starts from.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.table import lookup_fp32
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.tables import checks
from alpt_ref.tables.base import GRAIN, EmbeddingTable
from alpt_ref.tables.unique_rows import UniqueRows, unique_rows

BLOCK = 1 << 16
"""Rows that `settle` brings up to date at once."""


class ReplayingTable(EmbeddingTable):
    """A table that makes up for missed moves; a class that does so says ``replays = True`` of itself."""

    _read: tuple[NDArray[np.int64], Any] | None = None
    """Rows of the step that has been looked up and is not updated yet, and what `_take` needs of them."""

    @abstractmethod
    def _current(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], Any]:
        """Values of `rows`, float32 (len(rows), d), their missed moves included, and the same for `_take`."""

    @abstractmethod
    def _take(self, rows: NDArray[np.int64], current: Any) -> None:
        """Make the second part of `_current` the content of `rows`."""

    def lookup(self, ids: Any) -> NDArray[np.float32]:
        """See `EmbeddingTable.lookup`."""
        if not self._optimizer.behind:
            return super().lookup(ids)
        checked = checks.id_array(ids, self.n)
        step = isinstance(ids, checks.CheckedIds) and ids.n == self.n
        unique = ids.unique if step else unique_rows(checked, self.n)
        values, current = self._current(unique.rows)
        self._read = (unique.rows, current) if step else None
        out: NDArray[np.float32] = aligned_empty((len(checked), self.d), np.float32)
        run_rows(lookup_fp32, len(out), places(unique), values, out, grain=GRAIN)
        return out

    def _catch_up(self, rows: NDArray[np.int64], *, wake: bool = True) -> None:
        """Take the moves that `rows` have missed, before they are updated."""
        if self._optimizer.behind:
            known = self._read is not None and self._read[0] is rows
            self._take(rows, self._read[1] if known and self._read is not None else self._current(rows)[1])
        self._optimizer.advance(rows, wake=wake)
        self._read = None

    def settle(self) -> None:
        """See `EmbeddingTable.settle`."""
        for first in range(0, self.n if self._optimizer.behind else 0, BLOCK):
            self._catch_up(np.arange(first, min(self.n, first + BLOCK), dtype=np.int64), wake=False)
        self._optimizer.settled()

    def rest(self) -> None:
        """See `EmbeddingTable.rest`."""
        self.settle()
        self._optimizer.rest()

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """See `EmbeddingTable.load_state`."""
        super().load_state(state)
        self._read = None


def places(unique: UniqueRows) -> NDArray[np.int64]:
    """For each position of the batch the place of its row in ``unique.rows``."""
    found = np.empty(len(unique.order), np.int64)
    found[unique.order] = np.repeat(np.arange(len(unique)), np.diff(unique.starts))
    return found
