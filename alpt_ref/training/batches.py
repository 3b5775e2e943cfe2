"""Mini-batches: a seeded permutation of the training rows, cut into pieces, each piece in ascending row order.

Sorting inside a batch makes a step a function of the *set* of its rows: floating-point sums then run in one fixed
order, whatever order the rows were drawn in, and a memory-mapped dataset is read forwards.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Generator, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.store.gather import gather_batches, gather_rows
from alpt_ref.errors import AlptWarning, InputError
from alpt_ref.training.config import RunConfig
from alpt_ref.training.weights import ClassWeights, weighted


class Batch(NamedTuple):
    """What a step reads of its rows.

    With `values` an id is looked up where its value is not 0, and the rows of a field's slots are summed, each times
    its value (`pooling`).
    """

    ids: NDArray[np.uint32]  # (b, slots) global feature ids; one slot a field unless the dataset says otherwise
    labels: NDArray[np.uint8]  # (b,)
    weights: NDArray[np.float32] | None = None  # (b,) finite, at least 0; None: each 1
    values: NDArray[np.float32] | None = None  # (b, slots); None: each 1

    @property
    def total_weight(self) -> float:
        """Sum of the weights; the number of rows where there are none."""
        return float(len(self.labels)) if self.weights is None else float(self.weights.sum(dtype=np.float64))

    def __repr__(self) -> str:
        """Its size."""
        return f"Batch({len(self.labels):,} rows of {self.ids.shape[-1]} ids)"


def batch_count(rows: int, batch_size: int) -> int:
    """Batches of an epoch with this many rows."""
    return -(-rows // batch_size)


def warn_of_single_row(config: RunConfig, rows: int) -> None:
    """AlptWarning where an epoch's last batch is one row, from which batch normalisation learns nothing."""
    if config.model.normalises and rows % config.train.batch_size == 1:
        warnings.warn(
            f"train.batch_size {config.train.batch_size:,} leaves one row for the last batch of {rows:,} rows: batch "
            "normalisation makes 0 of it, so that it teaches nothing; choose another batch size",
            AlptWarning,
            stacklevel=3,
        )


def require_cpu(config: RunConfig, dataset: ClickDataset, device: str) -> None:
    """`InputError` if the data or settings are ones that only the CPU's engine takes, and `device` is another."""
    reasons = {
        "multi-valued or valued fields": dataset.values is not None,
        "sample weights": dataset.weights is not None,
        "class weights": config.train.class_weight is not None,
    }
    for what, there in reasons.items():
        if there and device != "cpu":
            raise InputError(f"device {device!r} does not train on {what}; use --device cpu")


def batch_rows(
    rows: NDArray[np.int64], batch_size: int, *, seed: int, epoch: int, first: int = 0, last: int | None = None
) -> Iterator[NDArray[np.int64]]:
    """Cut a permutation of `rows`, drawn from (seed, epoch) alone, into batches; a smaller last one is kept.

    Batches `first` to `last` - 1 are given (default: all); which rows they hold does not depend on that choice.
    """
    order = _order(rows, seed, epoch)[first * batch_size : None if last is None else last * batch_size]
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def _order(rows: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.Generator(np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64))).permutation(rows)


def gather(dataset: ClickDataset, rows: NDArray[np.int64]) -> Batch:
    """Copy the rows out of the dataset, in ascending row order."""
    return Batch(*gather_rows(dataset, np.sort(rows)))


def training_batches(
    dataset: ClickDataset,
    rows: NDArray[np.int64],
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    first: int = 0,
    last: int | None = None,
    classes: ClassWeights | None = None,
) -> Generator[Batch, None, None]:
    """The epoch's batches, their weights times those of the `classes`.

    Nothing here depends on the training step, so a caller may gather ahead of it.

    Those of a store on disk, which may be larger than the memory, are gathered many at a time by a thread that reads
    ahead and ends with the generator; they are the same batches.
    """
    if dataset.files is None:
        for part in batch_rows(rows, batch_size, seed=seed, epoch=epoch, first=first, last=last):
            yield _with_class_weights(gather(dataset, part), classes)
        return
    order = _order(rows, seed, epoch)[first * batch_size : None if last is None else last * batch_size]
    with contextlib.closing(gather_batches(dataset, order, batch_size)) as parts:
        for rows_of_batch in parts:
            yield _with_class_weights(Batch(*rows_of_batch), classes)


def _with_class_weights(batch: Batch, classes: ClassWeights | None) -> Batch:
    return batch if classes is None else batch._replace(weights=weighted(batch.labels, batch.weights, classes))
