"""Regressions over a few rows, against loops over their numbers: losses, slopes, constants, minima."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from alpt_ref.theory import Grid, Noise
from alpt_ref.theory.certificate import gap_by_duality
from alpt_ref.theory.linear import (
    LinearModel,
    LossKind,
    _bend,
    _certified,
    _slope,
    huber_regression,
    l1_regression,
    least_squares,
    logistic_regression,
    synthetic_regression,
)
from tests import tolerances

ROWS = [[1.5, -2.0, 0.25], [-0.5, 0.75, 3.0], [0.0, -1.25, -0.5], [2.25, 1.0, -1.75]]
OFFSETS = [0.5, -1.5, 2.0, 0.125]
LABELS = [1.0, 0.0, 0.0, 1.0]
GRID = Grid(0.25, 3)  # -1 .. 0.75
LOSSES: list[LossKind] = ["square", "absolute", "huber", "logistic"]


def model(loss: LossKind, l2: float = 0.3) -> LinearModel:
    made = {
        "square": lambda: least_squares(ROWS, OFFSETS, l2=l2),
        "absolute": lambda: l1_regression(ROWS, OFFSETS),
        "huber": lambda: huber_regression(ROWS, OFFSETS, width=0.7, l2=l2),
        "logistic": lambda: logistic_regression(ROWS, LABELS, l2=l2),
    }
    return made[loss]()


def slope(loss: str, z: float) -> float:
    if loss == "square":
        return z
    if loss == "absolute":
        return 1.0 if z >= 0 else -1.0
    return max(-0.7, min(z, 0.7)) if loss == "huber" else -1 / (1 + math.exp(z))


def signed(loss: str) -> tuple[list[list[float]], list[float]]:
    """Rows and offsets as the loss takes them: a row of label 0 changes its sign."""
    if loss != "logistic":
        return ROWS, OFFSETS
    return [[x if y else -x for x in row] for row, y in zip(ROWS, LABELS, strict=True)], [0.0] * 4


def sizes(loss: str, l2: float, sigma: float, batch: int) -> tuple[float, float, float]:
    """G, G1 and the largest element, from the ends of every row's residual over the box."""
    rows, offsets = signed(loss)
    low, high, largest = -1.0, 0.75, sigma * 3**0.5
    squares, ones, most = [], [], 0.0
    for row, b in zip(rows, offsets, strict=True):
        ends = [sum(x * (up if x > 0 else down) for x in row) - b for up, down in ((high, low), (low, high))]
        steep = max(abs(slope(loss, z)) for z in ends)
        squares.append(steep**2 * sum(x * x for x in row))
        ones.append(steep * sum(map(abs, row)))
        most = max(most, steep * max(map(abs, row)))
    mean = sum(squares) / 4 if batch else (sum(one**0.5 for one in squares) / 4) ** 2
    G = ((mean**0.5 + l2 * 3**0.5) ** 2 + 3 * sigma**2) ** 0.5
    return G, sum(ones) / 4 + 3 * l2 + 3 * sigma, most + l2 + largest


@pytest.mark.parametrize("batch", [0, 1])
@pytest.mark.parametrize("loss", LOSSES)
def test_constants_by_interval_arithmetic(loss: LossKind, batch: int) -> None:
    l2 = 0.0 if loss == "absolute" else 0.3
    made = replace(model(loss), minimum=np.array([0.5, -0.25, 0.125]), f_star=2.0, gap=0.25)
    found = made.constants(GRID, Noise("uniform", 0.2), batch=batch)
    close = {"rel": tolerances.CLOSED_FORM}
    assert (found.G, found.G1, found.g_max) == pytest.approx(sizes(loss, l2, 0.2, batch), **close)
    assert pytest.approx((1.5**2 + 1.0**2 + 1.125**2) ** 0.5, **close) == found.D
    assert (found.f_star, found.dim, found.convex) == (1.75, 3, True)
    largest, smallest = np.linalg.svd(np.array(ROWS) / 2, compute_uv=False)[[0, -1]] ** 2
    bend = {"square": 1.0, "absolute": math.inf, "huber": 1.0, "logistic": 0.25}[loss]
    assert pytest.approx(bend * largest + l2, **close) == found.L
    assert found.mu == pytest.approx(smallest + l2 if loss == "square" else l2, **close)


def test_a_batch_of_one_is_taken_if_none_is_named() -> None:
    made = model("huber")
    assert made.constants(GRID).G == made.constants(GRID, batch=1).G > made.constants(GRID, batch=0).G


