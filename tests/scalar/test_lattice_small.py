"""The quantiser's parts on small lattices, every code tried, in plain Python: no kernel is compiled."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from alpt_ref.scalar import lattice
from tests.plain import plain

F, C, U = np.float32, np.int32, np.uint32
LOW, HIGH = F(-8.0), F(7.0)
cell_below, cell_near, last_cell = plain(lattice.cell_below), plain(lattice.cell_near), plain(lattice.last_cell)
tried, goes_away = plain(lattice.tried), plain(lattice.goes_away)
nearest_code, random_code = plain(lattice.nearest_code), plain(lattice.random_code)
tried_code = plain(lattice.tried_code)
QUARTERS = [i / 4 for i in range(-40, 41)]


@pytest.mark.parametrize("step_size", [1.0, 2.0**-149, 2.0**-70, 0.25, 2.0**120])
def test_quarters_of_a_step_by_hand(step_size: float) -> None:
    """Nearest with ties up; by a word away from zero for so many of the 2**32 as the fraction says."""
    for x in QUARTERS if step_size > 2.0**-149 else [float(i) for i in range(-10, 11)]:
        arguments = F(x * step_size), F(step_size), LOW, HIGH
        assert nearest_code(*arguments) == min(max(math.floor(x + 0.5), -8), 7)
        size = min(abs(x), 8.0 if x < 0 else 7.0)
        part = int((size - math.floor(size)) * 2**32)
        sign = -1 if x < 0 else 1
        for word in {0, 2**32 - 1, max(part - 1, 0), min(part, 2**32 - 1)}:
            wanted = sign * (math.floor(size) + (word < part))
            assert random_code(*arguments, U(word)) == wanted
            if 2.0**-60 <= step_size <= 2.0**60:
                code, unsure = tried_code(*arguments, U(word))
                assert unsure or code == wanted


def test_what_float32_is_sure_of() -> None:
    """A value of a code for any word but 0, and words that are farther from the limit than a part in 2**22."""
    for k in range(-8, 8):
        assert tried_code(F(k), F(1.0), LOW, HIGH, U(5)) == (k, False)
    assert tried_code(F(2.25), F(1.0), LOW, HIGH, U(2**30)) == (2, True)
    assert tried_code(F(2.25), F(1.0), LOW, HIGH, U(2**29)) == (3, False)
    assert tried_code(F(-2.25), F(1.0), LOW, HIGH, U(2**29)) == (-3, False)
    assert tried_code(np.nextafter(F(F(9.0) * F(0.1)), F(0.0)), F(0.1), LOW, F(20.0), U(2**31))[1]  # quotient: 9
    half = 2**31  # rest 1 of a gap of 2
    for word, wanted in (
        (half, (False, True)),
        (half + 2**9, (False, True)),
        (half + 2**9 + 2**8, (False, False)),
        (half - 2**9, (True, True)),
        (half - 2**9 - 2**8, (True, False)),
        (0, (True, False)),
    ):
        assert tried(U(word), F(1.0), F(2.0)) == wanted
    assert tried(U(1), F(np.nan), F(1.0))[1]


def test_words_go_away_as_often_as_the_fraction_says() -> None:
    for rest, gap in ((1.0, 2.0), (1.0, 3.0), (0.1, 0.7), (2.0**-140, 2.0**-139)):
        limit = Fraction(float(F(rest))) / Fraction(float(F(gap))) * 2**32
        for word in (0, math.ceil(limit) - 1, math.ceil(limit), 2**32 - 1):
            assert goes_away(U(word), F(rest), F(gap)) == (word < limit)


@pytest.mark.parametrize("step_size", [0.1, 1 / 3, 0.7, 1e-5, 0.25])
def test_a_cell_by_its_two_values(step_size: float) -> None:
    d = F(step_size)
    for k in (1, 2, 3, 7, 100, 3277, 32766):
        value = F(F(k) * d)
        whole, count = cell_below(value, d, F(32767.0))
        assert float(whole) == int(count)
        assert k - count in ((0,) if step_size == 0.25 else (0, 1))  # at a value both of its cells are right
        for end, cell in ((-np.inf, k - 1), (np.inf, k)):
            beside = np.nextafter(value, F(end))
            whole, count = cell_below(beside, d, F(32767.0))
            assert (float(whole), int(count)) == (cell, cell)
            near, _ = cell_near(beside, d, F(32767.0))
            assert near in (cell, cell + 1)
    assert cell_below(F(100.0), F(1.0), F(7.0)) == (7.0, 7)
    rounded_up = np.nextafter(F(F(9.0) * F(0.1)), F(0.0))
    assert (cell_near(rounded_up, F(0.1), F(20.0)), cell_below(rounded_up, F(0.1), F(20.0))) == ((9.0, 9), (8.0, 8))


def test_ends_of_the_range_and_of_what_is_tried() -> None:
    assert (last_cell(True, LOW, HIGH), last_cell(False, LOW, HIGH)) == (7.0, 6.0)
    assert lattice.SMALLEST_TRIED == 2.0**-60
    assert lattice.LARGEST_TRIED == 2.0**60
    # the smallest word times the smallest gap is a normal number; the largest of both is finite
    assert float(lattice.SMALLEST_TRIED) * 2.0**-24 > 2.0**-126
    assert float(lattice.LARGEST_TRIED) * 2.0**32 < 2.0**128
    assert lattice._UNSURE == 2.0**-22
    assert lattice._WORDS == lattice._WORDS_32 == 2.0**32
