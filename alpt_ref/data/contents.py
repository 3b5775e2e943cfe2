"""Whether a dataset's arrays keep to their rules: types and shapes at once, the numbers in them where asked."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from alpt_ref._util.check import no_mask
from alpt_ref.errors import InputError

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset

_ROWS_AT_ONCE = 1 << 18


def require_array(name: str, array: Any, dtype: type[np.generic], shape: tuple[int | str, ...]) -> None:
    """InputError unless `array` is a NumPy array of this type and shape, in which a text stands for any length."""
    wanted = f"{np.dtype(dtype)} of shape ({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
    if not isinstance(array, np.ndarray):
        raise InputError(f"{name} must be a NumPy array, {wanted}, got a {type(array).__name__}")
    no_mask(name, array)
    fits = len(array.shape) == len(shape) and all(
        isinstance(want, str) or want == has for want, has in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        raise InputError(f"{name} must be {wanted}, got {array.dtype} {array.shape}")


def check_contents(dataset: ClickDataset, files: Collection[str]) -> None:
    """InputError at the first value that breaks its rule, in the arrays whose store files are named.

    Parameters
    ----------
    dataset : ClickDataset
    files : collection of str
        ``"ids.npy"``, ``"labels.npy"``, …; others are not looked at.
    """
    offsets, slots = dataset.field_offsets, dataset.slots_of_fields
    first, end = np.repeat(offsets[:-1], slots), np.repeat(offsets[1:], slots)
    weights = dataset.weights if "weights.npy" in files else None
    values = dataset.values if "values.npy" in files else None
    for start in range(0, dataset.rows, _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        if "ids.npy" in files:
            low, high = dataset.ids[rows].min(axis=0), dataset.ids[rows].max(axis=0)
            if (low < first).any() or (high >= end).any():
                raise InputError("ids must lie in their field's range field_offsets[f] .. field_offsets[f+1]-1")
        if "labels.npy" in files and dataset.labels[rows].max() > 1:
            raise InputError(f"labels must be 0 or 1, got {int(dataset.labels[rows].max())}")
        if "split.npy" in files and dataset.split[rows].max() > 2:
            raise InputError(f"split must be 0, 1 or 2, got {int(dataset.split[rows].max())}")
        if weights is not None and not (np.isfinite(weights[rows]) & (weights[rows] >= 0)).all():
            raise InputError("weights must be finite and at least 0")
        if values is not None and not np.isfinite(values[rows]).all():
            raise InputError("values must be finite")
