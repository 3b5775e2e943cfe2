"""A problem from two functions, part by part: shapes that are asked for, and the ends of what is taken, by hand."""

from __future__ import annotations

import math
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import Problem
from alpt_ref.theory import problem as module

U = np.array([0.5, -1.25, 2.0])


def value(w: Any) -> Any:
    return (1.5 * (w - U) ** 2).sum(axis=-1) + 4.0


def gradient(w: Any) -> Any:
    return 3.0 * (w - U)


def test_weights_of_any_shape() -> None:
    made = Problem(value, gradient, 3, minimum=U, compiled=False)
    w = np.random.Generator(np.random.Philox(key=3)).uniform(-3.0, 3.0, (4, 2, 3))
    assert made.value(w).shape == made.distance(w).shape == (4, 2)
    assert made.gradient(w).shape == (4, 2, 3)
    for i in range(4):
        for j in range(2):
            e = [float(x - u) for x, u in zip(w[i, j], U, strict=True)]
            assert made.value(w)[i, j] == pytest.approx(1.5 * sum(x * x for x in e) + 4.0, rel=1e-14)
            assert made.distance(w)[i, j] == pytest.approx(math.hypot(*e), rel=1e-14)
            assert made.gradient(w)[i, j].tolist() == pytest.approx([3.0 * x for x in e], rel=1e-14)
    unknown = Problem(value, gradient, 3, compiled=False)
    assert np.isnan(unknown.distance(w)).all()
    assert unknown.distance(w).shape == (4, 2)


@pytest.mark.parametrize(("dim", "count"), [(3, 8), (7, 8), (8, 9), (9, 8)])
def test_more_points_than_coordinates_or_fewer_are_tried(dim: int, count: int) -> None:
    """A number of points that is also that of coordinates could not tell (d,) from (n,)."""
    shapes = set()

    def seen(w: Any) -> Any:
        shapes.add(w.shape)
        return (w * w).sum(axis=-1)

    Problem(seen, lambda w: 2.0 * w, dim, compiled=False, checks=False)
    assert shapes == {(dim,), (count, dim)}


