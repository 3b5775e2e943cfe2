"""Slopes of exact curves in log-log coordinates, and the interval that a slope has to lie in.

A curve that is known between two others has its least-squares slope between two numbers: the slope is a weighted sum of
the logarithms of its values. So limits on the values, which theory gives, are limits on the slope, and the interval of
a claim has a reason for its width.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDING = 1e-6
"""Half width where theory gives the slope itself: what float64 leaves of a stationary law's accuracy."""


def weights(x: ArrayLike) -> NDArray[np.float64]:
    """What the logarithm of each value counts in the least-squares slope on ``log x``."""
    centred = np.log(np.asarray(x, dtype=np.float64))
    centred = centred - centred.mean()
    return np.asarray(centred / (centred @ centred))


def slope_of(x: ArrayLike, y: ArrayLike) -> float:
    """Least-squares slope of ``log y`` on ``log x``."""
    return float(weights(x) @ np.log(np.asarray(y, dtype=np.float64)))


def slope_between(x: ArrayLike, low: ArrayLike, high: ArrayLike) -> tuple[float, float]:
    """Least and largest slope of a curve that lies between the values `low` and `high` at `x`."""
    of = weights(x)
    ends = np.stack([of * np.log(np.asarray(end, dtype=np.float64)) for end in (low, high)])
    return float(ends.min(axis=0).sum()), float(ends.max(axis=0).sum())
