"""Batches out of a store that may be larger than the memory: a few passes in file order in place of random reads.

A batch of a shuffled epoch has rows all over the file, and where the file is not cached each of them costs a read of
its own. The rows of many batches together, sorted, are a pass over the file in its own order, which a disk delivers at
full speed. Which rows a batch has, and their order in it, do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.dataset import ClickDataset

GROUP_BYTES = 128 << 20
"""Rows gathered together; twice as much is held, because the next group is read while this one is used."""
_ROWS_AT_ONCE = 1 << 15


class Rows(NamedTuple):
    """What a dataset holds of some rows; `weights` and `values` where it has them."""

    ids: NDArray[np.uint32]  # (b, slots) global feature ids
    labels: NDArray[np.uint8]  # (b,)
    weights: NDArray[np.float32] | None = None  # (b,)
    values: NDArray[np.float32] | None = None  # (b, slots)

    def part(self, first: int, last: int) -> Rows:
        """Rows `first` to `last` - 1."""
        return _each(self, lambda array: array[first:last])


def gather_rows(dataset: ClickDataset, rows: NDArray[np.int64]) -> Rows:
    """Copy rows out of a dataset, in the order given."""
    return _each(_arrays(dataset), lambda array: array[rows])


def _arrays(dataset: ClickDataset) -> Rows:
    """All of them, as they lie in the dataset."""
    return Rows(dataset.ids, dataset.labels, dataset.weights, dataset.values)


def _each(rows: Rows, function: Callable[[NDArray[Any]], NDArray[Any]]) -> Rows:
    """A function of every array that is there."""
    weights = None if rows.weights is None else function(rows.weights)
    values = None if rows.values is None else function(rows.values)
    return Rows(function(rows.ids), function(rows.labels), weights, values)


def gather_batches(
    dataset: ClickDataset, order: NDArray[np.int64], batch_size: int, *, group_bytes: int = GROUP_BYTES
) -> Generator[Rows, None, None]:
    """What the dataset holds of ``order[:b]``, ``order[b:2*b]``, …, each batch in ascending row order.

    Parameters
    ----------
    dataset : ClickDataset
        In RAM or mapped.
    order : int64 array
        Row numbers in the order of the epoch.
    batch_size : int
    group_bytes : int
        Bound on what is gathered at a time.

    Yields
    ------
    Rows
    """
    row_bytes = sum(array.itemsize * array[:1].size for array in _arrays(dataset) if array is not None)
    group = batch_size * max(1, group_bytes // (batch_size * row_bytes))
    starts = range(0, len(order), group)
    with ThreadPoolExecutor(1, thread_name_prefix="alpt_ref_gather") as ahead:
        following = [
            ahead.submit(_gather_group, dataset, order[start : start + group], batch_size) for start in starts[:1]
        ]
        for number in range(len(starts)):
            rows = following.pop().result()
            if number + 1 < len(starts):
                start = starts[number + 1]
                following = [ahead.submit(_gather_group, dataset, order[start : start + group], batch_size)]
            for first in range(0, len(rows.labels), batch_size):
                yield rows.part(first, first + batch_size)


def _gather_group(dataset: ClickDataset, order: NDArray[np.int64], batch_size: int) -> Rows:
    """Rows of several batches, each batch sorted, read in ascending order of all of them."""
    whole = len(order) // batch_size * batch_size
    rows = np.concatenate((np.sort(order[:whole].reshape(-1, batch_size), axis=1).reshape(-1), np.sort(order[whole:])))
    places = np.argsort(rows)
    sources = _arrays(dataset)
    gathered = _each(sources, lambda array: np.empty((len(rows), *array.shape[1:]), array.dtype))
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = places[start : start + _ROWS_AT_ONCE]
        for source, out in zip(sources, gathered, strict=True):
            if source is not None and out is not None:
                out[part] = source[rows[part]]
    return gathered
