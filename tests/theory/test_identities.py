"""R1 to R6 counted or computed exactly; A2's derivatives against finite differences and quadrature."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from alpt_ref.errors import InputError
from alpt_ref.kernels.jit import kernel
from alpt_ref.scalar.rounding import sr
from alpt_ref.theory import identities, learned_step_size
from alpt_ref.theory.setting import Grid, Noise
from tests import tolerances


@kernel
def _rounded(x: np.float32, words: np.ndarray, out: np.ndarray) -> None:  # type: ignore[type-arg]
    for i in range(words.shape[0]):
        out[i] = sr(x, words[i])


@given(x=st.floats(-200.0, 200.0, width=32))
def test_r1_the_kernel_rounds_up_for_exactly_the_stated_words(x: float) -> None:
    """The words next to the threshold decide; all others follow, as the comparison is monotone in the word."""
    exact = Fraction(x)
    up = identities.sr_up_probability(x)
    away = up if exact >= 0 else (1 - up if exact.denominator > 1 else Fraction(0))
    count = int(away * 2**32)
    words = np.array([0, max(count - 1, 0), min(count, 2**32 - 1), 2**32 - 1], dtype=np.uint32)
    out = np.empty(4, np.int32)
    _rounded(np.float32(x), words, out)
    whole = int(exact)
    outward = whole + (1 if exact > 0 else -1)
    assert out.tolist() == [outward if int(w) < count else whole for w in words]
    assert -Fraction(1, 2**32) < identities.sr_bias(x) * (1 if exact >= 0 else -1) <= 0


@given(x=st.floats(-9.0, 9.0, width=32), bits=st.integers(1, 16))
def test_r1_bias_of_few_random_bits_is_below_one_part_in_their_number(x: float, bits: int) -> None:
    assert abs(identities.sr_bias(x, bits)) < Fraction(1, 2**bits)


@given(move=st.floats(-3.0, 3.0), step=st.floats(0.1, 2.0))
def test_r3_second_moment_from_a_grid_point(move: float, step: float) -> None:
    value = float(identities.sr_error_from_grid(move, step))
    if abs(move) <= step:
        assert value == pytest.approx(step * abs(move) - move * move, abs=1e-12)
    assert value <= min(step * abs(move), step * step / 4) * (1 + 1e-12) + 1e-15
    assert float(identities.sr_variance(move / step)) * step**2 == pytest.approx(value, abs=1e-12)


@given(move=st.floats(-3.0, 3.0))
def test_r4_nearest_rounding_never_moves_further_than_the_update(move: float) -> None:
    assert abs(np.floor(move + 0.5) - move) <= identities.dr_error_bound(move, 1.0) + 1e-15


def test_r5_r6_step_derivative() -> None:
    grid = Grid(0.1, 3)
    assert [identities.expected_step_size_derivative(x, grid) for x in (-5.0, 0.25, 1.5, 9.0)] == [
        -4.0,
        -0.25,
        0.5,
        3.0,
    ]
    assert [identities.expected_step_size_derivative(x, grid) for x in (-4.0, 3.0)] == [0.0, 0.0]  # the ends are inside
    assert [identities.expected_step_size_derivative(x, grid, "sr") for x in (-5.0, 0.25, 9.0)] == [-4.0, 0.0, 3.0]


@pytest.mark.parametrize("distribution", ["normal", "laplace"])
@pytest.mark.parametrize("bits", [2, 3, 5])
def test_a2_error_and_slopes_agree_with_quadrature(bits: int, distribution: str) -> None:
    density = stats.norm.pdf if distribution == "normal" else stats.laplace.pdf
    s, grid = 0.45, Grid(0.45, bits)

    def q(w: float) -> float:
        return float(np.clip(np.floor(w / s + 0.5), grid.low_code, grid.high_code))

    def through(w: float) -> float:
        return identities.expected_step_size_derivative(w / s, grid)

    cuts = np.unique(np.concatenate([[-30.0, 0.0, 30.0], (grid.codes + 0.5) * s, [grid.low, grid.high]]))

    def expectation(f: Callable[[float], float]) -> float:
        return sum(float(integrate.quad(lambda w: f(w) * density(w), a, b)[0]) for a, b in itertools.pairwise(cuts))

    d = distribution
    error = expectation(lambda w: (q(w) * s - w) ** 2)
    assert learned_step_size.squared_error(s, bits, d) == pytest.approx(error, rel=1e-7)  # type: ignore[arg-type]
    true = expectation(lambda w: 2 * (q(w) * s - w) * q(w))
    assert learned_step_size.squared_error_slope(s, bits, d) == pytest.approx(true, rel=1e-7)  # type: ignore[arg-type]
    lsq = expectation(lambda w: 2 * (q(w) * s - w) * through(w))
    assert learned_step_size.straight_through_slope(s, bits, d) == pytest.approx(lsq, rel=1e-7)  # type: ignore[arg-type]


def test_a2_the_learned_step_is_near_the_best_one_and_nearer_with_more_bits() -> None:
    gaps = []
    for bits in (2, 3, 4, 6, 8):
        best, learned = learned_step_size.best_step_size(bits), learned_step_size.straight_through_step_size(bits)
        assert abs(learned_step_size.squared_error_slope(best, bits)) < 1e-6
        assert learned_step_size.squared_error(learned, bits) >= learned_step_size.squared_error(best, bits)
        gaps.append(learned / best - 1.0)
    assert gaps == sorted(gaps, reverse=True)
    assert 0.04 < gaps[0] < 0.05
    assert 0.0 < gaps[-1] < 1e-4
    with pytest.raises(InputError, match="distribution must be"):
        learned_step_size.squared_error(0.1, 4, "cauchy")  # type: ignore[arg-type]


@pytest.mark.parametrize("noise", [Noise(), Noise("two-point", 0.7), Noise("uniform", 0.7), Noise("normal", 0.7)])
def test_absolute_mean_of_slope_plus_noise(noise: Noise) -> None:
    for m in (0.0, 0.3, -1.1, 2.5):
        if noise.kind == "normal":
            wanted = stats.foldnorm(abs(m) / 0.7, scale=0.7).mean()
        elif noise.kind == "uniform":
            a = noise.largest
            wanted = integrate.quad(
                lambda n, m=m, a=a: abs(m + n) / (2 * a), -a, a, points=[-m] if abs(m) < a else None
            )[0]
        else:
            values, weights = noise.outcomes()
            wanted = float(weights @ np.abs(m + values))
        assert float(noise.absolute_mean(m)) == pytest.approx(float(wanted), rel=1e-9)
    assert tolerances.TEN_DIGITS < 1e-9
