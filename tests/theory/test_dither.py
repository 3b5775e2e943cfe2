"""The bias of nearest rounding under noise against plain sums and integrals, at a step size that is not 1."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from alpt_ref.theory import Noise
from alpt_ref.theory.dither import dither_bias, dither_bias_bound
from alpt_ref.theory.identities import dr_error_bound, sr_bias, sr_error_from_grid, sr_up_probability
from alpt_ref.theory.rounded_update import update_second_moment
from alpt_ref.theory.setting import NoiseKind
from tests import tolerances

ETA, STEP = 0.3, 0.11
SCALE = 0.3 / 0.11
PLACES = (-1.7, 0.2, 2.45)


def mean_of_floor(low: float, high: float) -> float:
    """Of a number that is uniform between the ends."""
    total, at = 0.0, low
    while at < high:
        following = min(math.floor(at) + 1.0, high)
        total += math.floor(at) * (following - at)
        at = following
    return total / (high - low)


def expected(kind: str, sigma: float, x: float) -> float:
    """``E floor(x + n + 1/2) - x``, sigma in steps."""
    if kind == "two-point":
        return (math.floor(x + sigma + 0.5) + math.floor(x - sigma + 0.5)) / 2 - x
    if kind == "uniform":
        a = sigma * 3**0.5
        return mean_of_floor(x + 0.5 - a, x + 0.5 + a) - x
    above = [0.5 * math.erfc((k - 0.5 - x) / (sigma * 2**0.5)) for k in range(-30, 31)]
    return -31 + sum(above) - x


@pytest.mark.parametrize(
    ("kind", "sigma"), [("two-point", 0.6), ("uniform", 0.4), ("normal", 0.25), ("normal", 0.15), ("normal", 0.05)]
)
def test_the_bias_under_noise_by_sums(kind: NoiseKind, sigma: float) -> None:
    found = dither_bias(PLACES, Noise(kind, sigma / SCALE), ETA, STEP)
    assert found.tolist() == pytest.approx([expected(kind, sigma, x) for x in PLACES], abs=1e-12)
    assert dither_bias(PLACES, Noise(), ETA, STEP).tolist() == [math.floor(x + 0.5) - x for x in PLACES]


def test_the_bound_of_the_bias_in_steps() -> None:
    def bound(kind: NoiseKind, sigma: float) -> float:
        return dither_bias_bound(Noise(kind, sigma / SCALE), ETA, STEP)

    series = sum(math.exp(-2 * (math.pi * k * 0.2) ** 2) / k for k in range(1, 40)) / math.pi
    assert bound("normal", 0.2) == pytest.approx(series, rel=tolerances.CLOSED_FORM)
    assert bound("normal", 0.001) == dither_bias_bound(Noise(), ETA, STEP) == 0.5
    width = 2 * 0.7 * 3**0.5  # 2.42 steps
    assert bound("uniform", 0.7) == pytest.approx((width - 2) * (3 - width) / (2 * width), rel=1e-12)
    assert bound("two-point", 0.6) == pytest.approx(0.5 * 0.8, rel=1e-12)  # 1.2 steps apart
    assert bound("two-point", 0.9) == pytest.approx(0.5 * 0.8, rel=1e-12)


@pytest.mark.parametrize("sigma", [3.0, 20.0])
def test_noise_of_many_steps_adds_a_sixth_or_a_twelfth(sigma: float) -> None:
    """From normal noise that wide the fractions are uniform to exp(-2 pi^2 sigma^2)."""
    for rounding, more in (("sr", 1 / 6), ("dr", 1 / 12)):
        found = update_second_moment([-7.0], Noise("normal", sigma), eta=1.0, step_size=1.0, rounding=rounding)  # type: ignore[arg-type]
        assert found.tolist() == pytest.approx([49.0 + sigma**2 + more], rel=1e-12)


def test_uniform_noise_around_a_large_negative_update() -> None:
    """Moves of 4, 5 or 6 steps: 5.3 + n between 4.78 and 5.82, up with the fraction."""
    a = 0.3 * 3**0.5
    lengths = [(5.3 - a, 5.0), (5.0, 5.3 + a)]
    square = 0.0
    for low, high in lengths:
        whole = math.floor((low + high) / 2)
        mean = (low + high) / 2 - whole
        square += (high - low) / (2 * a) * (whole**2 + (2 * whole + 1) * mean)
    found = update_second_moment([5.3], Noise("uniform", 0.3), eta=1.0, step_size=1.0)
    opposite = update_second_moment([-5.3], Noise("uniform", 0.3), eta=1.0, step_size=1.0)
    assert found.tolist() == opposite.tolist() == pytest.approx([square], rel=1e-12)


def test_rounding_identities_in_units_of_the_step() -> None:
    assert dr_error_bound([0.02, -0.02, 0.3, -0.3], 0.11).tolist() == [0.02, 0.02, 0.055, 0.055]
    assert sr_error_from_grid([-0.033], 0.11).tolist() == pytest.approx([0.11**2 * 0.3 * 0.7], rel=1e-12)
    assert sr_up_probability(-3.0) == sr_up_probability(4.0) == 0
    assert sr_up_probability(-2.75, 4) == 1 - sr_up_probability(2.75, 4)
    exact = Fraction(0.3)
    away = Fraction(int(exact * 2**32), 2**32)  # words of 32 bits by default
    assert sr_up_probability(0.3) == away
    assert sr_bias(0.3) == -sr_bias(-0.3) == away - exact


def test_the_bound_of_noise_of_the_standard_deviation_1_is_its_series_too() -> None:
    assert dither_bias_bound(Noise("uniform", 1.0), 0.3, 1.0) == pytest.approx(
        (0.6 * 3**0.5 - 1) * (2 - 0.6 * 3**0.5) / (1.2 * 3**0.5), rel=1e-12
    )
    series = sum(math.exp(-2 * (math.pi * k * 0.3) ** 2) / k for k in range(1, 20)) / math.pi
    assert dither_bias_bound(Noise("normal", 1.0), 0.3, 1.0) == pytest.approx(series, rel=tolerances.CLOSED_FORM)


@pytest.mark.parametrize("sigma", [0.23, 0.85, 1.4])
def test_the_mean_of_two_roundings_all_along_two_steps(sigma: float) -> None:
    places = [-0.93 + 0.07 * k for k in range(29)]
    found = dither_bias(places, Noise("two-point", sigma / SCALE), ETA, STEP)
    assert found.tolist() == pytest.approx([expected("two-point", sigma, x) for x in places], abs=1e-12)
