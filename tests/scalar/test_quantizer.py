"""Encode, step-size derivative and the moved code of one element, against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.kernels import oracle
from alpt_ref.scalar.quantizer import (
    encode_dr,
    moved_code,
    moved_step_derivative,
    q_max,
    q_min,
    shifted_code,
    step_derivative,
)

BITS = st.sampled_from([2, 4, 8, 16])
WORD = st.integers(0, 2**32 - 1)
SMALL = st.floats(-300.0, 300.0, width=32, allow_nan=False)


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_code_range(bits: int) -> None:
    assert (int(q_min(np.int32(bits))), int(q_max(np.int32(bits)))) == oracle.code_range(bits)


@given(st.floats(width=32, allow_nan=False), BITS, WORD)
def test_encode_saturates_and_equals_the_oracle(x: float, bits: int, word: int) -> None:
    low, high = oracle.code_range(bits)
    limits = np.float32(low), np.float32(high)
    exact = Fraction(max(min(x, 1e6), -1e6))
    assert int(encode_dr(np.float32(x), *limits)) == oracle.encode(exact, bits, "dr")


@given(SMALL, BITS)
def test_step_derivative_equals_the_oracle(x: float, bits: int) -> None:
    low, high = (np.float32(value) for value in oracle.code_range(bits))
    assert Fraction(float(step_derivative(np.float32(x), low, high))) == oracle.step_derivative(Fraction(x), bits)


@given(st.integers(-32768, 32767), st.floats(-4.0, 4.0, width=32, allow_nan=False), WORD)
def test_moved_code_keeps_updates_far_below_the_spacing_of_the_code(code: int, move: float, word: int) -> None:
    # code - move in float32 would lose moves under 2**-9 at 16 bits; set apart, the move is rounded exactly.
    expected_dr = code + oracle.dr(Fraction(-move))
    expected_sr = code + oracle.sr(Fraction(-move), word)
    arguments = np.int32(code), np.float32(1.0), np.float32(move)
    assert int(moved_code(*arguments, False, np.uint32(0))) == expected_dr
    assert int(moved_code(*arguments, True, np.uint32(word))) == expected_sr
    assert int(shifted_code(np.int32(code), np.float32(move), False, np.uint32(0))) == expected_dr
    assert int(shifted_code(np.int32(code), np.float32(move), True, np.uint32(word))) == expected_sr


@given(st.integers(-128, 127), WORD, st.booleans())
def test_no_move_and_the_same_step_keep_the_code(code: int, word: int, stochastic: bool) -> None:
    assert int(moved_code(np.int32(code), np.float32(1.0), np.float32(0.0), stochastic, np.uint32(word))) == code


@given(st.integers(-128, 127), st.floats(0.5, 2.0, width=32), SMALL, WORD)
def test_moved_code_on_a_new_grid_is_within_one_of_the_exact_value(
    code: int, ratio: float, move: float, word: int
) -> None:
    exact = code * Fraction(ratio) - Fraction(move)
    result = int(moved_code(np.int32(code), np.float32(ratio), np.float32(move), True, np.uint32(word)))
    assert abs(result - exact) < 1 + Fraction(1, 2**10)  # float32 spacing of values up to 556 is 2**-14


@given(st.integers(-8, 7), st.floats(-20.0, 20.0, width=32, allow_nan=False))
def test_moved_step_derivative_is_the_derivative_at_code_minus_move(code: int, move: float) -> None:
    low, high = np.float32(-8), np.float32(7)
    result = float(moved_step_derivative(np.int32(code), np.float32(move), low, high))
    x = np.float32(np.float32(code) - np.float32(move))
    if float(x) < -8 or float(x) > 7:
        assert result == (-8 if x < 0 else 7)
    else:
        exact = oracle.dr(Fraction(-move)) + Fraction(move)
        assert result == float(np.float32(float(exact)))


def test_finite_differences_with_frozen_rounding() -> None:
    # d/dstep of step * round(w / step) with the rounding residue held constant: round(x) - x (theory R5).
    w, step, h = 0.3137, 0.11, 1e-6
    residue = round(w / step) - w / step
    frozen = [(s * (w / s + residue)) for s in (step - h, step + h)]
    slope = (frozen[1] - frozen[0]) / (2 * h)
    ours = float(step_derivative(np.float32(w / step), np.float32(-128), np.float32(127)))
    assert ours == pytest.approx(slope, abs=1e-6)
