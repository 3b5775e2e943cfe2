"""Step sizes that move, the exponential that moves them, and the scale of sums that depend on no order."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alpt_ref.scalar import fixed_point, update
from alpt_ref.scalar.code_range import largest_step_size
from alpt_ref.scalar.fixed_point import TOO_LARGE
from alpt_ref.scalar.update import LARGEST_LEARNED, LARGEST_MOMENT
from tests import tolerances
from tests.plain import plain

F32 = np.float32
decayed_weight, exp_bounded = plain(update.decayed_weight), plain(update.exp_bounded)
moved_step_size = plain(update.moved_step_size)
fixed_scale, fixed_shift = plain(fixed_point.fixed_scale), plain(fixed_point.fixed_shift)
fixed_unit = plain(fixed_point.fixed_unit)


def test_the_bounded_exponential_is_that_of_the_ends_beyond_them() -> None:
    for x in np.linspace(-1.0, 1.0, 41):
        assert float(exp_bounded(F32(x))) == pytest.approx(math.exp(F32(x)), rel=4e-7)
    assert exp_bounded(F32(1.5)) == exp_bounded(F32(1.0))
    assert exp_bounded(F32(-90.0)) == exp_bounded(F32(-1.0))
    assert exp_bounded(F32(0.0)) == 1.0


@pytest.mark.parametrize(
    ("old", "change", "log_domain", "new", "floored"),
    [
        (0.5, 0.125, False, 0.375, 0),
        (0.5, -0.125, False, 0.625, 0),
        (0.5, 0.4375, False, 0.0625, 0),  # just the floor
        (0.5, 0.45, False, 0.0625, 1),
        (0.5, math.nan, False, 0.0625, 1),
        (0.5, 0.25, True, 0.5 * math.exp(-0.25), 0),
        (0.5, -0.25, True, 0.5 * math.exp(0.25), 0),
        (0.5, 7.0, True, 0.5 * math.exp(-1.0), 0),
        (0.15, 7.0, True, 0.0625, 1),
        (0.5, -3e38, False, float(LARGEST_LEARNED), 0),
    ],
)
def test_a_step_size_moves_and_stays_within_its_limits(
    old: float, change: float, log_domain: bool, new: float, floored: int
) -> None:
    found, count = moved_step_size(F32(old), F32(change), log_domain, F32(0.0625))
    assert float(found) == pytest.approx(new, rel=tolerances.FLOAT32)
    assert count == floored


def test_decay_is_added_to_the_update() -> None:
    assert decayed_weight(F32(2.0), F32(0.25), F32(0.125)) == F32(2.0 - 0.25 - 0.25)


def test_the_largest_step_size_keeps_every_value_finite_and_the_next_does_not() -> None:
    for bits in (2, 8, 16):
        largest = F32(largest_step_size(bits))
        with np.errstate(over="ignore"):
            assert np.isfinite(largest * F32(-(2 ** (bits - 1))))
            assert np.isinf(np.nextafter(largest, F32(np.inf)) * F32(-(2 ** (bits - 1))))
    assert F32(largest_step_size(16)) == LARGEST_LEARNED
    assert LARGEST_MOMENT == 2.0**90  # its square, over 2**18 columns, is finite in float32's neighbour float64


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 1000, 1024, 1025])
@pytest.mark.parametrize("peak", [1.0, 0.75, 1.9999999, 2.0, 3e30, 2.0**-126])
def test_a_scale_is_the_largest_power_of_two_that_leaves_room_for_the_sum(peak: float, count: int) -> None:
    bits = F32(peak).view(np.int32)
    exponent, room = math.frexp(float(F32(peak)))[1], (count - 1).bit_length()
    assert int(fixed_shift(bits, count)) == 62 - room - exponent
    assert float(fixed_scale(bits, count)) * float(fixed_unit(bits, count)) == 1.0
    assert float(fixed_scale(bits, count)) == 2.0 ** (62 - room - exponent)


def test_what_is_below_the_normal_numbers_has_the_scale_of_the_smallest_of_them() -> None:
    assert fixed_shift(np.int32(1), 1) == fixed_shift(F32(2.0**-126).view(np.int32), 1)
    assert F32(2.0**48).view(np.int32) == TOO_LARGE
