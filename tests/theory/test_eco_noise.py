"""EF1D by the covariance of the linear system and by its responses; RM1 by enumeration of both neighbours."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory import bounds
from alpt_ref.theory.row_grid import rowmax_regrid_variance

from ..tolerances import FLOAT64

CASES = [(0.005, 0.9, 1.0), (1.0, 0.5, 1.0), (0.3, 0.1, 2.0), (4.0, 0.7, 0.5)]


def variance(eta: float, keep: float, curvature: float, sigma: float, error: float, *, fed_back: bool = True) -> float:
    """Stationary ``E x^2`` with noise of variance sigma^2 and white errors of variance `error`, by its equation.

    The state is (x, m): ``n = b m + (1-b)(curvature x + xi)``, ``x' = x - eta n - e``, ``m' = n + (1/eta)(1 - 1/b) e``.
    """
    keep_x, b = (1.0 - keep) * curvature, keep
    step = np.array([[1.0 - eta * keep_x, -eta * b], [keep_x, b]])
    noise = (1.0 - keep) * sigma * np.array([-eta, 1.0])
    rounding = math.sqrt(error) * np.array([-1.0, (1.0 - 1.0 / b) / eta if fed_back else 0.0])
    inflow = (np.outer(noise, noise) + np.outer(rounding, rounding)).reshape(-1)
    return float(np.linalg.solve(np.eye(4) - np.kron(step, step), inflow)[0])


@pytest.mark.parametrize(("eta", "keep", "curvature"), CASES)
def test_the_bound_is_the_variance_of_the_linear_system_with_the_largest_errors(
    eta: float, keep: float, curvature: float
) -> None:
    for sigma, step_size in ((1.0, 0.1), (0.0, 1.0), (3.0, 2.0)):
        found = bounds.eco_noisy_quadratic(eta=eta, keep=keep, curvature=curvature, sigma=sigma, step_size=step_size)
        assert found == pytest.approx(variance(eta, keep, curvature, sigma, step_size**2 / 4.0), rel=FLOAT64)


@pytest.mark.parametrize(("eta", "keep", "curvature"), CASES)
def test_the_gain_is_what_feedback_saves(eta: float, keep: float, curvature: float) -> None:
    with_, without = (variance(eta, keep, curvature, 0.0, 1.0, fed_back=fed_back) for fed_back in (True, False))
    assert bounds.rounding_gain(eta=eta, keep=keep, curvature=curvature) == pytest.approx(without / with_, rel=FLOAT64)


def responses(eta: float, keep: float, curvature: float, terms: int = 20_000) -> NDArray[np.float64]:
    """What one rounding error of 1 does to x, update by update."""
    x, m, found = -1.0, (1.0 - 1.0 / keep) / eta, np.empty(terms)
    for k in range(terms):
        found[k] = x
        m = keep * m + (1.0 - keep) * curvature * x
        x -= eta * m
    return found


@pytest.mark.parametrize(("eta", "keep", "curvature"), [(0.005, 0.5, 1.0), (0.01, 0.8, 2.0), (0.3, 0.1, 1.0)])
def test_nearest_rounding_moves_w_by_no_more_than_the_sum_of_responses(
    eta: float, keep: float, curvature: float
) -> None:
    bound = bounds.eco_noisy_quadratic_nearest(eta=eta, keep=keep, curvature=curvature, sigma=0.0, step_size=1.0)
    total = 0.5 * float(np.abs(responses(eta, keep, curvature)).sum())
    assert 0.5 * bound < total <= bound * (1.0 + FLOAT64)
    noise = (
        bounds.eco_noisy_quadratic_nearest(eta=eta, keep=keep, curvature=curvature, sigma=2.0, step_size=1.0) - bound
    )
    assert noise**2 == pytest.approx(variance(eta, keep, curvature, 2.0, 0.0), rel=FLOAT64)


def test_arguments_without_a_long_run_are_refused() -> None:
    given = {"sigma": 1.0, "step_size": 1.0, "curvature": 1.0}
    for keep in (0.0, 1.0):
        with pytest.raises(InputError, match=r"keep must be above 0 and below 1"):
            bounds.eco_noisy_quadratic(eta=0.1, keep=keep, **given)
    with pytest.raises(InputError, match=r"from where the run diverges, got 6 with keep=0\.5"):
        bounds.eco_noisy_quadratic(eta=6.0, keep=0.5, **given)
    with pytest.raises(InputError, match=r"where nothing swings, got 0\.5 with keep=0\.9"):
        bounds.eco_noisy_quadratic_nearest(eta=0.5, keep=0.9, **given)
    with pytest.raises(InputError, match="step_size"):
        bounds.eco_noisy_quadratic(eta=0.1, keep=0.5, curvature=1.0, sigma=1.0, step_size=0.0)


@pytest.mark.parametrize("q", [7, 127])
@pytest.mark.parametrize("move", [-0.01, 1e-3, 0.2, 64 / 63.5 - 1.0])
def test_rounding_on_the_new_grid_stays_within_rm1(q: int, move: float) -> None:
    rng = np.random.default_rng(q)
    for _ in range(20):
        codes = rng.integers(-q, q + 1, 9)
        codes = codes[np.abs(codes) <= q * (1.0 + min(move, 0.0))]
        new = 0.25 * (1.0 + move)
        w = codes * 0.25
        low = np.floor(w / new) * new
        expected = float(((w - low) * (low + new - w)).sum())  # p (1 - p) of a step squared
        bound = rowmax_regrid_variance(largest=0.25 * q, moved=0.25 * q * (1.0 + move), codes=codes, q=q)
        assert expected <= bound * (1.0 + FLOAT64)
    assert rowmax_regrid_variance(largest=1.0, moved=1.0, codes=[1, -3, 7], q=7) == 0.0
