"""D4, D5b and A1 against plain recursions, enumerations and simulations that share no code with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import Noise, crossover
from alpt_ref.theory.learned_step_size import step_size_change_variance
from tests import tolerances


def second_moments(rate: float, noise: Noise, start: int, minimum: float, updates: int) -> tuple[float, float]:
    """``E e^2`` of DR and of SR by 20,000 runs of plain NumPy."""
    generator = np.random.Generator(np.random.Philox(key=11))
    moments = []
    for stochastic in (False, True):
        codes = np.full(20_000, float(start))
        for _ in range(updates):
            n = generator.uniform(-noise.largest, noise.largest, len(codes)) if noise.largest else 0.0
            target = codes - rate * (codes - minimum) + n
            codes = np.floor(target + (generator.random(len(codes)) if stochastic else 0.5))
        moments.append(float(((codes - minimum) ** 2).mean()))
    return moments[0], moments[1]


@pytest.mark.parametrize("sigma", [0.0, 0.1])
@pytest.mark.parametrize("updates", [3, 10, 120])
def test_d5b_quiet_is_below_the_ratio_at_every_number_of_updates(sigma: float, updates: int) -> None:
    noise = Noise("uniform", sigma) if sigma else Noise()
    deterministic, stochastic = second_moments(0.1, noise, -60, 0.3, updates)
    claimed = crossover.quiet_ratio(rate=0.1, noise=noise, start=-60.3, updates=updates)
    assert claimed <= deterministic / stochastic * (1.0 + 0.03)  # 20,000 runs: one per cent a moment
    assert crossover.quiet_ratio(rate=0.1, noise=noise, start=-60.3, updates=3) < 1.0


def test_d5b_whole_width_is_reached_in_plain_runs() -> None:
    noise = Noise("uniform", 1.0 / np.sqrt(12.0))
    deterministic, stochastic = second_moments(0.1, noise, -20, 0.3, 250)
    expected = crossover.whole_width_ratio(rate=0.1, minimum=0.3)
    assert deterministic / stochastic == pytest.approx(expected, rel=0.06)  # five standard errors of 20,000 runs
    assert expected < 0.2


def test_d5b_loud_holds_its_limit_and_narrows_as_the_noise_grows() -> None:
    widths = []
    for sigma in (0.5, 0.6, 0.8, 1.0):
        low, high = crossover.loud_ratio(rate=0.1, sigma=sigma, start=-60.3, updates=10**4)
        assert low <= (sigma**2 + 1 / 12) / (sigma**2 + 1 / 6) <= high * (1.0 + tolerances.FLOAT64)
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)


def test_d5b_quiet_by_its_recursion() -> None:
    a, square = 0.1 * 3**0.5, 81.0  # uniform noise on +-a: E|n| = a/2; the update's size takes the minimum's place late
    for _ in range(60):
        square = 0.96**2 * square + 0.01 + min(0.04 * square**0.5 + a / 2, 0.25)
    assert 0.04 * square**0.5 + a / 2 < 0.25
    found = crossover.quiet_ratio(rate=0.04, noise=Noise("uniform", 0.1), start=-9.0, updates=60)
    assert found == pytest.approx(((0.5 - a) / 0.04 - 1) ** 2 / square, rel=tolerances.CLOSED_FORM)


def test_d5b_loud_by_its_two_recursions() -> None:
    phi = [math.exp(-2 * math.pi**2 * k**2 * 0.25) for k in range(1, 20)]
    bias = sum(one / (math.pi * k) for k, one in enumerate(phi, 1))
    of_sr = sum(one / (math.pi * k) ** 2 for k, one in enumerate(phi, 1))
    wave = sum(phi) + of_sr  # 4 sigma^2 = 1
    assert crossover.fourier_terms(0.5) == pytest.approx((bias, wave, of_sr), rel=tolerances.CLOSED_FORM)
    other = sum(4 * 0.6**2 * math.exp(-2 * (math.pi * k * 0.6) ** 2) for k in range(1, 20))
    assert crossover.fourier_terms(0.6)[1] - crossover.fourier_terms(0.6)[2] == pytest.approx(other, rel=1e-9)
    q2, drift, dr, sr = 0.49, 0.7 * bias, 0.25 + 1 / 12, 0.25 + 1 / 6
    near = (-drift + (drift**2 + 0.51 * (dr - wave)) ** 0.5) / 0.51
    far = (drift + (drift**2 + 0.51 * (dr + wave)) ** 0.5) / 0.51
    low = near**2 / ((sr + of_sr) / 0.51 + q2**3 * 81.0)
    high = (far**2 + (q2 + drift / far) ** 3 * 81.0) / ((sr - of_sr) / 0.51)
    found = crossover.loud_ratio(rate=0.3, sigma=0.5, start=-9.0, updates=3)
    assert found == pytest.approx((low, high), rel=tolerances.CLOSED_FORM)


@pytest.mark.parametrize("minimum", [-1.7, 0.3, 5.3])
def test_d5b_whole_width_takes_the_fraction_of_the_minimum(minimum: float) -> None:
    expected = 4 * 0.3 * 0.7 * (1 - 0.8**2)
    assert crossover.whole_width_ratio(rate=0.2, minimum=minimum) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: crossover.loud_ratio(rate=0.1, sigma=0.4, start=99, updates=1), "at least half a step"),
        (lambda: crossover.quiet_ratio(rate=0.1, noise=Noise("uniform", 0.4), start=9, updates=1), "half a step"),
        (lambda: crossover.quiet_ratio(rate=0.1, noise=Noise("normal", 0.1), start=9, updates=1), "half a step"),
        (lambda: crossover.quiet_ratio(rate=0.1, noise=Noise(), start=4.9, updates=1), "outside"),
        (lambda: crossover.quiet_ratio(rate=0.6, noise=Noise(), start=9, updates=1), "radius"),
        (lambda: crossover.loud_ratio(rate=1.0, sigma=1.0, start=9, updates=1), "between 0 and 1"),
        (lambda: crossover.loud_ratio(rate=0.1, sigma=0.0, start=9, updates=1), "sigma"),
        (lambda: step_size_change_variance(step_size=0.5, change=-0.5, codes=[1]), "new step size"),
    ],
)
def test_a_condition_that_fails_is_one_sentence(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("change", [Fraction(-1, 7), Fraction(-1, 64), Fraction(1, 100), Fraction(1, 3)])
def test_a1_bounds_the_variance_of_every_code_in_fractions(change: Fraction) -> None:
    """With the step size 1: the code k lies at k on the grid of ``1 + change``."""
    new = 1 + change
    for code in range(-130, 131):
        place = Fraction(code) / new
        p = place - place.__floor__()
        bound = step_size_change_variance(step_size=1.0, change=float(change), codes=[code])[0]
        assert float(new**2 * p * (1 - p)) <= bound * (1.0 + tolerances.FLOAT64)


def test_d4_keeps_the_gap_of_the_start_up_to_a_tie() -> None:
    given: dict[str, Any] = {"slope": 1.5, "code": 7, "step_size": 0.25}
    for eta in (0.0625, 0.125 / 1.5):  # the second is a tie: half a step
        assert crossover.separation(**given, eta=eta) == (2.625, 0.1875)
    for change in ({"eta": 0.0834}, {"eta": 0.0625, "code": 0}, {"eta": 0.0625, "code": -7}):
        with pytest.raises(InputError, match=r"D4 needs code > 0 and eta \* slope <= step_size/2, got code="):
            crossover.separation(**{**given, **change})
