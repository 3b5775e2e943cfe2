"""From a measurement to an estimate: means (betting, Student's t, Bernstein, Hoeffding), slopes; Holm's correction.

What is known of the values decides: a declared range (`sampled` with ``low``, ``high``) allows betting, which is valid
for every distribution and number of runs; a reason to take them for normal (`Test.normal`) allows Student's t; without
either nothing does. Squared distances and rare events are why: 5 runs of a squared normal variable miss their mean at
a nominal 0.1 % in 5 % of cases, and 64 runs of a variable that is 1 in one case of a hundred are all 0 in half of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from alpt_ref._util.statistics import holm as holm
from alpt_ref.errors import InputError
from alpt_ref.verification.betting import Betting
from alpt_ref.verification.claim import Test
from alpt_ref.verification.estimates import TINY, Bounded, Estimate, Exact, Student, Unknown
from alpt_ref.verification.measurement import FloatArray, Measurement

BENT = 0.01
"""Level at which a curve is taken for bent rather than noisy."""
UNKNOWN = (
    "the values have neither a declared range (sampled(..., low=, high=)) nor a reason to be normal (Test.normal), "
    "so no number of runs decides"
)
UNKNOWN_CURVE = "the values of a sampled curve have no reason to be normal (Test.normal), so no number of runs decides"


def mean(values: FloatArray) -> Student:
    """Estimate of the means of normal `values` (runs, points) by Student's t."""
    runs = values.shape[0]
    if runs < 2:
        raise InputError("one run allows no confidence limit; measure at least 2 runs, or report the value as exact")
    centre = values.mean(axis=0)
    variance = values.var(axis=0, ddof=1)
    variance = np.where(variance <= (TINY * centre) ** 2, 0.0, variance)
    return Student(centre, np.sqrt(variance / runs), runs - 1)


def range_of(measurement: Measurement) -> tuple[FloatArray, FloatArray]:
    """Ends (points,) of the declared range of sampled values, infinite where none is declared."""
    low, high = measurement.low, measurement.high
    ends = (-np.inf if low is None else low, np.inf if high is None else high)
    first, last = (np.broadcast_to(np.asarray(end, dtype=np.float64), (measurement.points,)) for end in ends)
    return first, last


def bounded_mean(values: FloatArray, low: ArrayLike, high: ArrayLike, how: str) -> Bounded:
    """Estimate of the means of `values` (runs, points) in ``[low, high]`` by ``"bernstein"`` or ``"hoeffding"``."""
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    if not np.isfinite(high - low).all() or not (low < high).all():
        raise InputError(f"the {how} test needs sampled values with low < high, got low={low} and high={high}")
    runs = values.shape[0]
    if how == "hoeffding":
        return Bounded(values.mean(axis=0), runs, high - low)
    if runs < 2:
        raise InputError("the bernstein test needs at least 2 runs, got 1")
    return Bounded(values.mean(axis=0), runs, high - low, values.std(axis=0, ddof=1))


def exact_slope(x: FloatArray, y: FloatArray, rtol: float) -> Exact:
    """Slope of ``log y`` on ``log x`` by least squares, `x` and `y` (k,), right as far as `y` is (up to `rtol`).

    It is the slope of the fitted line, whether or not the curve is a power law: nothing here is random.
    """
    fit = _fit(x)
    return Exact(np.array([fit[1] @ np.log(y)]), atol=rtol * float(np.abs(fit[1]).sum()))


def _fit(x: FloatArray) -> FloatArray:
    """Least squares (2, k): log-values -> intercept and slope."""
    return np.linalg.pinv(np.stack([np.ones_like(x), np.log(x)]).T)


def slope(x: FloatArray, y: FloatArray) -> Student:
    """Slope of ``log mean(y)`` on ``log x`` by least squares, `x` (k,), `y` (runs, k), runs at least 2.

    Its error comes from the scatter between runs (linearised: run i moves log-mean j by ``(y_ij - m_j) / m_j``). Where
    the residuals of the fit are larger than this scatter explains (F test at 1 %), the curve is no power law on its
    window and the residuals' t interval is taken if it is wider.
    """
    runs = y.shape[0]
    if runs < 2:
        raise InputError("one run of a sampled curve allows no confidence limit; measure at least 2, or give y as (k,)")
    design = np.stack([np.ones_like(x), np.log(x)])
    fit = _fit(x)
    means = y.mean(axis=0)
    log_y = np.log(means)
    value = fit[1] @ log_y
    freedom = len(x) - 2
    residual = float(((log_y - (fit @ log_y) @ design) ** 2).sum()) / freedom
    error = float(np.sqrt(residual * (fit[1] ** 2).sum()))
    influence = (y - means) / means
    scatter = float((influence @ fit[1]).std(ddof=1)) / runs**0.5
    off_line = influence - (influence @ fit.T) @ design
    expected = float(off_line.var(axis=0, ddof=1).sum()) / runs / freedom
    bent = residual > expected * stats.f.isf(BENT, freedom, runs - 1)
    if not bent or error * stats.t.isf(BENT, freedom) < scatter * stats.t.isf(BENT, runs - 1):
        error, freedom = scatter, runs - 1
    return Student(np.array([value]), np.array([error]), freedom)


def estimate(measurement: Measurement, test: Test) -> Estimate:
    """The estimate that belongs to a measurement; `test` says what is known of sampled values and how to test them."""
    if measurement.kind == "exact":
        return Exact(measurement.values, measurement.rtol, measurement.atol)
    if measurement.x is not None:
        if measurement.kind == "exact curve":
            return exact_slope(measurement.x, measurement.values[0], measurement.rtol)
        found = slope(measurement.x, measurement.values)
        return found if test.normal else Unknown(found.value, UNKNOWN_CURVE)
    return _mean_of(measurement, test)


def _mean_of(measurement: Measurement, test: Test) -> Estimate:
    values = measurement.values
    low, high = range_of(measurement)
    if test.method == "t":
        return mean(values) if test.normal else Unknown(values.mean(axis=0), UNKNOWN)
    if test.method in ("bernstein", "hoeffding"):
        return bounded_mean(values, low, high, test.method)
    if not np.isfinite(low).any() and not np.isfinite(high).any():
        return Unknown(values.mean(axis=0), UNKNOWN)
    return Betting(values.mean(axis=0), values, low, high)


def holm_levels(p_values: ArrayLike, alpha: float) -> FloatArray:
    """The level (m,) at which Holm's procedure tests each hypothesis: it is rejected iff its p-value is at most this.

    The k-th smallest p-value (k from 0) is tested at ``alpha / (m - k)``; from the first that is not rejected on, all
    are left at the level of that one. Confidence limits at these levels agree with the decisions.
    """
    p = np.asarray(p_values, dtype=np.float64)
    m = len(p)
    order = np.argsort(p, kind="stable")
    stepped = alpha / np.arange(m, 0, -1)
    kept = np.flatnonzero(p[order] > stepped)
    if len(kept):
        stepped[kept[0] :] = stepped[kept[0]]
    levels = np.empty(m)
    levels[order] = stepped
    return levels
