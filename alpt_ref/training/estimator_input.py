"""What an estimator is given: tables of rows, and the labels of one that sees y in parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError


def known_classes(classes: Any, before: NDArray[Any] | None) -> NDArray[Any]:
    """The two labels, ascending, of an estimator that sees y in parts: given in the first call, or those `before`.

    Raises
    ------
    InputError
        They are not two, not given, or not those of the first call.
    """
    if before is not None:
        if classes is not None and not np.array_equal(np.unique(np.asarray(classes)), before):
            raise InputError(f"classes must be those of the first call, {before.tolist()}, got {classes!r}")
        return before
    if classes is None:
        raise InputError("classes must be given in the first call of partial_fit: the two labels")
    known = np.unique(np.asarray(classes))
    if len(known) != 2:
        raise InputError(f"classes must be two labels, got {known.tolist()}")
    return known


def labels_of(y: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.uint8]:
    """1 where y is the second class, 0 where it is the first, uint8 (rows,).

    Raises
    ------
    InputError
        A label is neither.
    """
    clicks = y == classes[1]
    unknown = ~(clicks | (y == classes[0]))
    if unknown.any():
        raise InputError(f"y must hold labels of classes {classes.tolist()} only, got {y[unknown][0]!r}")
    return np.asarray(clicks, np.uint8)


def as_array(table: Any) -> Any:
    """Lists that hold no rows, for scikit-learn to say what is wrong with them; anything else as it is."""
    if not isinstance(table, (list, tuple)):
        return table
    try:
        return np.asarray(table)
    except ValueError:
        raise InputError("X must be rows of one length, got nested sequences of different lengths") from None
