"""Constants of separable problems against a fine sweep of the box, coordinate by coordinate."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory.problems import Separable, SeparableKind, absolute, elastic, huber, in_box, quadratic, saturating
from alpt_ref.theory.setting import Grid, Noise

GRID = Grid(0.5, 4)  # -4 .. 3.5
TINY = Grid(0.0625, 4)  # -0.5 .. 0.4375, within what is steepest of a saturating problem


def steepest(problem: Separable, grid: Grid) -> list[float]:
    """The largest size of each slope, by the formula of the class, at 20,001 points of the box."""
    found = []
    for a, b, u in zip(problem.curvature, problem.shape, problem.minimum, strict=True):
        most = 0.0
        for w in np.linspace(grid.low, grid.high, 4001).tolist():
            e = abs(w - float(u))
            one = {
                "elastic": a * e + b,
                "huber": a * min(e, b),
                "saturating": a * e / (1 + e * e) ** 2,
            }[problem.kind]
            most = max(most, float(one))
        found.append(most)
    return found


@pytest.mark.parametrize(
    ("problem", "grid"),
    [
        (elastic([1.5, 0.25], [0.75, 3.0], [-2.5, 1.25]), GRID),
        (huber([1.5, 0.25], [0.75, 7.0], [-2.5, 1.25]), GRID),
        (saturating([1.5, 0.25], [-2.5, 1.25]), GRID),
        (saturating([1.5, 0.25], [-0.0625, 0.03125]), TINY),
    ],
)
def test_sizes_of_gradients_by_a_sweep(problem: Separable, grid: Grid) -> None:
    sigma, steep = 0.3, steepest(problem, grid)
    found = problem.constants(grid, Noise("two-point", sigma))
    assert pytest.approx(math.sqrt(sum(x * x for x in steep) + 2 * sigma**2), rel=1e-5) == found.G
    assert pytest.approx(sum(max(x, sigma) for x in steep), rel=1e-5) == found.G1
    assert found.g_max == pytest.approx(max(steep) + sigma, rel=1e-5)
    far = [max(float(u) - grid.low, grid.high - float(u)) for u in problem.minimum]
    assert pytest.approx(math.hypot(*far), rel=1e-15) == found.D


@pytest.mark.parametrize("kind", ["elastic", "huber", "saturating"])
def test_values_and_gradients_by_their_formulas(kind: SeparableKind) -> None:
    """On both sides of both minima, at them and at the ends of the widths."""
    a, b, u = [1.5, 0.25], [0.75, 3.5], [-2.5, 1.25]
    made = Separable(kind, np.array(a), np.array(b), np.array(u))
    w = np.array([[[-4.0, 0.5], [-2.0, 5.5], [-2.5, 1.25]], [[-1.75, 4.75], [-3.25, -2.25], [3.0, -3.0]]])
    for i in range(2):
        for k in range(3):
            values, slopes, squares = [], [], []
            for j in range(2):
                e = float(w[i, k, j]) - u[j]
                size = abs(e)
                values.append(
                    {
                        "elastic": a[j] / 2 * e**2 + b[j] * size,
                        "huber": a[j] / 2 * e**2 if size <= b[j] else a[j] * b[j] * (size - b[j] / 2),
                        "saturating": a[j] / 2 * e**2 / (1 + e**2),
                    }[kind]
                )
                slopes.append(
                    {
                        "elastic": a[j] * e + (b[j] if e >= 0 else -b[j]),
                        "huber": a[j] * max(-b[j], min(e, b[j])),
                        "saturating": a[j] * e / (1 + e**2) ** 2,
                    }[kind]
                )
                squares.append(e * e)
            assert made.values(w)[i, k].tolist() == pytest.approx(values, rel=1e-15)
            assert made.value(w)[i, k] == pytest.approx(sum(values), rel=1e-15)
            assert made.gradient(w)[i, k].tolist() == pytest.approx(slopes, rel=1e-15)
            assert made.distance(w)[i, k] == pytest.approx(math.sqrt(sum(squares)), rel=1e-15)
    assert made.convex is (kind != "saturating")
    assert absolute(b, u).value([1.0, 1.0]) == 0.75 * 3.5 + 3.5 * 0.25


def test_where_a_huber_problem_is_a_quadratic() -> None:
    """To the far end of the box, 6 and 5.25 from the minima: the width itself belongs to the quadratic."""
    minimum = [-2.5, 1.25]
    assert huber([1.5, 0.25], [6.0, 5.25], minimum).constants(GRID).mu == 0.25
    for width in ([5.9375, 5.25], [6.0, 5.1875]):
        assert huber([1.5, 0.25], width, minimum).constants(GRID).mu == 0.0
    assert saturating([1.5, 0.25], minimum).constants(GRID).mu == 0.0
    assert elastic([1.5, 0.25], 3.0, minimum).constants(GRID).mu == 0.25
    assert (huber([1.5, 0.25], 0.5, minimum).constants(GRID).L, quadratic([1.5, 0.25], 0.0).constants(GRID).L) == (
        1.5, 1.5,
    )  # fmt: skip
    assert math.isinf(elastic([1.5, 0.25], [0.0, 0.5], minimum).constants(GRID).L)


def test_one_coordinate_and_the_sum_of_all() -> None:
    whole = elastic([1.5, 0.25, 3.0], [0.75, 0.0, 2.0], [-2.5, 1.25, 0.5])
    w = [1.0, -2.0, 3.25]
    for j in range(3):
        one = whole.coordinate(j)
        assert (one.dim, one.kind) == (1, "elastic")
        assert (one.curvature[0], one.shape[0], one.minimum[0]) == (
            whole.curvature[j], whole.shape[j], whole.minimum[j],
        )  # fmt: skip
        assert float(one.value([w[j]])) == whole.values(w)[j]
    said = "Separable('saturating', d=2, curvature=0.25..1.5, shape=0, minimum=0.5)"
    assert repr(saturating([1.5, 0.25], 0.5)) == said
    assert saturating([1.5, 0.25], 0.5).shape.tolist() == [0.0, 0.0]


def test_a_minimum_at_an_end_of_the_box_lies_in_it() -> None:
    in_box(np.array([-4.0, 3.5]), GRID)
    for outside in ([-4.0625, 0.0], [0.0, 3.5625]):
        with pytest.raises(InputError, match="must lie in the box"):
            in_box(np.array(outside), GRID)
