"""Constants that a user gave, or that follow from L, by hand; and points of the box that refute what was given."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import Grid, Noise, known_constants, quadratic
from alpt_ref.theory.known_constants import _gap, _gradient_sizes, _refute
from alpt_ref.theory.problem_checks import box_points, require_gradient, shown

LOW, HIGH = np.array([-4.0, -2.0]), np.array([3.0, 5.0])
GIVEN = dict.fromkeys(("G", "G1", "g_max", "L", "mu", "pl"))
SPREAD = Noise("uniform", 0.3)
LARGEST = 0.3 * 3**0.5


def about(minimum: Any = None, origin: str = "", **given: Any) -> Any:
    """What the constants are read from: f' = (1, -3) wherever it is asked for."""
    gradient = lambda w: np.array([1.0, -3.0])  # noqa: E731
    return SimpleNamespace(
        given={**GIVEN, **given},
        dim=2,
        stochastic=False,
        minimum=minimum,
        origin=origin,
        gradient=gradient,
        f_star=None,
    )


def same(found: Any, value: float, origin: str) -> None:
    assert found.value == pytest.approx(value, rel=1e-15)
    assert found.origin == origin


def test_what_was_given_gets_the_noise_added() -> None:
    G, G1, g_max = _gradient_sizes(about(G=20.0, G1=30.0, g_max=15.0), LOW, HIGH, SPREAD)
    same(G, (400 + 2 * 0.09) ** 0.5, "given and the noise")
    same(G1, 30.6, "given and the noise")
    same(g_max, 15.0 + LARGEST, "given")
    quiet = _gradient_sizes(about(G=20.0, G1=30.0), LOW, HIGH, Noise())
    assert quiet == ((20.0, "given"), (30.0, "given"), (20.0, "G"))
    assert _gradient_sizes(about(G=20.0, g_max=15.0), LOW, HIGH, Noise("normal", 1.0))[2].value is None


def test_without_g_it_follows_from_l_around_a_point() -> None:
    root = 10**0.5  # |f'|
    centre = root + 2.0 * (3.5**2 + 3.5**2) ** 0.5
    G, G1, g_max = _gradient_sizes(about(L=2.0), LOW, HIGH, SPREAD)
    noisy = (centre**2 + 2 * 0.09) ** 0.5
    same(G, noisy, "|f'(u)| + L max |w - u|, u the centre of the box and the noise")
    same(G1, 2**0.5 * noisy, "sqrt(d) G")
    same(g_max, centre + LARGEST, "G")
    minimum = np.array([2.0, 4.0])
    beside = root + 2.0 * (6.0**2 + 6.0**2) ** 0.5
    for origin, word in (("found", " found"), ("given", "")):
        G = _gradient_sizes(about(minimum, origin, L=2.0), LOW, HIGH, Noise())[0]
        same(G, beside, f"|f'(u)| + L max |w - u|, u the minimum{word}")
    other = _gradient_sizes(about(np.array([-3.0, -1.0]), "given", L=2.0), LOW, HIGH, Noise())[0]
    assert other.value == pytest.approx(beside, rel=1e-15)


def test_how_much_a_minimum_that_was_found_may_lack() -> None:
    u = np.array([2.0, 4.0])
    assert _gap(about(u, "found"), LOW, HIGH) == (1.0 * 6.0 + 3.0 * 1.0, "largest <f'(u), u - v> over the box")
    assert _gap(about(u, "found", mu=0.25), LOW, HIGH) == (10.0 / 0.5, "|f'(u)|^2/(2 mu)")
    assert _gap(about(u, "given"), LOW, HIGH) == (0.0, "the minimum is given")
    infimum = about()
    infimum.f_star = 1.5
    assert _gap(infimum, LOW, HIGH) == (0.0, "the infimum is given")
    assert _gap(about(), LOW, HIGH).value is None


