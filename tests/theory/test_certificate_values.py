"""Certificates by hand, in Python's numbers: each sign, size and allowance of two weights and five rows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alpt_ref.theory.certificate import gap_by_duality, gap_by_strong_convexity

ROUNDING = 64 * 2.0**-52
A = [[1.5, -2.0], [-0.25, 3.0], [0.75, 1.25], [-3.5, 0.5], [2.0, -0.125]]
B = [0.5, -2.0, 1.5, -0.375, 3.25]
SLOPES = [0.75, -0.5, 1.625, -2.25, 0.125]


@pytest.mark.parametrize("w", [[-3.0, 0.625], [3.0, -0.625]])
@pytest.mark.parametrize("l2", [0.125, 3.0])
def test_the_gradient_of_a_strongly_convex_loss(w: list[float], l2: float) -> None:
    total = 0.0
    for j in range(2):
        parts = [row[j] * s / 5 for row, s in zip(A, SLOPES, strict=True)]
        total += (abs(sum(parts) + l2 * w[j]) + ROUNDING * (sum(map(abs, parts)) + l2 * abs(w[j]))) ** 2
    found = gap_by_strong_convexity(np.array(A), np.array(SLOPES), np.array(w), l2)
    assert found == pytest.approx(total / (2 * l2), rel=2e-15, abs=0.0)


@pytest.mark.parametrize("l2", [0.25, 3.0])
def test_only_roundings_are_left_of_a_gradient_that_cancels(l2: float) -> None:
    """(3 - 2 - 5)/3 + l2 w = 0 along each coordinate (the second with other signs): dyadic parts, so exactly."""
    a, slopes = np.array([[3.0, -3.0], [-1.0, 1.0], [-2.5, 2.5]]), np.array([1.0, 2.0, 2.0])
    w = np.array([4.0, -4.0]) / 3.0 / l2
    gradient = a.T @ slopes / 3 + l2 * w
    size = ROUNDING * (10.0 / 3 + 4.0 / 3)
    found = gap_by_strong_convexity(a, slopes, w, l2)
    assert found == pytest.approx(sum((abs(g) + size) ** 2 for g in gradient.tolist()) / (2 * l2), rel=1e-12, abs=0.0)
    assert found < 3 * size**2 / (2 * l2)


def dot(x: list[float], y: list[float]) -> float:
    return math.fsum(p * q for p, q in zip(x, y, strict=True))


def orthogonal(columns: list[list[float]], slopes: list[float]) -> list[float]:
    """The slopes without their part along two columns, by Gram and Schmidt."""
    first = [row[0] for row in columns]
    second = [row[1] for row in columns]
    share = dot(first, second) / dot(first, first)
    second = [y - share * x for x, y in zip(first, second, strict=True)]
    u = slopes
    for column in (first, second):
        share = dot(column, u) / dot(column, column)
        u = [x - share * y for x, y in zip(u, column, strict=True)]
    return u


def allowed(value: float, slopes: list[float]) -> float:
    parts = [abs(s) * (abs(b) + abs(s)) for s, b in zip(slopes, B, strict=True)]
    return ROUNDING * (abs(value) + sum(parts) / 5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("quadratic", [True, False])
@pytest.mark.parametrize("most", [math.inf, 0.5])
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e-150, 1e150])
def test_the_gap_to_a_dual_point(sign: float, quadratic: bool, most: float, scale: float) -> None:
    slopes = [sign * s for s in SLOPES]
    u = orthogonal(A, slopes)
    largest = max(map(abs, u))
    assert largest > 0.5
    u = [x * min(1.0, most / largest) for x in u]
    dual = sum(x * b + (x * x / 2 if quadratic else 0.0) for x, b in zip(u, B, strict=True)) / 5
    features = np.array(A) * [scale, 1.0]
    gaps = {
        value: gap_by_duality(
            features, np.array(B), value, np.array(slopes), quadratic=quadratic, most=most
        )
        for value in (7.0, -7.0)
    }  # fmt: skip
    assert gaps[7.0] == pytest.approx(7.0 + dual + allowed(7.0, slopes), rel=1e-13, abs=0.0)
    assert gaps[-7.0] == pytest.approx(allowed(-7.0, slopes), rel=1e-12, abs=0.0)  # no less than nothing


def test_the_allowance_counts_the_value_and_the_products_by_their_sizes() -> None:
    """A value that the dual point exceeds leaves the allowance alone, whatever the share of its parts."""
    for value, slopes in ((-7.0, [0.0] * 5), (-1e-3, SLOPES), (-1e3, SLOPES), (-1.0, [-s for s in SLOPES])):
        shifted = value - 10.0
        found = gap_by_duality(np.array(A), np.array(B), shifted, np.array(slopes), quadratic=True, most=math.inf)
        assert found == pytest.approx(allowed(shifted, slopes), rel=1e-12, abs=0.0)


def test_a_column_of_zeros_counts_for_nothing() -> None:
    wide = np.array([[x, 0.0, y] for x, y in A])
    given = {"quadratic": True, "most": math.inf}
    one = gap_by_duality(wide, np.array(B), 7.0, np.array(SLOPES), **given)  # type: ignore[arg-type]
    other = gap_by_duality(np.array(A), np.array(B), 7.0, np.array(SLOPES), **given)  # type: ignore[arg-type]
    assert one == pytest.approx(other, rel=1e-14, abs=0.0)


@pytest.mark.parametrize("scales", [[1.0, 1.0, 1.0], [1.0, 2.0**-40, 1.0], [2.0**14, 2.0**-40, 2.0**30]])
def test_columns_of_any_size_count_alike(scales: list[float]) -> None:
    """Only (1, -2, 1, 3) is orthogonal to the three columns: u is its multiple, whatever their units."""
    features = np.array([[3.0, 1.0, 2.0], [1.0, 3.0, 4.0], [-1.0, -1.0, 0.0], [0.0, 2.0, 2.0]]) * scales
    slopes, offsets, normal = [0.75, -0.5, 1.625, -2.25], [0.5, -2.0, 1.5, -0.375], [1.0, -2.0, 1.0, 3.0]
    share = sum(x * y for x, y in zip(slopes, normal, strict=True)) / 15.0
    u = [share * x for x in normal]
    dual = sum(x * b + x * x / 2 for x, b in zip(u, offsets, strict=True)) / 4
    found = gap_by_duality(features, np.array(offsets), 7.0, np.array(slopes), quadratic=True, most=math.inf)
    assert found == pytest.approx(7.0 + dual, rel=1e-12)


@pytest.mark.parametrize("size", [1e-200, 5e-324, 1.0, 1e200])
def test_a_column_of_any_size_is_taken_out_of_the_dual_point(size: float) -> None:
    """w = 1/size fits the only row: the infimum is 0, and the value at 0, 1/2, all that can be gained."""
    one = np.array([1.0])
    found = gap_by_duality(np.array([[size]]), one, 0.5, -one, quadratic=True, most=math.inf)
    assert found == pytest.approx(0.5, rel=1e-12, abs=0.0)
