"""Learned step sizes: the rule at the ends of the range, its defaults, and a run against a loop in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import Grid, LearnedSteps, quadratic, simulate
from alpt_ref.theory.learned_steps import straight_through
from tests import tolerances

LOW, HIGH = -4, 3


def derivative(x: float) -> float:
    return LOW if x < LOW else HIGH if x > HIGH else math.floor(x + 0.5) - x


def test_the_derivative_is_that_inside_at_both_ends() -> None:
    x = np.array([-4.01, -4.0, -3.9, -0.5, 0.2, 1.5, 2.9, 3.0, 3.01])
    np.testing.assert_allclose(straight_through(x, LOW, HIGH), [derivative(one) for one in x], rtol=1e-12, atol=0.0)
    assert straight_through(np.array([-4.0, 3.0]), LOW, HIGH).tolist() == [0.0, 0.0]


def test_step_sizes_move_by_the_sum_of_their_row_and_stop_at_a_part_of_the_first() -> None:
    sizes = np.array([[0.3, 0.3, 0.7, 0.7], [0.4, 0.4, 0.5, 0.5]])
    v = np.array([[0.55, -0.4, 3.1, -2.2], [0.91, 0.13, -3.3, 1.12]])
    gradient = np.array([[0.2, -1.1, 0.7, 0.4], [-0.3, 0.8, 5.5, 1.4]])
    first = np.array([0.6, 0.6, 0.8, 0.8])
    for rule, scale, smallest in ((LearnedSteps(0.09, 2, 0.5, 0.25), 0.5, 0.25), (LearnedSteps(0.02, 2), 1.0, 0.01)):
        got = rule.moved(sizes, first, v, gradient, LOW, HIGH)
        for r in range(2):
            for row in (0, 2):
                slope = sum(gradient[r, j] * derivative(v[r, j] / sizes[r, j]) for j in (row, row + 1))
                wanted = max(sizes[r, row] - rule.rate * scale * slope, smallest * first[row])
                assert got[r, row : row + 2] == pytest.approx([wanted] * 2, rel=1e-12)
    least = LearnedSteps(100.0).moved(sizes, first, v, np.full((2, 4), -1e3), LOW, HIGH)
    assert least[1] == pytest.approx(0.01 * first, rel=1e-12)  # one row of four: a huge slope


def test_a_run_of_two_rows_against_a_loop() -> None:
    """Move without rounding, learn at the nearest codes, round what moved on the new grid."""
    curvature, minimum = [1.0, 0.7, 1.3, 0.4], [0.62, -0.31, 0.45, 0.83]
    sizes, code, first = [0.11] * 4, [7, -6, -5, 4], 0.11
    rate, learning = [0.31, 0.17, 0.23, 0.29, 0.19], 0.083
    start = list(code)
    low, high = -8, 7
    exceeded = 0
    for eta in rate:
        w = [float(np.float32(c) * np.float32(s)) for c, s in zip(code, sizes, strict=True)]
        moved = [x - eta * a * (x - u) for x, a, u in zip(w, curvature, minimum, strict=True)]
        nearest = [min(max(math.floor(v / s + 0.5), low), high) * s for v, s in zip(moved, sizes, strict=True)]
        after = []
        for row in (0, 2):
            slope = 0.0
            for j in (row, row + 1):
                x = moved[j] / sizes[j]
                inside = math.floor(x + 0.5) - x
                slope += curvature[j] * (nearest[j] - minimum[j]) * (low if x < low else high if x > high else inside)
            after += [max(sizes[row] - learning * slope, 0.01 * first)] * 2
        sizes = after
        steps = [v / s for v, s in zip(moved, sizes, strict=True)]
        assert all(abs(one - math.floor(one) - 0.5) > 0.001 for one in steps)  # no tie that float32 could turn
        exceeded += sum(one < low or one > high for one in steps)
        code = [min(max(math.floor(one + 0.5), low), high) for one in steps]
    run = simulate(
        quadratic(curvature, minimum), Grid(0.11, 4), rate, steps=6, runs=3, start=start, rounding="dr", check=True,
        step_sizes=LearnedSteps(learning, row_dim=2), minimum_outside=True,
    )  # fmt: skip
    assert run.step_sizes is not None
    np.testing.assert_allclose(run.step_sizes, [sizes] * 3, rtol=tolerances.FLOAT32)
    np.testing.assert_array_equal(np.rint(run.final / run.step_sizes), [code] * 3)
    assert run.exceeded.tolist() == [exceeded] * 3


@pytest.mark.parametrize("smallest", [0.0, 1.0001])
def test_the_least_size_is_a_part(smallest: float) -> None:
    with pytest.raises(InputError, match="smallest must be above 0 and at most 1"):
        LearnedSteps(0.1, smallest=smallest)
    assert LearnedSteps(0.1, smallest=1.0).smallest == 1.0
