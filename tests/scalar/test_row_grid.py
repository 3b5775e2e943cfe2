"""The grid of a row against its definition: the first code by looking at all, nearest and drawn ones by fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from alpt_ref.scalar.row_grid import SMALLEST, affine_code, affine_value, first_code, row_step_size

F = np.float32
LAST = np.int32(15)
GRIDS = [(0.1, -0.37), (1.0, 0.0), (2.0**-20, 1.0), (0.3, 7.0), (3e-8, 0.5)]
"""Step size and lowest value; the last one's neighbours often have one value."""


def values(step_size: float, bias: float) -> list[np.float32]:
    return [F(F(F(code) * F(step_size)) + F(bias)) for code in range(16)]


def weights(step_size: float, bias: float) -> list[np.float32]:
    """Values, their neighbours among the float32 numbers, places between them, and beyond both ends."""
    found = []
    for one, other in zip(
        values(step_size, bias), [*values(step_size, bias)[1:], F(bias + 99 * step_size)], strict=True
    ):
        found += [one, np.nextafter(one, F(np.inf)), np.nextafter(one, F(-np.inf)), F(one + (other - one) * F(0.3))]
    return [*found, F(bias - 5 * step_size), F(bias - 99), F(bias + 40 * step_size), F(bias + 99)]


@pytest.mark.parametrize(("step_size", "bias"), GRIDS)
def test_the_first_code_is_the_first_whose_value_is_not_below(step_size: float, bias: float) -> None:
    known = values(step_size, bias)
    assert [affine_value(np.int32(code), F(step_size), F(bias)) for code in range(16)] == known
    for w in weights(step_size, bias):
        expected = next((code for code, value in enumerate(known) if value >= w), 15)
        assert first_code(w, F(step_size), F(bias), LAST) == expected


@pytest.mark.parametrize(("step_size", "bias"), GRIDS)
def test_the_code_is_that_of_the_nearer_or_the_drawn_neighbour(step_size: float, bias: float) -> None:
    known = values(step_size, bias)
    for w in weights(step_size, bias):
        upper = next((code for code, value in enumerate(known) if value >= w), 15)
        lower = known.index(known[upper - 1]) if upper and known[upper] > w else upper
        place = Fraction(0)
        if lower != upper:
            a, b = Fraction(float(known[lower])), Fraction(float(known[upper]))
            place = (Fraction(float(w)) - a) / (b - a)
        near = upper if place >= Fraction(1, 2) else lower
        assert affine_code(w, F(step_size), F(bias), LAST, False, np.uint32(0)) == near
        for word in (0, 2**29, 2**31 - 1, 2**31, 2**32 - 1):
            drawn = upper if Fraction(word, 2**32) < place else lower
            assert affine_code(w, F(step_size), F(bias), LAST, True, np.uint32(word)) == drawn


def test_a_word_at_the_place_stays_and_a_tie_goes_up() -> None:
    half = (F(3.5), F(1.0), F(0.0), LAST)
    assert [affine_code(*half, True, np.uint32(word)) for word in (2**31 - 1, 2**31)] == [4, 3]
    assert affine_code(*half, False, np.uint32(0)) == 4


@pytest.mark.parametrize(("bottom", "top"), [(-0.37, 1.13), (0.0, 3.0), (1.0, 1.0000153), (-7.0, -6.5), (0.0, 1e-30)])
def test_the_step_size_is_the_largest_whose_last_value_is_not_above_the_top(bottom: float, top: float) -> None:
    found = row_step_size(F(bottom), F(top), LAST, F(1e30))
    after = np.nextafter(found, F(np.inf))
    assert affine_value(LAST, found, F(bottom)) <= F(top) < affine_value(LAST, after, F(bottom))


def test_the_ends_of_the_step_size() -> None:
    assert row_step_size(F(2.0), F(2.0), LAST, F(1e30)) == 1.0
    assert row_step_size(F(2.0), F(-2.0), LAST, F(1e30)) == 1.0
    assert row_step_size(F(0.0), F(100.0), LAST, F(0.25)) == 0.25
    assert row_step_size(F(0.0), F(1e-40), LAST, F(1e30)) == SMALLEST == F(2.0**-126)
