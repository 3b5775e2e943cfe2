"""Laws of the long run of quadratics: long simulations approach them or end below, and the reasons are right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.theory import Eco, Grid, Noise, absolute, laws_in_the_long_run, quadratic, simulate
from alpt_ref.theory.markov import Chain

GRID = Grid(0.25, 5)
BOWL = quadratic([1.0, 0.5], [0.3, -0.2])


@pytest.mark.parametrize(
    ("theorem", "options"),
    [
        ("X2", {}),
        ("X2", {"step_sizes": [0.25, 0.125]}),
        ("X3", {"noise": Noise("two-point", 2.0), "schedule": 0.03}),
        ("EF1D", {"update": Eco(0.5), "noise": Noise("normal", 1.0)}),
        ("EF1D nearest", {"update": Eco(0.25), "rounding": "dr", "noise": Noise("normal", 1.0), "schedule": 0.2}),
    ],
)
def test_long_runs_keep_to_the_law(theorem: str, options: dict[str, Any]) -> None:
    schedule, options = options.get("schedule", 0.1), {k: v for k, v in options.items() if k != "schedule"}
    law = next(one for one in laws_in_the_long_run(BOWL, GRID, schedule, **options) if one.theorem == theorem)
    assert law.applies, law.why
    run = simulate(BOWL, GRID, schedule, steps=600, runs=2000, start=2, check=True, seed=3, **options)
    if "exceeded" in law.watch:
        assert not run.exceeded.any()
    mean, error = run.distance2[-1].mean(), run.distance2[-1].std() / np.sqrt(2000)
    if law.relation == "=":
        assert abs(mean - law.distance2) < 5 * error
    else:
        assert law.distance2 / 10 < mean < law.distance2 + 5 * error


def test_x3_is_above_the_exact_stationary_moment() -> None:
    noise = Noise("two-point", 2.0)
    law = next(one for one in laws_in_the_long_run(quadratic(1.0, 0.3), GRID, 0.03, noise=noise) if one.theorem == "X3")
    exact = Chain(quadratic(1.0, 0.3), GRID, noise, "sr").stationary(0.03, 0) @ (GRID.values - 0.3) ** 2
    assert exact < law.distance2 < 1.1 * exact


@pytest.mark.parametrize(
    ("problem", "schedule", "options", "theorem", "why"),
    [
        (absolute(1.0, 0.3), 0.1, {}, "X2", "it is about separable quadratics"),
        (quadratic([1.0, 0.0], 0.3), 0.1, {}, "X2", "a coordinate has no curvature"),
        (quadratic(1.0, 9.0), 0.1, {}, "X2", "the minimum lies outside the box: coordinate 0"),
        (BOWL, lambda t: 0.1, {}, "X2", "it has a constant learning rate"),
        (BOWL, 1.5, {}, "X2", "it needs eta <= 1/lambda, lambda = 1"),
        (BOWL, 0.1, {"noise": Noise("two-point", 0.1)}, "X2", "it is about gradients without noise"),
        (BOWL, 0.1, {}, "X3", r"it is about gradients with noise (X2 without)"),
        (BOWL, 0.1, {"rounding": "dr"}, "X2", "it is about SR"),
        (BOWL, 0.1, {}, "EF1D", "it is about Eco, the run has SGD"),
        (BOWL, 20.0, {"update": Eco(0.5)}, "EF1D", "eta lambda is so large that the run diverges"),
        (BOWL, 1.0, {"update": Eco(0.5), "rounding": "dr"}, "EF1D nearest", "that the run swings"),
    ],
)
def test_why_a_law_does_not_hold(problem: Any, schedule: Any, options: dict[str, Any], theorem: str, why: str) -> None:
    law = next(one for one in laws_in_the_long_run(problem, GRID, schedule, **options) if one.theorem == theorem)
    assert not law.applies
    assert why in law.why
    assert np.isnan(law.distance2)
