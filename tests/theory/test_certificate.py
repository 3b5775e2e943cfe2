"""Certificates of minima hold at every scale of the features, and say so where a point is no minimum."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from alpt_ref.theory.certificate import gap_by_duality, gap_by_strong_convexity
from alpt_ref.theory.linear import (
    LinearModel,
    huber_regression,
    l1_regression,
    least_squares,
    logistic_regression,
)

SCALES = (1e-12, 1e-9, 1e-3, 1.0, 1e6, 1e9)


def draw(seed: int, rows: int = 30, d: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.Generator(np.random.Philox(key=seed))
    return generator.standard_normal((rows, d)), generator.standard_normal(rows)


def test_a_tiny_feature_does_not_hide_the_minimum() -> None:
    """Before 0.3.0: a point of value .4998 was certified to lack 4e-4, and the minimum is 0."""
    found = least_squares([[1e-9]], [1.0])
    assert found.f_star - found.gap <= 0.0 <= found.f_star < 1e-15


@pytest.mark.parametrize("scale", SCALES)
def test_least_squares_of_one_weight_against_fractions(scale: float) -> None:
    a, b = draw(5, d=1)
    a = a * scale
    exact_a, exact_b = [Fraction(x) for x in a[:, 0]], [Fraction(x) for x in b]
    best = sum(x * y for x, y in zip(exact_a, exact_b, strict=True)) / sum(x * x for x in exact_a)
    lowest = sum((x * best - y) ** 2 for x, y in zip(exact_a, exact_b, strict=True)) / (2 * len(b))
    found = least_squares(a, b)
    assert found.f_star - found.gap <= lowest
    assert found.f_star <= float(lowest) * (1 + 1e-12)
    assert found.gap < 1e-12


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("build", [least_squares, huber_regression, l1_regression])
def test_units_of_a_feature_do_not_change_the_minimum(build, scale: float) -> None:  # type: ignore[no-untyped-def]
    a, b = draw(1)
    plain, scaled = build(a, b), build(a * [1.0, scale, 1.0], b)
    for one, other in ((plain, scaled), (scaled, plain)):
        assert one.f_star - one.gap <= other.f_star
        assert one.gap < 1e-11


@pytest.mark.parametrize("scale", SCALES)
def test_an_l2_term_bounds_what_is_lacking_at_any_scale(scale: float) -> None:
    a, b = draw(2, d=1)
    for l2 in (1e-20, 1e-6, 1.0):
        found = least_squares(a * scale, b, l2=l2)
        moment = (a[:, 0] * scale @ (a[:, 0] * scale)) / len(b) + l2
        closed = 0.5 * (b @ b) / len(b) - 0.5 * ((a[:, 0] * scale @ b) / len(b)) ** 2 / moment
        assert found.f_star - found.gap <= closed + 1e-13
        logistic = logistic_regression(a * scale, b > 0, l2=l2)
        assert logistic.f_star - logistic.gap <= float(logistic.value(np.zeros(1)))


@pytest.mark.parametrize("build", [least_squares, huber_regression, l1_regression])
def test_a_point_that_is_no_minimum_is_told(build) -> None:  # type: ignore[no-untyped-def]
    a, b = draw(3)
    best: LinearModel = build(a, b)
    w = best.minimum + 0.1
    z = a @ w - b
    slopes = {"square": z, "huber": np.clip(z, -1, 1), "absolute": np.sign(z)}[best.loss]
    most = {"square": math.inf, "huber": 1.0, "absolute": 1.0}[best.loss]
    gap = gap_by_duality(a, b, float(best.value(w)), slopes, quadratic=best.loss != "absolute", most=most)
    assert gap >= best.value(w) - best.f_star > 1e-3


def test_strong_convexity_covers_the_roundings_of_the_gradient() -> None:
    """A gradient that cancels to zero in float64 is not zero: the allowance is of the size of its summands."""
    a, slopes = np.array([[1e8], [1e8]]), np.array([1.0, -1.0])
    assert gap_by_strong_convexity(a, slopes, np.zeros(1), 1.0) > 0.0


ROUNDING = 64 * 2.0**-52


def test_strong_convexity_by_hand() -> None:
    """Two rows, two weights, every number different: |gradient + rounding|^2 / (2 l2), the signs of no part lost."""
    a, slopes, w, l2 = [[1.5, -2.0], [-0.25, 3.0]], [0.75, -0.5], [-3.0, 0.5], 0.125
    total = 0.0
    for j in range(2):
        parts = [a[i][j] * slopes[i] / 2 for i in range(2)]
        gradient = sum(parts) + l2 * w[j]
        total += (abs(gradient) + ROUNDING * (sum(map(abs, parts)) + l2 * abs(w[j]))) ** 2
    found = gap_by_strong_convexity(np.array(a), np.array(slopes), np.array(w), l2)
    assert found == pytest.approx(total / 0.25, rel=1e-15)


def test_the_allowance_of_strong_convexity_alone() -> None:
    """Where the gradient cancels exactly: what is left are the roundings, of each part by its size."""
    a, slopes, w = np.array([[3.0], [-1.0]]), np.array([1.0, 2.0]), np.array([-0.25])
    found = gap_by_strong_convexity(a, slopes, w, 2.0)  # (3 - 2)/2 - 0.5 = 0; sizes (3 + 2)/2 + 0.5
    assert found == pytest.approx((ROUNDING * 3.0) ** 2 / 4.0, rel=1e-12)


def dual_gap(features: list[list[float]], b: list[float], value: float, slopes: list[float], u: list[float]) -> float:
    """For u orthogonal to the columns, of square losses: by the definition, in Python's numbers."""
    rows = len(b)
    dual = sum(x * y + 0.5 * x * x for x, y in zip(u, b, strict=True)) / rows
    allowed = abs(value) + sum(abs(s) * (abs(y) + abs(s)) for s, y in zip(slopes, b, strict=True)) / rows
    return max(value + dual, 0.0) + ROUNDING * allowed


def test_duality_by_hand() -> None:
    """One column and one of zeros: u is what of the slopes is orthogonal to (3, 4, 0)."""
    features, b = [[3.0, 0.0], [4.0, 0.0], [0.0, 0.0]], [0.5, -2.0, 1.5]
    slopes = [2.0, -1.0, -0.75]  # times the column: 2, of length 25
    u = [2.0 - 6 / 25, -1.0 - 8 / 25, -0.75]
    for value in (3.0, -9.0):
        found = gap_by_duality(np.array(features), np.array(b), value, np.array(slopes), quadratic=True, most=math.inf)
        assert found == pytest.approx(dual_gap(features, b, value, slopes, u), rel=1e-12)
    limited = gap_by_duality(np.array(features), np.array(b), 3.0, np.array(slopes), quadratic=False, most=0.44)
    scaled = [one * 0.44 / 1.76 for one in u]  # the largest is 1.76
    dual = 3.0 + sum(x * y for x, y in zip(scaled, b, strict=True)) / 3
    assert limited == pytest.approx(dual, rel=1e-12)
    negative = gap_by_duality(
        np.array(features), np.array(b), 3.0, -np.array(slopes), quadratic=False, most=0.44
    )  # the largest size is that of a number below zero
    assert negative == pytest.approx(6.0 - dual, rel=1e-12)
