"""Passes of a Monte Carlo step over small buffers, number by number: counters, updates, what is measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alpt_ref.kernels.cpu import montecarlo_each as each
from alpt_ref.kernels.cpu import montecarlo_measure as measure
from alpt_ref.kernels.cpu import montecarlo_passes as passes
from alpt_ref.kernels.cpu.montecarlo_types import (
    DISTANCE2,
    ELASTIC,
    EXCEEDED,
    FULL,
    GRADIENT2,
    MAX_DISTANCE2,
    MAX_GRADIENT2,
    MAX_SAMPLED_GRADIENT2,
    MEAN_GRADIENT2,
    MEAN_VALUE,
    NEAREST,
    STOCHASTIC,
    VALUE,
)
from tests.plain import plain

F32 = np.float32


def test_counters_of_blocks_go_on_beyond_32_bits() -> None:
    first = 4 * (2**32 + 2**33 - 2)
    c0, c1 = np.empty(4, np.uint32), np.empty(4, np.uint32)
    plain(passes.element_counters)(first, 4, c0, c1)
    blocks = [first // 4 + lane for lane in range(4)]
    assert c0.tolist() == [one % 2**32 for one in blocks]
    assert c1.tolist() == [one // 2**32 * 2**16 for one in blocks]


def test_codes_move_against_the_gradient_and_stay_in_their_range() -> None:
    low, high = np.int32(-4), np.int32(3)
    for g, nearest in ((0.9, 0), (1.1, -1), (-1.0, 1), (-1.1, 1), (1.0, 0), (99.0, -4), (-99.0, 3), (1e30, -4)):
        assert plain(passes.next_code_nearest)(np.int32(0), F32(0.5), F32(g), low, high) == nearest
    for word, up in ((0, 1), (2**30 - 1, 1), (2**30, 0), (2**32 - 1, 0)):  # a quarter of a step
        code = plain(passes.next_code_stochastic)(np.int32(1), F32(0.5), F32(-0.5), np.uint32(word), low, high)
        assert code == 1 + up
    assert plain(passes.next_code_stochastic)(np.int32(1), F32(1.0), F32(-50.0), np.uint32(0), low, high) == 3
    assert plain(passes.next_weight)(F32(1.0), F32(0.5), F32(1.0), F32(-2.0), F32(1.5)) == 0.5
    assert plain(passes.next_weight)(F32(1.0), F32(0.5), F32(-9.0), F32(-2.0), F32(1.5)) == 1.5


def method(rounding: int, sizes: list[float]) -> Any:
    rates = np.array([0.5, 0.5, 0.25], F32)
    start = np.array([1, -2], np.int32)
    sizes_ = np.array(sizes, F32)
    return SimpleNamespace(rounding=rounding, step_size=sizes_, learning_rates=rates, start=start, low=-4, high=3)


@pytest.mark.parametrize("sizes", [[0.5, 0.5], [0.5, 0.25]])
@pytest.mark.parametrize("rounding", [FULL, NEAREST])
def test_a_step_of_a_group(rounding: int, sizes: list[float]) -> None:
    """Three runs of two coordinates; gradients that move a code by one and two steps, and one out of the range."""
    this, n = method(rounding, sizes), 6
    own = np.array(sizes * 3, F32)
    room = SimpleNamespace(
        g=np.array([1.0, -1.25, -0.5, 9.0, 0.0, -9.0], F32), code=np.zeros(n, np.int32), w=np.zeros(n, F32),
        rate=np.full(n, 7.0, F32), step_size=own,
    )  # fmt: skip
    plain(passes.place_start)(n, this, room)
    assert room.code.tolist() == [1, -2] * 3
    np.testing.assert_array_equal(room.w, np.array([1, -2] * 3, F32) * own)
    assert bool(plain(passes.one_step_size)(this)) is (sizes[0] == sizes[1])
    before = room.w.copy()
    plain(passes.set_rates)(1, n, this, room)
    wanted = np.full(n, 0.5, F32) if rounding == FULL else F32(0.5) / own
    np.testing.assert_array_equal(room.rate, wanted)
    (plain(passes.update_all) if sizes[0] == sizes[1] else plain(passes.update_each))(1, n, this, room)
    moved = before - F32(0.5) * room.g
    if rounding == NEAREST:
        moved = np.floor(moved / own + 0.5) * own
        np.testing.assert_array_equal(room.code, np.clip(np.floor(moved / own), -4, 3))
    np.testing.assert_array_equal(room.w, np.clip(moved, -4 * own, 3 * own))
    room.rate[:] = 7.0
    plain(passes.set_rates)(2, n, this, room)  # the rate of the step before
    assert (room.rate == 7.0).all()
    plain(passes.set_rates)(3, n, this, room)
    np.testing.assert_array_equal(room.rate, wanted / 2)


@pytest.mark.parametrize("rounding", [FULL, STOCHASTIC])
def test_an_update_that_leaves_the_range_is_counted(rounding: int) -> None:
    """From code 1 of -4 .. 3 with step 0.5 and rate 1: the ends lie 5 steps down and 2 up."""
    unit = 1.0 if rounding == STOCHASTIC else 0.5
    g = np.array([5.0, -2.0, 5.25, -2.25, 0.0, 6.0], F32) * F32(unit)
    room = SimpleNamespace(
        g=g, rate=np.ones(6, F32), norms=np.zeros(3), step_size=np.full(6, 0.5, F32), code=np.ones(6, np.int32),
        w=np.full(6, 0.5, F32),
    )  # fmt: skip
    results = SimpleNamespace(limits=np.full((5, 4), 1.0))
    plain(measure.check_update)(1, 3, method(rounding, [0.5, 0.5]), room, results)
    assert results.limits[:, EXCEEDED].tolist() == [1.0, 1.0, 3.0, 2.0, 1.0]
    sums = (g.astype(float) ** 2).reshape(3, 2).sum(axis=1)
    np.testing.assert_array_equal(results.limits[1:4, MAX_SAMPLED_GRADIENT2], np.maximum(sums, 1.0))


def test_iterates_are_counted_as_they_are_measured() -> None:
    for thin in (1, 2, 3, 7):
        for run in (0, 3, 4, 11, 29):
            for t in range(1, 20):
                wanted = sum((s + run // 4) % thin == 0 for s in range(1, t + 1))
                assert plain(measure.iterates_measured)(t, run, thin) == wanted


@pytest.mark.parametrize("t", [3, 32])
@pytest.mark.parametrize("recorded", [False, True])
def test_what_is_measured_of_a_separable_problem(t: int, recorded: bool) -> None:
    rng = np.random.default_rng(t)
    runs, d, first, n = 3, 2, 1, 6
    w, target, g = (rng.normal(size=n).astype(F32) for _ in range(3))
    a, b = (rng.uniform(0.5, 1.0, n).astype(F32) for _ in range(2))
    room = SimpleNamespace(
        w=w, target=target, g=g, a=a, b=b, norms=np.zeros(runs), scratch=np.zeros(n, F32),
        recent=np.full(n, 0.5, F32), recent_gradient=np.full(n, 0.25, F32), total=np.full(runs, 2.0),
        total_gradient=np.full(runs, 3.0),
    )  # fmt: skip
    results = SimpleNamespace(records=np.full((2, 5, 5), -1.0), limits=np.zeros((5, 4)))
    watch = SimpleNamespace(averages=True, check=False)
    problem = SimpleNamespace(kind=ELASTIC)
    plain(measure.measure_separable)(t, 1, recorded, first, runs, d, problem, watch, room, results)
    e = w.astype(float) - target
    value = (a / 2.0 * e * e + b * abs(e)).reshape(runs, d).sum(axis=1)
    gradient2, distance2 = (g.astype(float) ** 2).reshape(runs, d).sum(axis=1), (e * e).reshape(runs, d).sum(axis=1)
    moved = recorded or t == 32
    np.testing.assert_allclose(room.total, 2.0 + moved * (value + 1.0), rtol=1e-6)
    np.testing.assert_allclose(room.total_gradient, 3.0 + moved * (gradient2 + 0.5), rtol=1e-6)
    left = 0.0 if moved else 0.25 + g * g
    np.testing.assert_allclose(room.recent_gradient, left, rtol=1e-6)
    own = results.records[1, first : first + runs]
    if recorded:
        columns = {VALUE: value, DISTANCE2: distance2, GRADIENT2: gradient2}
        columns |= {MEAN_VALUE: (3.0 + value) / t, MEAN_GRADIENT2: (3.5 + gradient2) / t}
        for column, wanted in columns.items():
            np.testing.assert_allclose(own[:, column], wanted, rtol=1e-6)
        np.testing.assert_allclose(results.limits[first : first + runs, MAX_GRADIENT2], gradient2, rtol=1e-6)
        np.testing.assert_allclose(results.limits[first : first + runs, MAX_DISTANCE2], distance2, rtol=1e-6)
        results.records[1, first : first + runs] = -1.0
        results.limits[first : first + runs] = 0.0
    assert (results.records == -1.0).all()
    assert (results.limits == 0.0).all()


def test_checkpoints_keep_their_iterates_or_only_the_last() -> None:
    w = np.arange(6.0, dtype=F32)
    for kept, row in ((4, 2), (1, 0)):
        results = SimpleNamespace(iterates=np.full((kept, 5, 2), -1.0, F32))
        plain(measure.keep_iterates)(1, 3, 2, 2, w, results)
        np.testing.assert_array_equal(results.iterates[row, 1:4], w.reshape(3, 2))
        assert (results.iterates == -1.0).sum() == results.iterates.size - 6


def test_few_bits_go_away_from_zero_as_often_as_their_floor_says() -> None:
    """.7 with two bits: floor(2.8) = 2 of 4; the top two bits of a word count."""
    words = np.array([0, 2**30, 2**31 - 1, 2**31, 2**32 - 1], np.uint32)
    for sign in (1, -1):
        out = np.empty(5, np.int64)
        plain(each.few_bit_moves)(0, 5, np.full(5, sign * 3.7, F32), words, 2, out)
        assert out.tolist() == [sign * one for one in (4, 4, 4, 3, 3)]
