"""Constants of the problems hold at every point of the box, and the minima are minima."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from alpt_ref.errors import InputError
from alpt_ref.theory.linear import l1_regression, least_squares, logistic_regression, synthetic_regression
from alpt_ref.theory.problems import absolute, quadratic
from alpt_ref.theory.setting import Grid, Noise
from tests import tolerances
from tests.strategies import Case, cases


@given(case=cases(("quadratic", "absolute", "elastic", "huber", "saturating")))
def test_constants_hold_at_every_grid_point(case: Case) -> None:
    k, p = case.constants, case.problem
    points = np.repeat(case.grid.values[:, None], p.dim, axis=1)  # coordinates separate: the diagonal reaches each sup
    g, values = p.gradient(points), p.values(points)
    slack = 1 + tolerances.TEN_DIGITS
    assert np.sqrt((np.abs(g).max(0) ** 2).sum() + p.dim * case.noise.sigma**2) <= k.G * slack
    assert case.noise.absolute_mean(np.abs(g).max(0)).sum() <= k.G1 * slack
    assert np.abs(g).max() + case.noise.largest <= k.g_max * slack
    assert np.sqrt(k.dim) * k.G * slack >= k.G1
    assert (values >= 0.0).all()
    assert p.value(p.minimum) == 0.0 == k.f_star
    assert p.distance(points).max() <= k.D * slack
    slopes = np.abs(np.diff(g, axis=0)) / case.grid.step_size
    assert slopes.max(initial=0.0) <= k.L * slack
    if k.mu > 0:
        assert (np.diff(g, axis=0) / case.grid.step_size).min() >= k.mu * (1 - 1e-9)


@given(case=cases(("quadratic", "huber", "saturating"), max_dim=1))
def test_gradients_are_derivatives(case: Case) -> None:
    w, h = case.grid.values[:, None], 1e-5 * case.grid.step_size
    numeric = (case.problem.value(w + h) - case.problem.value(w - h)) / (2 * h)
    np.testing.assert_allclose(
        case.problem.gradient(w)[:, 0], numeric, rtol=1e-4, atol=1e-4 * float(case.constants.g_max)
    )


@pytest.mark.parametrize("loss", ["square", "absolute", "huber", "logistic"])
@pytest.mark.parametrize("batch", [0, 1])
def test_regression_constants_and_certified_minimum(loss: str, batch: int) -> None:
    p = synthetic_regression(loss, 80, 4, seed=3)  # type: ignore[arg-type]
    grid = Grid(0.2, 5)
    k = p.constants(grid, Noise("two-point", 0.2), batch=batch)
    generator = np.random.Generator(np.random.Philox(key=1))
    assert p.gap < 1e-9
    for w in generator.uniform(grid.low, grid.high, (200, 4)):
        assert p.value(w) >= k.f_star
        rows = [
            type(p)(p.loss, p.features[i : i + 1], p.offsets[i : i + 1], p.minimum, 0, 0, p.width, p.l2)
            for i in range(80)
        ]
        every = np.stack([row.gradient(w) for row in rows])
        np.testing.assert_allclose(every.mean(0), p.gradient(w), atol=1e-12)
        square = (every**2).sum(1).mean() if batch else (p.gradient(w) ** 2).sum()
        assert square + 4 * 0.04 <= k.G**2
        assert np.abs(every).sum(1).mean() <= k.G1
        assert p.distance(w) <= k.D
    if np.isfinite(k.L):
        w, v = generator.uniform(grid.low, grid.high, (2, 500, 4))
        change = np.linalg.norm(p.gradient(w) - p.gradient(v), axis=1) / np.linalg.norm(w - v, axis=1)
        assert change.max() <= k.L * (1 + 1e-12)
        monotone = ((p.gradient(w) - p.gradient(v)) * (w - v)).sum(1) / ((w - v) ** 2).sum(1)
        assert monotone.min() >= k.mu * (1 - 1e-12)


def test_least_squares_finds_the_textbook_solution() -> None:
    generator = np.random.Generator(np.random.Philox(key=2))
    a, b = generator.standard_normal((30, 3)), generator.standard_normal(30)
    np.testing.assert_allclose(least_squares(a, b).minimum, np.linalg.lstsq(a, b, rcond=None)[0], atol=1e-9)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: quadratic(-1.0, 0.0), "must not be negative"),
        (lambda: absolute(np.nan, 0.0), "finite number"),
        (lambda: least_squares([[1.0]], [1.0, 2.0]), "features must be"),
        (lambda: logistic_regression([[1.0], [2.0]], [0, 2]), "labels must"),
        (lambda: logistic_regression([[1.0], [2.0]], [0, 1], l2=0.0), "l2 must be above 0"),
        (lambda: l1_regression([[np.inf]], [1.0]), "finite"),
        (lambda: synthetic_regression("cube", 3, 1, seed=0), "loss must be one of"),  # type: ignore[arg-type]
    ],
)
def test_bad_problems_are_named(build, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        build()
