"""Where a run starts, rounded by its own rounding: the mean of w_1 and its variance, by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alpt_ref.theory import Grid, Noise, Schedule, quadratic
from alpt_ref.theory.applied_case import Case
from alpt_ref.theory.rounding_rule import FewBits
from alpt_ref.theory.update_rules import SGD

SIZES = [0.5, 0.25]


def first(rounding: Any, start: Any) -> tuple[list[float], float]:
    made: Any = None
    case = Case(
        made, made, Grid(0.5, 6), np.array(SIZES), False, Schedule("constant", 0.1), np.array([0.1]), SGD(), rounding,
        Noise(), np.array(start),
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


def run(
    rounding: Any = "full", start: Any = (0.3, -0.2), rates: Any = (0.1,), problem: Any = None, **known: Any
) -> Case:
    constants: Any = SimpleNamespace(**{name: SimpleNamespace(value=one) for name, one in known.items()})
    return Case(
        problem, constants, Grid(0.5, 6), np.array(SIZES), False, Schedule("constant", 0.1), np.array(rates), SGD(),
        rounding, Noise(), np.array(start),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rates", "constant"),
    [
        ([0.3], True),
        ([0.3, 0.7], True),  # the last rate makes no iterate
        ([0.3, 0.3, 0.7], True),
        ([0.3, 0.7, 0.7], False),
        ([0.3, 0.3, 0.7, 0.7], False),
        ([0.0], False),
        ([0.0, 0.0, 0.3], False),
        ([0.0, 0.3], False),
    ],
)
def test_rates_are_constant_where_those_that_are_used_are_one_number(rates: list[float], constant: bool) -> None:
    assert run(rates=rates).is_constant() is constant
    assert run(rates=rates).eta == rates[0]


def test_a_start_between_two_points_by_few_bits_and_by_the_nearest() -> None:
    assert first("dr", [0.15, 0.35]) == ([0.0, 0.25], 0.0)  # 0.3 and 1.4 steps
    mean, variance = first(FewBits(3), [0.3, -0.1])  # 0.6 and 0.4 are cut to 4/8 and 3/8, away from zero
    assert mean == [0.25, -0.09375]
    assert variance == 0.25 / 4 + 0.0625 * 15 / 64


def test_the_first_gap_has_what_the_start_lacks_and_half_l_times_its_variance() -> None:
    bowl = quadratic([3.0, 0.7], [0.3, -0.2])
    assert run(problem=bowl, L=3.0, gap=0.0).first_gap == 0.0  # it starts at the minimum
    assert run(problem=bowl, L=3.0, gap=0.07).first_gap == pytest.approx(0.07, rel=1e-15)
    off = run("sr", [0.3, -0.1], problem=bowl, L=3.0, gap=0.07)
    variance = 0.25 * 0.6 * 0.4 + 0.0625 * 0.4 * 0.6
    assert off.first_gap == pytest.approx(0.35 * 0.1**2 + 0.07 + 1.5 * variance, rel=1e-12)
    assert run("sr", [0.3, -0.1], problem=bowl, L=None, gap=None).first_gap == pytest.approx(0.35 * 0.1**2, rel=1e-12)


def test_the_first_gap_counts_from_the_value_of_the_point_found_and_is_not_negative() -> None:
    made: Any = SimpleNamespace(value=lambda w: 0.4, f_star=0.3)
    assert run(problem=made, L=3.0, gap=0.05).first_gap == pytest.approx(0.15, rel=1e-12)
    made.f_star = 0.5
    assert run(problem=made, L=3.0, gap=0.05).first_gap == 0.0
    made.f_star = None
    assert run(problem=made, L=3.0, gap=0.05).first_gap == pytest.approx(0.45, rel=1e-12)
