"""Betting at ends that lie anywhere, of one run, and beyond the largest gain that is counted."""

from __future__ import annotations

import numpy as np
import pytest

from alpt_ref.verification.betting import LARGEST, Betting, lower_limit, p_value
from tests.tolerances import CLOSED_FORM

INF = np.inf
VALUES = np.array([[0.25, 0.75, 0.5], [0.5, 0.25, 0.75], [0.125, 0.5, 0.5], [0.25, 0.5, 1.0], [0.375, 0.25, 0.25]])


def betting(values: np.ndarray, low: list[float], high: list[float]) -> Betting:
    return Betting(values.mean(axis=0), values, np.array(low), np.array(high))


def test_distances_are_taken_from_the_ends_of_the_range() -> None:
    """From -3 to 8, moved from 0 to 11 or mirrored: the same bets, with p-values that are neither 0 nor 1."""
    here = betting(VALUES, [0.0] * 3, [11.0] * 3)
    moved, mirrored = betting(VALUES - 3.0, [-3.0] * 3, [8.0] * 3), betting(-VALUES, [-11.0] * 3, [0.0] * 3)
    bound = np.array([0.0625, 0.125, 0.25])
    above = here.p_above(bound)
    assert ((above > 0.001) & (above < 0.5)).all()
    assert moved.p_above(bound - 3.0) == pytest.approx(above, rel=CLOSED_FORM)
    assert mirrored.p_below(-bound) == pytest.approx(above, rel=CLOSED_FORM)
    bound = np.array([9.0, 8.5, 10.5])
    below = here.p_below(bound)
    assert ((below > 1e-9) & (below < 0.5)).all()
    assert moved.p_below(bound - 3.0) == pytest.approx(below, rel=CLOSED_FORM)
    assert mirrored.p_above(-bound) == pytest.approx(below, rel=CLOSED_FORM)


def test_points_without_an_end_have_a_p_value_of_1_beside_others() -> None:
    found = betting(VALUES, [0.0, -INF, 0.0], [INF, 1.0, 1.0])
    bound = np.array([0.0625, 0.125, 0.25])
    alone = betting(VALUES, [0.0] * 3, [1.0] * 3)
    assert found.p_above(bound).tolist() == [alone.p_above(bound)[0], 1.0, alone.p_above(bound)[2]]
    assert found.p_above(bound)[0] < 0.5
    bound = np.array([0.75, 0.875, 0.9])
    assert found.p_below(bound).tolist() == [1.0, *alone.p_below(bound)[1:]]
    assert found.p_below(bound)[1] < 0.5
    none = betting(VALUES, [-INF] * 3, [INF] * 3)
    assert none.p_above(bound).tolist() == none.p_below(bound).tolist() == [1.0] * 3


def test_one_run_wins_what_it_is_worth_and_at_most_the_largest_gain() -> None:
    """Its only share is 1: the capital is the value over the distance."""
    x = np.array([[7.0, 7.0, 0.25, 0.25]])
    distance = np.array([3.5, 1e-22, 1e-18, 1e-25])
    assert p_value(x, distance) == pytest.approx([0.5, 1 / LARGEST, 4e-18, 1 / LARGEST], rel=CLOSED_FORM, abs=0.0)
    assert LARGEST == 1e18


def test_zeros_win_nothing_however_near_the_bound_is() -> None:
    x = np.zeros((3, 3))
    assert p_value(x, np.array([1e-310, 0.5, 0.0])).tolist() == [1.0, 1.0, 1.0]
    assert p_value(x, np.array([-1e-310, -0.5, -7.0])).tolist() == [0.0, 0.0, 0.0]


def test_the_limit_of_one_run_is_its_part_alpha_unless_that_takes_more_than_the_largest_gain() -> None:
    x = np.array([[7.0, 0.25, 0.0]])
    for alpha in (0.125, 2 / LARGEST):
        wanted = [7.0 * alpha, 0.25 * alpha, 0.0]
        assert lower_limit(x, alpha) == pytest.approx(wanted, rel=1e-9, abs=0.0)
    assert lower_limit(x, 0.5 / LARGEST).tolist() == [0.0, 0.0, 0.0]
    assert lower_limit(x, np.array([0.125, 0.5, 0.25])) == pytest.approx([0.875, 0.125, 0.0], rel=1e-9)
