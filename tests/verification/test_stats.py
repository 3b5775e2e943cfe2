"""Calibration: under the null no test alarms more often than alpha; planted violations of the stated size are found.

Simulations of 10,000 experiments with fixed seeds; the Monte Carlo error of each rate is stated by `allowed`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from scipy import stats as scipy_stats

from alpt_ref.verification import Test, curve, sampled
from alpt_ref.verification.estimates import Exact, Student, Unknown, noncentrality
from alpt_ref.verification.measurement import FloatArray
from alpt_ref.verification.stats import bounded_mean, estimate, holm, holm_levels, mean, slope
from tests.tolerances import CLOSED_FORM, FALSE_ALARM_SIGMA

EXPERIMENTS = 10_000


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def allowed(alpha: float) -> float:
    """Alpha plus the stated number of standard errors of a rate over all experiments."""
    return float(alpha + FALSE_ALARM_SIGMA * (alpha * (1 - alpha) / EXPERIMENTS) ** 0.5)


def zeros(value: float = 0.0) -> FloatArray:
    return np.full(EXPERIMENTS, value)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize("runs", [2, 5, 128])
def test_t_errs_at_most_alpha_both_ways_for_normal_values(runs: int, alpha: float) -> None:
    found = mean(rng(runs).normal(size=(runs, EXPERIMENTS)))
    assert (found.p_above(zeros()) <= alpha).mean() <= allowed(alpha)
    assert (found.p_below(zeros()) <= alpha).mean() <= allowed(alpha)


def test_nothing_is_certain_from_equal_values() -> None:
    """64 runs of a coin that falls once in a hundred are all 0 in half of the cases: "at most 0.001" is not shown."""
    found = estimate(sampled(np.zeros((64, 1)), low=0.0, high=1.0), Test())
    assert found.p_below(np.array([0.001]))[0] > 0.9
    assert found.p_below(np.array([0.2]))[0] < 0.001  # such a coin would have shown itself
    without = mean(np.zeros((64, 1)))
    assert (without.p_above(np.array([-1.0]))[0], without.p_below(np.array([0.001]))[0]) == (1.0, 1.0)


def test_values_of_unknown_distribution_have_no_limits() -> None:
    low, high = Unknown(np.ones(2), "why").limits(0.05)
    assert (low.tolist(), high.tolist()) == ([-np.inf] * 2, [np.inf] * 2)


def test_values_of_unknown_distribution_decide_nothing() -> None:
    values = rng(5).normal(size=(10_000, 2))
    found = estimate(sampled(values), Test())
    high = np.full(2, 100.0)
    assert found.p_above(-high).tolist() == found.p_below(high).tolist() == [1.0, 1.0]
    assert "neither a declared range" in found.why_open(-high, high)
    assert estimate(sampled(values), Test(how="t")).p_below(high).tolist() == [1.0, 1.0]
    assert isinstance(estimate(sampled(values), Test(normal="it is")), Student)
    assert isinstance(estimate(curve([1, 2, 4], np.exp(values[:, :1]) * np.ones(3)), Test()), Unknown)


@pytest.mark.parametrize("how", ["bernstein", "hoeffding"])
@pytest.mark.parametrize("p", [0.02, 0.5])
def test_bounded_tests_err_at_most_alpha_for_a_coin(how: str, p: float) -> None:
    coin = (rng(3).random((40, EXPERIMENTS)) < p).astype(float)
    found = bounded_mean(coin, 0.0, 1.0, how)
    assert (found.p_above(zeros(p)) <= 0.05).mean() <= 0.05
    assert (found.p_below(zeros(p)) <= 0.05).mean() <= 0.05


@pytest.mark.parametrize(("runs", "alpha"), [(5, 0.05), (64, 0.001), (256, 0.01)])
def test_a_violation_of_the_detectable_size_is_found_with_the_stated_power(runs: int, alpha: float) -> None:
    power = 0.9
    truth = Student(np.zeros(1), np.array([1.0 / runs**0.5]), runs - 1)
    planted = float(truth.detectable(alpha, power)[0])
    found = mean(rng(4).normal(size=(runs, EXPERIMENTS)) + planted)
    refuted = (found.p_above(zeros()) <= alpha).mean()
    assert refuted >= power - FALSE_ALARM_SIGMA * (power * (1 - power) / EXPERIMENTS) ** 0.5


@pytest.mark.parametrize("how", ["bernstein", "hoeffding"])
def test_bounded_tests_find_a_violation_of_the_detectable_size(how: str) -> None:
    values = rng(5).beta(2, 6, (200, 2000))
    stated = bounded_mean(values, 0.0, 1.0, how)
    bound = 0.25 - stated.detectable(0.01, 0.9)  # the mean of Beta(2, 6) is 1/4
    assert (stated.p_above(bound) <= 0.01).mean() >= 0.9


def test_the_noncentrality_is_that_of_the_noncentral_t() -> None:
    for freedom, alpha in ((4, 0.001), (50, 0.05), (150, 1e-5)):
        shift = noncentrality(alpha, 0.9, freedom)
        critical = scipy_stats.t.isf(alpha, freedom)
        assert scipy_stats.nct.sf(critical, freedom, shift) == pytest.approx(0.9, abs=1e-5)
    assert noncentrality(0.01, 0.9, 200) == pytest.approx(noncentrality(0.01, 0.9, 201), rel=0.01)


@pytest.mark.parametrize("how", ["betting", "t", "bernstein", "hoeffding"])
def test_limits_are_where_the_p_value_is_alpha(how: Literal["betting", "t", "bernstein", "hoeffding"]) -> None:
    values = rng(6).gamma(2.0, 0.05, (64, 5)).clip(0, 1)
    found = estimate(sampled(values, low=0.0, high=1.0), Test(how=how, normal="no matter"))
    lower, upper = found.limits(0.01)
    assert found.p_above(lower) == pytest.approx(0.01, rel=1e-6)
    assert found.p_below(upper) == pytest.approx(0.01, rel=1e-6)
    assert np.all(lower < found.value)
    assert np.all(found.value < upper)


def test_two_one_sided_tests_support_equality_only_inside_both_margins() -> None:
    found = Student(np.array([0.0, 0.09, 0.0]), np.array([0.01, 0.01, 0.06]), 99)
    low, high = np.full(3, -0.1), np.full(3, 0.1)
    supported = found.p_within(low, high) <= 0.01
    assert supported.tolist() == [True, False, False]
    assert np.all(found.p_violated(low, high) > 0.5)


@pytest.mark.parametrize("truth", [0.1, -0.1])
def test_equivalence_errs_at_most_alpha_at_the_margin(truth: float) -> None:
    found = mean(rng(7).normal(truth, 0.2, (64, EXPERIMENTS)))
    low, high = zeros(-0.1), zeros(0.1)
    assert (found.p_within(low, high) <= 0.05).mean() <= allowed(0.05)
    assert (found.p_violated(low, high) <= 0.05).mean() <= allowed(0.05)


def test_a_point_identity_is_refuted_in_at_most_alpha_though_it_can_fail_on_two_sides() -> None:
    found = mean(rng(13).normal(size=(64, EXPERIMENTS)))
    assert (found.p_violated(zeros(), zeros()) <= 0.05).mean() <= allowed(0.05)


def test_a_slope_of_noisy_power_laws_errs_at_most_alpha() -> None:
    x, alarms, misses, experiments = np.array([1.0, 2, 4, 8, 16]), 0, 0, 1500
    noise = rng(8).lognormal(0, 0.3, (experiments, 60, 5))
    for one in noise:
        found = slope(x, x**0.5 * one)
        alarms += int(found.p_above(np.array([0.5]))[0] <= 0.05)
        misses += int(found.p_below(np.array([0.5]))[0] <= 0.05)
    limit = 0.05 + FALSE_ALARM_SIGMA * (0.05 * 0.95 / experiments) ** 0.5
    assert max(alarms, misses) / experiments <= limit


def test_a_slope_violation_of_the_detectable_size_is_found() -> None:
    x, found, experiments = np.array([1.0, 2, 4, 8, 16]), 0, 600
    weights = np.log(x) - np.log(x).mean()
    error = (np.exp(0.3**2) - 1) ** 0.5 * (weights**2).sum() ** -0.5 / 200**0.5  # of one log-mean, through the fit
    planted = noncentrality(0.01, 0.9, 199) * error
    for one in rng(9).lognormal(0, 0.3, (experiments, 200, 5)):
        found += int(slope(x, x ** (1 + planted) * one).p_above(np.array([1.0]))[0] <= 0.01)
    taken_for_bent = 0.01  # then the wider interval is used
    assert found / experiments >= 0.9 - taken_for_bent - FALSE_ALARM_SIGMA * (0.09 / experiments) ** 0.5


def test_an_exact_curve_has_the_exact_slope_of_its_line() -> None:
    x = np.array([1.0, 2, 4, 8])
    found = estimate(curve(x, x**-0.5), Test())
    assert isinstance(found, Exact)
    assert found.value[0] == pytest.approx(-0.5, rel=CLOSED_FORM)
    bent = estimate(curve(x, x**-0.5 + 0.3), Test())
    assert bent.value[0] == pytest.approx(np.polyfit(np.log(x), np.log(x**-0.5 + 0.3), 1)[0], rel=CLOSED_FORM)
    assert bent.p_violated(bent.value - 1e-6, bent.value + 1e-6).tolist() == [1.0]
    assert bent.p_violated(bent.value + 1e-6, bent.value + 1.0).tolist() == [0.0]
    assert bent.detectable(0.01, 0.9)[0] < 1e-8


def test_a_bent_curve_is_not_taken_for_a_power_law_however_many_its_runs() -> None:
    x = np.array([1.0, 2, 4, 8, 16])
    found = slope(x, (x + 0.05 * x**2) * rng(12).lognormal(0, 0.05, (5000, 5)))
    assert found.freedom == 3
    assert found.detectable(0.01, 0.9)[0] > 0.1


@pytest.mark.parametrize("beyond", [0.98, 1.02])
def test_the_error_of_a_slope_is_its_scatter_and_that_of_its_residuals_where_the_curve_is_bent(beyond: float) -> None:
    """A bend is added that the design does not see, so large that the F test just does not, or just does notice it."""
    x, runs = np.array([1.0, 2, 4, 8, 16]), 40
    y = 3.0 * x**-0.5 * rng(31).lognormal(0, 0.05, (runs, 5))
    design = np.stack([np.ones(5), np.log(x)], axis=1)
    off = np.eye(5) - design @ np.linalg.solve(design.T @ design, design.T)
    log_means = np.log(y.mean(axis=0))
    covariance = np.cov((y / y.mean(axis=0)).T) / runs  # of the log-means, linearised
    critical = float(np.trace(off @ covariance @ off)) / 3 * float(scipy_stats.f.ppf(0.99, 3, runs - 1))
    bend = off @ np.log(x) ** 2
    here, cross, square = log_means @ off @ log_means, bend @ off @ log_means, bend @ bend
    size = (-cross + np.sqrt(cross**2 + square * (3 * beyond * critical - here))) / square
    found = slope(x, y * np.exp(size * bend))
    line = scipy_stats.linregress(np.log(x), log_means + size * bend)
    weights = np.linalg.solve(design.T @ design, design.T)[1]
    scatter = float(np.sqrt(weights @ covariance @ weights))
    assert found.value[0] == pytest.approx(line.slope, rel=CLOSED_FORM)
    expected = (scatter, runs - 1) if beyond < 1 else (line.stderr, 3)
    assert (found.error[0], found.freedom) == (pytest.approx(expected[0], rel=1e-9), expected[1])


def test_exact_values_at_the_end_of_their_tolerance_hold() -> None:
    found = Exact(np.array([1.0, 1.5, 0.5]), atol=0.5)
    assert found.p_above(np.ones(3)).tolist() == [1.0, 1.0, 1.0]
    assert found.p_below(np.ones(3)).tolist() == [1.0, 1.0, 1.0]
    assert found.p_above(np.full(3, 0.75)).tolist() == [1.0, 0.0, 1.0]
    assert found.p_below(np.full(3, 1.25)).tolist() == [1.0, 1.0, 0.0]


def test_hoeffding_s_p_value_counts_distances_in_widths() -> None:
    values = np.array([[1.0, 10.0], [3.0, 30.0]])
    found = bounded_mean(values, np.zeros(2), np.array([4.0, 40.0]), "hoeffding")
    p = np.exp(-2 * 2 * (0.5 / 4) ** 2)  # the mean is 2, or 20; the bound half a unit below, or 5
    assert found.p_above(np.array([1.5, 15.0])) == pytest.approx([p, p], rel=CLOSED_FORM)


def test_exact_values_are_compared_under_their_tolerance() -> None:
    found = Exact(np.array([1.0, 1.0 + 1e-12, 1.1, 0.9]), rtol=1e-9)
    high, low = np.ones(4), np.full(4, -np.inf)
    assert found.p_violated(low, high).tolist() == [1, 1, 0, 1]
    assert found.p_within(low, high).tolist() == [0, 0, 1, 0]
    assert found.p_within(high, high).tolist() == [0, 0, 1, 1]  # an identity


def test_runs_without_scatter_decide_nothing_under_student() -> None:
    found = mean(np.tile([1.0, 2.0], (50, 1)))
    low, high = np.full(2, -np.inf), np.full(2, 1.5)
    assert found.p_violated(low, high).tolist() == found.p_within(low, high).tolist() == [1, 1]
    assert "all runs gave the same value" in found.why_open(low, high)


def test_holm_by_hand() -> None:
    assert holm([0.9, 0.6]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm_levels([0.01, 0.04, 0.03, 0.005], 0.05).tolist() == pytest.approx([0.05 / 3, 0.025, 0.025, 0.0125])
    assert holm([]).size == holm_levels([], 0.05).size == 0


def test_holm_levels_decide_as_adjusted_p_values_do() -> None:
    for p in rng(10).random((500, 7)) ** 4:
        assert ((p <= holm_levels(p, 0.05)) == (holm(p) <= 0.05)).all()


def test_a_family_of_true_claims_is_refuted_in_at_most_alpha() -> None:
    p = mean(rng(11).normal(size=(40, EXPERIMENTS))).p_above(zeros()).reshape(-1, 10)
    rate = np.mean([(holm(family) <= 0.05).any() for family in p])
    assert rate <= 0.05 + FALSE_ALARM_SIGMA * (0.05 * 0.95 / len(p)) ** 0.5
