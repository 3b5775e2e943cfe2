"""Where constants come from, and the ends of what is allowed before a number that was given is refuted: by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import Grid, Noise, Problem, known_constants
from alpt_ref.theory.known_constants import _gap, _gradient_sizes, _refute

LOW, HIGH = np.array([-4.0, -2.0]), np.array([3.0, 5.0])
GRID = Grid(0.5, 4)  # -4 .. 3.5
GIVEN = dict.fromkeys(("G", "G1", "g_max", "L", "mu", "pl"))


def levels(elsewhere: float, at_minimum: float, lowest: float, slope: float = 0.0, **given: Any) -> Any:
    """A function that has one value at its minimum, (1, 2), and another elsewhere: what is refuted by values alone."""
    u = np.array([1.0, 2.0])
    return SimpleNamespace(
        given={**GIVEN, **given}, dim=2, minimum=u, origin="given", f_star=lowest, convex=False,
        value=lambda w: np.where((w == u).all(axis=-1), at_minimum, elsewhere),
        gradient=lambda w: np.full(w.shape, slope),
    )  # fmt: skip


def refuted(problem: Any) -> str:
    try:
        _refute(problem, LOW, HIGH)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("elsewhere", "lowest", "size"), [(11.0, -3.0, 15.0), (-3.0, -11.0, 23.0), (0.25, 0.0, 1.25)])
def test_a_value_below_the_one_that_was_given(elsewhere: float, lowest: float, size: float) -> None:
    """By more than 1e-9 of one, that value and the largest at the points tried, together."""
    assert not refuted(levels(elsewhere, lowest - 0.99e-9 * size, lowest))
    below = levels(elsewhere, lowest - 1.01e-9 * size, lowest)
    assert "that was given is none: it has the value" in refuted(below)
    below.origin = "found"
    assert not refuted(below)
    below.origin, below.f_star = "given", None
    assert not refuted(below)


def fixed(step: Any, x: float) -> float:
    """The number near x that `step` gives back, in float64."""
    for _ in range(4):
        x = step(x)
    assert step(x) == x
    return float(x)


def test_the_ends_of_what_is_allowed_hold() -> None:
    end = fixed(lambda x: -2.0 - 1e-9 * (1.0 + 2.0 + abs(x)), -2.0)
    assert not refuted(levels(0.5, end, -2.0))
    assert refuted(levels(0.5, np.nextafter(end, -3.0), -2.0))
    most = fixed(lambda x: 1e-9 * (1.0 + 0.0 + x), 0.0)
    assert not refuted(levels(most, 0.0, 0.0, pl=0.5))  # |f'|^2 = 0 where f is within its roundings
    assert "pl = 0.5 does not hold" in refuted(levels(np.nextafter(most, 1.0), 0.0, 0.0, pl=0.5))


@pytest.mark.parametrize("lowest", [-7.0, 0.0, 7.0])
def test_the_inequality_of_polyak_up_to_roundings(lowest: float) -> None:
    """|f'|^2 = 2 * 9 = 18 and 2 pl (f - inf f) = 6 (f - inf f), so 3 above the infimum and no more."""
    for part, held in ((0.99, True), (1.01, False)):
        f = lowest + 3.0
        f += part * 1e-9 * (1.0 + abs(lowest) + max(abs(f), abs(lowest))) / 6.0
        assert bool(refuted(levels(f, lowest, lowest, slope=-3.0, pl=3.0))) is not held


def about(**given: Any) -> Any:
    gradient = lambda w: np.array([1.0, -3.0])  # noqa: E731
    return SimpleNamespace(
        given={**GIVEN, **given}, dim=2, stochastic=True, minimum=None, origin="", gradient=gradient, f_star=None
    )


def test_of_a_sampled_gradient_only_what_was_given_is_known() -> None:
    unknown = _gradient_sizes(about(G=20.0), LOW, HIGH, Noise("two-point", 0.25))
    assert unknown[2] == (None, "it was not given (g_max=)")
    known = _gradient_sizes(about(G=20.0, g_max=15.0), LOW, HIGH, Noise("two-point", 0.25))
    assert known[2] == (15.25, "given")
    assert _gradient_sizes(about(L=2.0), LOW, HIGH, Noise())[0].value is None


def test_a_gap_over_the_box_takes_the_worse_end_of_every_coordinate() -> None:
    """f' = (1, -3): down to -4 along the first, up to 5 along the second."""
    problem = about()
    problem.origin = "found"
    for u, wanted in (([2.0, 2.5], 6.0 + 7.5), ([-3.5, -1.25], 0.5 + 18.75), ([3.0, 4.75], 7.0 + 0.75)):
        problem.minimum = np.array(u)
        assert _gap(problem, LOW, HIGH).value == wanted


def bowl(**given: Any) -> Problem:
    """f = 1.5 |w - u|^2, u = (0.5, -1.25)."""
    u = np.array([0.5, -1.25])
    value = lambda w: 1.5 * ((w - u) ** 2).sum(axis=-1)  # noqa: E731
    return Problem(value, lambda w: 3.0 * (w - u), 2, **{"compiled": False, **given})


def test_every_constant_of_a_users_problem_says_where_it_is_from() -> None:
    unknown = known_constants(bowl(), GRID)
    assert (unknown.D, unknown.mu.value, unknown.L.value) == (
        (None, "no minimum is known; give minimum="), None, None,
    )  # fmt: skip
    assert unknown.pl == (None, "it was not given (pl=)")
    assert unknown.w_star is None
    assert not unknown.convex
    known = known_constants(bowl(minimum=[0.5, -1.25], mu=2.5, L=3.25), GRID)
    assert known.D.value == pytest.approx((4.5**2 + 4.75**2) ** 0.5, rel=1e-15)
    assert (known.D.origin, known.mu, known.L) == ("the box", (2.5, "given"), (3.25, "given"))
    assert known.pl == (2.5, "mu")
    assert known_constants(bowl(minimum=[0.5, -1.25], mu=2.5, pl=2.75), GRID).pl == (2.75, "given")
    assert known_constants(bowl(minimum=[0.5, -1.25], pl=2.75), GRID).pl == (2.75, "given")
    with pytest.raises(InputError, match=r"coordinate 1 of it is -1\.25 and the box is \[-1, 0\.875\]"):
        known_constants(bowl(minimum=[0.5, -1.25]), Grid(0.125, 4))
