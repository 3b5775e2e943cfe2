"""A row's own grid by trying every code and every nearby step size, in plain Python: no kernel is compiled."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from alpt_ref.scalar import row_grid
from tests.plain import plain

F, C, U = np.float32, np.int32, np.uint32
affine_value, row_step_size = plain(row_grid.affine_value), plain(row_grid.row_step_size)
first_code, affine_code = plain(row_grid.first_code), plain(row_grid.affine_code)
GRIDS = [(0.25, -1.0), (0.1, 0.3), (1e-3, -0.7), (2.0**-24, 3.0), (1e20, -5e20), (2.0**-26, 1.0)]
"""Step size and first value; the fourth and last are finer than the float32 numbers there."""


def values(step_size: float, bias: float, last: int) -> list[np.float32]:
    return [F(F(F(k) * F(step_size)) + F(bias)) for k in range(last + 1)]


def weights(known: list[np.float32]) -> list[np.float32]:
    """The values, the middles between them, and the float32 numbers beside both; and far ones."""
    middles = [F((float(a) + float(b)) / 2) for a, b in itertools.pairwise(known)]
    around = [np.nextafter(x, F(end)) for x in (*known, *middles) for end in (-np.inf, np.inf)]
    width = F(7.3) * (known[-1] - known[0] + F(1.0))
    return [*known, *middles, *around, F(known[0] - width), F(known[-1] + width)]


@pytest.mark.parametrize(("step_size", "bias"), GRIDS)
def test_the_first_code_whose_value_is_not_below(step_size: float, bias: float) -> None:
    known = values(step_size, bias, 7)
    assert [affine_value(C(k), F(step_size), F(bias)) for k in range(8)] == known
    for w in weights(known):
        wanted = next((k for k, v in enumerate(known) if v >= w), 7)
        assert first_code(w, F(step_size), F(bias), C(7)) == wanted


@pytest.mark.parametrize(("step_size", "bias"), GRIDS)
def test_a_code_is_that_of_a_neighbour_by_fractions(step_size: float, bias: float) -> None:
    known = values(step_size, bias, 7)
    for w in weights(known):
        exact = Fraction(float(w))
        above = next((k for k, v in enumerate(known) if v >= w), 7)
        ends = known[above], known[max(above - 1, 0)]
        upper, lower = (Fraction(float(one)) for one in ends)
        below = known.index(ends[1])  # of codes with one value the first
        inside = above > 0 and exact < upper

        def code(stochastic: bool, word: int) -> int:
            return int(affine_code(w, F(step_size), F(bias), C(7), stochastic, U(word)))  # noqa: B023

        assert code(False, 5) == (above if not inside or 2 * (exact - lower) >= upper - lower else below)
        limit = (exact - lower) / (upper - lower) * 2**32 if inside else Fraction(0)
        for word in {0, 2**31, 2**32 - 1, *(min(max(int(limit) + i, 0), 2**32 - 1) for i in (-1, 0, 1))}:
            assert code(True, word) == (above if not inside or word < limit else below)


@pytest.mark.parametrize(
    ("bottom", "top", "last"), [(-1.0, 1.0, 15), (0.0, 0.7, 127), (2.5, 2.6, 3), (-3e-39, 1e-38, 1), (0.0, 1e-30, 255)]
)
def test_the_step_size_is_the_largest_that_keeps_the_last_value_within_the_row(
    bottom: float, top: float, last: int
) -> None:
    found = row_step_size(F(bottom), F(top), C(last), F(1e30))

    def fits(step_size: np.float32) -> bool:
        return bool(F(F(F(last) * step_size) + F(bottom)) <= F(top))

    assert not fits(np.nextafter(found, F(np.inf)))
    assert fits(found) or found == 2.0**-126
    assert found >= 2.0**-126


def test_the_ends_of_step_sizes() -> None:
    assert row_step_size(F(3.0), F(3.0), C(15), F(1e30)) == 1.0  # a row without any extent
    assert row_step_size(F(-3e38), F(3e38), C(1), F(1e30)) == F(1e30)
    assert row_step_size(F(0.0), F(2.0**-140), C(1), F(1e30)) == row_grid.SMALLEST == 2.0**-126
    assert row_step_size(F(0.0), F(2.0**-126), C(1), F(1e30)) == 2.0**-126
    assert row_step_size(F(0.0), F(2.0**-125), C(1), F(1e30)) == 2.0**-125
