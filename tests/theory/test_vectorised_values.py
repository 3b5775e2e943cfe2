"""What the driver in NumPy records, from all iterates as a user's rounding saw them, by plain loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref.theory import Grid, Noise, Problem, elastic, simulate
from alpt_ref.theory.linear import synthetic_regression
from tests import tolerances

GRID = Grid(0.125, 5)
A, B, U = [0.5, 0.9, 1.25], [1.0, 0.7, 0.2], [0.0, 0.125, -0.3]
ELASTIC = elastic(A, B, U)
OWN = Problem(
    lambda w: (0.5 * np.array([1.5, 0.75]) * w**2).sum(axis=-1), lambda w: np.array([1.5, 0.75]) * w, 2,
    mu=0.75, L=1.5, compiled=False,
)  # fmt: skip
ROWS = synthetic_regression("huber", 12, 3, seed=4, l2=0.05)
STEPS, RUNS, POINTS = 11, 9, [3, 6, 11]


class Seen:
    """Nearest rounding that keeps what it is asked and what it answers."""

    def __init__(self, start: Any) -> None:
        self.x: list[NDArray[np.float64]] = []
        self.w = [np.tile(np.float32(start), (RUNS, 1)).astype(np.float64)]

    def __call__(self, x: NDArray[np.float32], draw: int) -> NDArray[np.float32]:
        w = np.clip(np.floor(x / np.float32(0.125) + 0.5), -16, 15) * np.float32(0.125)
        self.x.append(x.astype(np.float64))
        self.w.append(w.astype(np.float64))
        return np.asarray(w, dtype=np.float32)


def run(problem: Any, d: int, **options: Any) -> tuple[Any, Seen]:
    start = [5, -6, 2][:d]
    seen = Seen([code * 0.125 for code in start])
    got = simulate(
        problem, GRID, 0.3, steps=STEPS, runs=RUNS, start=start, rounding=seen, checkpoints=POINTS, seed=5,
        **{"noise": Noise("normal", 0.8), **options},
    )  # fmt: skip
    np.testing.assert_array_equal(got.final, seen.w[-1])
    return got, seen


def gradients(problem: Any, w: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(problem.gradient(w), dtype=np.float64)


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("problem", "d"), [(ELASTIC, 3), (OWN, 2)], ids=["elastic", "own"])
def test_averages_and_limits_of_every_iterate(problem: Any, d: int, check: bool) -> None:
    got, seen = run(problem, d, averages=True, check=check)
    value = np.array([problem.value(w) for w in seen.w])
    gradient2 = np.array([(gradients(problem, w) ** 2).sum(axis=1) for w in seen.w])
    distance2 = np.array([((w - np.asarray(problem.minimum)) ** 2).sum(axis=1) for w in seen.w])
    at = [t - 1 for t in POINTS]
    close = {"rtol": tolerances.FLOAT32_SUM, "atol": 1e-6}
    for name, wanted in (("value", value), ("gradient2", gradient2), ("distance2", distance2)):
        np.testing.assert_allclose(getattr(got, name), wanted[at], err_msg=name, **close)
    for name, wanted in (("average_value", value), ("average_gradient2", gradient2)):
        means = np.array([wanted[:t].mean(axis=0) for t in POINTS])
        np.testing.assert_allclose(getattr(got, name), means, err_msg=name, **close)
    looked = slice(None) if check else at
    np.testing.assert_allclose(got.max_gradient2, gradient2[looked].max(axis=0), **close)
    np.testing.assert_allclose(got.max_distance2, distance2[looked].max(axis=0), **close)
    assert got.checked is check
    if check:
        sampled = [((w - x) / 0.3) for w, x in zip(seen.w[:-1], seen.x, strict=True)]
        largest = np.max([(g**2).sum(axis=1) for g in sampled], axis=0)
        np.testing.assert_allclose(got.max_sampled_gradient2, largest, rtol=1e-4)
        beyond = sum(((x < -2.0) | (x > 1.875)).sum(axis=1) for x in seen.x)
        np.testing.assert_array_equal(got.exceeded, beyond)
    else:
        assert np.isnan(got.max_sampled_gradient2).all()
        assert not got.exceeded.any()
    assert (gradient2.max(axis=0) > gradient2[at].max(axis=0)).any()  # or the iterates between would not count


def test_an_average_of_rows_is_thinned_and_has_no_gradient() -> None:
    got, seen = run(ROWS, 3, averages=True, batch=2, thin=3)
    value = np.array([ROWS.value(w) - ROWS.f_star for w in seen.w])
    for p, point in enumerate(POINTS):
        for r in range(RUNS):
            taken = [value[t - 1, r] for t in range(1, point + 1) if (t + r // 4) % 3 == 0]
            wanted = sum(taken) / len(taken) if taken else math.nan
            assert got.average_value[p, r] == pytest.approx(wanted, rel=tolerances.FLOAT64, nan_ok=True)
    assert got.average_gradient2 is None


@pytest.mark.parametrize(("problem", "d"), [(ELASTIC, 3), (ROWS, 3)], ids=["elastic", "linear"])
def test_without_averages_there_are_none(problem: Any, d: int) -> None:
    got, _ = run(problem, d, check=True)
    assert got.average_value is None
    assert got.average_gradient2 is None
