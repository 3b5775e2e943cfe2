"""Means over seeds with Student's t intervals, paired differences, and Holm's correction of several tests.

Every method runs with the same seeds, hence the same initial weights and data order, so differences are taken seed by
seed: the interval of a paired difference leaves out the scatter that the two methods share.

Where the seeds are different splits of the same rows their runs share training rows, so that the variance over seeds
misses most of what new rows would change. The corrected resampled t-test (Nadeau and Bengio, "Inference for the
generalization error", Machine Learning 52, 2003) multiplies the variance of the mean, ``s**2 / n``, by
``1 + n * (test rows / training rows)``; `widen` below is the root of that factor (`new_rows_factor`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE = 0.95
TINY = 1e-12
"""Scatter relative to the mean that rounding alone explains: the values are equal, and show none."""
LEVEL = 0.05
"""Of the tests in tables and their sentences: a difference is significant below it, after Holm's correction."""
Key = TypeVar("Key", bound=Hashable)


class Interval(NamedTuple):
    """``mean ± half_width`` from `n` values; `half_width` is None where one value, or equal ones, show no scatter."""

    mean: float
    half_width: float | None
    n: int


class PairedEstimate(NamedTuple):
    """Mean of paired differences, half width of its 95 % t-interval, p-value of "the mean is 0" after correction.

    Equal differences show no scatter, which is no certainty: their half width is infinite and their p-value 1.

    Examples
    --------
    >>> str(PairedEstimate(0.0151, 0.0027, 0.003))
    '+0.0151 ± 0.0027*'
    """

    mean: float
    half_width: float
    p: float

    @property
    def interval(self) -> str:
        """``+0.0151 ± 0.0027``."""
        return f"{self.mean:+.4f} ± {'n/a' if math.isinf(self.half_width) else f'{self.half_width:.4f}'}"

    @property
    def sign(self) -> int:
        """1 for a significant gain, -1 for a significant loss, 0 for neither."""
        return 0 if self.p >= LEVEL else 1 if self.mean > 0 else -1

    def __str__(self) -> str:
        """The interval, starred where the difference is significant."""
        return f"{self.interval}{'*' if self.p < LEVEL else ''}"


def new_rows_factor(n: int, test_to_train: float) -> float:
    """How much wider an interval over `n` splits of the same rows is for new rows: ``sqrt(1 + n * test_to_train)``.

    Examples
    --------
    >>> new_rows_factor(10, 1 / 8)
    1.5
    """
    return math.sqrt(1 + n * test_to_train)


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE, widen: float = 1.0) -> Interval:
    """Two-sided t interval of the mean: ``widen · t(n-1) · s / √n`` with the sample standard deviation s (n - 1)."""
    array = np.asarray(values, dtype=np.float64)
    n = len(array)
    if n == 0:
        raise ValueError("values must hold at least one number")
    mean = float(np.mean(array))
    deviation = _deviation(array)
    if deviation is None:
        return Interval(mean, None, n)
    quantile = float(stats.t.ppf(0.5 + confidence / 2, n - 1))
    return Interval(mean, widen * quantile * deviation / n**0.5, n)


def _deviation(values: NDArray[np.float64]) -> float | None:
    """Sample standard deviation (n - 1); None for one value, and for equal ones, from which no test can conclude."""
    if len(values) < 2:
        return None
    deviation = float(np.std(values, ddof=1))
    return deviation if deviation > TINY * abs(float(np.mean(values))) else None


def paired_p_value(differences: Sequence[float], widen: float = 1.0) -> float | None:
    """Two-sided p-value of "the mean difference is 0" (paired t-test); None for fewer than two differences.

    Equal differences give 1, whatever their size: Student's t takes the scatter from the values, and there is none.
    """
    array = np.asarray(differences, dtype=np.float64)
    n = len(array)
    if n < 2:
        return None
    deviation = _deviation(array)
    if deviation is None:
        return 1.0
    return float(2 * stats.t.sf(abs(float(np.mean(array))) / (widen * deviation / n**0.5), n - 1))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjusted p-values, float64 (m,), in the order given: together they err with at most the level.

    Examples
    --------
    >>> holm([0.01, 0.04]).tolist()
    [0.02, 0.04]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.minimum(1.0, p[order] * np.arange(len(p), 0, -1)))
    adjusted = np.empty_like(p)
    adjusted[order] = stepped
    return adjusted


def corrected(p_values: Mapping[Key, float | None]) -> dict[Key, float]:
    """Holm's correction over all p-values that are known; the others are left out."""
    known = {key: p for key, p in p_values.items() if p is not None}
    return dict(zip(known, holm(list(known.values())).tolist(), strict=True))


def multiplicity_note(undecided: Sequence[tuple[float, float]], family: int) -> str:
    """A clause where intervals (mean, half width) of undecided comparisons exclude 0: one test alone would decide."""
    excluding = sum(abs(mean) > half for mean, half in undecided)
    if not excluding:
        return ""
    exclude = "exclude" if excluding > 1 else "excludes"
    those = f"this interval {exclude}" if len(undecided) == 1 else f"{excluding} of these intervals {exclude}"
    return f"; {those} 0, but the tests are corrected for {family} comparisons"


def estimates(
    differences: Mapping[Key, Sequence[float]], widen: Callable[[int], float] = lambda n: 1.0
) -> dict[Key, PairedEstimate]:
    """Estimates with Holm's correction over all of them; what has fewer than two values is left out.

    `widen` : number of values -> factor on their standard error, as `alpt_ref.studies.stored.Runs.widen` gives it
    """
    adjusted = corrected({key: paired_p_value(values, widen(len(values))) for key, values in differences.items()})
    intervals = {key: t_interval(differences[key], widen=widen(len(differences[key]))) for key in adjusted}
    return {
        key: PairedEstimate(one.mean, math.inf if one.half_width is None else one.half_width, adjusted[key])
        for key, one in intervals.items()
    }
