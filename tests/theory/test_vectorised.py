"""The driver in NumPy: the compiled driver's bits where both can run, and a user's rounding as it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory import (
    FewBits,
    Grid,
    Noise,
    Schedule,
    bounds_that_apply,
    elastic,
    evolve_separable,
    known_constants,
    laws_in_the_long_run,
    quadratic,
    simulate,
)
from alpt_ref.theory.draws import first_draw
from alpt_ref.theory.linear import least_squares, logistic_regression, synthetic_regression
from tests import tolerances

from . import oracle

GRID = Grid(0.125, 5)
ELASTIC = elastic([0.5, 0.0, 1.0], [1.0, 0.7, 0.2], [0.0, 0.125, -0.3])
LOGISTIC = synthetic_regression("logistic", 12, 3, seed=4, l2=0.05)
RUN: dict[str, Any] = {"steps": 36, "runs": 9, "start": [5, -6, 2], "seed": 2**40 + 3, "checkpoints": [7]}
NOISES = [Noise(), Noise("two-point", 0.7), Noise("uniform", 0.6), Noise("normal", 0.8)]
SAME = ("value", "distance2", "gradient2", "average_value", "exceeded", "max_sampled_gradient2")


@pytest.mark.parametrize("noise", NOISES, ids=lambda n: n.kind)
@pytest.mark.parametrize("problem", [ELASTIC, LOGISTIC], ids=["elastic", "logistic"])
def test_it_walks_like_the_compiled_driver(problem: Any, noise: Noise) -> None:
    """All 32 bits of a word is what `"sr"` takes: same noise, rows, words, gradients and arithmetic."""
    schedule = Schedule("inverse-sqrt", 0.3)
    options: dict[str, Any] = {**RUN, "noise": noise, "averages": True, "check": True}
    if problem is LOGISTIC:  # the other one has no rows to draw
        options["batch"] = 3
    wanted = simulate(problem, GRID, schedule, rounding="sr", **options)
    got = simulate(problem, GRID, schedule, rounding=FewBits(32), **options)
    np.testing.assert_array_equal(got.final, wanted.final)
    for name in SAME:
        np.testing.assert_allclose(getattr(got, name), getattr(wanted, name), rtol=tolerances.FLOAT32_SUM, atol=1e-6)


def with_our_words(seed: int) -> Any:
    """A rounding to GRID in NumPy that takes the words of the package's own SR; all its numbers are dyadic."""

    def function(x: NDArray[np.float32], draw: int) -> NDArray[np.float32]:
        words = oracle.words(x.size, draw - first_draw(seed), oracle.twin.ROUNDING, seed).reshape(x.shape)
        steps = x.astype(np.float64) / GRID.step_size
        low = np.floor(steps)
        up = words.astype(np.float64) < (steps - low) * 2.0**32
        return np.asarray(np.clip(low + up, GRID.low_code, GRID.high_code) * GRID.step_size, dtype=np.float32)

    return function


def test_a_users_rounding_on_the_packages_words_gives_the_packages_run() -> None:
    """Updates upwards take the same words in both rules, those downwards others: so the gradient never changes sign."""
    problem = elastic(0.0, [1.0, 0.25, 0.5], [1.5, 1.75, 1.25])  # slopes of -1, -1/4, -1/2 below the minimum
    options: dict[str, Any] = {**RUN, "start": [-16, -15, -14], "check": True, "averages": True}
    schedule = Schedule("constant", 0.0625)
    wanted = simulate(problem, GRID, schedule, **options)
    got = simulate(problem, GRID, schedule, rounding=with_our_words(RUN["seed"]), **options)
    np.testing.assert_array_equal(got.final, wanted.final)
    np.testing.assert_array_equal(got.value, wanted.value)
    assert len(np.unique(wanted.final)) > 5


