"""Regressions: what the constants take of the box, what limits a certificate, and what a model is made with."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import Grid, Noise
from alpt_ref.theory import linear as module
from alpt_ref.theory.linear import LinearModel, huber_regression, least_squares, synthetic_regression
from tests import tolerances

ROWS = [[1.5, -2.0], [-0.5, 0.75], [0.25, -1.25]]
OFFSETS = [0.5, -1.5, 2.0]
GRID = Grid(0.5, 4)  # -4 .. 3.5


def test_the_l2_term_grows_with_the_box() -> None:
    """Of a box whose far end is 4: a decay of 4 l2 a coordinate, beside the slopes at the ends of the residuals."""
    l2, sigma, low, high = 0.3, 0.2, -4.0, 3.5
    made = replace(least_squares(ROWS, OFFSETS, l2=l2), minimum=np.array([0.75, -1.25]))
    squares, ones, most = 0.0, 0.0, 0.0
    for row, b in zip(ROWS, OFFSETS, strict=True):
        top = sum(x * (high if x > 0 else low) for x in row) - b
        bottom = sum(x * (low if x > 0 else high) for x in row) - b
        steep = max(abs(top), abs(bottom))
        squares += steep**2 * sum(x * x for x in row) / 3
        ones += steep * sum(map(abs, row)) / 3
        most = max(most, steep * max(map(abs, row)))
    found = made.constants(GRID, Noise("two-point", sigma))
    close = {"rel": tolerances.CLOSED_FORM}
    wanted = math.sqrt((math.sqrt(squares) + l2 * 4 * math.sqrt(2)) ** 2 + 2 * sigma**2)
    assert pytest.approx(wanted, **close) == found.G
    assert pytest.approx(ones + l2 * 4 * 2 + 2 * sigma, **close) == found.G1
    assert found.g_max == pytest.approx(most + l2 * 4 + sigma, **close)
    assert pytest.approx(math.hypot(4.75, 4.75), **close) == found.D
    far = replace(made, minimum=np.array([-1.5, 2.0])).constants(GRID)
    assert pytest.approx(math.hypot(5.0, 6.0), **close) == far.D


def test_distances_of_many_points() -> None:
    made = replace(least_squares(ROWS, OFFSETS), minimum=np.array([0.75, -1.25]))
    w = [[[1.75, 0.0], [0.75, 2.0]], [[-3.0, -1.25], [0.0, 0.5]]]
    wanted = [[math.hypot(x - 0.75, y + 1.25) for x, y in pair] for pair in w]
    np.testing.assert_allclose(made.distance(w), wanted, rtol=1e-14)


def test_a_slope_of_an_absolute_value_is_one_at_most() -> None:
    """Rows (1, 1, 1, -3): slopes of (1.5, 1.5, 1.5, 1.5) are orthogonal to them, and are cut to ones."""
    offsets = np.array([0.5, -2.0, 0.25, 0.75])
    made = LinearModel("absolute", np.array([[1.0], [1.0], [1.0], [-3.0]]), offsets, np.zeros(1), 0.0, 0.0)
    w = np.array([0.125])
    value = (0.375 + 2.125 + 0.125 + 1.125) / 4
    assert float(made.value(w)) == value
    found = module._certified(made, w, np.full(4, 1.5))
    assert found == pytest.approx(value - 0.5 / 4, rel=1e-12)  # the mean of u_i b_i is -.125
    width = replace(made, loss="huber", width=0.75)
    residuals = [0.375, 2.125, 0.125, 1.125]
    value = sum(z * z / 2 if z <= 0.75 else 0.75 * (z - 0.375) for z in residuals) / 4
    dual = value + (0.75 * -0.5 + 4 * 0.75**2 / 2) / 4
    assert module._certified(width, w, np.full(4, 1.5)) == pytest.approx(dual, rel=1e-12)


def test_widths_and_l2_terms_of_models() -> None:
    made = [synthetic_regression(loss, 5, 2, seed=3) for loss in module.LOSSES]
    assert [one.width for one in made] == [1.0] * 4
    assert [one.l2 for one in made] == [0.01, 0.0, 0.01, 0.01]
    assert (huber_regression(ROWS, OFFSETS, width=0.75, l2=0.5).width, least_squares(ROWS, OFFSETS).l2) == (0.75, 0.0)


def test_memory_is_that_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(module, "require_memory", lambda size, *words: asked.append(size))
    synthetic_regression("square", 5, 3, seed=1)
    assert asked == [8 * 5 * 3]


@pytest.mark.parametrize(("width", "l2"), [(0.0, 0.1), (-1.0, 0.1), (math.inf, 0.1), (1.0, -0.5), (1.0, math.nan)])
def test_widths_and_l2_terms_that_are_refused(width: float, l2: float) -> None:
    with pytest.raises(InputError, match="l2 must be at least 0 and width above 0"):
        huber_regression(ROWS, OFFSETS, width=width, l2=l2)


@pytest.mark.parametrize(("rows", "d"), [(0, 3), (3, 0)])
def test_no_rows_and_no_columns_are_refused(rows: int, d: int) -> None:
    with pytest.raises(InputError, match="rows and d must be at least 1"):
        synthetic_regression("square", rows, d, seed=1)
    assert synthetic_regression("square", 1, 1, seed=1).dim == 1
