"""Grid, noise and learning rates by hand, at the ends of what is taken."""

from __future__ import annotations

import math

import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import Grid, Noise, Schedule


def test_rates_of_an_array_and_of_a_function() -> None:
    assert Schedule([0.5, 0.25, 0.75], 3.0).rates(4).tolist() == [1.5, 0.75, 2.25, 2.25]  # the last one is not used
    assert Schedule([0.5, 0.25, 0.75], 3.0).rates(3).tolist() == [1.5, 0.75, 2.25]
    assert Schedule(lambda t: 10.0 * t + 0.5, 3.0).rates(4).tolist() == [31.5, 61.5, 91.5, 121.5]
    assert Schedule([], 3.0).rates(1).tolist() == [0.0]  # one iterate, no update
    for steps in (2, 5):
        with pytest.raises(InputError, match=f"a run of {steps} iterates takes {steps - 1} learning rates"):
            Schedule([0.5, 0.25, 0.75]).rates(steps)


def test_rates_by_their_formulas() -> None:
    assert Schedule("constant", 0.3).rates(3).tolist() == [0.3] * 3
    assert Schedule("inverse", 3.0).rates(5).tolist() == [3.0 / t for t in range(1, 6)]
    assert Schedule("inverse-sqrt", 3.0).rates(5).tolist() == [3.0 / math.sqrt(t) for t in range(1, 6)]


def test_a_rate_of_zero_is_taken_and_the_bad_one_is_named() -> None:
    assert Schedule([0.0, 0.25]).rates(3).tolist() == [0.0, 0.25, 0.25]
    for bad in (-0.5, math.inf, math.nan):
        with pytest.raises(InputError, match=f"at least 0, got {bad}$"):
            Schedule([0.0, 0.25, bad])


def test_sixteen_bits_and_no_more() -> None:
    grid = Grid(0.5, 16)
    assert (grid.low, grid.high, len(grid.values)) == (-16384.0, 16383.5, 65536)
    for bits in (0, 17):
        with pytest.raises(InputError, match=f"from 1 to 16, got {bits}$"):
            Grid(0.5, bits)


def test_the_mean_size_of_a_slope_with_noise() -> None:
    largest = 0.3 * math.sqrt(3.0)
    uniform, two = Noise("uniform", 0.3), Noise("two-point", 0.3)
    assert uniform.largest == largest
    for slope in (0.2, -0.2, 0.7, -0.7, 0.0):
        m = abs(slope)
        inside = (m * m + largest * largest) / (2 * largest)  # of |m + u|, u uniform
        assert float(uniform.absolute_mean(slope)) == pytest.approx(inside if m < largest else m, rel=1e-15)
        assert float(two.absolute_mean(slope)) == pytest.approx((abs(m + 0.3) + abs(m - 0.3)) / 2, rel=1e-15)
