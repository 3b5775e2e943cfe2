"""Where a run starts, rounded by its own rounding: the mean of w_1 and its variance, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.theory import Grid, Noise, Schedule
from alpt_ref.theory.applied_case import Case
from alpt_ref.theory.rounding_rule import FewBits
from alpt_ref.theory.update_rules import SGD

SIZES = [0.5, 0.25]


def first(rounding: Any, start: Any) -> tuple[list[float], float]:
    made: Any = None
    case = Case(
        made, made, Grid(0.5, 6), np.array(SIZES), False, Schedule("constant", 0.1), np.array([0.1]), SGD(), rounding,
        False, Noise(), np.array(start),
    )  # fmt: skip
    mean, variance = case.first
    return mean.tolist(), variance


def test_codes_and_full_precision_are_where_they_are() -> None:
    assert first("sr", [3, -2]) == ([1.5, -0.5], 0.0)
    assert first("full", [0.3, -0.1]) == ([0.3, -0.1], 0.0)


def test_nearest_rounding_goes_to_the_nearest_and_up_in_a_tie() -> None:
    assert first("dr", [0.3, -0.1]) == ([0.5, 0.0], 0.0)  # 0.6 and -0.4 steps
    assert first("dr", [0.75, -0.375]) == ([1.0, -0.25], 0.0)  # 1.5 and -1.5


def test_stochastic_rounding_keeps_the_mean_and_adds_its_variance() -> None:
    mean, variance = first("sr", [0.3, -0.1])
    assert mean == pytest.approx([0.3, -0.1], rel=1e-15)
    assert variance == pytest.approx(0.25 * 0.6 * 0.4 + 0.0625 * 0.4 * 0.6, rel=1e-12)
    mean, variance = first(FewBits(2), [0.3, -0.1])  # 0.6 and 0.4 are cut to 2/4 and 1/4, away from zero
    assert mean == [0.25, -0.0625]
    assert variance == 0.25 / 4 + 0.0625 * 3 / 16
