"""Checks of what a table is asked for: row numbers, bags of them, gradients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.check import as_array
from alpt_ref.errors import InputError, TrainingError
from alpt_ref.kernels.cpu.unique import id_range
from alpt_ref.scalar.fixed_point import TOO_LARGE
from alpt_ref.tables.unique_rows import UniqueRows, unique_rows


@dataclass(frozen=True)
class CheckedIds:
    """Row numbers that `id_array` has checked against a table of `n` rows; tables take them in place of ids.

    A training step looks the same ids up and updates them: they are checked once.
    """

    array: NDArray[np.integer[Any]]
    n: int

    @cached_property
    def unique(self) -> UniqueRows:
        """Which rows they name, found once."""
        return unique_rows(self.array, self.n)


def bag_bounds(bags: Any, ids: int) -> NDArray[np.int64]:
    """Bag boundaries (bags + 1,): from 0 to the number of ids, never falling."""
    array = as_array("bags", bags)
    if array.dtype.kind not in "iu" or array.ndim != 1 or len(array) < 1:
        raise InputError(f"bags must be a one-dimensional integer array (bags + 1,), got {array.dtype} {array.shape}")
    bounds = np.ascontiguousarray(array, np.int64)
    if bounds[0] != 0 or bounds[-1] != ids or (np.diff(bounds) < 0).any():
        raise InputError(f"bags must rise from 0 to the number of ids {ids}, got {bounds.tolist()[:8]}")
    return bounds


def id_array(ids: Any, n: int) -> NDArray[np.integer[Any]]:
    """Row numbers as a contiguous native integer array (len,), each in ``[0, n)``."""
    if isinstance(ids, CheckedIds):
        if ids.n == n:
            return ids.array
        ids = ids.array
    array = as_array("ids", ids)
    if array.size == 0 and array.ndim == 1:
        return np.zeros(0, np.int64)
    if array.dtype.kind not in "iu":
        raise InputError(f"ids must be whole numbers of an integer dtype, got {array.dtype}")
    if array.ndim != 1:
        raise InputError(f"ids must have one dimension, got shape {array.shape}; pass ids.reshape(-1)")
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    low, high = (int(value) for value in id_range(array))
    if low < 0 or high >= n:
        wrong = low if low < 0 else high
        raise InputError(f"ids must be in [0, {n}), got {wrong}")
    return array


MAX_GRADIENT = float(TOO_LARGE.view(np.float32))
"""2**48; see `alpt_ref.scalar.fixed_point`."""


def not_finite_error(
    unique: UniqueRows, grads: NDArray[np.float32], summed: NDArray[np.float32], updates: int
) -> TrainingError:
    """What to raise where a gradient (len, d), or the sum of a row's gradients (u, d), is not finite or too large."""
    places = np.flatnonzero(~np.isfinite(grads).all(axis=1))
    if len(places):
        return TrainingError(
            f"grads must be finite, got NaN or infinity at position {places[0]} of table update {updates}; "
            "the table has not changed: lower the learning rate or look for the cause before this step"
        )
    return sum_error(unique.rows, summed, updates)


def sum_error(rows: NDArray[Any], summed: NDArray[np.float32], updates: int) -> TrainingError:
    """What to raise where the sum of a row's gradients, (u, d), overflows float32, or its square would.

    An accumulator that is once infinite stays so: the row would never move again, whatever its later gradients.
    """
    infinite = ~np.isfinite(summed).all(axis=1)
    if infinite.any():
        row = int(rows[infinite].min())
        return TrainingError(
            f"the sum of a row's gradients must be finite, it overflowed for row {row} in table update {updates}; "
            "the table has not changed: lower the learning rate or scale the loss"
        )
    large = (np.abs(summed) >= MAX_GRADIENT).any(axis=1)
    row = int(rows[large].min())
    largest = float(np.abs(summed[rows == row]).max())
    return TrainingError(
        "the sum of a row's gradients must be below 2**48 in magnitude, because larger squares overflow float32 "
        f"and the row would never move again; got {largest:.3g} for row {row} in table update {updates}; the table has "
        "not changed: lower the learning rate or scale the loss"
    )
