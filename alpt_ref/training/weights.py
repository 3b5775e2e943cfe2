"""How much a row counts in training: its own weight times that of its class; rows of weight 0 are left out.

A row of weight 0 is not there: it is in no batch and no metric, and no table row is touched for it, so that a run with
such rows equals, bit for bit, the run of the dataset without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.fields import Part
from alpt_ref.errors import InputError

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset

ClassWeights = tuple[float, float]
"""Of rows without a click and with one."""


def counted_rows(dataset: ClickDataset, part: Part) -> NDArray[np.int64]:
    """Ascending numbers of a part's rows whose weight is not 0, int64."""
    rows = dataset.rows_of(part)
    return rows if dataset.weights is None else rows[dataset.weights[rows] > 0]


def class_weights(setting: str | float | None, dataset: ClickDataset, rows: NDArray[np.int64]) -> ClassWeights | None:
    """Weights of the two classes for training on `rows`; None where each is 1.

    Parameters
    ----------
    setting : None, "balanced" or float
        ``train.class_weight``: a number is the weight of a click; ``"balanced"`` gives both classes half of the sum of
        all weights, as scikit-learn does.
    dataset : ClickDataset
    rows : int64 array
        Those of weight 0 left out.

    Raises
    ------
    InputError
        "balanced", and `rows` hold one class only.

    Examples
    --------
    >>> from alpt_ref import synthetic_clicks
    >>> clicks = synthetic_clicks(rows=1000, fields=2, features=20, seed=0)
    >>> class_weights(3.0, clicks, clicks.rows_of("train"))
    (1.0, 3.0)
    """
    if setting is None:
        return None
    if setting != "balanced":
        return 1.0, float(setting)
    labels = dataset.labels[rows]
    weights = np.ones(len(rows)) if dataset.weights is None else dataset.weights[rows].astype(np.float64)
    total, clicked = float(weights.sum()), float(weights[labels == 1].sum())
    if not 0 < clicked < total:
        raise InputError("class_weight 'balanced' needs rows of both classes to train on, got one; give it as a number")
    return total / (2 * (total - clicked)), total / (2 * clicked)


def weighted(
    labels: NDArray[np.uint8], weights: NDArray[np.float32] | None, classes: ClassWeights | None
) -> NDArray[np.float32] | None:
    """Weights of rows in the loss, float32 (b,): their own times those of their classes; None where each is 1."""
    if classes is None:
        return weights
    with np.errstate(over="ignore", under="ignore"):  # `total_weight` looks at it
        by_class = np.array(classes).astype(np.float32)[labels]
        return by_class if weights is None else by_class * weights


def total_weight(dataset: ClickDataset, rows: NDArray[np.int64], classes: ClassWeights | None) -> float:
    """Sum of the weights of `rows` in the loss: their number where each is 1.

    Raises
    ------
    InputError
        A weight times that of its class is beyond float32.
    """
    if dataset.weights is None and classes is None:
        return float(len(rows))
    own = None if dataset.weights is None else dataset.weights[rows]
    weights = weighted(dataset.labels[rows], own, classes)
    total = float(len(rows)) if weights is None else float(weights.sum(dtype=np.float64))
    if not 0 < total < np.inf:
        raise InputError(f"weights of rows times those of classes must fit float32, got a sum of {total}; scale them")
    return total
