"""EF1 and ECO in fractions: the sequence that is exact SGD, the bounds, and the dead time."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.errors import InputError
from alpt_ref.theory import bounds
from alpt_ref.theory.bounds.residual import first_residual_move

HALF = Fraction(1, 2)
Vector = list[Fraction]


def nearest(v: Fraction) -> int:
    return math.floor(v + HALF)


def subgradient(planes: list[tuple[int, int, int]], w: Vector) -> tuple[Fraction, Vector]:
    """Value and a subgradient of ``max_j |a_j w_1 + b_j w_2 + c_j|/8``: convex, with kinks across both coordinates."""
    found = []
    for a, b, c in planes:
        z = a * w[0] + b * w[1] + c
        sign = 1 if z >= 0 else -1
        found.append((abs(z) / 8, [Fraction(sign * a, 8), Fraction(sign * b, 8)]))
    return max(found, key=lambda pair: pair[0])


PLANES = st.lists(st.tuples(st.integers(-8, 8), st.integers(-8, 8), st.integers(-20, 20)), min_size=1, max_size=3)


@given(
    planes=PLANES, u=st.tuples(st.integers(-16, 16), st.integers(-16, 16)),
    start=st.tuples(st.integers(-4, 4), st.integers(-4, 4)), rate=st.integers(1, 40), b=st.integers(0, 7),
    T=st.integers(1, 25),
)  # fmt: skip
def test_no_run_exceeds_the_bound_and_the_hidden_sequence_is_sgd(
    planes: list[tuple[int, int, int]], u: tuple[int, int], start: tuple[int, int], rate: int, b: int, T: int
) -> None:
    """b = 0 is EF1. The bound holds for the gap to every point u, in place of a minimiser."""
    eta, keep = Fraction(rate, 16), Fraction(b, 8)
    w: Vector = [Fraction(one) for one in start]
    target: Vector = [Fraction(one, 4) for one in u]
    carried: Vector = [Fraction(0)] * 2  # residual of EF1, momentum of ECO
    hidden, gap = list(w), Fraction(0)
    G2 = G1 = G_inf = Fraction(0)
    value_u = subgradient(planes, target)[0]
    for _ in range(T):
        value, g = subgradient(planes, w)
        gap += value - value_u
        G2, G1 = max(G2, sum((x * x for x in g), Fraction(0))), max(G1, sum((abs(x) for x in g), Fraction(0)))
        G_inf = max(G_inf, *(abs(x) for x in g))
        hidden = [z - eta * x for z, x in zip(hidden, g, strict=True)]
        for i in range(2):
            if b == 0:
                v = w[i] + carried[i] - eta * g[i]
                w[i] = Fraction(nearest(v))
                carried[i] = v - w[i]
                assert hidden[i] == v
            else:
                moment = keep * carried[i] + (1 - keep) * g[i]
                v = w[i] - eta * moment
                w[i] = Fraction(nearest(v))
                carried[i] = moment + (1 - 1 / keep) / eta * (v - w[i])
                assert hidden[i] == v - eta * keep / (1 - keep) * moment
    shared = {
        "T": T, "eta": float(eta), "step_size": 1.0, "dim": 2, "G": math.sqrt(G2), "G1": float(G1),
        "D1": math.sqrt(sum((s - x) ** 2 for s, x in zip(start, target, strict=True))),
    }  # fmt: skip
    if b == 0:
        bound = bounds.dr_residual_constant(**shared)  # type: ignore[arg-type]
    else:
        bound = bounds.eco_constant(keep=float(keep), g_max=float(G_inf), **shared)  # type: ignore[arg-type]
    assert float(gap / T) <= bound + 1e-12 * (1.0 + bound)


@given(
    start=st.integers(-3, 3), place=st.integers(0, 7), slope=st.integers(1, 8), noise=st.integers(1, 16),
    rate=st.integers(1, 24), b=st.integers(0, 7), T=st.integers(1, 6),
)  # fmt: skip
def test_with_noise_they_hold_on_average_with_the_mean_gradient_in_the_floor(
    start: int, place: int, slope: int, noise: int, rate: int, b: int, T: int
) -> None:
    """``|w - place/8| slope/8`` and two-point noise: every sequence of signs, in fractions; G1 is the slope alone."""
    eta, keep, size, at = Fraction(rate, 16), Fraction(b, 8), Fraction(slope, 8), Fraction(place, 8)
    total = Fraction(0)
    for signs in itertools.product((-1, 1), repeat=T):
        w, carried = Fraction(start), Fraction(0)
        for sign in signs:
            total += size * abs(w - at)
            g = size * (1 if w >= at else -1) + Fraction(sign * noise, 8)
            if b == 0:
                v = w + carried - eta * g
                w = Fraction(nearest(v))
                carried = v - w
            else:
                moment = keep * carried + (1 - keep) * g
                v = w - eta * moment
                w = Fraction(nearest(v))
                carried = moment + (1 - 1 / keep) / eta * (v - w)
    shared = {
        "T": T, "eta": float(eta), "step_size": 1.0, "dim": 1, "G": math.sqrt(size**2 + Fraction(noise, 8) ** 2),
        "G1": float(size), "D1": float(abs(start - at)),
    }  # fmt: skip
    if b == 0:
        bound = bounds.dr_residual_constant(**shared)  # type: ignore[arg-type]
    else:
        bound = bounds.eco_constant(keep=float(keep), g_max=float(size + Fraction(noise, 8)), **shared)  # type: ignore[arg-type]
    assert float(total / (2**T * T)) <= bound * (1.0 + 1e-12)


@given(size=st.integers(1, 200), b=st.integers(0, 7), sign=st.sampled_from([-1, 1]))
def test_the_first_move_comes_after_the_dead_time(size: int, b: int, sign: int) -> None:
    eta, keep, m, residual = Fraction(1, size + 2), Fraction(b, 8), Fraction(0), Fraction(0)
    wanted = 0
    for t in range(1, 10 * size + 30):
        moment = keep * m + (1 - keep) * sign
        v = residual - eta * moment
        if nearest(v) != 0:
            wanted = t
            break
        residual, m = (v, moment) if b == 0 else (Fraction(0), moment + (1 - 1 / keep) / eta * v)
        m = Fraction(0) if b == 0 else m
    exact = HALF / (eta * (1 - keep))
    assert wanted == (math.ceil(exact) if sign < 0 else math.floor(exact) + 1)
    if exact.denominator != 1:  # floats meet the same whole number where it is not a tie
        found = bounds.first_residual_move(eta=float(eta), gradient=float(sign), step_size=1.0, keep=float(keep))
        assert found == wanted


def test_eco_by_hand() -> None:
    """9/10 + 1 + 3 * 2 (2/(1/2) + (1/2)(3/4)(3/2)/(1/4)) = 1.9 + 6 (4 + 9/4)."""
    shared = {"T": 10, "eta": 0.5, "keep": 0.75, "step_size": 2.0, "D1": 3.0, "G": 2.0, "g_max": 1.5}
    assert bounds.eco_constant(dim=9, **shared) == pytest.approx(39.4, rel=1e-14)  # type: ignore[arg-type]
    assert bounds.eco_constant(dim=9, G1=1.0, **shared) == pytest.approx(8.15, rel=1e-14)  # type: ignore[arg-type]


def test_eco_with_little_momentum_is_ef1() -> None:
    shared = {"T": 10, "eta": 0.1, "step_size": 1.0, "D1": 3.0, "G": 2.0, "dim": 4}
    eco = bounds.eco_constant(keep=1e-9, g_max=2.0, **shared)  # type: ignore[arg-type]
    assert eco == pytest.approx(bounds.dr_residual_constant(**shared), rel=1e-8)  # type: ignore[arg-type]


@pytest.mark.parametrize("keep", [0.0, 1.0, -0.5, math.nan])
def test_a_momentum_outside_its_range_is_refused(keep: float) -> None:
    with pytest.raises(InputError, match="keep must be above 0 and below 1"):
        bounds.eco_constant(T=1, eta=0.1, keep=keep, step_size=1.0, D1=1.0, G=1.0, g_max=1.0, dim=1)


def test_the_dead_time_is_in_updates_of_the_gradient() -> None:
    """Half a step of 1, crossed by 2 eta (1-b) |g|/2 an update."""
    assert first_residual_move(eta=0.125, gradient=-0.5, step_size=1.0) == 8
    assert first_residual_move(eta=0.125, gradient=-2.0, step_size=1.0, keep=0.5) == 4
    assert first_residual_move(eta=0.125, gradient=2.0, step_size=1.0, keep=0.5) == 5


def test_a_tie_on_the_way_down_stays_once_however_small_the_gradient() -> None:
    given = {"eta": 0.5, "step_size": 1.0}
    assert [first_residual_move(gradient=g, **given) for g in (-0.25, 0.25, -0.3, 0.3)] == [4, 5, 4, 4]
    assert [first_residual_move(gradient=g, keep=0.5, **given) for g in (-0.25, 0.25)] == [8, 9]
    for keep in (1.0, -0.1, 1.1):
        with pytest.raises(InputError, match=r"keep must be above 0 and below 1"):
            first_residual_move(gradient=0.25, keep=keep, **given)
