"""What a table holds at one moment of a run, kept beside the table that goes on: whole, or the rows that can change.

Unless rows share what they are made of (`EmbeddingTable.shares_rows`), training changes only those that its data name.
The others of an earlier moment are still in the table itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from alpt_ref.tables.base import EmbeddingTable


class TableMoment:
    """A copy of a table's state (`EmbeddingTable.moment`).

    Parameters
    ----------
    table : EmbeddingTable
    rows : int64 array, optional
        The only rows that change as long as the moment is kept, in ascending order; None: all may.
    spare : TableMoment, optional
        One that nobody needs any more: its memory is used again.
    """

    def __init__(
        self, table: EmbeddingTable, rows: NDArray[np.int64] | None = None, spare: TableMoment | None = None
    ) -> None:
        self.table, self.rows = table, rows
        self.updates = table._updates
        self._names = table.row_arrays() if rows is not None else frozenset()
        room = {} if spare is None else getattr(spare, "_arrays", {})
        self._arrays = {name: self._copy(name, array, room.get(name)) for name, array in table._state_arrays().items()}

    def _copy(self, name: str, array: Any, room: Any) -> Any:
        if name not in self._names:
            if room is None or (room.shape, room.dtype) != (array.shape, array.dtype):
                return np.array(array)
            room[...] = array
            return room
        shape = (len(self.rows), *array.shape[1:])  # type: ignore[arg-type]
        if room is None or (room.shape, room.dtype) != (shape, array.dtype):
            room = np.empty(shape, array.dtype)
        return array.take(self.rows, axis=0, out=room, mode="clip")  # mode: "raise" would copy `out` once more

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return int(sum(array.nbytes for array in self._arrays.values()))

    def state(self) -> dict[str, NDArray[np.generic]]:
        """The table's `state` at that moment; arrays that need no putting together are not copied."""
        found: dict[str, NDArray[np.generic]] = {}
        for name, array in self.table._state_arrays().items():
            held = self._arrays[name]
            if name in self._names:
                held, part = np.array(array), held
                held[self.rows] = part
            found[name] = held
        return {**found, "updates": np.array([self.updates], np.int64)}

    def restore(self) -> None:
        """Put the table back to that moment."""
        self.table.load_state(self.state())