@pytest.mark.parametrize("loss", LOSSES)
def test_values_and_gradients_by_loops(loss: LossKind) -> None:
    made, w, l2 = model(loss), [0.3, -0.8, 0.1], 0.0 if loss == "absolute" else 0.3
    rows, offsets = signed(loss)
    residuals = [sum(x * y for x, y in zip(row, w, strict=True)) - b for row, b in zip(rows, offsets, strict=True)]
    phi = {
        "square": lambda z: z * z / 2,
        "absolute": abs,
        "huber": lambda z: z * z / 2 if abs(z) <= 0.7 else 0.7 * (abs(z) - 0.35),
        "logistic": lambda z: math.log(1 + math.exp(-z)),
    }[loss]
    value = sum(map(phi, residuals)) / 4 + l2 / 2 * sum(x * x for x in w)
    assert float(made.value(w)) == pytest.approx(value, rel=tolerances.CLOSED_FORM)
    gradient = [
        sum(slope(loss, z) * row[j] for z, row in zip(residuals, rows, strict=True)) / 4 + l2 * w[j] for j in range(3)
    ]
    assert made.gradient(w).tolist() == pytest.approx(gradient, rel=tolerances.CLOSED_FORM)


def test_slopes_at_the_kink_and_bends() -> None:
    assert _slope("absolute", np.array([-0.0, 0.0, -1.0]), 1.0).tolist() == [1.0, 1.0, -1.0]
    p = 1 / (1 + math.exp(1.5))
    assert _bend("logistic", np.array([-1.5, 1.5]), 1.0).tolist() == pytest.approx([p * (1 - p)] * 2, rel=1e-12)
    assert _bend("huber", np.array([-0.8, 0.7, -0.7, 0.71]), 0.7).tolist() == [0.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("scale", [1e-7, 0.5, 1e7])
def test_l1_regression_of_one_weight_is_its_best_breakpoint(scale: float) -> None:
    """f is piecewise linear in w: its minimum is at one of the b_i/a_i."""
    a, b = [1.5, -0.5, 2.0, 0.75, -1.25], [0.2, -0.3, 0.1, 0.4, 0.05]
    best = min(sum(abs(x * u / v - y) for x, y in zip(a, b, strict=True)) / 5 for u, v in zip(b, a, strict=True))
    found = l1_regression([[x * scale] for x in a], b)
    assert found.f_star == pytest.approx(best, rel=1e-9)
    assert found.gap < 1e-12


def test_slopes_that_are_too_steep_are_no_certificate() -> None:
    made = model("absolute")
    steep = np.array([1.5, -1.5, 0.75, -1.5])
    given = {"quadratic": False, "most": 1.0}
    wanted = gap_by_duality(made.features, made.offsets, float(made.value(np.zeros(3))), steep, **given)  # type: ignore[arg-type]
    assert _certified(made, np.zeros(3), steep) == wanted


@pytest.mark.parametrize("loss", ["square", "huber", "logistic"])
@pytest.mark.parametrize("l2", [1e-3, 0.3, 2.0])
def test_minima_with_an_l2_term_are_certified_closely(loss: LossKind, l2: float) -> None:
    made = model(loss, l2)
    assert np.abs(made.gradient(made.minimum)).max() < 1e-10
    assert made.gap < 1e-15


def test_defaults_and_labels() -> None:
    assert (least_squares(ROWS, OFFSETS).l2, huber_regression(ROWS, OFFSETS).width) == (0.0, 1.0)
    assert logistic_regression(ROWS, LABELS).l2 == 0.01
    signs = logistic_regression(ROWS, [2 * y - 1 for y in LABELS])
    assert signs.features.tolist() == logistic_regression(ROWS, LABELS).features.tolist() == signed("logistic")[0]
    assert logistic_regression(ROWS, [0.0, 0.0, 1.0, 0.0]).features[0].tolist() == [-x for x in ROWS[0]]


@pytest.mark.parametrize("loss", ["square", "logistic"])
def test_synthetic_rows_are_those_of_its_seed(loss: LossKind) -> None:
    generator = np.random.Generator(np.random.Philox(key=7))
    features = generator.standard_normal((6, 4)) / 2.0
    planted = generator.uniform(-0.5, 0.5, 4)
    found = synthetic_regression(loss, 6, 4, seed=7)
    assert found.l2 == 0.01
    if loss == "square":
        offsets = features @ planted + 0.1 * generator.standard_normal(6)
        np.testing.assert_allclose(found.features, features, rtol=1e-15)
        np.testing.assert_allclose(found.offsets, offsets, rtol=1e-12)
        return
    labels = generator.random(6) < 1 / (1 + np.exp(-4.0 * (features @ planted)))
    np.testing.assert_allclose(found.features, np.where(labels[:, None], features, -features), rtol=1e-15)
