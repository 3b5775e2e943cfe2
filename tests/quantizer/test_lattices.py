"""Lattices: their values against fractions and bit patterns, neighbours against a search through all values."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref import dequantize
from alpt_ref.errors import InputError
from alpt_ref.quantizer.float_formats import FloatFormat
from alpt_ref.quantizer.lattices import Affine, Lattice, Levels, PerRow, Uniform

SOME = (
    Uniform(0.1, 4),
    Uniform(1e-42, 5),
    Uniform(0.1, 4, narrow=True),
    Affine(0.3, -1.0, 4),
    Affine(0.1, bits=4, zero_point=5),
    FloatFormat("e2m1"),
    FloatFormat("e4m3"),
    Levels([-1.0, 0.25, 3.0]),
)


def nearest_float32(value: Fraction) -> float:
    """The float32 number nearest to a fraction, by comparing candidates."""
    first = np.float32(float(value))
    near = [first, np.nextafter(first, np.float32(np.inf)), np.nextafter(first, np.float32(-np.inf))]
    return float(min(near, key=lambda one: (abs(Fraction(float(one)) - value), abs(int(one.view(np.int32))) & 1)))


@pytest.mark.parametrize("step_size", [0.1, 1 / 3, 7e-9, 2.0**-4])
def test_uniform_values_are_products_rounded_once(step_size: float) -> None:
    lattice = Uniform(step_size, 8)
    exact = Fraction(float(np.float32(step_size)))
    assert lattice.table[0].tolist() == [nearest_float32(code * exact) for code in range(-128, 128)]
    codes = np.arange(-128, 128, dtype=np.int8).reshape(1, -1)
    assert np.array_equal(lattice.decode(codes), dequantize(codes, step_size))


def test_affine_values_are_rounded_after_the_product_and_after_the_sum() -> None:
    step, offset = (Fraction(float(np.float32(one))) for one in (0.3, -1.1))
    products = [Fraction(nearest_float32(code * step)) for code in range(16)]
    assert Affine(0.3, -1.1, 4).table[0].tolist() == [nearest_float32(one + offset) for one in products]
    shifted = [nearest_float32((code - 5) * step) for code in range(16)]
    assert Affine(0.3, bits=4, zero_point=5).table[0].tolist() == shifted


@pytest.mark.parametrize(("name", "shift", "infinity"), [("bf16", 16, 0x7F80), ("fp16", 0, 0x7C00)])
def test_wide_formats_are_their_bit_patterns(name: str, shift: int, infinity: int) -> None:
    patterns = np.arange(infinity, dtype=np.uint32)
    half = patterns.astype(np.uint16).view(np.float16).astype(np.float32)
    expected = (patterns << 16).view(np.float32) if shift else half
    lattice = FloatFormat(name)
    assert np.array_equal(lattice.table[0, lattice.zero :], expected)
    assert np.array_equal(lattice.table[0], -lattice.table[0, ::-1])


@pytest.mark.parametrize(("name", "largest", "least"), [("fp8 e4m3", 448.0, 2.0**-9), ("fp8_e5m2", 57344.0, 2.0**-16)])
def test_narrow_formats_have_the_numbers_of_their_standard(name: str, largest: float, least: float) -> None:
    lattice = FloatFormat(name)
    assert (float(lattice.high[0, 0]), float(lattice.table[0, lattice.zero + 1])) == (largest, least)
    assert FloatFormat("e2m1").table[0, 8:].tolist() == [0.5, 1, 1.5, 2, 3, 4, 6]


@pytest.mark.parametrize("lattice", SOME, ids=repr)
def test_neighbours_are_those_of_a_search(lattice: Lattice) -> None:
    values = lattice.table[0]
    ends = np.array([values[0] - 1, values[-1] + 1], np.float32)
    middles = (values[1:].astype(np.float64) + values[:-1]) / 2
    x = np.concatenate([values, middles, np.nextafter(values, np.float32(9)), ends]).astype(np.float32)
    lower, upper = lattice.neighbours(x.reshape(1, -1))
    for number, low, high in zip(x, lower[0], upper[0], strict=True):
        inside = min(max(number, values[0]), values[-1])
        assert low == max(one for one in values if one <= inside)
        assert high == min(one for one in values if one >= inside)
    assert np.array_equal(lattice.contains(x), np.isin(x, values))


def test_every_row_has_its_own_values() -> None:
    lattice = PerRow([0.5, 2.0], 3)
    x: NDArray[np.float32] = np.array([[0.75, -9.0], [0.75, -9.0]], np.float32)
    lower, upper = lattice.neighbours(x)
    assert lower.tolist() == [[0.5, -2.0], [0.0, -8.0]]
    assert upper.tolist() == [[1.0, -2.0], [2.0, -8.0]]
    assert lattice.up_probability(x).tolist() == [[0.5, 0.0], [0.375, 0.0]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uniform(0.0, 8), "step_size must be a number|finite and positive"),
        (lambda: Uniform(0.1, 17), "bits must be a whole number from 1 to 16, got 17"),
        (lambda: Uniform(1e38, 8), "every value must be finite"),
        (lambda: Uniform(0.1, 1, narrow=True), "must be two at least that differ"),
        (lambda: Affine([0.1, 1e-9], [0.0, 10.0], 2), "must be two at least that differ"),
        (lambda: PerRow([], 8), "step_sizes must be a number or an array"),
        (lambda: Affine([0.1, 0.2], [0.0] * 3, 8), "must have one length, got 2 and 3"),
        (lambda: FloatFormat("e9m9"), "format must be one of bf16"),
        (lambda: Levels([1.0, 1.0]), "numbers that increase"),
        (lambda: Levels([-3e38, 3e38]), "distance of two values must be finite"),
        (lambda: Uniform(0.5, 4).decode(np.array([[8]])), "codes must be from -8 to 7, got 8 to 8"),
        (lambda: Uniform(0.5, 4).decode(np.array([[0.5]])), "codes must be whole numbers"),
    ],
)
def test_what_is_no_lattice_is_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        make()
