"""Neighbours, words and bias of the lattice with a step size that is no float32 number, against plain search."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from alpt_ref.theory.lattice import lattice_bias, lattice_neighbours, lattice_value, lattice_words

STEP = 0.3
VALUES = [Fraction(float(np.float32(code * float(np.float32(STEP))))) for code in range(129)]
"""Of the codes 0 to 128; float32(.3 * 3) is another number than 3 times float32(.3), rounded."""


def weight(code: int, place: float) -> float:
    return float(np.float32(float(VALUES[code]) + place * float(VALUES[code + 1] - VALUES[code])))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("code", [0, 2, 3, 6, 11, 24, 87])
@pytest.mark.parametrize("place", [0.2, 0.71])
def test_words_and_bias_between_two_codes(code: int, place: float, sign: int) -> None:
    w = sign * weight(code, place)
    assert lattice_neighbours(w, STEP, 8) == (sign * code, sign * (code + 1))
    exact = (abs(Fraction(w)) - VALUES[code]) / (VALUES[code + 1] - VALUES[code])
    for bits in (5, 32):
        words = math.ceil(exact * 2**bits)
        assert lattice_words(w, STEP, 8, bits) == words
        assert lattice_bias(w, STEP, 8, random_bits=bits) == Fraction(words, 2**bits) - exact
    assert lattice_bias(w, STEP, 8, words=7, random_bits=4) == Fraction(7, 16) - exact


@pytest.mark.parametrize("code", [1, 3, 7, 126, 127, -3, -128])
def test_a_value_has_its_code_as_the_far_one_and_all_words(code: int) -> None:
    w = math.copysign(float(VALUES[abs(code)]), code)
    assert lattice_value(abs(code), STEP) == VALUES[abs(code)]
    assert lattice_neighbours(w, STEP, 8) == (code - math.copysign(1, code), code)
    assert lattice_words(w, STEP, 8, random_bits=6) == 64
    assert lattice_bias(w, STEP, 8) == 0


def test_zero_and_a_weight_beyond_the_range() -> None:
    assert lattice_neighbours(0.0, STEP, 4) == (0, 1)
    assert lattice_words(0.0, STEP, 4, random_bits=6) == 0
    assert lattice_neighbours(9.0, STEP, 4) == (6, 7)
    assert lattice_words(9.0, STEP, 4, random_bits=6) == 64
    assert lattice_words(-9.0, STEP, 4, random_bits=6) == 64
