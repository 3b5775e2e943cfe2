"""What a table on the GPU holds at one moment of a run, kept in the device's memory where there is room for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cuda.streams import free_memory
from alpt_ref.tables.moments import TableMoment

if TYPE_CHECKING:
    from alpt_ref.tables.cuda.rows import CudaRows

SHARE = 0.5
"""Part of the free device memory that a moment may take; a larger one is copied to the host."""


class CudaMoment(TableMoment):
    """See `TableMoment`: the records of all rows, or of those that can change, in one piece."""

    table: CudaRows

    def __init__(
        self, table: CudaRows, rows: NDArray[np.int64] | None = None, spare: TableMoment | None = None
    ) -> None:
        self.table, self.updates = table, table._updates
        backend, store = table.backend, table._store.array
        self.rows = rows
        self._device_rows = None if rows is None else self._rows_on_device(rows, spare)
        shape = (len(store) if rows is None else len(rows), store.shape[1])
        room = getattr(spare, "_records", None)
        if room is not None and room.shape != shape:
            room = None
        self.on_device = not isinstance(room, np.ndarray) or backend.xp is np
        if room is None:
            size = int(np.prod(shape)) * store.dtype.itemsize
            self.on_device = size <= SHARE * free_memory()
            room = backend.empty(shape, store.dtype) if self.on_device else None
        self._records = self._filled(room)
        self._units = [array.copy() for array in table._unit_arrays()]

    def _rows_on_device(self, rows: NDArray[np.int64], spare: TableMoment | None) -> Any:
        known = getattr(spare, "_device_rows", None)
        return known if spare is not None and spare.rows is rows else self.table.backend.from_host(rows)

    def _filled(self, room: Any) -> Any:
        xp, store = self.table.backend.xp, self.table._store.array
        if not self.on_device:
            found = store if self._device_rows is None else store[self._device_rows]
            return self.table.backend.to_host(found)
        if self._device_rows is None:
            xp.copyto(room, store)
        else:
            xp.take(store, self._device_rows, axis=0, out=room)
        return room

    @property
    def nbytes(self) -> int:
        """See `TableMoment.nbytes`."""
        return int(self._records.nbytes) + sum(int(array.nbytes) for array in self._units)

    def _field(self, array: Any) -> Any:
        """What `array`, a field of the store, was; for the rows that are held."""
        store = self.table._store.array
        begin = (_address(array) - _address(store)) // store.dtype.itemsize
        view = self._records.view(array.dtype)
        found = view[:, begin] if array.ndim == 1 else view[:, begin : begin + array.shape[1]]
        return found if isinstance(found, np.ndarray) else self.table.backend.to_host(found)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """See `TableMoment.state`: arrays on the host."""
        table, to_host = self.table, self.table.backend.to_host
        units = {_address(array): held for array, held in zip(table._unit_arrays(), self._units, strict=True)}
        found: dict[str, NDArray[np.generic]] = {}
        for name, array in table._state_arrays().items():
            if _address(array) in units:
                found[name] = to_host(units[_address(array)])
            elif self.rows is None:
                found[name] = np.ascontiguousarray(self._field(array))
            else:
                found[name] = to_host(array)
                found[name][self.rows] = self._field(array)
        return {**found, "updates": np.array([self.updates], np.int64)}

    def restore(self) -> None:
        """See `TableMoment.restore`."""
        table, store = self.table, self.table._store.array
        records = self._records if self.on_device else table.backend.from_host(self._records)
        if self._device_rows is None:
            table.backend.xp.copyto(store, records)
        else:
            store[self._device_rows] = records
        for array, held in zip(table._unit_arrays(), self._units, strict=True):
            table.backend.xp.copyto(array, held)
        table.went_back(self.updates)


def _address(array: Any) -> int:
    return int(array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr)
