"""One rank's part of a batch on the CPU: its unique rows, their gradients' sums, and the values that come back."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.kernels.arguments import PackedCodes, UnitValues
from alpt_ref.kernels.cpu import shard_sums, table
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.scalar.fixed_point import TOO_LARGE
from alpt_ref.tables import checks
from alpt_ref.tables.base import GRAIN
from alpt_ref.tables.replaying import places
from alpt_ref.tables.unique_rows import UniqueRows, sum_gradients, unique_rows

_NO_FIELDS = np.zeros(1, np.int64)


class CpuBatch:
    """Ids of one rank, grouped by row.

    Attributes
    ----------
    positions : int
    rows : int64 array (u,)
        Unique rows.
    times : int32 array (u,)
        How often each occurs.
    """

    def __init__(self, ids: NDArray[np.integer[Any]], n: int, d: int) -> None:
        self.unique: UniqueRows = unique_rows(ids, n)
        self.positions = len(ids)
        self.rows = self.unique.rows
        self.times = np.diff(self.unique.starts).astype(np.int32)

    @staticmethod
    def ids(ids: Any, n: int) -> NDArray[np.integer[Any]]:
        """Checked ids; InputError."""
        return checks.id_array(ids, n)

    @staticmethod
    def gradients(grads: Any, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Checked gradients; InputError."""
        return _check.float32_matrix("grads", grads, shape)

    def require_finite(self, grads: NDArray[np.float32], updates: int) -> None:
        """TrainingError if one of the gradients is NaN or infinite."""
        if not np.isfinite(grads).all():
            raise checks.not_finite_error(self.unique, grads, grads, updates)

    def floats(self, grads: NDArray[np.float32], which: NDArray[np.int64]) -> NDArray[np.float32]:
        """Sums (k, d) of the gradients of the unique rows `which`, as one process adds them."""
        out: NDArray[np.float32] = aligned_empty((len(which), grads.shape[1]), np.float32)
        first, order = self.unique.starts[which], self.unique.order
        once = self.times[which] == 1
        out[once] = grads[order[first[once]]]
        several, times = which[~once], self.times[which[~once]]
        starts = np.concatenate([[0], np.cumsum(times)]).astype(np.int64)
        positions = np.arange(starts[-1]) + np.repeat(first[~once] - starts[:-1], times)
        out[~once] = _sums(UniqueRows(self.rows[several], starts, order[positions]), grads)
        return out

    def all_floats(self, grads: NDArray[np.float32]) -> NDArray[np.float32]:
        """`floats` of all unique rows."""
        return _sums(self.unique, grads)

    def peaks(self, grads: NDArray[np.float32], which: NDArray[np.int64]) -> NDArray[np.int32]:
        """Magnitude bits of the largest gradient of each of the unique rows `which`."""
        out = np.empty(len(which), np.int32)
        found = (which, self.unique.order, self.unique.starts)
        run_rows(shard_sums.row_peaks, len(which), grads.view(np.int32), *found, out, grain=GRAIN)
        return out

    def totals(
        self, grads: NDArray[np.float32], which: NDArray[np.int64], peaks: NDArray[np.int32], times: NDArray[np.int32]
    ) -> NDArray[np.int64]:
        """Integer sums (k, d) of the gradients of `which`, whose peaks and times over all ranks are given."""
        out = np.empty((len(which), grads.shape[1]), np.int64)
        found = (which, self.unique.order, self.unique.starts)
        run_rows(shard_sums.row_totals, len(which), grads, *found, peaks, times, out, grain=GRAIN)
        return out

    def spread(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each position of the batch the place of its row in ``rows[order]``."""
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return back[places(self.unique)]


def _sums(unique: UniqueRows, grads: NDArray[np.float32]) -> NDArray[np.float32]:
    """`sum_gradients` of finite gradients, each row's right where another's is too large."""
    sums, fine = sum_gradients(unique, grads)
    for i in range(0 if fine else len(unique)):
        positions = unique.order[unique.starts[i] : unique.starts[i + 1]]
        one = UniqueRows(unique.rows[i : i + 1], np.array([0, len(positions)], np.int64), positions)
        sums[i] = sum_gradients(one, grads)[0]
    return sums


def decoded(parts: tuple[Any, ...], spread: NDArray[np.int64], d: int, bits: int | None) -> NDArray[np.float32]:
    """Values (len, d) of `parts` as owners answered them (`OwnedRows.answer`), by the kernels of a local lookup."""
    out: NDArray[np.float32] = aligned_empty((len(spread), d), np.float32)
    if bits is None:
        run_rows(table.lookup_fp32, len(out), spread, parts[0], out, grain=GRAIN)
        return out
    packed, step_sizes = parts
    codes = PackedCodes(packed, packed.view(np.int8), packed.view(np.int16), bits)
    lookup = table.lookup_codes if d * bits % 8 == 0 else table.lookup_codes_ragged
    run_rows(lookup, len(out), spread, codes, UnitValues(step_sizes, _NO_FIELDS, -1), out, grain=GRAIN)
    return out


class CpuParts:
    """What an owner was asked for: the places, with repeats where ranks share a row, and the unique ones.

    Attributes
    ----------
    places : int64 array (m,)
        As the ranks asked, one rank after another.
    times_in : int32 array (m,)
        How often the rank that asked has each.
    """

    def __init__(self, places: NDArray[np.int64], times: NDArray[np.int32], n: int) -> None:
        self.places, self.times_in, self._n = places, times, n

    @cached_property
    def _found(self) -> UniqueRows:
        return unique_rows(self.places, self._n)

    @property
    def unique(self) -> NDArray[np.int64]:
        """Unique places, ascending, (u,)."""
        return self._found.rows

    @cached_property
    def index(self) -> NDArray[np.int64]:
        """For each place that was asked for its number among the unique ones."""
        return places(self._found)

    @cached_property
    def times(self) -> NDArray[np.int32]:
        """How often the whole batch names each unique place, int32 (u,)."""
        found = np.zeros(len(self.unique), np.int32)
        np.add.at(found, self.index, self.times_in)
        return found

    @property
    def times_asked(self) -> NDArray[np.int32]:
        """The same for each place that was asked for, (m,)."""
        return self.times[self.index]

    def largest(self, peaks: NDArray[np.int32], asked: NDArray[np.int64]) -> NDArray[np.int32]:
        """Per unique place the largest of the `peaks` that ranks found for the places `asked` (numbers below m)."""
        out = np.zeros(len(self.unique), np.int32)
        np.maximum.at(out, self.index[asked], peaks)
        return out

    def joined(
        self, whole: NDArray[np.bool_], floats: NDArray[np.float32], totals: NDArray[np.int64], peaks: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """Sums (u, d) of the unique places' gradients from what ranks sent for each place (`shard_sums.join_parts`)."""
        place = np.where(whole, np.cumsum(whole), np.cumsum(~whole)) - 1
        out: NDArray[np.float32] = aligned_empty((len(self.unique), floats.shape[1]), np.float32)
        found = (self._found.order, self._found.starts, whole, place)
        run_rows(shard_sums.join_parts, len(out), *found, floats, totals, peaks, self.times, out, grain=GRAIN)
        return out

    @staticmethod
    def refused(sums: NDArray[np.float32]) -> NDArray[np.int64]:
        """Which sums are NaN, infinite or too large to be squared."""
        magnitude = sums.view(np.int32) & np.int32(0x7FFFFFFF)
        return np.flatnonzero((magnitude >= TOO_LARGE).any(axis=1))
