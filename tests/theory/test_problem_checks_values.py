"""A gradient against the value, at every edge of what is allowed: functions of two straight sides, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory.problem_checks import box_points, require_gradient, require_shape, trial_points


def sides(left: Any, right: Any, at: float = 0.0) -> Any:
    """A value at the origin, and a slope on each side of it for every coordinate."""

    def value(w: Any) -> Any:
        return at + (w * np.where(w > 0.0, np.asarray(right), np.asarray(left))).sum(axis=1)

    return value


def said(value: Any, gradient: Any, at: Any = None) -> str:
    """What is said of a gradient at one point, the origin if none is named; nothing where it fits."""
    slope = np.atleast_1d(np.asarray(gradient, np.float64))
    points = np.zeros((1, len(slope))) if at is None else np.array([at])
    try:
        require_gradient(value, lambda w: np.repeat(slope[None], len(w), axis=0), points)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("left", "right"), [(-1.0, 3.0), (3.0, -1.0)])
def test_a_kink_lets_the_slopes_between_its_sides_pass(left: float, right: float) -> None:
    value = sides(left, right)
    for between in (-1.0, -0.5, 0.0, 2.2, 3.0):
        assert not said(value, between)
    assert not said(value, 3.0 + 0.99 * 3e-4)
    assert "rises by 1 a unit" in said(value, 3.0 + 1.01 * 3e-4)
    assert not said(value, -1.0 - 0.99 * 1e-4)
    assert said(value, -1.0 - 1.01 * 1e-4)


@pytest.mark.parametrize(("left", "right"), [(2.0, 3.0), (3.0, 2.0), (-2.0, -3.0)])
@pytest.mark.parametrize("at", [0.0, 5.0, -5.0])
def test_a_slope_beside_both_sides_is_told(left: float, right: float, at: float) -> None:
    value = sides(left, right, at)
    sign = np.sign(left)
    assert not said(value, sign * 2.25)
    for wrong in (0.0, 1.0, 7.0, -2.5, 1.99, 3.01):
        assert f"rises by {(left + right) / 2:g} a unit" in said(value, sign * wrong)


def test_the_ends_of_what_fits_fit() -> None:
    """Beyond a side by the allowance exactly, and by one bit more."""
    slack = 1e-4 * 0.5 + 1e-10
    assert not said(sides(-1.0, 0.0), slack)
    assert said(sides(-1.0, 0.0), np.nextafter(slack, 1.0))
    assert not said(sides(0.0, 1.0), -slack)
    assert said(sides(0.0, 1.0), -np.nextafter(slack, 1.0))


@pytest.mark.parametrize("at", [0.0, 1e6, -1e6])
def test_roundings_of_a_flat_value(at: float) -> None:
    """1e-15 of the value over the longest step, 1e-3, and a ten-billionth: at the others they hide a flat slope."""
    slack = 1e-15 * abs(at) / 1e-3 + 1e-10
    for sign in (1.0, -1.0):
        assert not said(sides(0.0, 0.0, at), sign * 0.99 * slack)
        assert "rises by 0 a unit" in said(sides(0.0, 0.0, at), sign * 1.01 * slack)


def test_the_largest_slope_of_all_coordinates_measures_the_difference() -> None:
    smooth = sides([0.5, -8.0], [0.5, -8.0])
    assert not said(smooth, [0.5 + 0.99 * 8e-4, -8.0])
    assert "along coordinate 0 value rises by 0.5" in said(smooth, [0.5 + 1.01 * 8e-4, -8.0])
    kinked = sides([0.5, -16.0], [0.5, 0.0])  # its mean slope is -8, and a gradient of 0 is between its sides
    assert not said(kinked, [0.5 + 0.99 * 8e-4, 0.0])
    assert said(kinked, [0.5 + 1.01 * 8e-4, 0.0])
    edge = sides([0.5, -8.0], [0.5, 8.0])  # a mean slope of 0: the gradient, below zero, is the largest
    assert not said(edge, [0.5 + 0.99 * 8e-4, -8.0])
    assert "along coordinate 0" in said(edge, [0.5 + 1.01 * 8e-4, -8.0])
    small = sides([0.25, 0.25], [0.25, 0.25])
    assert not said(small, [0.25 + 0.99 * 0.25e-4, 0.25])
    assert "along coordinate 0" in said(small, [0.25 + 1.01 * 0.25e-4 + 1e-10, 0.25])
    with np.errstate(invalid="ignore"):
        wall = lambda w: np.where(w[:, 1] > 0.0, np.inf, 0.5 * w[:, 0])  # noqa: E731
        assert not said(wall, [0.5, 0.0])  # any slope up to the infinite one
        assert "along coordinate 0" in said(wall, [0.6, 0.0])


def test_agreement_at_one_step_is_enough_and_the_first_one_is_told() -> None:
    """Of 1e4 w^3 the mean slopes at the origin are 1e-6, 1e-2 and 1e-10."""
    cubic = lambda w: 1e4 * w[:, 0] ** 3  # noqa: E731
    for slope in (1e-6, 1e-2, 1e-10):
        assert not said(cubic, slope)
    assert "rises by 1e-06 a unit and gradient says 0.1" in said(cubic, 0.1)


@pytest.mark.parametrize(("point", "size"), [([0.5, -0.25, 0.125], 1.0), ([0.5, -4.0, 3.0], 4.0), ([8.0, 2.0, 3.0], 8)])
def test_steps_go_both_ways_along_coordinates_by_the_size_of_the_point(point: list[float], size: float) -> None:
    calls: list[np.ndarray] = []

    def value(w: Any) -> Any:
        calls.append(w.copy())
        return w.sum(axis=1)

    assert not said(value, [1.0, 1.0, 1.0], point)
    assert len(calls) == 8
    for number, step in enumerate((1e-5, 1e-3, 1e-7)):
        for sign, tried in zip((1.0, -1.0), calls[2 + 2 * number : 4 + 2 * number], strict=True):
            wanted = [[x + sign * step * size * (i == j) for j, x in enumerate(point)] for i in range(3)]
            np.testing.assert_allclose(tried, wanted, rtol=1e-15)


def test_beyond_sixteen_coordinates_sixteen_directions_of_unit_length_are_tried() -> None:
    calls: list[np.ndarray] = []

    def value(w: Any) -> Any:
        calls.append(w.copy())
        return w.sum(axis=1)

    assert not said(value, np.ones(17))
    assert calls[2].shape == (16, 17)
    np.testing.assert_allclose(np.linalg.norm(calls[2], axis=1), 1e-5, rtol=1e-12)
    assert len(np.unique(calls[2][:, 0])) == 16
    assert "along a direction" in said(value, np.full(17, 1.5))
    calls.clear()
    assert not said(value, np.ones(16))
    np.testing.assert_array_equal(calls[2], 1e-5 * np.eye(16))


def test_a_point_where_either_is_not_finite_is_passed_over() -> None:
    points = np.array([[0.5, 0.25], [1.5, 0.75], [2.5, -0.5]])
    value = lambda w: np.where(w[:, 0] > 2.0, np.nan, w.sum(axis=1))  # noqa: E731
    gradient = lambda w: np.where((w > 0.5) & (w < 1.0), np.nan, 1.0)  # noqa: E731
    require_gradient(value, gradient, points)
    with pytest.raises(InputError, match="not finite at any point tried"):
        require_gradient(value, gradient, points[1:])


def test_trial_points_are_the_same_every_time() -> None:
    """In a cube around the origin whose half side grows from .05 to 2 by a constant factor."""
    for d, count in ((3, 8), (8, 9)):
        unit = np.random.Generator(np.random.Philox(key=d)).random((count, d))
        wanted = [[(2 * x - 1) * 0.05 * 40 ** (i / (count - 1)) for x in row] for i, row in enumerate(unit)]
        np.testing.assert_allclose(trial_points(d, count), wanted, rtol=1e-12)


def test_points_of_a_box_are_the_same_every_time() -> None:
    low, high = np.array([-4.0, 1.5, -3.0]), np.array([-2.5, 5.0, 0.25])
    draw = np.random.Generator(np.random.Philox(key=4))
    inner = [[a + (b - a) * u for a, b, u in zip(low, high, row, strict=True)] for row in draw.random((10, 3))]
    corners = [[a if u < 0.5 else b for a, b, u in zip(low, high, row, strict=True)] for row in draw.random((5, 3))]
    extra = [-3.0, 2.0, 0.0]
    np.testing.assert_allclose(box_points(low, high, np.array(extra), 10), [*inner, *corners, extra], rtol=1e-12)
    np.testing.assert_allclose(box_points(low, high, None, 10), [*inner, *corners], rtol=1e-12)


def refuted(points: Any, f: Any, g: Any, **given: Any) -> bool:
    options = {"convex": False, "mu": None, "L": None} | given
    try:
        require_shape(np.array(f), np.array(g), np.array(points), **options)
    except InputError as error:
        return "does not hold" in str(error) or "two results at one point" in str(error)
    return False


@pytest.mark.parametrize("level", [0.0, 20.0])
def test_values_below_the_tangent_by_more_than_their_roundings(level: float) -> None:
    """The slope times the move is 3.5; the values -7 and -3.5 (or of the other sign) and it are what is measured."""
    points, slopes = [[0.5, -1.0], [2.0, 1.5]], [[4.0, -1.0], [40.0, -1.0]]
    first = level - 7.0
    slack = 1e-6 * (abs(first) + abs(first + 3.5) + 3.5)
    for part, held in ((0.999, True), (1.001, False)):
        assert refuted(points, [first, first + 3.5 - part * slack], slopes, convex=True) is not held
    for part, held in ((0.999, True), (1.001, False)):  # mu = 2: its half times 8.5, the square of the move
        f = [first, first + 3.5 + 8.5 - part * 1e-6 * (abs(first) + abs(first + 12.0) + 3.5)]
        assert refuted(points, f, slopes, mu=2.0) is not held


def fixed(step: Any) -> float:
    """The number that `step` gives back, in float64; `step` shrinks differences a millionfold and more."""
    x = 0.0
    for _ in range(4):
        x = step(x)
    assert step(x) == x
    return x


def test_the_ends_of_what_shape_allows_hold() -> None:
    least = fixed(lambda e: 1e-6 * (0.0 + e + 0.0) + 1e-12)
    flat = [[0.0, 0.0], [0.0, 0.0]]
    assert not refuted([[0.0, 1.0], [1.0, 3.0]], [0.0, -least], flat, convex=True)
    assert refuted([[0.0, 1.0], [1.0, 3.0]], [0.0, -np.nextafter(least, 1.0)], flat, convex=True)
    change = fixed(lambda c: 1e-9 * (1.0 + c))
    place = [[0.5, 1.0], [0.5, 1.0]]
    assert not refuted(place, [0.0, 0.0], [[0.0, 0.0], [0.0, change]], L=3.0)
    assert refuted(place, [0.0, 0.0], [[0.0, 0.0], [0.0, np.nextafter(change, 1.0)]], L=3.0)


def test_two_gradients_at_one_point_are_named() -> None:
    points = np.array([[0.5, 0.25], [0.5, 0.25], [1.5, -0.25]])
    g = np.array([[1.0, 1.0], [1.0, 3.0], [1.0, 1.0]])
    with pytest.raises(InputError, match=r"gradient gives two results at one point, w = \[0.5, 0.25\]"):
        require_shape(np.zeros(3), g, points, convex=False, mu=None, L=100.0)
