"""Betting: the capital against fractions, false alarms, limits, power, and ends of the range."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from alpt_ref.verification import Test, sampled
from alpt_ref.verification.betting import Betting, log_capital, shares
from alpt_ref.verification.measurement import FloatArray
from alpt_ref.verification.stats import estimate
from tests.tolerances import CLOSED_FORM

EXPERIMENTS = 10_000
Draw = Callable[[np.random.Generator, tuple[int, int]], FloatArray]

SHAPES: dict[str, Draw] = {  # in [0, 1], with mean 0.1
    "rare": lambda rng, size: (rng.random(size) < 0.1).astype(float),
    "beta": lambda rng, size: rng.beta(1.0, 9.0, size),
    "squared": lambda rng, size: 0.1 * np.minimum(rng.random(size) ** 2 * 3.0, 3.0),
    "even": lambda rng, size: 0.05 + 0.1 * rng.random(size),
}


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def zeros(value: float = 0.0) -> FloatArray:
    return np.full(EXPERIMENTS, value)


def betting(values: FloatArray, low: FloatArray | float | None, high: FloatArray | float | None) -> Betting:
    """The estimate that a declared range gives."""
    found = estimate(sampled(values, low=low, high=high), Test())
    assert isinstance(found, Betting)
    return found


@pytest.mark.parametrize("runs", [1, 5, 64, 400])
@pytest.mark.parametrize("shape", SHAPES)
def test_betting_errs_at_most_alpha_both_ways_whatever_the_distribution(shape: str, runs: int) -> None:
    found = betting(SHAPES[shape](rng(runs), (runs, EXPERIMENTS)), 0.0, 1.0)
    assert (found.p_above(zeros(0.1)) <= 0.05).mean() <= 0.05
    assert (found.p_below(zeros(0.1)) <= 0.05).mean() <= 0.05


@pytest.mark.parametrize("runs", [5, 64])
def test_squares_and_lognormal_values_never_refute_a_true_lower_range_bound_more_often_than_alpha(runs: int) -> None:
    squares, heavy = rng(1).normal(size=(runs, EXPERIMENTS)) ** 2, rng(2).lognormal(0.0, 2.0, (runs, EXPERIMENTS))
    for values, truth in ((squares, 1.0), (heavy, float(np.exp(2.0)))):
        found = betting(values, 0.0, None)
        assert (found.p_above(zeros(truth)) <= 0.05).mean() <= 0.05
        assert found.p_below(zeros(truth)).min() == 1.0  # an upper bound needs an upper end


def test_the_capital_is_the_mean_of_products_of_gains() -> None:
    values, m = [Fraction(1, 4), Fraction(1, 2), Fraction(1, 8), Fraction(1), Fraction(1, 16)], Fraction(1, 5)
    total = Fraction(0)
    for c in (Fraction(1), Fraction(1, 2), Fraction(1, 4)):  # of five runs
        capital = Fraction(1)
        for x in values:
            capital *= 1 + c * (x - m) / m
        total += capital / 3
    found, slope_ = log_capital(np.array(values, dtype=float)[:, None], np.array([1 / float(m)]), slope=True)
    assert np.exp(found[0]) == pytest.approx(float(total), rel=CLOSED_FORM)
    up, _ = log_capital(np.array(values, dtype=float)[:, None], np.array([(1 + 1e-6) / float(m)]))
    assert (up[0] - found[0]) / 1e-6 == pytest.approx(slope_[0], rel=1e-4)


def test_the_capital_of_many_runs_has_the_logarithm_of_the_plain_product() -> None:
    x, v = rng(3).random((1003, 3)), np.array([0.5, 2.0, 8.0])
    plain = [np.log1p(c * (x * v - 1)).sum(axis=0) for c in shares(1003)[1:]] + [np.log(x * v).sum(axis=0)]
    expected = np.logaddexp.reduce(plain) - np.log(len(plain))
    assert log_capital(x, v)[0] == pytest.approx(expected, rel=CLOSED_FORM)


def test_betting_does_not_depend_on_the_order_of_the_runs() -> None:
    values = rng(4).beta(1, 9, (300, 4))
    one, other = betting(values, 0.0, 1.0), betting(values[::-1], 0.0, 1.0)
    assert one.p_above(np.full(4, 0.05)) == pytest.approx(other.p_above(np.full(4, 0.05)), rel=CLOSED_FORM)


def test_bounds_at_and_beyond_the_ends_of_the_range() -> None:
    found = betting(np.array([[0.0, 0.0, 1.0], [0.0, 0.5, 1.0]]), 0.0, 1.0)
    assert found.p_above(np.zeros(3)).tolist() == [1.0, 0.0, 0.0]  # a value above 0 cannot have a mean of 0
    assert found.p_above(np.full(3, -0.1)).tolist() == [0.0] * 3
    assert found.p_below(np.ones(3)).tolist() == [0.0, 0.0, 1.0]
    lower, upper = found.limits(0.01)
    assert (lower[0], upper[2]) == (0.0, 1.0)


def test_ends_of_the_range_differ_by_point() -> None:
    values = np.tile([[0.5, 5.0, 0.5]], (200, 1))
    found = betting(values, np.zeros(3), np.array([1.0, 10.0, np.inf]))
    p = found.p_below(np.array([0.7, 7.0, 0.7]))
    assert p[0] == pytest.approx(p[1], rel=CLOSED_FORM)
    assert (p[0] < 0.001, p[2]) == (True, 1.0)


@pytest.mark.parametrize("shape", SHAPES)
def test_betting_finds_a_violation_of_the_detectable_size(shape: str) -> None:
    stated = betting(SHAPES[shape](rng(5), (400, 2000)), 0.0, 1.0)
    bound = np.maximum(0.1 - stated.detectable(0.01, 0.9), 1e-3)
    assert (stated.p_above(bound) <= 0.01).mean() >= 0.9


@pytest.mark.parametrize("shape", SHAPES)
def test_a_bound_of_which_half_is_reached_is_supported_by_the_runs_that_the_docstring_names(shape: str) -> None:
    runs = {"rare": 80, "beta": 30, "squared": 26, "even": 20}[shape] * 5  # range / bound = 5
    found = betting(SHAPES[shape](rng(6), (runs, 500)), 0.0, 1.0)
    assert (found.p_below(np.full(500, 0.2)) <= 0.001).mean() >= 0.8


@pytest.mark.parametrize("large", [1, 3, 30])
def test_limits_are_where_the_p_value_is_alpha_also_for_a_few_large_values_among_many_small(large: int) -> None:
    values = np.full((20_000, 1), 1e-9)
    values[:large] = 1.0
    found = betting(values, 0.0, 1.0)
    lower, upper = found.limits(0.01)
    for p in (found.p_above(lower), found.p_below(upper)):
        assert p == pytest.approx(0.01, rel=1e-6)


def test_what_is_detectable_grows_with_the_power_and_is_in_units_of_the_values() -> None:
    values = rng(77).beta(2.0, 6.0, size=(200, 1))
    whole = Betting(values.mean(axis=0), values, np.zeros(1), np.full(1, np.inf))
    sizes = [float(whole.detectable(0.01, power)[0]) for power in (0.5, 0.8, 0.9, 0.99)]
    assert sizes == sorted(set(sizes))
    small = values / 1024
    part = Betting(small.mean(axis=0), small, np.zeros(1), np.full(1, np.inf))
    assert float(part.detectable(0.01, 0.9)[0]) == pytest.approx(sizes[2] / 1024, rel=1e-6)
    mirrored = Betting(-small.mean(axis=0), -small, np.full(1, -np.inf), np.zeros(1))
    assert float(mirrored.detectable(0.01, 0.9)[0]) == pytest.approx(sizes[2] / 1024, rel=1e-6)


def test_what_is_detectable_by_its_formula() -> None:
    """The wider radius, and the part of it that the power takes, with ln 2 shares of the capital more in each."""
    values = rng(7).beta(2.0, 6.0, size=(4, 2))  # shares 1 and 1/2
    found = betting(values, 0.0, 1.0)
    lower, upper = found.limits(0.01)
    radius = np.maximum(found.value - lower, upper - found.value)
    part = ((np.log(2) + np.log(10)) / (np.log(2) + np.log(100))) ** 0.5
    assert found.detectable(0.01, 0.9) == pytest.approx((1 + part) * radius, rel=CLOSED_FORM)


def test_a_shifted_range_shifts_its_limits_and_a_missing_end_has_none() -> None:
    values = rng(8).beta(2.0, 6.0, size=(40, 3))
    lower, upper = betting(values, 0.0, 1.0).limits(0.01)
    shifted = betting(values + 2.0, 2.0, 3.0).limits(0.01)
    assert shifted[0] == pytest.approx(lower + 2.0, rel=1e-9)
    assert shifted[1] == pytest.approx(upper + 2.0, rel=1e-9)
    assert betting(values, None, 1.0).limits(0.01)[0].tolist() == [-np.inf] * 3
    assert betting(values, 0.0, None).limits(0.01)[1].tolist() == [np.inf] * 3


def test_the_end_that_is_missing_is_named_only_where_the_bound_needs_it() -> None:
    values, none, bound = np.full((4, 1), 0.5), np.array([np.inf]), np.array([0.4])
    above, below = betting(values, 0.0, None), betting(values, None, 1.0)
    assert "no upper end" in above.why_open(-none, bound)
    assert above.why_open(bound, none) == ""
    assert "no lower end" in below.why_open(bound, none)
    assert below.why_open(-none, bound) == ""
    assert betting(values, 0.0, 1.0).why_open(bound, bound) == ""
