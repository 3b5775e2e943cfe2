"""How far a gradient may change between two points before a user's L, mu or convexity is refuted: by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import Problem, problem_checks
from alpt_ref.theory.learned_step_size import _partial_moments


def holds(points: list[float], f: list[float], g: list[float], **said: Any) -> bool:
    said = {"convex": False, "mu": None, "L": None} | said
    try:
        problem_checks.require_shape(np.array(f), np.array(g)[:, None], np.array(points)[:, None], **said)
    except InputError as error:
        return "does not hold" not in str(error)
    return True


@pytest.mark.parametrize(
    ("distance", "level", "L", "slack"),
    [
        (1.0, 1e6, 1.0, 1e-6 + 1e-9 * (1 + 1e6)),  # a part of the largest gradient, for its roundings
        (1.0, -1e6, 1.0, 1e-6 + 1e-9 * (1 + 1e6)),
        (1.0, 0.0, 1e3, 1e-3 + 1e-9 * 1e3),  # a part of L
        (1e-10, 0.0, 1.0, 1e-9),  # and a billionth where all is small
    ],
)
def test_gradients_change_by_l_a_unit_and_their_roundings(
    distance: float, level: float, L: float, slack: float
) -> None:
    for part, held in ((0.95, True), (1.05, False)):
        change = L * distance + part * slack
        for sign in (1.0, -1.0):
            assert holds([0.0, distance], [0.0, 0.0], [level, level + sign * change], L=L) == held
    assert holds([0.0, 0.0], [0.0, 0.0], [0.0, 0.0], L=1.0)


def test_convexity_and_mu_up_to_roundings() -> None:
    """f = w^2/2 from 0 to 2: strongly convex with mu = 1 and no more; a straight line is convex."""
    bowl = [0.0, 2.0], [0.0, 2.0], [0.0, 2.0]
    slack = 1e-6 * 2.0 + 1e-12  # at 0; at 2 also of f' times the move
    assert holds(*bowl, mu=1.0)
    assert holds(*bowl, mu=1.0 + 0.45 * slack)
    assert not holds(*bowl, mu=1.0 + 0.55 * slack + 2e-6)
    assert not holds(*bowl, mu=1.1, convex=True)
    assert holds([0.0, 2.0], [0.0, 2.0], [1.0, 1.0], convex=True)
    assert not holds([0.0, 2.0], [0.0, 1.9], [1.0, 1.0], convex=True)
    assert holds([0.0, 2.0], [0.0, 1.9], [1.0, 1.0])


def test_what_is_allowed() -> None:
    """Part of what a user is told: the documented steps and parts."""
    assert problem_checks.STEPS == (1e-5, 1e-3, 1e-7)
    assert (problem_checks.DIFFERENCE, problem_checks.SLACK) == (1e-4, 1e-6)
    assert len(problem_checks.trial_points(3)) == 8
    assert len(problem_checks.box_points(np.zeros(2), np.ones(2))) == 48 + 24


@pytest.mark.parametrize("edge", [-1.5, -0.5, 0.0, 0.5, 1.5, np.inf])
def test_partial_moments_of_laplace_by_a_sum(edge: float) -> None:
    """Midpoints of 400,000 cells from -40 on; the parts above and below zero join at zero."""
    end = min(edge, 40.0)
    h = (end + 40.0) / 400_000
    w = -40.0 + h * (np.arange(400_000) + 0.5)
    density = 0.5 * np.exp(-np.abs(w)) * h
    found = [float(one[0]) for one in _partial_moments("laplace", np.array([edge]))]
    assert found == pytest.approx([density.sum(), (density * w).sum(), (density * w * w).sum()], abs=1e-7)


@pytest.mark.parametrize("height", [1e6, 1e9, -1e10])
def test_a_wrong_gradient_of_a_function_far_from_0_is_found(height: float) -> None:
    """At the shortest step the roundings of value hide any slope: it decides nothing."""
    right = Problem(lambda w: height + (w * w).sum(axis=-1), lambda w: 2.0 * w, 2, minimum=0.0, compiled=False)
    assert right.f_star == height
    with pytest.raises(InputError, match="gradient is not the derivative of value"):
        Problem(lambda w: height + (w * w).sum(axis=-1), lambda w: 2.5 * w, 2, minimum=0.0, compiled=False)


def test_a_sampled_gradient_of_complex_numbers_is_refused() -> None:
    for given in (lambda w, generator: 2.0 * w + 0.0j, lambda w, generator: "a"):
        with pytest.raises(InputError, match="sampled_gradient must return real numbers, got"):
            Problem(
                lambda w: (w * w).sum(axis=-1), lambda w: 2.0 * w, 2, mu=2.0, sampled_gradient=given, compiled=False
            )
