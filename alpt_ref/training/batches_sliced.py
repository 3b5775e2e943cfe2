"""The rows of a batch that one of several ranks computes: those of its slices, and no others are read."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.store.gather import gather_batches, gather_rows
from alpt_ref.models.slices import SliceSums
from alpt_ref.training.batches import Batch, batch_rows
from alpt_ref.training.weights import ClassWeights, weighted


class OwnBatch(NamedTuple):
    """A rank's part of a batch."""

    rows: int  # of the whole batch
    own: Batch


def sliced_batches(
    dataset: ClickDataset,
    rows: NDArray[np.int64],
    batch_size: int,
    sums: SliceSums,
    *,
    seed: int,
    epoch: int,
    first: int = 0,
    last: int | None = None,
    classes: ClassWeights | None = None,
) -> Generator[OwnBatch, None, None]:
    """The rank's part of the batches of `training_batches`: a batch in ascending row order is what is cut.

    Those of a store on disk are gathered many at a time by a thread that reads ahead.
    """
    parts = batch_rows(rows, batch_size, seed=seed, epoch=epoch, first=first, last=last)
    if dataset.files is None:
        for part in parts:
            cut = sums.cut(len(part))
            own = Batch(*gather_rows(dataset, np.sort(part)[cut.first : cut.last]))
            yield OwnBatch(len(part), _weighted(own, classes))
        return
    whole = sums.cut(batch_size)
    full, rest = [], None
    for part in parts:
        if len(part) == batch_size:
            full.append(np.sort(part)[whole.first : whole.last])
        else:
            rest = np.sort(part)
    if full:
        with contextlib.closing(gather_batches(dataset, np.concatenate(full), len(full[0]))) as found:
            for rows_of_batch in found:
                yield OwnBatch(batch_size, _weighted(Batch(*rows_of_batch), classes))
    if rest is not None:
        cut = sums.cut(len(rest))
        yield OwnBatch(len(rest), _weighted(Batch(*gather_rows(dataset, rest[cut.first : cut.last])), classes))


def _weighted(batch: Batch, classes: ClassWeights | None) -> Batch:
    return batch if classes is None else batch._replace(weights=weighted(batch.labels, batch.weights, classes))
