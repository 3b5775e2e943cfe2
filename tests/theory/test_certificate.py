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
