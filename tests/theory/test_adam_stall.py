"""D7's constants against sums of exact fractions, brute force over gradients, and the package's own lazy Adam."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.tables import make_table
from alpt_ref.theory import adam_stall
from alpt_ref.theory.adam_stall import (
    adam_dr_first_move,
    adam_dr_stalls,
    adam_update_bound,
    extremal_gradients,
    largest_update,
)
from tests import tolerances

RATES = [(0.9, 0.999), (0.5, 0.3), (0.0, 0.9), (0.9, 0.82), (0.99, 0.9999)]


def weights(t: int, b: float) -> NDArray[np.float64]:
    """Adam's normalised weights of the gradients 1..t, by its own recursion."""
    kept = np.zeros(t)
    for s in range(t):
        kept *= b
        kept[s] = 1.0 - b
    return np.asarray(kept / (1.0 - b**t))


@pytest.mark.parametrize(("b1", "b2"), [(Fraction(9, 10), Fraction(999, 1000)), (Fraction(1, 2), Fraction(1, 3))])
@pytest.mark.parametrize("t", [1, 2, 7, 30])
def test_the_closed_form_is_the_sum_of_fractions(t: int, b1: Fraction, b2: Fraction) -> None:
    a = [(1 - b1) * b1 ** (t - s) / (1 - b1**t) for s in range(1, t + 1)]
    b = [(1 - b2) * b2 ** (t - s) / (1 - b2**t) for s in range(1, t + 1)]
    assert sum(a) == sum(b) == 1
    square = sum(x * x / y for x, y in zip(a, b, strict=True))
    assert float(adam_update_bound(t, float(b1), float(b2))) == pytest.approx(
        math.sqrt(square), rel=tolerances.TEN_DIGITS
    )


@given(
    gradients=st.lists(st.floats(-1e3, 1e3).filter(lambda g: g == 0 or abs(g) > 1e-3), min_size=1, max_size=40),
    rates=st.sampled_from(RATES),
)
def test_no_gradients_exceed_the_bound(gradients: list[float], rates: tuple[float, float]) -> None:
    g, t = np.array(gradients), len(gradients)
    second = weights(t, rates[1]) @ (g * g)
    first = abs(weights(t, rates[0]) @ g)
    assert first <= float(adam_update_bound(t, *rates)) * math.sqrt(second) * (1.0 + tolerances.EXACT_BOUND)


@pytest.mark.parametrize("t", [1, 2, 9, 79, 300])
def test_one_growing_sequence_reaches_the_bound_at_every_touch(t: int) -> None:
    g = extremal_gradients(300)[:t]
    ratio = (weights(t, 0.9) @ g) / math.sqrt(weights(t, 0.999) @ (g * g))
    assert ratio == pytest.approx(float(adam_update_bound(t)), rel=tolerances.FLOAT64)


@pytest.mark.parametrize(("b1", "b2"), RATES)
def test_the_bound_never_falls_and_ends_at_its_limit(b1: float, b2: float) -> None:
    c = adam_update_bound(np.arange(1, 60_000), b1, b2)
    assert c[0] == pytest.approx(1.0)
    assert (np.diff(c) >= -1e-14).all()
    assert c[-1] == pytest.approx(largest_update(b1, b2), rel=0.003)


def test_the_first_possible_move_by_hand() -> None:
    assert float(adam_update_bound(78)) < 2.0 < float(adam_update_bound(79))
    assert adam_dr_first_move([0.25, 0.4, 0.49, 0.5, 3.0]).tolist() == [79.0, 27.0, 7.0, 1.0, 1.0]
    never = 0.5 / largest_update()
    assert adam_dr_first_move([0.99 * never, 1.01 * never]).tolist()[0] == math.inf
    assert adam_dr_first_move(1.01 * never) < math.inf
    assert adam_dr_stalls(0.4, [1, 26, 27]).tolist() == [True, True, False]
    assert adam_dr_stalls([0.4, 0.02], 10**9).tolist() == [False, True]


@pytest.mark.parametrize("b2", [0.999, 0.9999])
def test_a_bisection_finds_the_touch_that_a_list_finds(b2: float, monkeypatch: pytest.MonkeyPatch) -> None:
    ratios = [0.4999, 0.3, 0.1, 0.06, 0.03, 1.0]
    listed = adam_dr_first_move(ratios, 0.9, b2)
    monkeypatch.setattr(adam_stall, "LISTED", 1)
    assert adam_dr_first_move(ratios, 0.9, b2).tolist() == listed.tolist()


def test_b2_near_1_takes_no_memory() -> None:
    b2 = (
        1.0 - 1e-11
    )  # nearly a plain mean of the squares: c_t^2 is near (1-b1)/(1+b1) t, a list would hold 4e12 of them
    (first,) = adam_dr_first_move([1e-3], 0.9, b2)
    assert first == pytest.approx(500.0**2 * 1.9 / 0.1, rel=0.01)


@pytest.mark.parametrize("ratio", [0.25, 0.4, 0.49])
def test_the_package_s_table_first_moves_where_predicted(ratio: float) -> None:
    first = int(adam_dr_first_move(ratio))
    table = make_table("lpt", 1, 1, bits=8, rounding="dr", optimizer="adam", lr=ratio, granularity="table",
                       init_step=1.0, init_std=0.0)  # fmt: skip
    for t, g in enumerate(extremal_gradients(first), start=1):
        assert not table.codes().any(), t
        table.apply_gradients(np.array([0]), np.array([[-g]], np.float32))
    assert table.codes().tolist() == [[1]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: adam_update_bound(0), "touches must be at least 1"),
        (lambda: adam_update_bound(1, 0.9, 0.8), "b1\\*\\*2 < b2"),
        (lambda: adam_dr_first_move(0.0), "ratio must be finite numbers above 0"),
        (lambda: extremal_gradients(3, b1=0.0), "b1 must be"),
        (lambda: adam_dr_first_move(0.3, 0.9, math.nextafter(1.0, 0.0)), "b2 must be at most 1 - 1e-11"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(call: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()  # type: ignore[operator]


def test_no_learning_rate_below_the_largest_moves_a_code_earlier() -> None:
    """Rows of random, sparse and growing gradients under rates that go up and down, zero gradients included."""
    first, rows = int(adam_dr_first_move(0.25)), 64
    generator = np.random.Generator(np.random.Philox(key=5))
    table = make_table("lpt", rows, 4, bits=8, rounding="dr", optimizer="adam", lr=0.25, granularity="row",
                       init_step=1.0, init_std=0.0, seed=1)  # fmt: skip
    growing = extremal_gradients(first)
    for t in range(first - 1):
        gradients = generator.standard_normal((rows, 4)) * (generator.random((rows, 4)) < 0.3)
        gradients[: rows // 2] = growing[t]
        gradients[rows // 4 : rows // 2, ::2] = 0.0 if t < first // 2 else growing[t]
        rate = 0.25 if t > first - 10 else float(generator.uniform(0.0, 0.25))
        table.apply_gradients(np.arange(rows), gradients.astype(np.float32), lr=max(rate, 1e-3))
        assert not table.codes().any(), t
    table.apply_gradients(np.arange(rows), np.full((rows, 4), growing[-1], np.float32), lr=0.25)
    assert table.codes()[: rows // 4].all()
