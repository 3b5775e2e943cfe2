"""U1: moments of a rounded update against fractions and quadrature, its bound against exact runs, and against S1."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from alpt_ref.errors import InputError
from alpt_ref.theory import Grid, Noise, absolute, bounds
from alpt_ref.theory.bounds import unified_convex
from alpt_ref.theory.dither import dither_bias_bound
from alpt_ref.theory.rounded_update import largest_rounded_update, update_bias, update_second_moment
from tests import tolerances
from tests.strategies import Case, cases

Compare = Callable[[str, float, float, object], None]
QUARTERS = st.integers(-40, 40)


@given(slope=QUARTERS, spread=st.integers(0, 12))
def test_moments_under_two_point_noise_are_fractions(slope: int, spread: int) -> None:
    """Dyadic numbers, ties included; the rounding words are averaged by hand."""
    noise = Noise("two-point", spread / 4) if spread else Noise()
    stochastic, nearest, bias = Fraction(0), Fraction(0), Fraction(0)
    for sign in (-1, 1):
        y = -Fraction(slope + sign * spread, 4)
        low, near = math.floor(y), math.floor(y + Fraction(1, 2))
        p = y - low
        stochastic += ((1 - p) * low**2 + p * (low + 1) ** 2) / 2
        nearest += Fraction(near**2, 2)
        bias += Fraction(near - y, 2)
    given_ = {"slope": slope / 4, "noise": noise, "eta": 1.0, "step_size": 1.0}
    assert float(update_second_moment(**given_)) == float(stochastic)
    assert float(update_second_moment(**given_, rounding="dr")) == float(nearest)
    assert float(update_bias(**given_, rounding="dr")) == float(bias)
    assert float(update_bias(**given_)) == 0.0


def density(noise: Noise, x: float) -> float:
    if noise.kind == "uniform":
        return 1.0 / (2.0 * noise.largest) if abs(x) <= noise.largest else 0.0
    return math.exp(-0.5 * (x / noise.sigma) ** 2) / (noise.sigma * math.sqrt(2.0 * math.pi))


@pytest.mark.parametrize("kind", ["uniform", "normal"])
@pytest.mark.parametrize("sigma", [0.05, 0.4, 1.7])
@pytest.mark.parametrize("slope", [0.0, -0.3, 2.9])
def test_moments_under_spread_noise_are_integrals(kind: str, sigma: float, slope: float) -> None:
    """In pieces of half a step, on each of which every integrand is smooth."""
    eta, step_size, noise = 0.7, 0.5, Noise(kind, sigma)  # type: ignore[arg-type]
    reach = noise.largest if kind == "uniform" else 12.0 * sigma
    scale, law = eta / step_size, {"sr": 0.0, "dr": 0.0}
    breaks = [slope - k / (2.0 * scale) for k in range(-200, 201)]
    inside = sorted({-reach, reach, *(-b for b in breaks if abs(b) < reach)})
    for low, high in itertools.pairwise(inside):
        middle = -scale * (slope + 0.5 * (low + high))
        floor, near = math.floor(middle), math.floor(middle + 0.5)

        def stochastic(n: float, floor: int = floor) -> float:
            p = -scale * (slope + n) - floor
            return density(noise, n) * ((1.0 - p) * floor**2 + p * (floor + 1) ** 2)

        law["sr"] += integrate.quad(stochastic, low, high)[0]
        law["dr"] += near**2 * integrate.quad(lambda n: density(noise, n), low, high)[0]
    for rounding, expected in law.items():
        found = update_second_moment(slope, noise, eta=eta, step_size=step_size, rounding=rounding)  # type: ignore[arg-type]
        assert float(found) == pytest.approx(step_size**2 * expected, rel=1e-7, abs=1e-12)


@given(case=cases())
def test_u1_for_stochastic_rounding(compare: Compare, case: Case) -> None:
    k = case.constants
    moved = largest_rounded_update(case.problem, case.grid, case.noise, eta=case.eta)
    assert not moved.bias.any()
    gap = case.evolve(np.full(case.T, case.eta)).average_value
    bound = unified_convex(T=case.T, eta=case.eta, D1=case.D1, second_moment=moved.second_moment)
    compare("U1 SR", gap, bound, case)
    known = {"T": case.T, "eta": case.eta, "step_size": case.grid.step_size, "D1": case.D1}
    s1 = bounds.sr_convex_constant(**known, G=k.G, dim=k.dim, G1=k.G1)
    assert bound <= s1 * (1.0 + tolerances.EXACT_BOUND)
    if case.eta * k.g_max <= case.grid.step_size:
        small = bounds.sr_convex_constant_small_updates(**known, G1=k.G1, g_max=k.g_max)
        assert bound <= small * (1.0 + tolerances.EXACT_BOUND)


@given(case=cases())
def test_u1_for_nearest_rounding(compare: Compare, case: Case) -> None:
    ends = np.array([[case.grid.low], [case.grid.high]])
    distance = np.abs(ends - case.problem.minimum).max(axis=0)
    moved = largest_rounded_update(case.problem, case.grid, case.noise, eta=case.eta, rounding="dr")
    gap = case.evolve(np.full(case.T, case.eta), "dr").average_value
    known = {"T": case.T, "eta": case.eta, "D1": case.D1, "second_moment": moved.second_moment, "D": distance}
    compare("U1 DR", gap, unified_convex(**known, bias=moved.bias), case)
    d5 = case.grid.step_size * dither_bias_bound(case.noise, case.eta, case.grid.step_size)
    assert (moved.bias <= d5 * (1.0 + tolerances.EXACT_BOUND)).all()


def test_dr_under_uniform_noise_one_step_wide_moves_as_sr() -> None:
    kink, grid, noise = absolute(1.0, 0.0), Grid(1.0, 4), Noise("uniform", 12.0**-0.5 / 0.25)
    nearest = largest_rounded_update(kink, grid, noise, eta=0.25, rounding="dr")
    without = largest_rounded_update(kink, grid, Noise(), eta=0.25)
    assert nearest.bias[0] == pytest.approx(0.0, abs=1e-15)
    assert nearest.second_moment == pytest.approx(without.second_moment) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"T": 0}, "T must be a whole number"),
        ({"eta": 0.0}, "eta must be"),
        ({"D": [1.0, 2.0]}, "one shape"),
        ({"bias": -0.1}, "must not be negative"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, object], message: str) -> None:
    known = {"T": 10, "eta": 0.1, "D1": 1.0, "second_moment": 0.1, "D": 1.0, "bias": 0.1, **change}
    with pytest.raises(InputError, match=message):
        unified_convex(**known)  # type: ignore[arg-type]


def test_an_unknown_rounding_is_named() -> None:
    with pytest.raises(InputError, match="rounding must be 'sr' or 'dr', got 'up'"):
        update_bias(1.0, Noise(), eta=1.0, step_size=1.0, rounding="up")  # type: ignore[arg-type]


def test_without_a_bias_or_a_distance_nothing_is_added_for_either() -> None:
    about = {"T": 10, "eta": 0.5, "D1": 1.0, "second_moment": 0.25}
    plain = unified_convex(**about)
    assert plain == 1.0 / 10 + 0.25
    assert unified_convex(**about, D=3.0) == unified_convex(**about, bias=3.0) == plain
