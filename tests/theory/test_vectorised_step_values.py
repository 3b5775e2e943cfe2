"""One step of the driver in NumPy: ends of the box, words of a start, cut updates, and what feedback is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.kernels.cpu import montecarlo_types as kinds
from alpt_ref.theory import FewBits, Grid, elastic, quadratic, simulate
from alpt_ref.theory.draws import first_draw

from . import oracle

SIZES, LOW, HIGH = [0.25, 0.5], [-1.0, -2.0], [0.75, 1.5]
"""Codes -4 .. 3 of each size."""
SLOPES = elastic(0.0, [0.5, 1.5], [0.0, 0.0])
RATES = [2.0, 1.0, 1.25, 0.5, 1.75, 0.25, 2.5, 1.0, 3.0, 0.75]
"""Every update is a whole number of eighths, so all sums are exact in float32 and some end at an end exactly."""


class Told:
    """SGD of a user's, which keeps the errors that it is told."""

    def __init__(self) -> None:
        self.errors: list[Any] = []

    def init(self, runs: int, d: int) -> None:
        return None

    def move(self, gradient: Any, state: None, rate: float, t: int) -> Any:
        return -rate * gradient.astype(np.float64)

    def absorb(self, error: Any, state: None, rate: float, t: int) -> None:
        self.errors.append(error[0].tolist())


def plain(start: list[float], clipped: bool, rounded: Any) -> tuple[list[float], int, list[list[float]]]:
    """Last weights, updates that left the box, and errors of the rounding, one coordinate at a time."""
    ends, left, errors = [], 0, [[0.0, 0.0] for _ in RATES]
    for j in range(2):
        w = start[j]
        for t, rate in enumerate(RATES):
            x = w - rate * [0.5, 1.5][j] * (1.0 if w >= 0.0 else -1.0)
            left += x < LOW[j] or x > HIGH[j]
            inside = min(max(x, LOW[j]), HIGH[j]) if clipped else x
            w = rounded(x if rounded is floor_values else inside, j)
            errors[t][j] = inside - w
        ends.append(w)
    return ends, left, errors


def floor_values(x: float, j: int) -> float:
    return float(min(max(np.floor(x / SIZES[j]) * SIZES[j], LOW[j]), HIGH[j]))


def nearest_values(x: float, j: int) -> float:
    return float(np.floor(x / SIZES[j] + 0.5) * SIZES[j])


def floored(x: NDArray[np.float32], draw: int) -> NDArray[np.float32]:
    steps = np.float32(SIZES)
    return np.asarray(np.clip(np.floor(x / steps) * steps, np.float32(LOW), np.float32(HIGH)), dtype=np.float32)


STARTS = [[-0.25, 0.5], [0.75, -2.0], [0.5, -0.5], [-1.0, 1.5], [0.0, 1.0], [-0.75, -1.5]]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("clipped", [True, False])
@pytest.mark.parametrize("way", ["full", "full rule", "own", "own rule", "codes", "codes rule"])
def test_ends_of_the_box_and_errors(way: str, clipped: bool, start: list[float]) -> None:
    """A weight that ends at an end has not left; a rule hears what the rounding took, not what the clipping did."""
    rounded = {"full": lambda x, j: x, "own": floor_values, "codes": nearest_values}[way.split()[0]]
    rule = Told() if way.endswith("rule") else "sgd"
    wanted, left, errors = plain(start, clipped, rounded)
    assert left
    got = simulate(
        SLOPES, Grid(0.25, 3), RATES, steps=11, runs=3, start=start, check=True, step_sizes=SIZES, update=rule,
        clip="range" if clipped else None, rounding={"full": "full", "own": floored, "codes": "dr"}[way.split()[0]],
    )  # fmt: skip
    assert got.final.tolist() == [wanted] * 3
    assert got.exceeded.tolist() == [left] * 3
    if isinstance(rule, Told) and way != "full rule":
        assert rule.errors == errors


