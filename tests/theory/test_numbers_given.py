"""Numbers of every kind that a setting may be given: NumPy's of few bits, texts, and those beyond float64."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import (
    Adagrad,
    Adam,
    Chain,
    FewBits,
    Grid,
    LearnedSteps,
    Momentum,
    Noise,
    Problem,
    Schedule,
    adam_dr_first_move,
    adam_dr_stalls,
    adam_update_bound,
    bounds_that_apply,
    evolve_separable,
    known_constants,
    quadratic,
    simulate,
)
from alpt_ref.theory.bounds import sr_convex_constant
from alpt_ref.theory.linear import huber_regression, least_squares, logistic_regression, synthetic_regression

BOWL, GRID = quadratic([1.0, 2.0], 0.1), Grid(0.25, 5)
ROWS = np.array([[0.5, -1.0], [1.0, 0.25], [-0.5, 0.75]])
INTEGERS = (np.uint8, np.int8, np.uint16, np.int32, np.uint64, np.int64)


def problem(**constants: Any) -> Problem:
    return Problem(lambda w: (w * w).sum(axis=-1), lambda w: 2.0 * w, dim=2, compiled=False, **constants)


@pytest.mark.parametrize("kind", INTEGERS)
def test_whole_numbers_of_numpy_are_those_of_python(kind: Any) -> None:
    """Eight bits wrap around where 16 do not: runs of a group, the words of a seed, 2**-r."""
    most = int(np.iinfo(kind).max)
    given: dict[str, int] = {"steps": min(most, 255), "runs": min(most, 200), "seed": 7, "start": 3}
    options: dict[str, Any] = {"averages": True, "check": True}
    wanted = simulate(BOWL, GRID, Schedule("inverse-sqrt", 0.1), **given, **options)
    numpys: dict[str, Any] = {name: kind(value) for name, value in given.items()}
    run = simulate(BOWL, Grid(0.25, kind(5)), Schedule("inverse-sqrt", 0.1), **numpys, **options)
    for name in ("value", "average_value", "final", "exceeded", "max_gradient2"):
        assert np.array_equal(getattr(run, name), getattr(wanted, name)), name
    same = [
        bounds_that_apply(BOWL, GRID, 0.1, steps=steps, start=3, rounding=FewBits(bits))
        for steps, bits in ((given["steps"], 4), (numpys["steps"], kind(4)))
    ]
    plain, narrow = ({one.theorem: one.values.tolist() for one in found if one.applies} for found in same)
    assert narrow == plain  # 2**-r of uint8 was 2**252
    assert "S1" in plain


def test_the_noise_of_a_narrow_type_has_the_same_constants() -> None:
    for sigma in (np.uint8(20), np.float16(300.0), np.int8(100)):
        narrow, plain = (known_constants(BOWL, GRID, Noise("uniform", one)).G.value for one in (sigma, float(sigma)))
        assert narrow == plain


def test_settings_hold_numbers_of_python() -> None:
    for half in (0.5, np.float32(0.5), Fraction(1, 2), Decimal("0.5"), np.array(0.5)):
        given: Any = half
        grid = Grid(given, np.uint8(4))  # type: ignore[arg-type]
        assert (type(grid.step_size), type(grid.bits), grid) == (float, int, Grid(0.5, 4))
        learned = LearnedSteps(given, row_dim=np.uint8(2), scale=given, smallest=given)  # type: ignore[arg-type]
        assert learned == LearnedSteps(0.5, 2, 0.5, 0.5)
        assert (type(learned.rate), type(learned.row_dim)) == (float, int)
        assert type(Momentum(given).keep) is type(Adam(eps=given).eps) is type(Adagrad(given).eps) is float


MADE: dict[str, Callable[[Any], Any]] = {
    "step_size": lambda one: Grid(one, 4),
    "bits": lambda one: Grid(0.25, one),
    "sigma": lambda one: Noise("uniform", one),
    "scale of the learning rate": lambda one: Schedule("constant", one),
    "learning rate|schedule": lambda one: simulate(BOWL, GRID, one, steps=3, runs=1, start=1),
    "step_sizes": lambda one: simulate(BOWL, GRID, 0.1, steps=3, runs=1, start=1, step_sizes=one),
    "rate of learned step sizes": LearnedSteps,
    "row_dim": lambda one: LearnedSteps(0.1, one),
    "scale": lambda one: LearnedSteps(0.1, scale=one),
    "smallest": lambda one: LearnedSteps(0.1, smallest=one),
    "random bits": FewBits,
    "keep": Momentum,
    "keep_squares": lambda one: Adam(keep_squares=one),
    "eps": Adagrad,
    "eps ": lambda one: Adam(eps=one),
    "curvature": lambda one: quadratic(one, 0.0),
    "minimum|curvature": lambda one: quadratic(1.0, one),
    "minimum": lambda one: problem(minimum=one),
    "infimum": lambda one: problem(infimum=one),
    "mu": lambda one: problem(mu=one, L=5.0),
    "L": lambda one: problem(mu=1.0, L=one),
    "G": lambda one: problem(G=one),
    "convex": lambda one: problem(convex=one),
    "checks": lambda one: problem(checks=one),
    "compiled": lambda one: Problem(lambda w: (w * w).sum(), lambda w: 2.0 * w, 2, compiled=one),
    "l2": lambda one: least_squares(ROWS, ROWS[:, 0], l2=one),
    "l2 ": lambda one: logistic_regression(ROWS, ROWS[:, 0] > 0.0, l2=one),
    "width": lambda one: huber_regression(ROWS, ROWS[:, 0], width=one),
    "seed": lambda one: synthetic_regression("square", 5, 2, seed=one),
    "noise": lambda one: synthetic_regression("square", 5, 2, seed=0, noise=one),
    "radius": lambda one: synthetic_regression("square", 5, 2, seed=0, radius=one),
    "rows": lambda one: synthetic_regression("square", one, 2, seed=0),
    "b1": lambda one: adam_update_bound(3, b1=one),
    "b2": lambda one: adam_dr_first_move(0.5, b2=one),
    "random_bits": lambda one: Chain(quadratic(1.0, 0.0), GRID, Noise(), random_bits=one),
    "steps": lambda one: Schedule("constant", 0.1).rates(one),
    "T": lambda one: sr_convex_constant(T=one, eta=0.1, step_size=0.5, D1=1.0, G=1.0, dim=1),
}


@pytest.mark.parametrize("name", MADE)
def test_what_is_no_number_is_one_short_sentence(name: str) -> None:
    whole = name in ("row_dim", "steps", "rows")  # of any size
    for bad in (
        "0.5",
        b"0.5",
        *(() if whole else (10**400,)),
        -(10**400),
        [],
        {},
        object(),
        1j,
        np.array([1j]),
        np.array(["1"]),
        float("nan"),
    ):
        with pytest.raises(InputError, match=name.strip()) as refused:
            MADE[name](bad)
        assert len(str(refused.value)) < 400


def test_checkpoints_and_shapes_that_are_none() -> None:
    checkpoints: Any = np.array(0.5)
    with pytest.raises(InputError, match=r"checkpoints must be whole numbers from 1 to steps = 3, got array\(0.5\)"):
        simulate(BOWL, GRID, 0.1, steps=3, runs=1, start=1, checkpoints=checkpoints)
    with pytest.raises(InputError, match=r"must have one shape \(d,\), got curvature \(2,\), .*, minimum \(3,\)"):
        quadratic([1.0, 2.0], [0.0, 0.0, 0.0])


ARRAYS: dict[str, Callable[[Any], Any]] = {
    "ratio": adam_dr_first_move,
    "touches": lambda one: adam_dr_stalls(0.5, one),
    "touches ": adam_update_bound,
    "rounding": lambda one: Chain(quadratic(1.0, 0.0), GRID, Noise(), one),
    "start": lambda one: evolve_separable(BOWL, GRID, one, [0.1]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_what_is_no_array_of_numbers_is_one_sentence(name: str) -> None:
    for bad in ("0.5", {}, object(), 1j, [[1], [1, 2]], np.array(["1"]), np.array([0.25, 1j])):
        with pytest.raises(InputError, match=name.strip()):
            ARRAYS[name](bad)


def test_half_a_random_bit_is_none() -> None:
    with pytest.raises(InputError, match="random_bits must be None or a whole number from 1 to 32"):
        Chain(quadratic(1.0, 0.0), GRID, Noise(), random_bits=4.5)  # type: ignore[arg-type]
