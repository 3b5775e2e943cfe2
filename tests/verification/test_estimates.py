"""Estimates by hand: p-values, limits and sizes that are found, at numbers that hide no factor."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from alpt_ref.errors import InputError
from alpt_ref.verification import Test, sampled
from alpt_ref.verification.estimates import Bounded, Exact, Student, noncentrality
from alpt_ref.verification.stats import bounded_mean, estimate, exact_slope, mean
from tests.tolerances import CLOSED_FORM

NONE, ONE = np.array([np.inf]), np.array([1.0])


def exact(value: float, **tolerance: float) -> Exact:
    return Exact(np.array([value]), **tolerance)


def test_the_tolerance_of_exact_values_is_a_part_of_the_larger_size() -> None:
    larger = exact(-2.0, rtol=0.0488)  # of 2.1: .1025; of 2: .0976
    assert (larger.p_above(np.array([-2.1])).tolist(), larger.p_violated(-NONE, np.array([-2.1])).tolist()) == (
        [1.0],
        [1.0],
    )
    assert exact(-2.1, rtol=0.0488).p_below(np.array([-2.0])).tolist() == [1.0]
    assert exact(-2.0, rtol=0.0470).p_above(np.array([-2.1])).tolist() == [0.0]
    low, high = exact(-2.0, rtol=0.25, atol=0.125).limits(0.01)
    assert (low.tolist(), high.tolist()) == ([-2.625], [-1.375])


def test_a_claim_without_ends_is_never_violated_and_two_ends_share_the_level() -> None:
    found = Student(np.array([1.0]), np.array([0.5]), 9)
    assert found.p_violated(-NONE, NONE).tolist() == [1.0]
    above, below = float(scipy_stats.t.sf(2.0, 9)), float(scipy_stats.t.cdf(2.0, 9))
    assert found.p_violated(-NONE, 0 * ONE)[0] == pytest.approx(above, rel=CLOSED_FORM)
    assert found.p_violated(-3 * ONE, 0 * ONE)[0] == pytest.approx(2 * above, rel=CLOSED_FORM)
    assert found.p_violated(0 * ONE, NONE)[0] == pytest.approx(below, rel=CLOSED_FORM)
    assert found.p_violated(ONE, ONE).tolist() == [1.0]  # twice a half, and no more than 1
    assert found.p_violated(0.9 * ONE, 1.1 * ONE).tolist() == [1.0]


def test_what_student_finds_is_in_units_of_the_error() -> None:
    found = Student(np.zeros(2), np.array([0.25, 0.0]), 9)
    assert found.detectable(0.01, 0.9).tolist() == [noncentrality(0.01, 0.9, 9) * 0.25, np.inf]
    assert found.why_open(-np.ones(2), np.ones(2)).startswith("all runs gave the same value")
    assert Student(np.zeros(2), np.array([0.25, 0.5]), 9).why_open(-np.ones(2), np.ones(2)) == ""


def test_the_noncentrality_changes_its_formula_after_200_degrees() -> None:
    critical = float(scipy_stats.t.isf(0.05, 200))
    assert scipy_stats.nct.sf(critical, 200, noncentrality(0.05, 0.9, 200)) == pytest.approx(0.9, abs=1e-6)
    added = [float(scipy_stats.t.isf(p, 201)) for p in (0.05, 0.1)]
    assert noncentrality(0.05, 0.9, 201) == pytest.approx(sum(added), rel=CLOSED_FORM)
    assert abs(noncentrality(0.05, 0.9, 200) - sum(float(scipy_stats.t.isf(p, 200)) for p in (0.05, 0.1))) > 1e-4
    little = noncentrality(0.4, 0.5, 10)  # less than one standard error
    assert scipy_stats.nct.sf(float(scipy_stats.t.isf(0.4, 10)), 10, little) == pytest.approx(0.5, abs=1e-6)


def test_radii_of_bounded_values_are_in_units_of_their_range() -> None:
    values = np.array([[1.0], [2.0], [2.5], [3.5]])
    hoeffding = bounded_mean(values, 1.0, 4.0, "hoeffding")
    radius = 3.0 * (math.log(1 / 0.05) / 8) ** 0.5
    assert hoeffding.limits(0.05)[1][0] == pytest.approx(2.25 + radius, rel=CLOSED_FORM)
    bernstein = bounded_mean(values, 1.0, 4.0, "bernstein")
    deviation = (sum((x - 2.25) ** 2 for x in (1.0, 2.0, 2.5, 3.5)) / 3) ** 0.5
    radius = deviation * (2 * math.log(40) / 4) ** 0.5 + 7 * 3.0 * math.log(40) / (3 * 3)
    assert bernstein.limits(0.05)[1][0] == pytest.approx(2.25 + radius, rel=CLOSED_FORM)
    assert bernstein.p_below(np.array([2.25 + radius]))[0] == pytest.approx(0.05, rel=1e-9)
    assert bernstein.p_above(np.array([2.25])).tolist() == [1.0]
    assert isinstance(estimate(sampled(values, low=1.0, high=4.0), Test(how="hoeffding")), Bounded)
    assert bounded_mean(values[:2], 1.0, 4.0, "bernstein").runs == 2


@pytest.mark.parametrize("how", ["hoeffding", "bernstein"])
def test_a_range_without_an_end_bounds_nothing(how: str) -> None:
    for low, high in ((-np.inf, 4.0), (1.0, np.inf), (4.0, 4.0)):
        with pytest.raises(InputError, match=f"the {how} test needs sampled values with low < high"):
            bounded_mean(np.ones((3, 1)), low, high, how)


def test_two_runs_have_a_mean_and_scatter_below_a_rounding_is_none() -> None:
    shift = 1.2e-12 / 2**0.5  # of two values +-shift: a standard deviation of 1.2e-12
    seen = mean(np.array([[1.0 + shift, 1000.0 * (1.0 + shift)], [1.0 - shift, 1000.0 * (1.0 - shift)]]))
    assert (seen.error > 0).tolist() == [True, True]
    less = 0.8e-12 / 2**0.5
    none = mean(np.array([[1.0 + less, 1e-3 * (1.0 + less)], [1.0 - less, 1e-3 * (1.0 - less)]]))
    assert none.error.tolist() == [0.0, 0.0]


def test_an_exact_slope_is_right_as_far_as_its_curve() -> None:
    """Weights of the line through log 1, log 2, log 4 (mean log 2): -1/(2 log 2), 0, 1/(2 log 2)."""
    found = exact_slope(np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0, 12.0]), 1e-3)
    assert found.value[0] == pytest.approx(1.0, rel=CLOSED_FORM)  # log 4 over 2 log 2
    assert found.atol == pytest.approx(1e-3 / math.log(2), rel=CLOSED_FORM)
