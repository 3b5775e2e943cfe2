"""Errors of a step size and their slopes by plain sums over the density; the best and the resting step size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory.learned_step_size import (
    best_step_size,
    squared_error,
    squared_error_slope,
    step_size_change_variance,
    straight_through_slope,
    straight_through_step_size,
)

NAMES: Any = ("normal", "laplace")


def sums(step: float, bits: int, name: str) -> tuple[float, float, float]:
    """``E (Q - w)^2``, ``2 E (Q - w) R`` and ``2 E (Q - w)`` times R5; cells end where anything jumps."""
    h = step / 600.0
    w = h * (np.arange(-math.ceil(40.0 / h), math.ceil(40.0 / h)) + 0.5)
    density = h * (np.exp(-0.5 * w * w) / math.sqrt(2.0 * math.pi) if name == "normal" else 0.5 * np.exp(-np.abs(w)))
    low, high, x = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, w / step
    code = np.clip(np.floor(x + 0.5), low, high)
    error = code * step - w
    through = np.where(x < low, low, np.where(x > high, high, np.floor(x + 0.5) - x))
    return tuple(float((density * one).sum()) for one in (error**2, 2.0 * error * code, 2.0 * error * through))  # type: ignore[return-value]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("step", "bits"), [(0.45, 2), (0.7, 3), (1.3, 2)])
def test_error_and_slopes_by_sums(step: float, bits: int, name: Any) -> None:
    error, slope, through = sums(step, bits, name)
    assert squared_error(step, bits, name) == pytest.approx(error, rel=1e-5)
    assert squared_error_slope(step, bits, name) == pytest.approx(slope, rel=1e-5, abs=1e-6)
    assert straight_through_slope(step, bits, name) == pytest.approx(through, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bits", [2, 3, 5])
def test_the_best_step_size_and_the_resting_one(bits: int, name: Any) -> None:
    best, rest = best_step_size(bits, name), straight_through_step_size(bits, name)
    tried = np.geomspace(0.01, 3.0, 300)
    assert squared_error(best, bits, name) <= min(squared_error(float(s), bits, name) for s in tried)
    assert abs(squared_error_slope(best, bits, name)) < 1e-6
    assert abs(straight_through_slope(rest, bits, name)) < 1e-10
    assert 0.1 < best < rest < 3.0


def test_what_one_change_costs() -> None:
    codes = [[3, -5], [0, 7]]
    got = step_size_change_variance(step_size=0.3, change=-0.07, codes=codes)
    assert got == pytest.approx(0.23 * 0.07 * np.abs(codes), rel=1e-12)
    with pytest.raises(InputError, match="the new step size must be a finite number above 0"):
        step_size_change_variance(step_size=0.25, change=-0.25, codes=codes)


def test_another_distribution_is_refused() -> None:
    with pytest.raises(InputError, match="distribution must be normal or laplace, got 'cauchy'"):
        squared_error(0.5, 3, "cauchy")  # type: ignore[arg-type]
