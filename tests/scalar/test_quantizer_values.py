"""The step size's derivative at the ends of the range, which belong to it, and beside them; in plain Python."""

from __future__ import annotations

import numpy as np

from alpt_ref.scalar import quantizer
from tests.plain import plain

F = np.float32
LOW, HIGH = F(-8.5), F(6.25)
"""Ends that are no whole numbers, so that at an end rounding has a difference from it to show."""


def test_the_ends_of_the_range_belong_to_it() -> None:
    derivative = plain(quantizer.step_derivative)
    inside = [
        (LOW, 0.5),
        (HIGH, -0.25),
        (F(-8.25), 0.25),
        (F(6.0), 0.0),
        (F(-1.5), 0.5),
        (F(1.5), 0.5),
        (F(0.25), -0.25),
    ]
    for x, wanted in inside:
        assert derivative(x, LOW, HIGH) == wanted
    assert derivative(np.nextafter(LOW, F(-9.0)), LOW, HIGH) == LOW
    assert derivative(np.nextafter(HIGH, F(9.0)), LOW, HIGH) == HIGH


def test_a_moved_code_has_the_derivative_of_where_it_goes() -> None:
    moved = plain(quantizer.moved_step_derivative)
    for code, shift, wanted in ((3, -3.25, -0.25), (-8, 0.5, 0.5), (3, 0.25, 0.25), (-3, 1.5, 0.5)):
        assert moved(np.int32(code), F(shift), LOW, HIGH) == wanted
    assert moved(np.int32(3), F(-3.5), LOW, HIGH) == HIGH
    assert moved(np.int32(-8), F(0.75), LOW, HIGH) == LOW