def test_memory_is_that_of_the_points(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(module, "require_memory", lambda size, *words: asked.append(size))
    Problem(value, gradient, 3, compiled=False)
    assert asked == [8 * 8 * 3]


def test_where_values_are_counted_from() -> None:
    flat: dict[str, Any] = {"compiled": False, "checks": False}
    lowest = [
        (Problem(value, gradient, 3, **flat), None, "unknown"),
        (Problem(value, gradient, 3, infimum=3.5, **flat), 3.5, "given"),
        (Problem(value, gradient, 3, minimum=U, **flat), 4.0, "given"),
    ]
    for made, f_star, origin in lowest:
        assert (made.f_star, made.origin) == (f_star, origin)
    for made, _, _ in lowest[:2]:
        assert made.minimum is None
    for infimum in (math.nan, math.inf, "1", [1.0]):
        with pytest.raises(InputError, match="infimum must be a finite number"):
            Problem(value, gradient, 3, infimum=infimum, **flat)
    found = Problem(value, gradient, 3, convex=True, **flat)
    assert found.origin == "found"
    np.testing.assert_allclose(found.minimum, U, atol=1e-7)  # type: ignore[arg-type]


def found_or(at: float, infimum: float) -> Any:
    """What becomes of an infimum where the search ends at a point of that value."""
    place = np.array([1.0, 2.0])
    fake: Any = SimpleNamespace(_search=lambda: place, value=lambda w: at)
    w, f_star, origin = Problem._found_or(fake, infimum)
    return (None if w is None else w.tolist()), f_star, origin


@pytest.mark.parametrize(("infimum", "slack"), [(-500.0, 5e-7), (500.0, 5e-7), (0.25, 1e-9), (-0.25, 1e-9)])
def test_an_infimum_is_attained_up_to_a_billionth_of_it(infimum: float, slack: float) -> None:
    for part in (-0.999, 0.0, 0.999):
        assert found_or(infimum + part * slack, infimum) == ([1.0, 2.0], infimum + part * slack, "found")
    assert found_or(infimum + 1.001 * slack, infimum) == (None, infimum, "given")
    with pytest.raises(InputError, match="is no lower bound: at w = "):
        found_or(infimum - 1.001 * slack, infimum)
    largest = infimum + 1e-9 * max(1.0, abs(infimum))
    assert found_or(largest, infimum)[2] == "found"
    assert found_or(infimum - 1e-9 * max(1.0, abs(infimum)), infimum)[2] == "found"


def search(monkeypatch: pytest.MonkeyPatch, dim: int, norm: float) -> tuple[list[str], float]:
    """The methods of a search whose first part ends where the gradient has that norm; and which end is taken."""
    methods = []

    def minimize(function: Any, start: Any, *, method: str, **rest: Any) -> Any:
        methods.append(method)
        assert rest["options"]["ftol"] < 1e-13  # it does not end while the value still falls
        first = len(methods) == 1
        return SimpleNamespace(x=np.full(dim, 2.0 if first else 3.0), fun=1.0 if first else 0.5)

    monkeypatch.setattr("alpt_ref.theory.problem.optimize.minimize", minimize)
    slope = np.zeros(dim)
    slope[-1] = norm
    fake: Any = SimpleNamespace(dim=dim, value=lambda w: 0.0, gradient=lambda w: slope)
    return methods, float(Problem._search(fake)[0])


@pytest.mark.parametrize(
    ("dim", "norm", "again"),
    [
        (16, 1e-7, False),
        (16, float(np.nextafter(1e-7, 1.0)), True),
        (17, 1.0, False),
        (17, 1e-9, False),
        (2, 1.5e-7, True),
        (16, math.nan, True),
    ],
)
def test_a_kink_is_searched_along_coordinates(
    monkeypatch: pytest.MonkeyPatch, dim: int, norm: float, again: bool
) -> None:
    methods, end = search(monkeypatch, dim, norm)
    assert methods == ["L-BFGS-B", "Powell"][: 1 + again]
    assert end == (3.0 if again else 2.0)


def test_a_problem_without_a_value_at_the_origin_goes_to_another_process() -> None:
    made = Problem(barrier, barrier_slope, 2, minimum=[1.0, 1.0], compiled=False)
    again = pickle.loads(pickle.dumps(made))
    assert (again.minimum.tolist(), again.f_star) == ([1.0, 1.0], 2.0)


def barrier(w: Any) -> Any:
    return (w - np.log(w)).sum(axis=-1)


def barrier_slope(w: Any) -> Any:
    return 1.0 - 1.0 / w


def test_a_sampled_gradient_is_drawn_at_one_point() -> None:
    drawn = []

    def sampled(w: Any, draw: np.random.Generator) -> Any:
        drawn.append(w.copy())
        return gradient(w)

    Problem(value, gradient, 3, sampled_gradient=sampled, compiled=False)
    assert [w.shape for w in drawn] == [(4096, 3)]
    assert (drawn[0] == drawn[0][0]).all()


POINT = np.array([[0.25, -1.5]])
WANTED = np.array([-3.0, 24.0])


def biased(shift: Any, spread: float = 0.0) -> str:
    """What is said of draws whose mean is that much beside the gradient, (-3, 24)."""

    def sampled(w: Any, draw: np.random.Generator) -> Any:
        assert w.shape == (4096, 2)
        assert (w == POINT).all()
        sign = np.where(np.arange(len(w)) % 2 == 0, 1.0, -1.0)[:, None]
        return WANTED + np.asarray(shift) + spread * sign

    gradient: Any = SimpleNamespace(call=lambda w: np.repeat(WANTED[None], len(w), axis=0))
    try:
        module._require_unbiased(sampled, gradient, POINT)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("spread", [0.0, 2.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_mean_eight_standard_errors_from_the_gradient(spread: float, sign: float) -> None:
    errors = [spread / 64.0 + 1e-6 * (1.0 + size) for size in (3.0, 24.0)]
    for j in range(2):
        shift = np.zeros(2)
        shift[j] = sign * 0.999 * 8.0 * errors[j]
        assert not biased(shift, spread)
        shift[j] = sign * 1.001 * 8.0 * errors[j]
        assert f"its mean along coordinate {j} is " in biased(shift, spread)
        assert f"gradient says {WANTED[j]:g}" in biased(shift, spread)


def test_the_coordinate_that_is_furthest_in_standard_errors_is_named() -> None:
    assert "along coordinate 0" in biased([60 * 4e-6, 50 * 25e-6])
    assert "along coordinate 0" in biased([-60 * 4e-6, 50 * 25e-6])
    assert "along coordinate 1" in biased([50 * 4e-6, -60 * 25e-6])


def test_what_has_no_value_at_the_origin_and_no_minimum_goes_there_too() -> None:
    with np.errstate(divide="ignore"):
        made = Problem(barrier, barrier_slope, 2, L=3.5, checks=False, compiled=False)
        again = pickle.loads(pickle.dumps(made))
    assert (again.minimum, again.f_star, again.origin) == (None, None, "unknown")
    assert (again.given["L"], again.convex, again.checks) == (3.5, False, False)
