"""Means over seeds with Student's t intervals, and paired differences.

A comparison runs every method with the same seeds, hence the same initial weights and data order, so differences are
taken seed by seed: the interval of a paired difference leaves out the scatter that the two methods share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """``mean ± half_width`` from `n` values; `half_width` is None where one value claims nothing."""

    mean: float
    half_width: float | None
    n: int


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Two-sided t interval of the mean: ``t(n-1) · s / √n`` with the sample standard deviation s (n - 1)."""
    array = np.asarray(values, dtype=np.float64)
    n = len(array)
    if n == 0:
        raise ValueError("values must hold at least one number")
    mean = float(np.mean(array))
    if n == 1:
        return Interval(mean, None, 1)
    quantile = float(stats.t.ppf(0.5 + confidence / 2, n - 1))
    return Interval(mean, quantile * float(np.std(array, ddof=1)) / n**0.5, n)


def paired_p_value(differences: Sequence[float]) -> float | None:
    """Two-sided p-value of "the mean difference is 0" (paired t-test); None for fewer than two differences."""
    array = np.asarray(differences, dtype=np.float64)
    n = len(array)
    if n < 2:
        return None
    mean, deviation = float(np.mean(array)), float(np.std(array, ddof=1))
    if deviation == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stats.t.sf(abs(mean) / (deviation / n**0.5), n - 1))
