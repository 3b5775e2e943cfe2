"""What the Monte Carlo driver measures, run by run, in several groups of runs: against the twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.kernels.cpu import montecarlo_measure as measure
from alpt_ref.theory import Grid, Noise, Schedule, elastic, huber, montecarlo, saturating, simulate
from alpt_ref.theory.linear import synthetic_regression
from tests import tolerances
from tests.plain import plain

from . import oracle

GRID = Grid(0.125, 4)
CASES = {
    "sr": (elastic([0.5, 0.0, 1.0], [1.0, 0.7, 0.2], [0.0, 0.125, -0.3]), Noise("two-point", 0.7), None),
    "dr": (huber([1.0, 2.0, 0.5], [0.4, 0.1, 1.0], [0.2, -0.1, 0.0]), Noise("normal", 0.8), [0.125, 0.3, 0.07]),
    "full": (saturating([1.0, 3.0, 0.5], [0.2, -0.1, 0.0]), Noise("uniform", 0.6), None),
}


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("rounding", CASES)
def test_every_run_of_every_group(rounding: str, check: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six runs in groups of four; sums move into float64 at iterates 32 and 34 and at the checkpoints."""
    monkeypatch.setattr(montecarlo, "GROUP_ELEMENTS", 12)
    problem, noise, sizes = CASES[rounding]
    steps = 34 if check else 5
    options: dict[str, Any] = {"steps": steps, "runs": 6, "start": [5, -6, 2], "noise": noise, "seed": 2**40 + 3}
    options |= {"rounding": rounding, "step_sizes": sizes}
    wanted = oracle.twin.simulate(problem, GRID, Schedule("inverse-sqrt", 0.9), batch=1, **options)
    points, close = [3, steps], {"rtol": tolerances.FLOAT32_SUM, "atol": 1e-6}
    got = simulate(problem, GRID, Schedule("inverse-sqrt", 0.9), check=check, averages=True, checkpoints=[3], **options)
    np.testing.assert_array_equal(got.final, wanted.w[-1])
    exact = wanted.w.astype(np.float64)
    at = [t - 1 for t in points]
    value, gradient2 = problem.value(exact), (problem.gradient(exact) ** 2).sum(axis=2)
    distance2 = ((exact - problem.minimum) ** 2).sum(axis=2)
    np.testing.assert_allclose(got.value, value[at], **close)
    np.testing.assert_allclose(got.gradient2, gradient2[at], **close)
    np.testing.assert_allclose(got.distance2, distance2[at], **close)
    assert got.average_value is not None
    assert got.average_gradient2 is not None
    np.testing.assert_allclose(got.average_value, [value[:t].mean(axis=0) for t in points], **close)
    np.testing.assert_allclose(got.average_gradient2, [gradient2[:t].mean(axis=0) for t in points], **close)
    seen = slice(None) if check else at
    np.testing.assert_allclose(got.max_gradient2, gradient2[seen].max(axis=0), **close)
    np.testing.assert_allclose(got.max_distance2, distance2[seen].max(axis=0), **close)
    assert got.checked == check
    assert got.exceeded.tolist() == (wanted.clipped.sum(axis=(0, 2)).tolist() if check else [0] * 6)
    if check:
        sampled = (wanted.g.astype(np.float64) ** 2).sum(axis=2).max(axis=0)
        np.testing.assert_allclose(got.max_sampled_gradient2, sampled, **close)


def test_an_update_that_ends_at_an_end_of_the_range_is_not_counted() -> None:
    """Slope -1 or 1 from code 5 of -8 .. 7, at a rate of exactly what is left, and one step more."""
    for target, ends, beyond in ((0.875, 2, 3), (-1.0, 13, 14)):  # at the last code the slope is taken from the right
        for steps, wanted in ((ends, 0), (beyond, 1)):
            for rounding in ("sr", "full"):
                got = simulate(
                    elastic(0.0, 1.0, target), GRID, Schedule("constant", 0.125 * steps), steps=2, runs=2, start=5,
                    rounding=rounding, check=True, minimum_outside=True,
                )  # fmt: skip
                assert got.exceeded.tolist() == [wanted, wanted]


@pytest.mark.parametrize(("thin", "batch"), [(1, 1), (2, 1), (3, 1), (1, 0)])
def test_averages_of_regressions_in_groups(thin: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of eight runs; the second has six of them, of which four and two are measured together."""
    monkeypatch.setattr(montecarlo, "GROUP_ELEMENTS", 16)
    monkeypatch.setattr(montecarlo, "RUNS_TOGETHER", 8)
    problem = synthetic_regression("huber", 5, 2, seed=4)
    options: dict[str, Any] = {"steps": 6, "runs": 14, "start": [3, -5], "batch": batch, "seed": 1}
    options |= {"rounding": "sr", "noise": Noise()}
    wanted = oracle.simulate(problem, GRID, Schedule("constant", 0.9), **options)
    points = range(1, 7)
    got = simulate(
        problem, GRID, Schedule("constant", 0.9), averages=True, thin=thin, checkpoints=points, check=True, **options
    )
    np.testing.assert_array_equal(got.final, wanted[-1])
    values = problem.value(wanted.astype(np.float64)) - problem.f_star
    taken = (np.arange(1, 7)[:, None] + np.arange(14) // 4) % thin == 0
    with np.errstate(invalid="ignore"):
        average = np.cumsum(np.where(taken, values, 0.0), axis=0) / np.cumsum(taken, axis=0)
    np.testing.assert_allclose(got.average_value, average, atol=tolerances.FLOAT32_SUM)
    np.testing.assert_allclose(got.value, values, rtol=1e-12, atol=1e-14)
    two = simulate(problem, GRID, Schedule("constant", 0.9), checkpoints=[3], **options)  # and the last
    np.testing.assert_allclose(two.value, values[[2, 5]], rtol=1e-12, atol=1e-14)


def test_how_many_iterates_are_measured_by_counting() -> None:
    count = plain(measure.iterates_measured)
    for thin in (1, 2, 3, 5):
        for run in range(0, 24):
            for t in range(12):
                assert count(t, run, thin) == sum((i + run // 4) % thin == 0 for i in range(1, t + 1))


def test_float32_sums_move_on_after_32_steps() -> None:
    assert measure.FLUSH_STEPS == 32
    recent, total = np.array([1.5, 2.0, -0.25, 8.0], np.float32), np.array([1.0, 2.0])
    plain(measure.flush)(2, 2, recent, total)
    assert (recent.tolist(), total.tolist()) == ([0.0] * 4, [4.5, 9.75])