def bowl(**given: Any) -> Any:
    """f = |w|^2/2 + 3, G = sqrt(41) in the corner (-4, 5), which may not be among the points."""
    return SimpleNamespace(
        given={**GIVEN, **given}, dim=2, minimum=np.zeros(2), origin="given", f_star=3.0, convex=True,
        value=lambda w: 0.5 * (w * w).sum(axis=-1) + 3.0, gradient=lambda w: 1.0 * w,
    )  # fmt: skip


def test_points_of_the_box_refute_a_constant_and_its_true_value_stands() -> None:
    points = box_points(LOW, HIGH, np.zeros(2))
    sizes = {
        "G": np.sqrt((points**2).sum(axis=1)).max(),
        "G1": np.abs(points).sum(axis=1).max(),
        "g_max": np.abs(points).max(),
    }
    for name, most in sizes.items():
        _refute(bowl(**{name: most}), LOW, HIGH)
        with pytest.raises(InputError, match=f"^{name} = .* does not hold"):
            _refute(bowl(**{name: 0.999 * most}), LOW, HIGH)
    _refute(bowl(pl=1.0), LOW, HIGH)  # |f'|^2 = 2 pl (f - f*), up to its roundings
    with pytest.raises(InputError, match=r"pl = 1\.001 does not hold"):
        _refute(bowl(pl=1.001), LOW, HIGH)
    steep = bowl(pl=1.4)  # f = |w|^2: pl = 2
    steep.value, steep.gradient, steep.f_star = (lambda w: (w * w).sum(axis=-1) + 3.0), (lambda w: 2.0 * w), 3.0
    _refute(steep, LOW, HIGH)


def test_gradients_below_zero_have_their_size() -> None:
    down = bowl(G1=6.9)
    down.gradient, down.value = (lambda w: np.full(w.shape, -3.5)), (lambda w: -3.5 * w.sum(axis=-1))
    down.f_star = None
    with pytest.raises(InputError, match=r"the sum of .* is 7;"):
        _refute(down, LOW, HIGH)
    down.given = {**GIVEN, "g_max": 3.4}
    with pytest.raises(InputError, match=r"the largest .* is 3\.5;"):
        _refute(down, LOW, HIGH)


def test_the_point_that_is_named_is_one_that_is_not_finite() -> None:
    points = box_points(LOW, HIGH, np.zeros(2))
    beyond = float(points[0].sum()) + 1e-9  # the first point is finite
    bad = bowl()
    bad.gradient = lambda w: np.where((w.sum(axis=1) > beyond)[:, None], np.nan, w)
    first = points[int(np.argmax(points.sum(axis=1) > beyond))]
    with pytest.raises(InputError) as caught:
        _refute(bad, LOW, HIGH)
    assert f"not finite at w = {shown(first)}, a point" in str(caught.value)


def test_a_batch_of_one_row_is_taken_if_none_is_named() -> None:
    from alpt_ref.theory.linear import synthetic_regression

    rows = synthetic_regression("square", 8, 2, seed=1)
    one, all_rows = (known_constants(rows, Grid(0.25, 5), batch=batch).G.value for batch in (1, 0))
    assert known_constants(rows, Grid(0.25, 5)).G.value == one
    assert one is not None
    assert all_rows is not None
    assert all_rows < one
    assert known_constants(quadratic(1.0, 0.0), Grid(0.25, 5)).G.value == 4.0


def test_long_points_are_cut_and_sixteen_coordinates_are_tried_one_by_one() -> None:
    assert shown(np.arange(6.0)) == "[0, 1, 2, 3, 4, 5]"
    assert shown(np.arange(7.0)) == "[0, 1, 2, 3, 4, 5, ...]"
    points = np.linspace(-1.0, 1.0, 32).reshape(2, 16)
    wrong = np.ones(16)
    wrong[-1] = 1.5
    with pytest.raises(InputError, match="along coordinate 15 value rises by"):
        require_gradient(lambda w: 0.5 * (w * w).sum(axis=-1), lambda w: w * wrong, points)
