"""The quantiser of one weight against exact fractions: every word counted, ties, values fixed, any step size."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alpt_ref.kernels import oracle
from alpt_ref.scalar.code_range import code_range, largest_step_size
from alpt_ref.scalar.lattice import LARGEST_TRIED, SMALLEST_TRIED, nearest_code, random_code, tried_code
from alpt_ref.theory.lattice import lattice_bias, lattice_neighbours, lattice_value, lattice_words

BITS = st.sampled_from([2, 4, 8, 16])
WORD = st.integers(0, 2**32 - 1)
STEP = st.floats(2.0**-149, largest_step_size(16), width=32)
PLACE = st.floats(0.0, 1.0)
ALL_WORDS = 1 << 32


def limits(bits: int) -> tuple[np.float32, np.float32]:
    low, high = code_range(bits)
    return np.float32(low), np.float32(high)


def value(code: int, step_size: float) -> np.float32:
    return np.float32(code) * np.float32(step_size)


def weight(code: int, place: float, nudge: int, step_size: float) -> np.float32:
    """A float32 number between the values of `code` and its successor, or one float32 beside that."""
    lower, upper = float(value(code, step_size)), float(value(code + 1, step_size))
    w = np.float32(lower + place * (upper - lower))
    return np.nextafter(w, np.float32(nudge * np.inf), dtype=np.float32) if nudge else w


def counted(w: np.float32, step_size: float, bits: int) -> int:
    """How many of the 2**32 words go away from zero, by bisection; the decision is monotone in the word."""
    toward, away = lattice_neighbours(float(w), step_size, bits)
    arguments = (w, np.float32(step_size), *limits(bits))
    low, high = 0, ALL_WORDS
    while low < high:
        middle = (low + high) // 2
        code = int(random_code(*arguments, np.uint32(middle)))
        assert code in (toward, away)
        low, high = (middle + 1, high) if code == away else (low, middle)
    return low


@given(STEP, BITS, st.integers(-(2**15), 2**15 - 2), PLACE, st.sampled_from([-1, 0, 1]))
@example(0.1, 16, -32766, 0.0, 0)  # float32(-3276.6): its quotient rounds to -32766, the real one is -32766.0005
@example(0.1, 16, -1, 0.5, 0)
@example(1.0, 8, -1, 1.0, -1)  # just below zero: 1 - w is no float32 number
@example(1e-45, 16, 5, 0.0, 0)
def test_all_words_have_the_weight_as_mean(step_size: float, bits: int, code: int, place: float, nudge: int) -> None:
    low, high = code_range(bits)
    w = weight(code % (high - low) + low, place, nudge, step_size)
    w = min(max(w, value(low, step_size)), value(high, step_size))
    words = counted(w, step_size, bits)
    toward, away = lattice_neighbours(float(w), step_size, bits)
    near, far = (Fraction(float(value(one, step_size))) for one in (toward, away))
    mean = (near * (ALL_WORDS - words) + far * words) / ALL_WORDS
    assert abs(mean - Fraction(float(w))) < abs(far - near) / ALL_WORDS
    assert lattice_words(float(w), step_size, bits) - words in (0, 1)
    assert Fraction(-1, 2**53) <= lattice_bias(float(w), step_size, bits, words) < Fraction(1, ALL_WORDS)


def test_a_product_that_rounds_up_to_the_limit_costs_one_word_and_less_than_2_to_the_minus_53() -> None:
    # word * D = w 2**32 - 1 exactly, 56 binary digits: in float64 the two sides are equal.
    d = 2**24 - 3
    word = -pow(d, -1, ALL_WORDS) % ALL_WORDS
    w = (word * d + 1) >> 32
    assert w << 32 == word * d + 1
    assert word * d > 2**54
    arguments = np.float32(w), np.float32(d), *limits(8)
    exact = lattice_words(float(w), float(d), 8)
    assert exact == word + 1
    assert int(random_code(*arguments, np.uint32(word))) == 0
    assert int(random_code(*arguments, np.uint32(word - 1))) == 1
    assert Fraction(-1, 2**53) <= lattice_bias(float(w), float(d), 8, exact - 1) < 0


@given(STEP, BITS, st.integers(-(2**15), 2**15 - 2), st.one_of(PLACE, st.just(0.5)), st.sampled_from([-1, 0, 1]))
@example(0.1, 8, -79, 0.49999738, 0)
@example(3e-45, 8, 0, 0.5, 0)  # a middle between subnormal numbers that is none itself
@example(1.0, 8, 128, 0.5, 0)  # 0.5: a tie above zero
@example(1.0, 8, 127, 0.5, 0)  # -0.5
def test_nearest_is_nearest_and_a_tie_goes_up(step_size: float, bits: int, code: int, place: float, nudge: int) -> None:
    low, high = code_range(bits)
    w = weight(code % (high - low) + low, place, nudge, step_size)
    assert int(nearest_code(w, np.float32(step_size), *limits(bits))) == oracle.quantized(
        float(w), step_size, bits, "dr"
    )


@given(STEP, BITS, st.integers(-(2**15), 2**15 - 1), WORD)
@example(0.1, 16, 31809, 0)
@example(0.1, 16, 31809, 2**32 - 1)
@example(largest_step_size(16), 16, -32768, 5)
def test_the_value_of_a_code_gets_that_code(step_size: float, bits: int, code: int, word: int) -> None:
    low, high = code_range(bits)
    code = (code - low) % (high - low + 1) + low
    arguments = (value(code, step_size), np.float32(step_size), *limits(bits))
    assert int(nearest_code(*arguments)) == code
    assert int(random_code(*arguments, np.uint32(word))) == code


@given(st.floats(width=32, allow_nan=False), STEP, BITS, WORD)
def test_any_weight_equals_the_oracle_up_to_a_word_beside_the_limit(
    w: float, step_size: float, bits: int, word: int
) -> None:
    found = int(random_code(np.float32(w), np.float32(step_size), *limits(bits), np.uint32(word)))
    finite = min(max(w, -3.4e38), 3.4e38)
    assert found == oracle.quantized(finite, step_size, bits, "sr", word)
    assert int(nearest_code(np.float32(w), np.float32(step_size), *limits(bits))) == oracle.quantized(
        finite, step_size, bits, "dr"
    )


@given(STEP, BITS, WORD, st.floats(-(2.0**126), 2.0**126, width=32), st.floats(-(2.0**126), 2.0**126, width=32))
def test_codes_rise_with_the_weight_and_fall_with_the_word(
    step_size: float, bits: int, word: int, x: float, y: float
) -> None:
    size, ends = np.float32(step_size), limits(bits)
    low, high = sorted((np.float32(x), np.float32(y)))
    assert nearest_code(low, size, *ends) <= nearest_code(high, size, *ends)
    assert random_code(low, size, *ends, np.uint32(word)) <= random_code(high, size, *ends, np.uint32(word))
    assert abs(int(random_code(low, size, *ends, np.uint32(word)))) <= abs(
        int(random_code(low, size, *ends, np.uint32(word // 2)))
    )


def nearest_words(words: int) -> list[int]:
    """Words on either side of the limit, from one to a millionth of it away."""
    away = [
        sign * offset for offset in (0, 1, 2, words >> 23, words >> 22, words >> 21, words >> 20) for sign in (1, -1)
    ]
    return [min(max(words + offset, 0), ALL_WORDS - 1) for offset in away]


@given(
    st.floats(float(SMALLEST_TRIED), float(LARGEST_TRIED), width=32),
    BITS,
    st.integers(-(2**15), 2**15 - 2),
    st.one_of(PLACE, st.floats(0.0, 1e-6), st.just(0.0)),
    st.sampled_from([-1, 0, 1]),
    WORD,
)
@example(0.1, 8, -79, 1.0, -1, 5)
@example(float(LARGEST_TRIED), 16, 32766, 0.9, 1, 2**32 - 1)
@example(float(SMALLEST_TRIED), 16, 0, 1e-30, 0, 1)
def test_what_float32_is_sure_of_is_so(
    step_size: float, bits: int, code: int, place: float, nudge: int, word: int
) -> None:
    low, high = code_range(bits)
    w = weight(code % (high - low) + low, place, nudge, step_size)
    arguments = (w, np.float32(step_size), *limits(bits))
    for one in (word, *nearest_words(lattice_words(float(w), step_size, bits))):
        found, unsure = tried_code(*arguments, np.uint32(one))
        assert unsure or int(found) == int(random_code(*arguments, np.uint32(one)))


def test_float32_is_nearly_always_sure() -> None:
    generator = np.random.Generator(np.random.Philox(key=1))
    words, places = generator.integers(0, ALL_WORDS, 2000, dtype=np.uint32), generator.uniform(-127, 127, 2000)
    unsure = [
        tried_code(np.float32(0.1 * x), np.float32(0.1), *limits(8), word)[1]
        for x, word in zip(places, words, strict=True)
    ]
    assert sum(unsure) <= 2


@given(STEP)
def test_values_rise_strictly(step_size: float) -> None:
    values = np.arange(-(2**15), 2**15, dtype=np.float32) * np.float32(step_size)
    assert (np.diff(values.astype(np.float64)) > 0).all()


@pytest.mark.parametrize("code", [-32768, -1, 0, 1, 77, 32767])
@pytest.mark.parametrize("step_size", [0.1, 1 / 3, 1e-45, 1e33])
def test_the_theory_has_the_kernels_values(code: int, step_size: float) -> None:
    assert lattice_value(code, step_size) == Fraction(float(value(code, step_size)))
    assert lattice_value(code, step_size) == oracle.value(code, step_size)


def test_what_is_not_finite_gives_a_code_of_the_range() -> None:
    for w in (np.inf, -np.inf, np.nan):
        arguments: tuple[np.float32, np.float32, np.float32, np.float32] = (np.float32(w), np.float32(0.1), *limits(8))
        assert -128 <= int(nearest_code(*arguments)) <= 127
        assert -128 <= int(random_code(*arguments, np.uint32(7))) <= 127
