"""Weights of the rows that an estimator is fitted on: `sample_weight` times `class_weight`, by scikit-learn's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.training.metrics import sample_weights


class WeightedRows(NamedTuple):
    """Rows of an estimator's X, column by column, with labels and weights (None: each 1)."""

    columns: list[NDArray[Any]]
    y: NDArray[Any]
    weights: NDArray[np.float64] | None


def counted(columns: list[NDArray[Any]], y: NDArray[Any], sample_weight: Any) -> WeightedRows:
    """The rows whose weight is not 0.

    Parameters
    ----------
    columns : list of arrays (rows,)
    y : array (rows,)
    sample_weight : None, number or array (rows,)
        A number is the weight of every row.

    Raises
    ------
    InputError
        A weight is negative or not finite, all are zero, or the shape is another.
    """
    if sample_weight is None:
        return WeightedRows(columns, y, None)
    given = np.asarray(sample_weight)
    weights = sample_weights(np.full(len(y), given) if given.ndim == 0 else given, len(y))
    held = weights > 0
    if held.all():
        return WeightedRows(columns, y, weights)
    return WeightedRows([column[held] for column in columns], y[held], weights[held])


def refuse_balanced(class_weight: Any) -> None:
    """`InputError` for "balanced", which needs all rows at once."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        raise InputError(
            "class_weight 'balanced' is not supported for partial_fit, which sees a part of the rows; give a dict"
        )


def row_weights(rows: WeightedRows, class_weight: Any, classes: NDArray[Any]) -> NDArray[np.float32] | None:
    """Weights in the loss, float32 (rows,); None where each is 1.

    Parameters
    ----------
    rows : WeightedRows
    class_weight : None, "balanced" or dict
        A dict names weights by label, 1 where a label is missing; "balanced" gives both classes half of the sum of
        all weights.
    classes : array (2,)

    Raises
    ------
    InputError
        `class_weight` is another value, or a weight of it is not above 0, or a product is beyond float32.
    """
    weights = rows.weights
    if class_weight is not None:
        own = np.ones(len(rows.y)) if weights is None else weights
        weights = own * _by_label(class_weight, classes, rows.y, own)[(rows.y == classes[1]).astype(np.intp)]
    if weights is None:
        return None
    with np.errstate(over="ignore", under="ignore"):
        single = weights.astype(np.float32)
    if not (np.isfinite(single) & (single > 0)).all():
        raise InputError(f"weights must be between 1e-45 and 3e38, got {weights.min():.3g} to {weights.max():.3g}")
    return single


def _by_label(
    class_weight: Any, classes: NDArray[Any], y: NDArray[Any], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The weights of the two classes, float64 (2,)."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        sums = np.array([weights[y == one].sum() for one in classes])
        if not sums.all():
            raise InputError("class_weight 'balanced' needs rows of both classes, got one; give a dict of weights")
        return np.asarray(weights.sum() / (2 * sums), np.float64)
    if not isinstance(class_weight, Mapping):
        raise InputError(f"class_weight must be None, 'balanced' or a dict of weights by label, got {class_weight!r}")
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    if unknown and any(label not in class_weight for label in labels):
        raise InputError(f"class_weight must name the classes {labels}, got {unknown[0]!r}")
    try:
        found = np.array([float(class_weight.get(label, 1.0)) for label in labels])
    except (TypeError, ValueError):
        found = np.array([np.nan])
    if not (np.isfinite(found) & (found > 0)).all():
        raise InputError(f"class_weight must hold finite weights above 0, got {dict(class_weight)!r}")
    return found
