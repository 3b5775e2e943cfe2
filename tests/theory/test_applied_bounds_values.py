"""What `bounds_that_apply` hands on, and what a bound says of a run that does not fit to it."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import Grid, Noise, absolute, bounds, bounds_that_apply, quadratic, simulate
from alpt_ref.theory.applied_bounds import AppliedBound

GRID = Grid(0.125, 5)  # -2 .. 1.875
KINK = absolute([1.0, 0.5], [0.3, -0.2])


def listed(**options: Any) -> list[AppliedBound]:
    return bounds_that_apply(KINK, GRID, 0.05, **{"steps": 9, "start": [6, -5], **options})


def found(**options: Any) -> dict[str, AppliedBound]:
    return {bound.theorem: bound for bound in listed(**options)}


def test_nearness_is_the_mean_over_the_runs_as_a_part_of_the_bound() -> None:
    bound = AppliedBound("X", "", "", True, "", "value", np.array([3, 9]), np.array([0.5, 4.0]))

    def near(measured: Any, checkpoints: Any) -> list[float]:
        run: Any = SimpleNamespace(value=measured, checkpoints=np.array(checkpoints))
        found: list[float] = bound.nearness(run).tolist()
        return found

    measured = np.array([[0.1, 0.2, 0.3], [1.0, 2.0, 6.0]])
    assert near(measured, [3, 9]) == pytest.approx([0.4, 0.75], rel=1e-15)
    for other in (near(None, [3, 9]), near(measured, [3, 8]), near(measured, [3, 9, 11]), near(None, [3])):
        assert len(other) == 2
        assert all(math.isnan(one) for one in other)


def test_only_a_rounding_of_your_own_is_taken_for_what_you_say() -> None:
    for given in ("sr", "dr"):
        plain, taken = (
            found(rounding=given, **more) for more in ({}, {"rounding_is": "sr" if given == "dr" else "dr"})
        )
        assert {name: one.why for name, one in plain.items()} == {name: one.why for name, one in taken.items()}
    assert found(rounding=lambda x, draw: x, rounding_is="dr")["D1"].applies
    assert not found(rounding=lambda x, draw: x)["D1"].applies


def test_without_clipping_every_bound_watches_the_range() -> None:
    assert {bound.watch for bound in listed(clip=None)} == {("exceeded",)}
    watched = {name for name, bound in found().items() if bound.watch}
    assert watched == {"S5", "S7", "EF1", "EF1b"}
    assert found(start=[1.875, -2.0])["S1"].applies
    assert found(start=[1.875, -2.0], clip=None)["S1"].applies
    with pytest.raises(InputError, match=r"start as weights must lie in the box, from -2 to 1\.875, got 0\.\.2\.5"):
        found(start=[2.5, 0.0])


@pytest.mark.parametrize("rounding", ["sr", "dr", "full"])
def test_no_bound_holds_for_a_start_outside_the_box(rounding: Any) -> None:
    """The constants are those of the box: from 3 a rate of 1.3 leads into it, and S2 is exceeded 2.9 times."""
    bowl, grid = quadratic(1.0, 0.0), Grid(2.0**-15, 16)
    options: dict[str, Any] = {"steps": 2, "start": 3.0, "clip": None, "rounding": rounding}
    run = simulate(bowl, grid, 1.3, runs=8, averages=True, check=True, **options)
    assert not run.exceeded.any()  # the first update leads into the box
    D, G, eta = 1.0, 1.0, 1.3
    assert run.average_value is not None
    assert run.average_value[-1].mean() > 2.9 * bounds.sr_convex_schedule(
        rates=[eta, eta], step_size=2.0**-15, D=D, G=G, dim=1
    )
    for bound in bounds_that_apply(bowl, grid, 1.3, **options):
        assert not bound.applies
        assert bound.missing(run) == (
            "the start lies outside the box: coordinate 0 of it is 3 and the box is [-1, 0.999969]"
        )


@pytest.mark.parametrize(("noise", "G1"), [(None, [1.0, 0.5]), (Noise("two-point", 0.7), [1.0, 0.7])])
def test_the_noise_goes_into_the_rows_with_their_own_step_size(noise: Noise | None, G1: list[float]) -> None:
    """``E|b +- s|`` is the larger of the two."""
    sizes = [0.125, 0.1]
    D1 = math.hypot(6 * 0.125 - 0.3, 5 * 0.1 - 0.2)
    G = math.sqrt(1.25 + (2 * 0.49 if noise else 0.0))
    wanted = bounds.sr_convex_row_steps(T=9, eta=0.05, D1=D1, G=G, step_sizes=sizes, G1=G1)
    assert found(step_sizes=sizes, noise=noise)["S1D"].values[-1] == pytest.approx(wanted, rel=1e-12)


def test_those_that_apply_come_first() -> None:
    applies = [bound.applies for bound in listed()]
    assert applies == [True] * sum(applies) + [False] * (13 - sum(applies))
    assert [bound.theorem for bound in listed()][: sum(applies)] == ["S1", "S1 small moves", "S2 exact sums"]
