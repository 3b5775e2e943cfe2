"""DR and SR of one number: exact against fractions, bounds, symmetry, and unbiasedness counted over all words."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import float32, uint32

from alpt_ref.kernels import oracle
from alpt_ref.scalar.rounding import dr, near_dr, sr

GRID = st.floats(-40000.0, 40000.0, width=32, allow_nan=False)
WORD = st.integers(0, 2**32 - 1)
AWKWARD = [0.49999997, -0.49999997, 0.5, -0.5, -1.5, 1.5, 2.5, -2.5, 1e-45, -1e-45, -1e-10, 8388607.5, -8388607.5]


def away_words(x: np.float32) -> int:
    """How many of the 2**32 words round `x` away from zero, by the definition."""
    rest = abs(Fraction(float(x)) - int(x))
    return int(rest * 2**32)


@given(GRID)
@example(0.49999997)
@example(-0.5)
def test_dr_is_floor_of_x_plus_a_half(x: float) -> None:
    assert int(dr(np.float32(x))) == oracle.dr(Fraction(x))


@pytest.mark.parametrize("x", AWKWARD)
def test_dr_and_sr_on_awkward_numbers(x: float) -> None:
    value = np.float32(x)
    exact = Fraction(float(value))
    assert int(dr(value)) == oracle.dr(exact)
    for word in (0, 1, 2**31, 2**32 - 1):
        assert int(sr(value, np.uint32(word))) == oracle.sr(exact, word)


@given(st.floats(-(2.0**22), 2.0**22, width=32) | st.sampled_from(AWKWARD[:-2]))
@example(2.0**22)
@example(-(2.0**22))
@example(2.0**22 - 0.5)
@example(0.5 - 2.0**22)
@example(-0.0)
def test_near_zero_dr_needs_fewer_instructions(x: float) -> None:
    assert int(near_dr(np.float32(x))) == oracle.dr(Fraction(x))


@given(GRID, WORD)
def test_sr_equals_the_oracle(x: float, word: int) -> None:
    assert int(sr(np.float32(x), np.uint32(word))) == oracle.sr(Fraction(x), word)


@given(GRID)
def test_sr_is_unbiased_counted_over_all_words(x: float) -> None:
    # The outcome is monotone in the word (first assertion pair: the last word that goes away and the first that does
    # not), so the boundary counts all 2**32 words without visiting them.
    value = np.float32(x)
    count = away_words(value)
    toward = int(np.trunc(value))
    sign = 1 if x >= 0 else -1
    if count > 0:
        assert int(sr(value, np.uint32(count - 1))) == toward + sign
        assert int(sr(value, np.uint32(0))) == toward + sign
    assert int(sr(value, np.uint32(count))) == toward
    assert int(sr(value, np.uint32(2**32 - 1))) == toward
    bias = Fraction(toward) + sign * Fraction(count, 2**32) - Fraction(x)
    assert abs(bias) < Fraction(1, 2**32)
    if abs(x) >= 2**-9:
        assert bias == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_sr_counted_over_every_word_of_a_12_bit_generator(sign: int) -> None:
    words = np.arange(2**12, dtype=np.uint32) << np.uint32(20)
    for numerator in range(0, 2**12, 41):
        x = np.float32(sign * (3 + numerator / 2**12))
        total = sum(int(sr(x, word)) for word in words)
        assert Fraction(total, 2**12) == Fraction(float(x))


@given(GRID, WORD)
def test_errors_are_bounded(x: float, word: int) -> None:
    assert abs(int(dr(np.float32(x))) - Fraction(x)) <= Fraction(1, 2)
    assert abs(int(sr(np.float32(x), np.uint32(word))) - Fraction(x)) < 1


@given(GRID, GRID, WORD)
def test_both_are_monotone(x: float, y: float, word: int) -> None:
    low, high = sorted((np.float32(x), np.float32(y)))
    assert dr(low) <= dr(high)
    assert sr(low, np.uint32(word)) <= sr(high, np.uint32(word))


@given(st.integers(-(2**23), 2**23), WORD)
def test_grid_points_never_move(code: int, word: int) -> None:
    assert int(dr(np.float32(code))) == code
    assert int(sr(np.float32(code), np.uint32(word))) == code


@given(GRID, WORD)
def test_sr_is_odd(x: float, word: int) -> None:
    assert int(sr(np.float32(-x), np.uint32(word))) == -int(sr(np.float32(x), np.uint32(word)))


def test_results_are_int32_and_nothing_widens_to_float64() -> None:
    dr(np.float32(0.5))
    sr(np.float32(0.5), np.uint32(1))
    dr_: Any = dr
    sr_: Any = sr
    assert str(dr_.overloads[(float32,)].signature.return_type) == "int32"
    overload = sr_.overloads[(float32, uint32)]
    assert str(overload.signature.return_type) == "int32"
    assert "double" not in sr_.inspect_llvm((float32, uint32)).split("cpython")[0].split("define")[1]
