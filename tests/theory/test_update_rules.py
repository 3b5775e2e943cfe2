"""Update rules, step sizes, starts and clipping of the vectorised driver against loops in Python and fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.kernels import jit
from alpt_ref.theory import (
    Adagrad,
    Adam,
    Eco,
    ErrorFeedback,
    FewBits,
    Grid,
    LearnedSteps,
    Momentum,
    Noise,
    Schedule,
    quadratic,
    simulate,
)

CURVATURE, MINIMUM, START = [1.0, 2.5, 0.25], [0.3, -0.2, 0.05], [5, -6, 2]
BOWL = quadratic(CURVATURE, MINIMUM)
GRID = Grid(0.125, 6)
RATES = [0.1, 0.05, 0.2, 0.0, 0.1, 0.15, 0.1, 0.02]


def moves(rule: str, rates: list[float], gradients: list[float]) -> float:
    """The last move of one coordinate, by the definition of the rule, from all gradients so far."""
    rate, g = rates[len(gradients) - 1], gradients[-1]
    if rule == "momentum":
        return -rate * sum(0.1 * 0.9 ** (len(gradients) - 1 - s) * x for s, x in enumerate(gradients))
    if rule == "adagrad":
        return -rate * g / (math.sqrt(sum(x * x for x in gradients)) + 1e-3)
    t = len(gradients)
    m = sum(0.1 * 0.9 ** (t - 1 - s) * x for s, x in enumerate(gradients)) / (1 - 0.9**t)
    v = sum(0.001 * 0.999 ** (t - 1 - s) * x * x for s, x in enumerate(gradients)) / (1 - 0.999**t)
    return -rate * m / (math.sqrt(v) + 1e-8)


@pytest.mark.parametrize("rule", [Momentum(), Adagrad(1e-3), Adam()], ids=["momentum", "adagrad", "adam"])
def test_rules_against_a_loop_in_plain_python(rule: Any) -> None:
    name = type(rule).__name__.lower()
    got = simulate(BOWL, GRID, RATES, steps=9, runs=2, start=START, update=rule, rounding="full")
    for j in range(3):
        w, gradients = START[j] * 0.125, []
        for _ in RATES:
            gradients.append(CURVATURE[j] * (w - MINIMUM[j]))
            w += moves(name, RATES, gradients)
        np.testing.assert_allclose(got.final[:, j], w, rtol=0, atol=2e-6)  # nine roundings to float32


@pytest.mark.parametrize("name", ["eco", "ef"])
def test_error_feedback_in_fractions(name: str) -> None:
    """b = 1/2, eta = 1/8, Delta = 1/4: every number is dyadic, so that the driver must hit the fraction itself."""
    half, eta, step = Fraction(1, 2), Fraction(1, 8), Fraction(1, 4)
    for T in (2, 3, 7, 12):
        w, m, r, n = Fraction(5) * step, Fraction(0), Fraction(0), Fraction(0)
        for _ in range(T - 1):
            g = w - Fraction(1, 16)
            if name == "eco":
                n = half * m + half * g
                v = w - eta * n
            else:
                v = w + r - eta * g
            w = math.floor(v / step + half) * step
            e = v - w
            m, r = n + (1 - 1 / half) / eta * e, e
        rule = Eco(0.5) if name == "eco" else ErrorFeedback()
        options: dict[str, Any] = {"steps": T, "runs": 1, "start": 5, "rounding": "dr", "update": rule}
        got = simulate(quadratic(1.0, 0.0625), Grid(0.25, 5), Schedule("constant", 0.125), **options)
        assert got.final[0, 0] == float(w)


def test_error_feedback_moves_where_nearest_rounding_stalls() -> None:
    options: dict[str, Any] = {"steps": 400, "runs": 4, "start": 20, "rounding": "dr", "seed": 2}
    options["noise"] = Noise("two-point", 0.5)
    rate = Schedule("constant", 0.02)
    stalled = simulate(quadratic(1.0, 0.3), GRID, rate, **options)
    assert (stalled.final == 2.5).all()
    for name in ("eco", "ef"):
        fed = simulate(quadratic(1.0, 0.3), GRID, rate, update=name, **options)
        assert np.abs(fed.final - 0.3).max() < 0.5


def test_only_the_rounding_error_is_fed_back() -> None:
    """At the end of the range the clipping takes most of every move; a residual that kept it would never come back."""
    told = []

    class Listener:
        def init(self, runs: int, d: int) -> None:
            return None

        def move(self, gradient: Any, state: Any, rate: float, t: int) -> Any:
            return np.full(gradient.shape, 0.3)

        def absorb(self, error: Any, state: Any, rate: float, t: int) -> None:
            told.append(float(error[0, 0]))

    options: dict[str, Any] = {"steps": 4, "runs": 1, "start": 1, "rounding": "dr", "update": Listener(), "check": True}
    got = simulate(quadratic(1.0, 0.0), Grid(0.25, 3), Schedule("constant", 1.0), **options)
    np.testing.assert_allclose(told, [0.05, 0.0, 0.0], atol=1e-7)  # 0.25, 0.5, and 0.75, the end
    assert got.exceeded.tolist() == [2]


def test_step_sizes_learn_as_in_algorithm_1() -> None:
    """Against float64: move, gradient at the nearest codes, step size, nearest rounding on the new grid."""
    learned = LearnedSteps(0.02, row_dim=2, scale=0.5)
    a, minimum = np.array([1.0, 2.0, 0.5, 1.5]), np.array([0.3, -0.2, 0.1, 0.45])
    options: dict[str, Any] = {"steps": 9, "runs": 1, "start": [3, -7, 2, 5], "rounding": "dr", "step_sizes": learned}
    got = simulate(quadratic(a, minimum), Grid(0.1, 4), Schedule("constant", 0.1), **options)
    sizes, code = np.full(4, 0.1), np.array([3.0, -7.0, 2.0, 5.0])
    for _ in range(8):
        v = code * sizes - 0.1 * a * (code * sizes - minimum)
        x = v / sizes
        nearest = np.clip(np.floor(x + 0.5), -8, 7)
        slope = np.where(x < -8, -8, np.where(x > 7, 7, np.floor(x + 0.5) - x))
        product = a * (nearest * sizes - minimum) * slope
        sizes = np.maximum(sizes - 0.02 * 0.5 * np.repeat(product.reshape(2, 2).sum(axis=1), 2), 0.001)
        code = np.clip(np.floor(v / sizes + 0.5), -8, 7)
    assert got.step_sizes is not None
    np.testing.assert_allclose(got.step_sizes[0], sizes, rtol=1e-6)
    np.testing.assert_allclose(got.final[0], code * sizes, rtol=1e-6)
    assert (np.abs(sizes - 0.1) > 0.002).any()


@pytest.mark.parametrize("rounding", ["sr", "dr"])
def test_step_sizes_that_do_not_learn_give_the_fixed_run_bit_for_bit(rounding: str) -> None:
    options: dict[str, Any] = {
        "steps": 30,
        "runs": 5,
        "start": START,
        "noise": Noise("normal", 0.7),
        "rounding": rounding,
    }
    fixed = simulate(BOWL, GRID, Schedule("constant", 0.1), **options)
    still = simulate(BOWL, GRID, Schedule("constant", 0.1), step_sizes=LearnedSteps(0.0), **options)
    np.testing.assert_array_equal(still.final, fixed.final)


def test_a_start_off_the_grid_is_rounded_by_the_method() -> None:
    """A single iterate shows the start itself."""
    start = [0.3, -0.2, 0.0625]
    options: dict[str, Any] = {"steps": 1, "runs": 4000, "start": start, "seed": 9}
    by = {name: simulate(BOWL, GRID, 0.1, rounding=name, **options).final for name in ("full", "dr", "sr")}  # type: ignore[arg-type]
    np.testing.assert_array_equal(by["full"][0], np.float32(start))
    assert by["dr"][0].tolist() == [0.25, -0.25, 0.125]
    for j, low in enumerate((0.25, -0.25, 0.0)):
        assert set(by["sr"][:, j].tolist()) == {low, low + 0.125}
    spread = 0.125 * np.sqrt(0.25 / 4000)
    assert np.abs(by["sr"].mean(axis=0) - start).max() < 5 * spread
    ours = simulate(BOWL, GRID, 0.1, rounding=lambda x, draw: np.floor(x / 0.125) * 0.125, **options)
    assert ours.final[0].tolist() == [0.25, -0.25, 0.0]


def test_without_clipping_codes_leave_the_range() -> None:
    options: dict[str, Any] = {
        "steps": 2,
        "runs": 1,
        "start": 3,
        "rounding": "dr",
        "check": True,
        "minimum_outside": True,
    }
    free = simulate(quadratic(1.0, 10.0), Grid(0.5, 3), 1.0, clip=None, **options)
    kept = simulate(quadratic(1.0, 10.0), Grid(0.5, 3), 1.0, **options)
    assert (free.final[0, 0], kept.final[0, 0]) == (10.0, 1.5)
    assert (free.exceeded[0], kept.exceeded[0]) == (1, 1)
    assert (
        simulate(quadratic(1.0, 10.0), Grid(0.5, 3), 1.0, clip=None, **{**options, "rounding": "full"}).final[0, 0]
        == 10.0
    )


def test_neither_the_number_of_runs_nor_threads_change_a_bit() -> None:
    options: dict[str, Any] = {"steps": 12, "start": [0.3, -0.2, 0.1], "noise": Noise("normal", 0.5), "update": "adam"}
    few, many = (simulate(BOWL, GRID, 0.1, runs=runs, rounding=FewBits(16), **options) for runs in (7, 20_000))
    np.testing.assert_array_equal(many.final[:7], few.final)
    before = jit.num_threads()
    try:
        jit.set_num_threads(3)
        other = simulate(BOWL, GRID, 0.1, runs=20_000, rounding=FewBits(16), **options)
    finally:
        jit.set_num_threads(before)
    np.testing.assert_array_equal(other.final, many.final)


def test_schedules_as_arrays_and_functions() -> None:
    options: dict[str, Any] = {"steps": 9, "runs": 3, "start": START, "seed": 4}
    by_array = simulate(BOWL, GRID, RATES, **options)
    np.testing.assert_array_equal(simulate(BOWL, GRID, Schedule(RATES), **options).final, by_array.final)
    np.testing.assert_array_equal(simulate(BOWL, GRID, lambda t: RATES[(t - 1) % 8], **options).final, by_array.final)
    halved = simulate(BOWL, GRID, Schedule([2.0 * rate for rate in RATES], 0.5), **options)
    np.testing.assert_array_equal(halved.final, by_array.final)
    one = simulate(BOWL, GRID, 0.1, **options)
    np.testing.assert_array_equal(one.final, simulate(BOWL, GRID, Schedule("constant", 0.1), **options).final)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schedule": [0.1, 0.1]}, "a run of 5 iterates takes 4 learning rates, one for each update, got 2"),
        ({"schedule": [[0.1] * 4]}, r"learning rates must be an array \(T - 1,\)"),
        ({"schedule": [0.1, -0.1, 0.1, 0.1]}, "a learning rate must be a finite number of at least 0, got -0.1"),
        ({"schedule": lambda t: "fast"}, "learning rates must be numbers"),
        ({"schedule": "constant"}, r"schedule 'constant' needs a scale"),
        ({"schedule": 0.0}, "scale of the learning rate must be a finite number above 0"),
        ({"update": object()}, r"an update rule needs the methods init\(runs, d\) and move"),
        ({"update": Adam}, "an update rule needs the methods"),
        ({"start": 2.5}, "start as weights must lie in the box"),
        ({"start": "left"}, "start must be one whole code"),
        ({"step_sizes": LearnedSteps(0.1, row_dim=2)}, "row_dim must divide the 1 coordinates"),
        ({"step_sizes": LearnedSteps(0.1), "rounding": "full"}, "learned step sizes go with rounding sr"),
        ({"update": "adam", "device": "cuda"}, "device 'cuda' runs SGD"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {"schedule": 0.1, "steps": 5, "runs": 4, "start": 0, **change}
    with pytest.raises(InputError, match=message):
        simulate(quadratic(1.0, 0.0), Grid(0.125, 4), options.pop("schedule"), **options)


@pytest.mark.parametrize(
    ("move", "message"),
    [
        (lambda g: g[:1], "the update rule must return real numbers of the shape"),
        (lambda g: g * np.inf, "the move of the update rule of run 0 is not finite at step 1; lower the learning rate"),
    ],
)
def test_a_rule_that_breaks_its_contract_is_told(move: Any, message: str) -> None:
    class Rule:
        def init(self, runs: int, d: int) -> None:
            return None

        def move(self, gradient: Any, state: Any, rate: float, t: int) -> Any:
            return move(gradient)

    with pytest.raises(InputError, match=message):
        simulate(quadratic(1.0, 0.0), GRID, 0.1, steps=3, runs=4, start=3, update=Rule())


@pytest.mark.parametrize(
    "wrong",
    [lambda: Momentum(1.0), lambda: Adam(keep_squares=0.0), lambda: Adagrad(-1.0), lambda: LearnedSteps(-0.1)],
)
def test_numbers_of_a_rule_are_checked(wrong: Any) -> None:
    with pytest.raises(InputError, match="must be"):
        wrong()
