"""The public quantiser between the values of codes: values fixed, all words counted, limits of the step size."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alpt_ref import InputError, QuantSpec, dequantize, philox4x32, quantize, step_gradient
from alpt_ref.scalar.code_range import code_range, largest_step_size
from alpt_ref.theory.lattice import lattice_bias, lattice_neighbours, lattice_words
from analysis.claims._words import Place, code_at, count_words, counters_of, place_of

ALL_BITS = [2, 4, 8, 16]
STEP = st.floats(2.0**-149, largest_step_size(16), width=32)


def every_code(bits: int) -> Any:
    low, high = code_range(bits)
    return np.arange(low, high + 1, dtype=QuantSpec(bits).dtype).reshape(4, -1)


@given(STEP, st.integers(0, 2**63))
@example(0.1, 0)
@example(1 / 3, 1)
@example(1e-40, 2)
@example(largest_step_size(16), 3)
def test_every_value_of_every_width_gets_its_code(step_size: float, seed: int) -> None:
    steps = np.array([step_size, step_size * 0.7, step_size / 3, step_size], np.float32)
    steps = np.maximum(steps, np.float32(1e-45))
    for bits in ALL_BITS:
        codes = every_code(bits)
        for rounding in ("sr", "dr"):
            spec = QuantSpec(bits, rounding)  # type: ignore[arg-type]
            for given_steps in (step_size, steps):
                values = dequantize(codes, given_steps)
                assert np.array_equal(quantize(values, given_steps, spec, seed=seed), codes)


def test_a_million_draws_of_one_value_move_nothing() -> None:
    codes = np.full((1000, 1000), 31809, np.int16)
    assert np.array_equal(quantize(dequantize(codes, 0.1), 0.1, QuantSpec(16, "sr"), seed=1), codes)


def test_nearest_beside_a_tie_is_nearest() -> None:
    w = np.array([[-7.850000381469727, 7.850000381469727]], np.float32)  # 78.5000026 steps; the quotient rounds to 78.5
    assert quantize(w, 0.1, QuantSpec(8, "dr")).tolist() == [[-79, 79]]


def test_a_chosen_word_is_where_it_is_said_to_be() -> None:
    generator = np.random.default_rng(1)
    outputs = generator.integers(0, 1 << 32, (50, 4), dtype=np.uint64)
    counters, seed = counters_of(outputs, 2**40 + 77).astype(np.uint32), 2**40 + 77
    key = np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)
    assert np.array_equal(philox4x32(counters, key), outputs.astype(np.uint32))
    for word in (0, 1, 2**31, 2**32 - 1):  # with w at the middle a word below 2**31 goes up
        place = place_of(word, generator)
        assert code_at(place, np.float32(0.5), 1.0, QuantSpec(8, "sr")) == (1 if word < 2**31 else 0)


@pytest.mark.parametrize("per_row", [False, True])
@pytest.mark.parametrize(
    ("w", "step_size", "bits"),
    [(-3276.65, 0.1, 16), (1234.56, 0.1, 16), (-0.03, 0.1, 8), (3e-6, 0.1, 8), (20.7, 1 / 3, 8), (1.55e-7, 7e-9, 8)],
)
def test_all_words_of_the_public_function_are_counted(w: float, step_size: float, bits: int, per_row: bool) -> None:
    weight, spec, generator = np.float32(w), QuantSpec(bits, "sr"), np.random.default_rng(2)
    away = lattice_neighbours(float(weight), step_size, bits)[1]

    def goes_away(word: int) -> bool:
        return code_at(place_of(word, generator), weight, step_size, spec, per_row=per_row) == away

    words = count_words(goes_away, 0)  # a wrong guess: bisected
    assert abs(words - lattice_words(float(weight), step_size, bits)) <= 1
    assert abs(lattice_bias(float(weight), step_size, bits, words)) < Fraction(1, 2**32)


def test_columns_beyond_the_place_do_not_matter() -> None:
    place = Place(seed=5, counter=7, row=3, column=2)
    whole = quantize(np.full((6, 9), 0.3, np.float32), 1.0, QuantSpec(8), seed=5, counter=7)
    assert code_at(place, np.float32(0.3), 1.0, QuantSpec(8)) == whole[3, 2]


W = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: quantize(W, 1e37, QuantSpec(8)),
            r"step_size must be at most 2\.658456e\+36 at 8 bits, or code -128 has an infinite value in float32, "
            r"got 1e\+37$",
        ),
        (lambda: quantize(W, [1.0, 1e37], QuantSpec(8, "dr")), r"got 1e\+37 at row 1$"),
        (lambda: quantize(W, 2e34, QuantSpec(16)), r"step_size must be at most 1\.038459e\+34 at 16 bits"),
        (lambda: step_gradient(W, W, 1e37, QuantSpec(8)), r"step_size must be at most 2\.658456e\+36 at 8 bits"),
        (
            lambda: dequantize(np.array([[100, -128]], np.int8), 1e37),
            r"step_size times code must be finite in float32, got 1e\+37 times 100 at row 0, column 0",
        ),
        (
            lambda: dequantize(np.array([[0, 1], [2, 30000]], np.int16), [1e30, 1e35]),
            r"got 1e\+35 times 30000 at row 1, column 1",
        ),
    ],
)
def test_step_sizes_without_finite_values_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("bits", ALL_BITS)
def test_the_largest_step_size_works_and_the_next_does_not(bits: int) -> None:
    largest = np.float32(largest_step_size(bits))
    codes = every_code(bits)
    values = dequantize(codes, largest)
    assert np.isfinite(values).all()
    for rounding in ("sr", "dr"):
        assert np.array_equal(quantize(values, largest, QuantSpec(bits, rounding)), codes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="step_size must be at most"):
        quantize(values, np.nextafter(largest, np.float32(np.inf), dtype=np.float32), QuantSpec(bits))
