"""Predictions of a trained table and model on a dataset's rows, and their metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.store.gather import gather_rows
from alpt_ref.training.pooling import positions
from alpt_ref.training.quality import Quality, groups_of, quality
from alpt_ref.training.weights import counted_rows

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.models.base import Model
    from alpt_ref.tables.base import EmbeddingTable


def predict_logits(
    table: EmbeddingTable, model: Model, dataset: ClickDataset, rows: NDArray[np.int64], *, batch_size: int = 10_000
) -> NDArray[np.float32]:
    """Logits, float32 (len(rows),), of the given rows with the running statistics of batch norm."""
    logits = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), batch_size):
        part = gather_rows(dataset, rows[start : start + batch_size])
        at = positions(part.ids, part.values, dataset.slots)
        with np.errstate(over="ignore", invalid="ignore"):  # whoever asks looks at the loss
            logits[start : start + at.rows] = model.forward(at.pooled(table.lookup(at.ids)), training=False)
    return logits


def evaluate(
    table: EmbeddingTable,
    model: Model,
    dataset: ClickDataset,
    part: Literal["train", "valid", "test"],
    *,
    batch_size: int,
    group: str | None = None,
) -> Quality:
    """Metrics of one part of the dataset, by the weights of its rows where it has them; `group` names a field."""
    rows = counted_rows(dataset, part)
    return scored(dataset, rows, predict_logits(table, model, dataset, rows, batch_size=batch_size), group)


def scored(dataset: ClickDataset, rows: NDArray[np.int64], logits: NDArray[np.float32], group: str | None) -> Quality:
    """Metrics of the logits, float32 (len(rows),), of some rows of a dataset."""
    weights = None if dataset.weights is None else dataset.weights[rows]
    return quality(dataset.labels[rows], logits, weights, groups_of(dataset, rows, group))
