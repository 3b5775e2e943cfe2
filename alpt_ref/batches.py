"""Mini-batches: a seeded permutation of the training rows, cut into pieces, each piece in ascending row order.

Sorting inside a batch makes a step a function of the *set* of its rows: floating-point sums then run in one fixed
order, whatever order the rows were drawn in, and a memory-mapped dataset is read forwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .data.dataset import ClickDataset


class Batch(NamedTuple):
    """Ids and labels of a batch's rows."""

    ids: NDArray[np.uint32]  # (b, fields) global feature ids
    labels: NDArray[np.uint8]  # (b,)


def batch_count(rows: int, batch_size: int) -> int:
    """Batches of an epoch with this many rows."""
    return -(-rows // batch_size)


def batch_rows(
    rows: NDArray[np.int64], batch_size: int, *, seed: int, epoch: int, first: int = 0, last: int | None = None
) -> Iterator[NDArray[np.int64]]:
    """Cut a permutation of `rows`, drawn from (seed, epoch) alone, into batches; a smaller last one is kept.

    Batches `first` to `last` - 1 are given (default: all); which rows they hold does not depend on that choice.
    """
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64)))
    order = generator.permutation(rows)
    stop = len(order) if last is None else min(last * batch_size, len(order))
    for start in range(first * batch_size, stop, batch_size):
        yield order[start : start + batch_size]


def gather(dataset: ClickDataset, rows: NDArray[np.int64]) -> Batch:
    """Copy the rows' ids and labels out of the dataset, in ascending row order."""
    rows = np.sort(rows)
    return Batch(dataset.ids[rows], dataset.labels[rows])


def training_batches(
    dataset: ClickDataset,
    rows: NDArray[np.int64],
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    first: int = 0,
    last: int | None = None,
) -> Iterator[Batch]:
    """The epoch's batches. Nothing here depends on the training step, so a caller may gather ahead of it."""
    for part in batch_rows(rows, batch_size, seed=seed, epoch=epoch, first=first, last=last):
        yield gather(dataset, part)
