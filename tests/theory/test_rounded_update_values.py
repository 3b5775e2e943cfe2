"""One rounded update at a step size that is not 1: outcomes of two-point noise by hand, normal noise by a sum."""

from __future__ import annotations

import itertools
import math

import pytest

from alpt_ref.theory import Grid, Noise, quadratic
from alpt_ref.theory.rounded_update import largest_rounded_update, update_bias, update_second_moment
from alpt_ref.theory.setting import NoiseKind
from tests import tolerances

ETA, STEP = 0.3, 0.11
SLOPES = (0.13, -0.47, 1.9)


def moves(slope: float, sigma: float) -> list[float]:
    """In steps."""
    return [-ETA * (slope + n) / STEP for n in (-sigma, sigma)]


def test_moments_are_in_squared_units_of_the_weights() -> None:
    stochastic, nearest, bias = [], [], []
    for slope in SLOPES:
        ys = moves(slope, 0.29)
        lows, nears = [math.floor(y) for y in ys], [math.floor(y + 0.5) for y in ys]
        both = zip(ys, lows, strict=True)
        stochastic.append(STEP**2 * sum((low + 1 - y) * low**2 + (y - low) * (low + 1) ** 2 for y, low in both) / 2)
        nearest.append(STEP**2 * sum(near**2 for near in nears) / 2)
        bias.append(STEP * sum(near - y for near, y in zip(nears, ys, strict=True)) / 2)
    noise = Noise("two-point", 0.29)
    found = [
        update_second_moment(SLOPES, noise, eta=ETA, step_size=STEP, rounding=one).tolist() for one in ("sr", "dr")
    ]  # type: ignore[arg-type]
    assert found[0] == pytest.approx(stochastic, rel=tolerances.FLOAT64)
    assert found[1] == pytest.approx(nearest, rel=tolerances.FLOAT64)
    got = update_bias(SLOPES, noise, eta=ETA, step_size=STEP, rounding="dr")
    assert got.tolist() == pytest.approx(bias, rel=tolerances.FLOAT64)


def test_the_bias_under_normal_noise_is_a_sum_of_tails() -> None:
    sigma = 0.2 * STEP / ETA  # a fifth of a step
    wanted = []
    for slope in SLOPES:
        y = -ETA * slope / STEP
        up = sum(0.5 * math.erfc((k - 0.5 - y) / (0.2 * 2**0.5)) for k in range(-30, 31))
        wanted.append(STEP * (-31 + up - y))
    got = update_bias(SLOPES, Noise("normal", sigma), eta=ETA, step_size=STEP, rounding="dr")
    assert got.tolist() == pytest.approx(wanted, abs=1e-12)


def test_noise_of_the_standard_deviation_1_is_spread_out_and_of_0_is_none() -> None:
    """``E p(1 - p)`` of SR is 1/6 but for a wave of the size exp(-2 pi^2), which the noise leaves of it."""
    square = 7.4**2 + 1.0 + 1 / 6 - math.cos(2 * math.pi * 7.4) * math.exp(-2 * math.pi**2) / math.pi**2
    wide = update_second_moment([7.4], Noise("normal", 1.0), eta=STEP, step_size=STEP)
    assert wide.tolist() == pytest.approx([STEP**2 * square], rel=tolerances.FLOAT64)
    for kind in ("uniform", "normal", "two-point"):
        for rounding in ("sr", "dr"):
            given = {"eta": ETA, "step_size": STEP, "rounding": rounding}
            found = update_second_moment(SLOPES, Noise(kind, 0.0), **given)  # type: ignore[arg-type]
            assert found.tolist() == update_second_moment(SLOPES, Noise(), **given).tolist()  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_nearest_rounding_under_spread_noise_by_the_chance_of_every_code(kind: NoiseKind) -> None:
    sigma, wanted = 0.31, []  # 0.85 steps

    def below(x: float) -> float:
        """``P(n < x)``, in units of the gradient."""
        if kind == "uniform":
            return min(max(0.5 + x / (2 * sigma * 3**0.5), 0.0), 1.0)
        return 0.5 * math.erfc(-x / (sigma * 2**0.5))

    for slope in SLOPES:
        edges = [-STEP / ETA * (k - 0.5) - slope for k in range(-40, 42)]  # the noise with which the code becomes k
        chances = [below(high) - below(low) for high, low in itertools.pairwise(edges)]
        wanted.append(STEP**2 * sum(k * k * chance for k, chance in zip(range(-40, 41), chances, strict=True)))
    found = update_second_moment(SLOPES, Noise(kind, sigma), eta=ETA, step_size=STEP, rounding="dr")
    assert found.tolist() == pytest.approx(wanted, rel=tolerances.FLOAT64)


def test_stochastic_rounding_under_uniform_noise_by_straight_lines() -> None:
    """``E M^2`` is a straight line in the move between two codes: its integral is a sum of trapezia."""
    a, wanted = 0.31 * 3**0.5 * ETA / STEP, []

    def square(y: float) -> float:
        low = math.floor(y)
        return (low + 1 - y) * low**2 + (y - low) * (low + 1) ** 2

    for slope in SLOPES:
        y = -ETA * slope / STEP
        corners = [y - a, *range(math.ceil(y - a), math.floor(y + a) + 1), y + a]
        area = sum((high - low) * (square(low) + square(high)) / 2 for low, high in itertools.pairwise(corners))
        wanted.append(STEP**2 * area / (2 * a))
    found = update_second_moment(SLOPES, Noise("uniform", 0.31), eta=ETA, step_size=STEP)
    assert found.tolist() == pytest.approx(wanted, rel=tolerances.FLOAT64)


def test_the_largest_is_taken_coordinate_by_coordinate_over_the_box() -> None:
    """Codes -4 .. 3 of .25; nearest rounding leaves updates of up to half a step undone."""
    bowl, grid, eta = quadratic([1.3, 0.4, 2.1], [0.1, -0.3, 0.55]), Grid(0.25, 3), 0.17
    squares, biases = [], []
    for curvature, minimum in ((1.3, 0.1), (0.4, -0.3), (2.1, 0.55)):
        us = [eta * curvature * (code * 0.25 - minimum) for code in range(-4, 4)]
        moved = [0.25 * math.floor(-u / 0.25 + 0.5) for u in us]
        squares.append(max(m * m for m in moved))
        biases.append(max(abs(m + u) for m, u in zip(moved, us, strict=True)))
    found = largest_rounded_update(bowl, grid, Noise(), eta=eta, rounding="dr")
    assert found.bias.tolist() == pytest.approx(biases, rel=tolerances.FLOAT64)
    assert found.second_moment == pytest.approx(sum(squares), rel=tolerances.FLOAT64)
    assert sum(square > 0.0 for square in squares) == 2
