"""Logarithm, exponential and normal pair of a few numbers against `math`, in plain Python: no kernel is compiled."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alpt_ref.scalar import elementary
from tests.plain import plain

F, C, U = np.float32, np.int32, np.uint32
log_unit, exp_negative = plain(elementary.log_unit), plain(elementary.exp_negative)
sigmoid, normal_pair = plain(elementary.sigmoid), plain(elementary.normal_pair)
symmetric_uniform = plain(elementary.symmetric_uniform)


def spacings(found: np.float32, wanted: float) -> float:
    return abs(float(found) - wanted) / float(np.spacing(F(abs(wanted))))


def test_logarithms_within_two_units_in_the_last_place() -> None:
    mantissas = [1.0 - i / 97 for i in range(49)] + [0.70710678, 0.7071068, 0.70710683]
    for power in (0, -1, -2, -7, -23, -100):
        for m in mantissas:
            x = F(m * 2.0**power)
            assert spacings(log_unit(x), math.log(float(x))) < 2.0 or x == 1.0
    assert log_unit(F(1.0)) == 0.0


def test_exponentials_within_two_units_in_the_last_place() -> None:
    for x in [F(-i / 41) for i in range(120)] + [F(-i / 1.7) for i in range(147)]:
        assert spacings(exp_negative(x), math.exp(float(x))) < 2.0
        for y in (x, -x):
            assert spacings(sigmoid(y), 1.0 / (1.0 + math.exp(-float(y)))) < 4.0
    end = exp_negative(F(-87.0))
    assert exp_negative(F(-100.0)) == exp_negative(F(-1e30)) == end == pytest.approx(math.exp(-87.0), rel=1e-6)


def test_normal_pairs_by_radius_and_angle() -> None:
    for first in (0, 255, 256, 123456789, 2**31, 4000000000, 2**32 - 1):
        radius = math.sqrt(-2.0 * math.log(((first >> 8) + 1) / 2**24))
        for i in range(33):
            second = min(i * 2**27 + 77777, 2**32 - 1)
            angle = second >> 8
            y = (angle % 2**22) / 2**22 - 0.5
            sine, cosine, sign = math.sin(math.pi / 2 * y), math.cos(math.pi / 2 * y), -1.0 if angle >> 23 else 1.0
            pair = (sine, cosine) if (angle >> 22) % 2 else (cosine, sine)
            found = normal_pair(U(first), U(second))
            assert found == pytest.approx([sign * radius * one for one in pair], abs=2.5e-7 * radius)


def test_uniform_numbers_take_all_bits() -> None:
    for word, wanted in ((0, 0.0), (1, 2.0**-31), (2**31, -1.0), (2**32 - 1, -(2.0**-31)), (2**30, 0.5)):
        assert symmetric_uniform(U(word)) == wanted


def test_constants_from_what_they_are() -> None:
    assert F(math.sqrt(0.5)).view(C) == elementary._SQRT_HALF_BITS
    high, low = float(elementary._LN2_HIGH), float(elementary._LN2_LOW)
    assert high * 2**9 == int(high * 2**9)
    assert high + low == pytest.approx(math.log(2.0), abs=2.0**-36)
    assert F(math.log2(math.e)) == elementary._LOG2_E
    assert log_unit(F(0.5)) == F(-math.log(2.0))
