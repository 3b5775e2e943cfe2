"""Means, slopes and levels of tests where a rule changes sides: by hand, from two to five runs."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from scipy import stats as scipy_stats

from alpt_ref.errors import InputError
from alpt_ref.verification import Test, curve, sampled
from alpt_ref.verification.estimates import Bounded, Exact
from alpt_ref.verification.measurement import FloatArray
from alpt_ref.verification.stats import estimate, holm, holm_levels, mean, range_of, slope
from tests.tolerances import CLOSED_FORM

VALUES = np.array([[1.25, 7.5], [2.0, 9.0], [2.75, 6.0]])
X = np.array([1.0, 2.0, 4.0, 8.0, 16.0])


@pytest.mark.parametrize("how", ["bernstein", "hoeffding"])
def test_a_declared_range_bounds_the_mean_over_the_runs(how: Literal["bernstein", "hoeffding"]) -> None:
    found = estimate(sampled(VALUES, low=np.array([1.0, 5.0]), high=np.array([4.0, 10.0])), Test(how=how))
    assert isinstance(found, Bounded)
    assert found.value.tolist() == [2.0, 7.5]
    assert found.width.tolist() == [3.0, 5.0]
    assert found.runs == 3
    if found.deviation is not None:
        assert found.deviation == pytest.approx([0.75, 1.5], rel=CLOSED_FORM)
    assert (found.deviation is None) == (how == "hoeffding")


def test_an_end_that_is_not_declared_lies_at_infinity() -> None:
    for low, high, ends in ((None, 3.0, (-np.inf, 3.0)), (0.5, None, (0.5, np.inf)), (None, None, (-np.inf, np.inf))):
        first, last = range_of(sampled(VALUES[:, :1], low=low, high=high))
        assert (first.tolist(), last.tolist()) == ([ends[0]], [ends[1]])


def test_two_runs_are_enough_and_one_is_not() -> None:
    found = mean(VALUES[:2])
    assert (found.freedom, found.value.tolist()) == (1, [1.625, 8.25])
    assert found.error == pytest.approx([0.375, 0.75], rel=CLOSED_FORM)
    with pytest.raises(InputError, match="one run allows no confidence limit"):
        mean(VALUES[:1])
    y = X**0.5 * np.exp([[0.1], [-0.1]])
    assert slope(X, y).freedom == 1
    with pytest.raises(InputError, match="one run of a sampled curve"):
        slope(X, y[:1])
    assert isinstance(estimate(curve(X, y[0]), Test()), Exact)


@pytest.mark.parametrize("centre", [1e-3, 1.0, 1e3])
def test_scatter_is_told_from_rounding_by_its_part_of_the_mean(centre: float) -> None:
    """Two values whose standard deviation is 0.8 or 1.25 parts in 1e12 of their mean."""
    for parts, seen in ((0.8e-12, False), (1.25e-12, True)):
        away = parts / 2**0.5
        found = mean(centre * np.array([[1.0 + away], [1.0 - away]]))
        assert (found.error > 0).tolist() == [seen]


def test_a_p_value_at_its_level_is_rejected_and_the_next_is_tried() -> None:
    p = [0.25, 0.4, 0.125]  # of levels 1/6, 1/4 and 1/2
    assert holm_levels(p, 0.5).tolist() == [0.25, 0.5, 0.5 / 3]
    assert (holm(p) <= 0.5).tolist() == [True, True, True]
    assert holm_levels([0.25, 0.25, 0.3], 0.5).tolist() == [0.5 / 3] * 3


def line(runs: int, tilt: float, off: float, seed: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Curves that scatter by `tilt` in their slopes and by `off` elsewhere, the projection off the line, and more.

    Returns
    -------
    curves (runs, 5), projection off lines (5, 5), weights of the slope (5,), covariance of the log-means (5, 5)
    """
    rng = np.random.Generator(np.random.Philox(key=seed))
    noise = tilt * rng.normal(size=(runs, 1)) * np.log(X) + off * rng.normal(size=(runs, 5))
    y = 3.0 * X**-0.5 * np.exp(noise)
    design = np.stack([np.ones(5), np.log(X)], axis=1)
    fit = np.linalg.solve(design.T @ design, design.T)
    return y, np.eye(5) - design @ fit, fit[1], np.cov((y / y.mean(axis=0)).T) / runs


def bent(y: FloatArray, off: FloatArray, residual: float) -> FloatArray:
    """The curves with a bend, off every line, that makes the mean square of the fit's residuals `residual`."""
    log_means = np.log(y.mean(axis=0))
    bend = off @ np.log(X) ** 2
    here, cross, square = log_means @ off @ log_means, bend @ log_means, bend @ bend
    size = (-cross + np.sqrt(cross**2 + square * (3 * residual - here))) / square
    return np.asarray(y * np.exp(size * bend))


@pytest.mark.parametrize("runs", [3, 4])
@pytest.mark.parametrize("part", [0.98, 1.02])
def test_few_runs_see_a_bend_at_their_own_quantile_of_f(runs: int, part: float) -> None:
    y, off, weights, covariance = line(runs, 1e-4, 0.03, 31)
    expected = float(np.trace(off @ covariance @ off)) / 3
    found = slope(X, bent(y, off, part * expected * float(scipy_stats.f.ppf(0.99, 3, runs - 1))))
    scatter = float(np.sqrt(weights @ covariance @ weights))
    residual = part * expected * float(scipy_stats.f.ppf(0.99, 3, runs - 1))
    wanted = (scatter, runs - 1) if part < 1 else (float(np.sqrt(residual * (weights**2).sum())), 3)
    assert (found.error[0], found.freedom) == (pytest.approx(wanted[0], rel=1e-6), wanted[1])


@pytest.mark.parametrize("runs", [3, 4])
@pytest.mark.parametrize("part", [0.98, 1.02])
def test_of_a_bent_curve_the_wider_interval_is_taken(runs: int, part: float) -> None:
    """The runs differ in slope, which no residual shows: their scatter may be wider than what the bend makes of it."""
    y, off, weights, covariance = line(runs, 0.05, 1e-4, 5)
    scatter = float(np.sqrt(weights @ covariance @ weights))
    quantiles = [float(scipy_stats.t.ppf(0.99, freedom)) for freedom in (3, runs - 1)]
    error = part * scatter * quantiles[1] / quantiles[0]
    residual = error**2 / float((weights**2).sum())
    assert residual > 10 * float(np.trace(off @ covariance @ off)) / 3 * float(scipy_stats.f.ppf(0.99, 3, runs - 1))
    found = slope(X, bent(y, off, residual))
    wanted = (scatter, runs - 1) if part < 1 else (error, 3)
    assert (found.error[0], found.freedom) == (pytest.approx(wanted[0], rel=1e-6), wanted[1])
