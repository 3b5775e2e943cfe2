"""Batches out of a store that may be larger than the memory: a few passes in file order in place of random reads.

A batch of a shuffled epoch has rows all over the file, and where the file is not cached each of them costs a read of
its own. The rows of many batches together, sorted, are a pass over the file in its own order, which a disk delivers at
full speed. Which rows a batch has, and their order in it, do not change.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.dataset import ClickDataset

GROUP_BYTES = 128 << 20
"""Rows gathered together; twice as much is held, because the next group is read while this one is used."""
_ROWS_AT_ONCE = 1 << 15

Rows = tuple[NDArray[np.uint32], NDArray[np.uint8]]


def gather_batches(
    dataset: ClickDataset, order: NDArray[np.int64], batch_size: int, *, group_bytes: int = GROUP_BYTES
) -> Generator[Rows, None, None]:
    """Ids and labels of ``order[:b]``, ``order[b:2*b]``, …, each batch in ascending row order.

    Parameters
    ----------
    dataset : ClickDataset
        In RAM or mapped.
    order : int64 array
        Row numbers in the order of the epoch.
    batch_size : int
    group_bytes : int
        Bound on the ids and labels that are gathered at a time.

    Yields
    ------
    uint32 array (b, fields), uint8 array (b,)
    """
    row_bytes = 4 * dataset.fields + 1
    group = batch_size * max(1, group_bytes // (batch_size * row_bytes))
    starts = range(0, len(order), group)
    with ThreadPoolExecutor(1, thread_name_prefix="alpt_ref_gather") as ahead:
        following = [
            ahead.submit(_gather_group, dataset, order[start : start + group], batch_size) for start in starts[:1]
        ]
        for number in range(len(starts)):
            ids, labels = following.pop().result()
            if number + 1 < len(starts):
                start = starts[number + 1]
                following = [ahead.submit(_gather_group, dataset, order[start : start + group], batch_size)]
            for first in range(0, len(labels), batch_size):
                yield ids[first : first + batch_size], labels[first : first + batch_size]


def _gather_group(dataset: ClickDataset, order: NDArray[np.int64], batch_size: int) -> Rows:
    """Rows of several batches, each batch sorted, read in ascending order of all of them."""
    whole = len(order) // batch_size * batch_size
    rows = np.concatenate((np.sort(order[:whole].reshape(-1, batch_size), axis=1).reshape(-1), np.sort(order[whole:])))
    places = np.argsort(rows)
    ids = np.empty((len(rows), dataset.fields), dtype=np.uint32)
    labels = np.empty(len(rows), dtype=np.uint8)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = places[start : start + _ROWS_AT_ONCE]
        ids[part] = dataset.ids[rows[part]]
        labels[part] = dataset.labels[rows[part]]
    return ids, labels
