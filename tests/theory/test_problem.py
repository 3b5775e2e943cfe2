"""A problem from two functions: compiled, vectorised or in a loop, the same run; what it says is put to the test."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import Grid, Noise, Problem, Schedule, absolute, known_constants, quadratic, simulate

A = np.array([1.0, 2.0, 0.5])
C = np.array([0.25, -0.5, 0.125])
GRID = Grid(0.125, 6)
RUN: dict[str, Any] = {"steps": 30, "runs": 40, "start": [5, -9, 7], "noise": Noise("two-point", 0.5), "check": True}


def value(w: Any) -> Any:
    total = 0.0
    for j in range(3):
        total += 0.5 * A[j] * (w[j] - C[j]) ** 2
    return total


def gradient(w: Any) -> Any:
    return A * (w - C)


def looped_gradient(w: Any) -> Any:
    slopes = np.empty(3)
    for j in range(3):
        slopes[j] = A[j] * (w[j] - C[j])
    return slopes


def batch_value(w: Any) -> Any:
    return 0.5 * (A * (w - C) ** 2).sum(axis=-1)


def loop_value(w: Any) -> Any:
    return 0.5 * sum(float(a) * float(x - c) ** 2 for a, x, c in zip(A, w, C, strict=True))


BOWL: dict[str, Any] = {"minimum": C, "mu": 0.5, "L": 2.0, "compiled": False}


def test_it_runs_as_the_built_in_problem_does() -> None:
    """Dyadic numbers: float64 and float32 gradients are the same, and so is every bit of the run."""
    wanted = simulate(quadratic(A, C), GRID, Schedule("constant", 0.0625), averages=True, **RUN)
    made = Problem(batch_value, gradient, 3, **BOWL)
    assert made.how["value"].startswith("vectorised NumPy")
    got = simulate(made, GRID, Schedule("constant", 0.0625), averages=True, **RUN)
    np.testing.assert_array_equal(got.final, wanted.final)
    for name in ("value", "distance2", "gradient2", "average_value", "average_gradient2", "exceeded", "max_distance2"):
        np.testing.assert_allclose(getattr(got, name), getattr(wanted, name), rtol=1e-5, atol=1e-7, err_msg=name)


def test_compiled_vectorised_and_looped_give_one_run() -> None:
    compiled = Problem(value, looped_gradient, 3, minimum=C)
    assert compiled.how == {"value": "compiled", "gradient": "compiled"}
    looped = Problem(value, looped_gradient, 3, minimum=C, compiled=False)
    assert looped.how["value"] == "one row at a time in Python (compiled=False)"
    batched = Problem(batch_value, gradient, 3, minimum=C, compiled=False)
    runs = [simulate(one, GRID, Schedule("constant", 0.0625), **RUN) for one in (compiled, looped, batched)]
    for other in runs[1:]:
        np.testing.assert_array_equal(other.final, runs[0].final)
        np.testing.assert_allclose(other.value, runs[0].value, rtol=1e-9)
    with pytest.raises(InputError, match="value does not compile"):
        Problem(loop_value, gradient, 3, minimum=C, compiled=True)


def test_a_function_of_many_points_alone_will_do() -> None:
    made = Problem(lambda w: (A * (w - C) ** 2).sum(axis=1) / 2, lambda w: A * (w - C), 3, minimum=C)
    assert "it takes many points only" in made.how["value"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"gradient": lambda w: 2.0 * gradient(w)},
            r"gradient is not the derivative of value: at w = \[.*\] along coord",
        ),
        ({"gradient": lambda w: gradient(w) + np.array([0.0, 1e-2, 0.0])}, "along coordinate 1 value rises by"),
        ({"value": lambda w: w}, r"value must return a number, or \(n,\) for \(n, d\), here d = 3"),
        ({"gradient": lambda w: 1 / 0}, "raised ZeroDivisionError: division by zero"),
        ({"value": lambda w: "x"}, "raised TypeError: a result of type"),
        ({"value": lambda w: float("nan")}, "value or gradient is not finite at any point tried"),
        ({"dim": 0}, "dim must be a whole number of at least 1, got 0"),
        ({"value": 3}, "value must be a function, got 3"),
        ({"L": -1.0}, r"L \(left out where it is unknown\) must be a finite number above 0"),
        ({"minimum": "origin"}, "minimum must be numbers, got 'origin'"),
        (
            {"value": lambda w: w.sum(axis=-1), "gradient": np.ones_like, "convex": True},
            "no minimum was found from the",
        ),
        ({"mu": 3.0, "L": 2.0}, "mu must not exceed L"),
        ({"minimum": [0.0, 1.0]}, "minimum must be a finite number or one for each of the 3 coordinates"),
        ({"minimum": C, "infimum": 1.0}, "value at the minimum is 0.0 and infimum says 1.0"),
        (
            {"sampled_gradient": lambda w, rng: gradient(w) + 0.5 + rng.normal(size=w.shape)},
            "sampled_gradient is biased",
        ),
        ({"sampled_gradient": lambda w, rng: w[0]}, "sampled_gradient must return the shape"),
    ],
)
def test_what_is_wrong_is_said_at_construction(wrong: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"value": batch_value, "gradient": gradient, "dim": 3, "compiled": False, **wrong}
    with pytest.raises(InputError, match=message):
        Problem(given.pop("value"), given.pop("gradient"), given.pop("dim"), **given)


def test_kinks_and_large_dimensions_pass_the_check_of_the_gradient() -> None:
    kinked = Problem(lambda w: np.abs(w).sum(axis=-1), np.sign, 2, convex=True, compiled=False)
    assert abs(float(kinked.value(kinked.minimum))) < 1e-6  # type: ignore[arg-type]
    weights = np.linspace(0.1, 1.0, 40)
    Problem(lambda w: (weights * np.cos(w)).sum(axis=-1), lambda w: -weights * np.sin(w), 40, compiled=False)
    with pytest.raises(InputError, match="along a direction"):
        Problem(lambda w: (weights * np.cos(w)).sum(axis=-1), lambda w: weights * np.sin(w), 40, compiled=False)


def test_the_minimum_of_a_convex_function_is_found_and_certified() -> None:
    made = Problem(batch_value, gradient, 3, convex=True, L=2.0, compiled=False)
    np.testing.assert_allclose(made.minimum, C, atol=1e-6)  # type: ignore[arg-type]
    known = known_constants(made, GRID, Noise("two-point", 0.5))
    assert 0.0 <= known.gap.value < 1e-5  # type: ignore[operator]
    assert known.gap.origin == "largest <f'(u), u - v> over the box"
    exact = quadratic(A, C).constants(GRID, Noise("two-point", 0.5))
    assert known.G.value is not None
    assert known.G.value >= exact.G
    np.testing.assert_allclose(known.D.value, exact.D, rtol=1e-6)  # type: ignore[arg-type]


def test_a_point_that_is_no_minimum_has_a_gap_that_says_so() -> None:
    """The certificate is checked where the search fails: a gradient that is zero nowhere near, checks off."""
    made = Problem(batch_value, gradient, 3, convex=True, compiled=False)
    made.minimum = C + 0.25
    made.f_star = float(made.value(made.minimum))
    gap = known_constants(made, GRID).gap.value
    assert gap is not None
    assert gap >= made.f_star > 0.1


def test_what_is_unknown_stays_unknown() -> None:
    wavy = Problem(lambda w: np.cos(w).sum(axis=-1), lambda w: -np.sin(w), 2, compiled=False)
    run = simulate(wavy, GRID, 0.1, steps=5, runs=3, start=2, check=True)
    assert run.f_star is None
    assert np.isnan(run.distance2).all()
    np.testing.assert_allclose(run.value[-1], np.cos(run.final.astype(np.float64)).sum(axis=1))
    lines = known_constants(wavy, GRID).lines()
    assert "G unknown: it was not given (G=), nor L" in lines
    assert "gap unknown: neither minimum nor infimum of f is known; give minimum= or infimum=" in lines


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"L": 1.5}, r"L = 1.5 does not hold: between w = \["),
        ({"mu": 0.75}, r"mu = 0.75 does not hold: from w = \["),
        ({"G": 1.0}, r"G = 1 does not hold: at w = \[.*\] \|f'\| is"),
        ({"G1": 1.0}, "G1 = 1 does not hold"),
        ({"g_max": 1.0}, "g_max = 1 does not hold"),
        ({"pl": 1.0}, "pl = 1 does not hold at w"),
        ({"minimum": [0.5, 0.5, 0.5]}, "the minimum or infimum that was given is none"),
        ({"minimum": 9.0, "checks": False}, r"coordinate 0 of it is 9 and the box is \[-4, 3.875\]"),
    ],
)
def test_constants_are_refuted_by_points_of_the_box(wrong: dict[str, Any], message: str) -> None:
    made = Problem(batch_value, gradient, 3, **{"minimum": C, "compiled": False, **wrong})
    with pytest.raises(InputError, match=message):
        known_constants(made, GRID)


def test_convexity_is_refuted_by_points_of_the_box() -> None:
    hollow = Problem(
        lambda w: np.cos(w).sum(axis=-1), lambda w: -np.sin(w), 2, convex=True, minimum=0.0, compiled=False
    )
    with pytest.raises(InputError, match="convex = True does not hold"):
        known_constants(hollow, GRID)


def test_sampled_gradients_depend_on_seed_and_step_alone() -> None:
    made = Problem(
        batch_value, gradient, 3, minimum=C, compiled=False,
        sampled_gradient=lambda w, rng: gradient(w) + rng.normal(size=w.shape),
    )  # fmt: skip
    runs = [simulate(made, GRID, 0.1, steps=9, runs=5, start=2, seed=seed).final for seed in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()
    assert len(np.unique(runs[0][:, 0])) > 1
    assert known_constants(made, GRID).G.value is None


def test_a_divergence_is_a_sentence() -> None:
    made = Problem(batch_value, gradient, 3, minimum=C, compiled=False)
    with pytest.raises(InputError, match=r"of run 0 is not finite at step \d+; lower the learning rate"):
        simulate(made, GRID, 1e6, steps=20, runs=2, start=2, rounding="full", clip=None)


def test_a_problem_goes_to_another_process() -> None:
    made = Problem(batch_value, gradient, 3, convex=True, L=2.0, compiled=False, name="bowl")
    again = pickle.loads(pickle.dumps(made))
    assert repr(again) == repr(made)
    assert (again.f_star, again.origin, again.checks) == (made.f_star, "found", True)
    assert known_constants(again, GRID).lines() == known_constants(made, GRID).lines()
    wavy = Problem(batch_value, gradient, 3, compiled=False)
    assert pickle.loads(pickle.dumps(wavy)).minimum is None


def test_known_constants_of_built_in_problems() -> None:
    known = known_constants(absolute(1.0, 0.3), Grid(0.25, 4), Noise("normal", 1.0))
    assert known.L == (None, "f has a kink")
    assert known.g_max.value is None
    assert known.mu.value is None
    assert known.D.value == 2.3
