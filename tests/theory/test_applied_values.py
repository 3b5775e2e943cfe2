"""What each rule hands to its bound, at numbers by hand, and the edges of its assumptions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from alpt_ref.theory import Grid, Noise, Schedule, absolute, bounds, bounds_that_apply, huber, quadratic, saturating
from alpt_ref.theory.gradient_source import SeparableSource
from alpt_ref.theory.linear import synthetic_regression
from alpt_ref.theory.update_rules import Adagrad
from tests import tolerances

GRID = Grid(0.125, 5)  # -2 .. 1.875
NOISE = Noise("two-point", 0.3)
KINK = absolute([1.0, 0.5], [0.3, -0.2])
BOWL = quadratic([1.0, 0.5], [0.3, -0.2])
START = [6, -5]


def found(problem: Any, schedule: Any, **options: Any) -> Any:
    options = {"steps": 50, "start": START, "noise": NOISE, "checkpoints": [1, 50], **options}
    return {bound.theorem: bound for bound in bounds_that_apply(problem, GRID, schedule, **options)}


def known(problem: Any) -> Any:
    return problem.constants(GRID, NOISE)


def gap(problem: Any) -> float:
    return float(problem.value(np.array(START) * 0.125))


def test_adagrad_gets_the_farthest_ends_and_its_eps() -> None:
    k = known(BOWL)
    most = min(k.g_max, k.G)
    far = [max(2.0 + 0.3, 1.875 - 0.3), max(2.0 - 0.2, 1.875 + 0.2)]
    value = found(BOWL, 0.05, update=Adagrad(eps=0.01))["S6"].values
    norm = min(k.G1, math.sqrt(2.0) * k.G)
    for t, got in zip((1, 50), value, strict=True):
        terms = sum((d * d / 0.1 + 0.05) * math.sqrt(t) * most + d * d * 0.01 / 0.1 for d in far)
        assert got == pytest.approx((terms + 0.5 * 0.125 * t * norm) / t, rel=tolerances.FLOAT64)


def test_smooth_problems_get_their_first_gap() -> None:
    k = known(BOWL)
    given = {"step_size": 0.125, "G": k.G, "G1": k.G1, "dim": 2, "gap": gap(BOWL), "eta": 0.05, "L": k.L}
    here = found(BOWL, 0.05)
    assert here["S5"].values[1] == pytest.approx(bounds.sr_smooth(T=50, **given), rel=tolerances.FLOAT64)
    assert here["S7"].values[0] == pytest.approx(gap(BOWL), rel=tolerances.FLOAT64)
    assert here["S7"].values[1] == pytest.approx(bounds.sr_pl_constant(t=49, mu=k.mu, **given), rel=tolerances.FLOAT64)


def test_the_gap_of_a_start_off_the_grid_has_half_l_times_its_variance() -> None:
    """0.3 lies 2.4 steps up, 0.1 lies 0.8: variances .24 and .16 squared steps; their mean is the start."""
    k, start = known(BOWL), [0.3, 0.1]
    wanted = float(BOWL.value(np.array(start))) + 0.5 * k.L * 0.4 * 0.125**2
    assert found(BOWL, 0.05, start=start)["S7"].values[0] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(("start", "code"), [([0.3, 0.1], [2, 1]), ([-0.3, 0.19], [-2, 2]), ([0.0625, 0.0], [1, 0])])
def test_nearest_rounding_starts_at_the_nearest_point(start: list[float], code: list[int]) -> None:
    off, on = (found(KINK, 0.05, start=one, rounding="dr")["D1"].values for one in (start, code))
    np.testing.assert_array_equal(off, on)


def test_falling_rates() -> None:
    k, rates = known(KINK), Schedule("inverse-sqrt", 0.3).rates(50)
    given = {"step_size": 0.125, "D": k.D, "G": k.G, "dim": 2, "G1": k.G1}
    here = found(KINK, Schedule("inverse-sqrt", 0.3))
    assert here["S2 exact sums"].values[1] == bounds.sr_convex_schedule(rates=rates, **given)
    bent = known(BOWL)
    exact = found(BOWL, Schedule("inverse", 1.0 / bent.mu))["S3"]
    assert exact.applies
    wanted = bounds.sr_strongly_convex_inverse(T=50, mu=bent.mu, step_size=0.125, G=bent.G, G1=bent.G1, dim=2)
    assert exact.values[1] == pytest.approx(wanted, rel=tolerances.FLOAT64)


def test_rows_with_their_own_step_size() -> None:
    """Each coordinate by itself; over the widest box, which the smaller steps do not leave."""
    sizes = np.array([0.125, 0.1])
    G1 = [1.0, 0.5]  # |g| = slope, larger than the noise of .3: E|slope +- .3| = slope
    here = found(KINK, 0.05, step_sizes=sizes)["S1D"]
    assert here.applies
    D1 = math.hypot(6 * 0.125 - 0.3, 5 * 0.1 - 0.2)
    G = math.sqrt(1.0 + 0.25 + 2 * 0.09)
    wanted = bounds.sr_convex_row_steps(T=50, eta=0.05, D1=D1, G=G, step_sizes=sizes, G1=G1)
    assert here.values[1] == pytest.approx(wanted, rel=1e-9)


def test_rows_of_a_data_set_with_their_own_step_size() -> None:
    """E sum Delta_i |g_i| <= |Delta|_2 G."""
    problem, sizes = synthetic_regression("square", 12, 2, seed=4), np.array([0.125, 0.1])
    here = found(problem, 0.001, step_sizes=sizes, noise=Noise(), batch=2)["S1D"]
    one, fifty = here.values
    assert here.applies, here.why
    G = float(here.why.partition("G = ")[2].split()[0].rstrip(";"))
    assert (50 * fifty - one) / 49 == pytest.approx(
        0.0005 * G * G + 0.5 * float(np.linalg.norm(sizes)) * G, rel=2e-3
    )  # G is printed with four digits


def test_assumptions_hold_at_their_edges() -> None:
    k = known(BOWL)
    assert found(BOWL, 0.5 / k.mu)["S4"].applies
    assert not found(BOWL, 0.51 / k.mu)["S4"].applies
    assert not found(BOWL, 0.51 / k.mu)["S7"].applies
    g_max = known(KINK).g_max
    assert found(KINK, 0.125 / g_max)["S1 small moves"].applies
    assert not found(KINK, 0.126 / g_max)["S1 small moves"].applies
    assert not found(KINK, lambda t: 0.0)["S1"].applies
    last = found(KINK, lambda t: 0.05 if t < 50 else 0.01)  # the last rate makes no iterate that is measured
    assert last["S1"].applies
    assert not found(KINK, lambda t: 0.05 if t < 49 else 0.01)["S1"].applies


@pytest.mark.parametrize(
    "problem", [BOWL, huber([1.0, 0.5], [0.4, 0.1], [0.3, -0.2]), saturating([1.0, 0.5], [0.3, -0.2])],
    ids=["elastic", "huber", "saturating"],
)  # fmt: skip
def test_the_vectorised_driver_has_the_gradient_of_the_problem(problem: Any) -> None:
    w = np.linspace(-2.0, 1.8, 38, dtype=np.float32).reshape(19, 2)
    source = SeparableSource(problem)
    np.testing.assert_allclose(source.sampled(w, 1, 0), problem.gradient(w), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(source.gradient2(w), (problem.gradient(w) ** 2).sum(axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(source.distance2(w), ((w - [0.3, -0.2]) ** 2).sum(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(source.value(w), problem.value(w))
