"""Functions of a user's that write to their argument, answer anew each time or forget to decode: no silent change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.studies.experiment_key import digest
from alpt_ref.theory import Grid, Problem, Schedule, simulate

GRID, RATE = Grid(0.125, 6), Schedule("constant", 0.01)
RUN: dict[str, Any] = {"steps": 12, "runs": 5, "start": 7, "check": True}


def value(w: Any) -> Any:
    return 0.5 * ((w - 0.3) ** 2).sum(axis=-1)


def gradient(w: Any) -> Any:
    return w - 0.3


def rounding(x: Any, draw: int) -> Any:
    u = np.random.default_rng(draw).random(x.shape, dtype=np.float32)
    return np.clip(np.floor(x / np.float32(0.125) + u), -32, 31) * np.float32(0.125)


class Rule:
    """SGD that may keep its move in the gradient's memory."""

    def __init__(self, *, writes: bool) -> None:
        self.writes = writes

    def init(self, runs: int, d: int) -> None:
        return None

    def move(self, g: Any, state: None, rate: float, t: int) -> Any:
        return np.multiply(g, -np.float32(rate), out=g if self.writes else None)


def bowl(change: Any = gradient, **options: Any) -> Problem:
    return Problem(value, change, 2, mu=1.0, L=1.0, compiled=False, **options)


def same(one: Any, other: Any) -> None:
    for name in ("final", "value", "max_sampled_gradient2", "max_gradient2"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_a_rounding_that_writes_to_x_leaves_the_error_to_the_rule() -> None:
    def in_place(x: Any, draw: int) -> Any:
        x[...] = rounding(x, draw)
        return x

    runs = [simulate(bowl(), GRID, RATE, rounding=one, update="eco", **RUN) for one in (rounding, in_place)]
    same(*runs)


def test_a_rule_that_writes_to_the_gradient_leaves_what_is_recorded() -> None:
    runs = [
        simulate(bowl(), GRID, RATE, rounding=rounding, update=Rule(writes=writes), **RUN) for writes in (False, True)
    ]
    same(*runs)


def test_a_gradient_that_writes_to_the_points_moves_no_run() -> None:
    def in_place(w: Any) -> Any:
        w -= 0.3
        return w

    made = bowl(in_place)
    at = np.array([[1.0, 2.0]])
    np.testing.assert_allclose(made.gradient(at), [[0.7, 1.7]])
    np.testing.assert_array_equal(at, [[1.0, 2.0]])
    same(*(simulate(one, GRID, RATE, rounding=rounding, **RUN) for one in (bowl(), made)))


def test_a_gradient_that_answers_anew_is_refused() -> None:
    random = np.random.default_rng(0)
    with pytest.raises(InputError, match="gradient gives another result when it is called again"):
        bowl(lambda w: w - 0.3 + 1e-9 * random.standard_normal(w.shape))


def test_codes_in_place_of_values_are_refused() -> None:
    with pytest.raises(InputError, match=r"decoded values, got whole numbers \(int64\)"):
        simulate(bowl(), GRID, RATE, rounding=lambda x, draw: np.rint(x / 0.125).astype(np.int64), **RUN)


def test_a_device_that_is_none_is_refused_on_a_problem_of_the_user_too() -> None:
    with pytest.raises(InputError, match="device must be 'cpu' or 'cuda', got 'tpu'"):
        simulate(bowl(), GRID, RATE, rounding=rounding, device="tpu", **RUN)  # type: ignore[arg-type]


def test_an_infimum_of_a_convex_function_is_heard() -> None:
    with pytest.raises(InputError, match=r"infimum = 5.0 is no lower bound"):
        bowl(infimum=5.0)
    assert bowl(infimum=-1.0).f_star == -1.0
    assert bowl(infimum=-1.0).minimum is None
    assert bowl(infimum=0.0).origin == "found"


def test_what_a_slot_or_a_pickled_state_holds_counts_in_the_key() -> None:
    class Slotted:
        __slots__ = ("scale",)

        def __init__(self, scale: float) -> None:
            self.scale = scale

    class Both(Slotted):
        pass

    class Opaque:  # as tensors of other libraries: an empty __dict__, and the numbers elsewhere
        def __reduce__(self) -> Any:
            return Opaque, (hidden(self),)

    numbers: dict[int, float] = {}

    def hidden(one: Opaque) -> float:
        return numbers[id(one)]

    def opaque(number: float) -> Opaque:
        made = Opaque()
        numbers[id(made)] = number
        return made

    def with_class_attribute(number: float) -> Any:
        return type("Rates", (), {"rates": (number, 0.5)})()

    for make in (Slotted, Both, opaque, with_class_attribute):
        kept = [make(1.0), make(1.0), make(2.0)]
        assert digest(kept[0]) == digest(kept[1]) != digest(kept[2])