def test_a_users_rounding_sees_the_unclipped_weight_and_consecutive_draws() -> None:
    seen: list[tuple[float, int]] = []

    def nearest(x: NDArray[np.float32], draw: int) -> NDArray[np.float32]:
        seen.append((float(x.max()), draw))
        return np.clip(np.round(x / 0.5) * 0.5, -2.0, 1.5)

    got = simulate(
        quadratic(1.0, 0.0),
        Grid(0.5, 3),
        Schedule("constant", 8.0),
        steps=4,
        runs=2,
        start=-1,
        rounding=nearest,
        check=True,
    )
    assert [x for x, _ in seen] == [3.5, -10.5, 14.0]
    assert [draw - first_draw(0) for _, draw in seen] == [0, 1, 2]
    assert got.exceeded.tolist() == [3, 3]
    assert got.final.tolist() == [[1.5], [1.5]]


def test_what_a_rounding_returns_is_kept_even_if_it_returns_its_own_array() -> None:
    buffer = np.zeros((2, 1), np.float32)

    def lazy(x: NDArray[np.float32], draw: int) -> NDArray[np.float32]:
        buffer[:] = np.round(x)
        x[:] = 7.0
        return buffer

    options: dict[str, Any] = {"steps": 3, "runs": 2, "start": 3, "rounding": lazy}
    got = simulate(quadratic(1.0, 0.0), Grid(1.0, 4), Schedule("constant", 0.25), **options)
    assert got.final.tolist() == [[2.0], [2.0]]  # 3 - 3/4, rounded: 2; 2 - 2/4 = 1.5, to even: 2


def test_few_random_bits_are_those_of_the_theorem() -> None:
    """R8: with r bits a code nearer than ``2^-r Delta/(eta lambda)`` to the minimum is fixed, and no other is."""
    for bits in (1, 3, 5):
        radius = 2.0**-bits / 0.0078125
        grid = Grid(1.0, 9)
        for distance, moves in ((radius, True), (np.ceil(radius) - 1, False)):
            run = simulate(
                quadratic(1.0, 0.0), grid, Schedule("constant", 0.0078125), steps=400, runs=50, start=int(distance),
                rounding=FewBits(bits),
            )  # fmt: skip
            assert bool((run.final != distance).all()) is moves