def test_some_of_these_updates_end_at_an_end_exactly() -> None:
    """Otherwise "beyond" and "at" could not be told apart above."""
    found = set()
    for start in STARTS:
        for j in range(2):
            w = start[j]
            for rate in RATES:
                x = w - rate * [0.5, 1.5][j] * (1.0 if w >= 0.0 else -1.0)
                found |= {end for end in (LOW[j], HIGH[j]) if x == end}
                w = min(max(x, LOW[j]), HIGH[j])
    assert found == {*LOW, *HIGH}


@pytest.mark.parametrize("bits", [32, 5])
def test_a_start_off_the_grid_takes_words_of_its_own(bits: int) -> None:
    start = np.array([0.3203125, -0.4140625, 0.0])  # 2 + 9/16 steps, -(3 + 5/16) steps, 0
    got = simulate(quadratic([1.0] * 3, 0.0), Grid(0.125, 6), 0.1, steps=1, runs=40, start=start, seed=7,
                   rounding=FewBits(bits))  # fmt: skip
    words = oracle.words(120, 0, kinds.PURPOSE_START, 7).reshape(40, 3) >> np.uint32(32 - bits)
    away = words < np.floor(np.array([9.0, 5.0, 0.0]) / 16.0 * 2.0**bits)
    np.testing.assert_array_equal(got.final, 0.125 * (np.array([2.0, -3.0, 0.0]) + away * np.array([1, -1, 1])))


def test_a_rounding_of_your_own_rounds_the_start_with_the_draw_before_the_first() -> None:
    draws: list[int] = []

    def noted(x: NDArray[np.float32], draw: int) -> NDArray[np.float32]:
        draws.append(draw - first_draw(11))
        return np.asarray(np.floor(x / 0.125) * 0.125, dtype=np.float32)

    simulate(quadratic(1.0, 0.0), Grid(0.125, 6), 0.1, steps=4, runs=2, start=0.3, rounding=noted, seed=11)
    assert draws == [-1, 0, 1, 2]


def test_an_update_of_very_many_steps_is_refused_without_clipping() -> None:
    """Up to two to the 22 steps roundings are exact; codes of 16 bits are never so far from each other."""
    bowl, grid = quadratic(1.0, 0.0), Grid(1.0, 16)

    def final(eta: float, clip: Any) -> Any:
        return simulate(bowl, grid, eta, steps=2, runs=1, start=-16_384, rounding="dr", clip=clip).final.tolist()

    assert final(256.0, None) == [[4_194_304.0 - 16_384.0]]
    assert final(1000.0, "range") == [[32_767.0]]
    with pytest.raises(
        InputError, match=r"an update of 1.638e\+07 steps after step 1 is too long to be rounded without"
    ):
        final(1000.0, None)


def test_an_update_a_little_above_two_to_the_22_steps_is_refused_too() -> None:
    with pytest.raises(InputError, match=r"an update of 4.211e\+06 steps after step 1 is too long"):
        simulate(quadratic(1.0, 0.0), Grid(1.0, 16), 257.0, steps=2, runs=1, start=-16_384, rounding="dr", clip=None)


def test_the_first_number_that_is_not_finite_is_named() -> None:
    def one(x: NDArray[np.float32], draw: int) -> NDArray[np.float32]:
        x[1, 1] = -np.inf
        return x

    def two(x: NDArray[np.float32], draw: int) -> NDArray[np.float32]:
        x[1, 0] = np.nan
        return one(x, draw)

    options: dict[str, Any] = {"steps": 3, "runs": 2, "start": 1}
    for rounding, named in ((one, "-inf"), (two, "nan")):
        with pytest.raises(InputError, match=f"must return finite numbers for finite ones, got {named} at draw"):
            simulate(quadratic([1.0, 1.0], 0.0), Grid(0.125, 6), 0.1, rounding=rounding, **options)