@pytest.mark.parametrize(
    ("rounding", "message"),
    [
        (lambda x, draw: x[:1], r"rounding must return real numbers of the shape \(4, 1\)"),
        (lambda x, draw: x + 1j, "rounding must return real numbers"),
        (lambda x, draw: x * np.nan, "rounding must return finite numbers"),
        (3, r"rounding must be full, sr, dr, FewBits\(r\) or a function of \(x, draw\), got 3"),
    ],
)
def test_a_rounding_that_breaks_its_contract_is_told(rounding: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate(quadratic(1.0, 0.0), GRID, Schedule("constant", 0.1), steps=5, runs=4, start=3, rounding=rounding)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"problem": object()},
            r"problem must be one of alpt_ref.theory .* or Problem\(value, gradient, dim\), got object",
        ),
        ({"problem": quadratic(1.0, 9.0)}, r"coordinate 0 of it is 9 and the box is \[-2, 1.875\]; take more bits"),
        ({"grid": 0.125}, r"grid must be a Grid\(step_size, bits\), got 0.125"),
        ({"noise": "normal"}, r"noise must be a Noise\(kind, sigma\), got 'normal'"),
        ({"checkpoints": 3}, "checkpoints must be whole numbers from 1 to steps = 5, got 3"),
        ({"step_sizes": "small"}, "step_sizes must be numbers, got 'small'"),
        ({"start": [[1], [2, 3]]}, "start must be one whole code or one for each of the 1 coordinates"),
        ({"runs": 2.5}, "runs must be at least 1 .*, got 2.5"),
        ({"seed": 0.5}, "seed must be a whole number"),
        ({"steps": 2.5}, "steps must be at least 1, got 2.5"),
        ({"checkpoints": [1.5]}, "checkpoints must be whole numbers"),
        ({"device": "cuda", "rounding": FewBits(8)}, "device 'cuda' runs SGD with rounding full, sr or dr"),
    ],
)
def test_raw_errors_became_sentences(change: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {"problem": quadratic(1.0, 0.0), "steps": 5, "runs": 4, "start": 3, **change}
    with pytest.raises(InputError, match=message):
        simulate(options.pop("problem"), options.pop("grid", GRID), Schedule("constant", 0.1), **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: known_constants(object(), GRID), "problem must be one of"),  # type: ignore[arg-type]
        (
            lambda: bounds_that_apply(ELASTIC, GRID, 0.1, steps=5, start=1, rounding="up"),
            "rounding must be full, sr or dr",
        ),  # type: ignore[arg-type]
        (lambda: laws_in_the_long_run(ELASTIC, 0.1, 0.1), "grid must be a Grid"),  # type: ignore[arg-type]
        (lambda: evolve_separable(LOGISTIC, GRID, 1, [0.1]), "the exact engine takes a separable problem"),  # type: ignore[arg-type]
        (lambda: evolve_separable(ELASTIC, GRID, 1, Schedule("constant", 0.1)), "rates must be numbers"),  # type: ignore[arg-type]
        (
            lambda: evolve_separable(ELASTIC, GRID, [1, 2], [0.1]),
            "start must be one whole code or one for each of the 3",
        ),
        (lambda: Grid(0.1, "8"), "bits must be a whole number from 1 to 16, got '8'"),  # type: ignore[arg-type]
        (lambda: FewBits("8"), "random bits must be a whole number from 1 to 32, got '8'"),  # type: ignore[arg-type]
        (lambda: Noise("normal", "a"), "sigma must be a finite number of at least 0, got 'a'"),  # type: ignore[arg-type]
        (lambda: least_squares([["a"]], [1.0]), "features must be numbers"),
        (lambda: logistic_regression([[1.0]], ["yes"]), "labels must be numbers"),
        (lambda: ELASTIC.constants(0.25), "grid must be a Grid"),  # type: ignore[arg-type]
        (lambda: Schedule("constant", "fast"), "scale of the learning rate must be a finite number above 0"),  # type: ignore[arg-type]
    ],
)
def test_other_doors_speak_in_sentences_too(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


class Raises:
    """An update rule of which one method raises."""

    def __init__(self, method: str) -> None:
        self.method = method

    def _may_raise(self, method: str) -> None:
        if method == self.method:
            raise KeyError("velocity")

    def init(self, runs: int, d: int) -> dict[str, Any]:
        self._may_raise("init")
        return {}

    def move(self, gradient: Any, state: Any, rate: float, t: int) -> Any:
        self._may_raise("move")
        return -rate * gradient

    def absorb(self, error: Any, state: Any, rate: float, t: int) -> None:
        self._may_raise("absorb")


def _late(t: int) -> float:
    return 0.1 if t < 3 else 1 / (t - 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"rounding": lambda x, draw: [][0]},
            r"rounding at draw \d+ raised IndexError: list index .* \(test",
        ),
        ({"update": Raises("init")}, "init of the update rule raised KeyError: 'velocity'"),
        ({"update": Raises("move")}, "move of the update rule at step 1 raised KeyError"),
        ({"update": Raises("absorb")}, "absorb of the update rule at step 1 raised KeyError"),
        ({"schedule": _late}, "the function of learning rates raised ZeroDivisionError"),
    ],
)
def test_what_a_function_of_the_users_raises_is_a_sentence_with_its_cause(change: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {"schedule": 0.1, **change}
    with pytest.raises(InputError, match=message) as caught:
        simulate(quadratic(1.0, 0.0), GRID, options.pop("schedule"), steps=5, runs=2, start=3, **options)
    assert not isinstance(caught.value.__cause__, InputError)


def test_a_minimum_outside_the_box_can_be_asked_for() -> None:
    run = simulate(
        quadratic(1.0, 9.0), GRID, Schedule("constant", 0.5), steps=50, runs=2, start=3, minimum_outside=True
    )
    assert run.final.tolist() == [[1.875], [1.875]]
