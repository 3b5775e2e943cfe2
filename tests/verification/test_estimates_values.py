"""Student's t with one end or none, and points without scatter beside others: by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from alpt_ref.verification.estimates import Exact, Student
from tests.tolerances import CLOSED_FORM

INF = np.inf


def test_a_point_without_scatter_has_no_limits_beside_others_that_have() -> None:
    low, high = Student(np.array([3.0, 5.0]), np.array([0.5, 0.0]), 7).limits(0.02)
    radius = 0.5 * float(scipy_stats.t.isf(0.02, 7))
    assert low == pytest.approx([3.0 - radius, -INF], rel=CLOSED_FORM)
    assert high == pytest.approx([3.0 + radius, INF], rel=CLOSED_FORM)


def test_support_looks_at_the_ends_that_there_are() -> None:
    """One and a half errors below 4, three above 2, of which only two are asked for at a time."""
    found = Student(np.full(4, 3.25), np.full(4, 0.5), 7)
    low, high = np.array([-INF, 1.75, 1.75, -INF]), np.array([4.0, INF, 4.0, INF])
    below, above = (float(scipy_stats.t.sf(t, 7)) for t in (1.5, 3.0))
    assert found.p_within(low, high) == pytest.approx([below, above, max(below, above), 0.0], rel=CLOSED_FORM)
    refuting = found.p_violated(low, high)
    assert refuting == pytest.approx([1 - below, 1 - above, 1.0, 1.0], rel=CLOSED_FORM)


def test_exact_values_at_a_bound_keep_it_from_both_sides() -> None:
    found = Exact(np.array([2.0, 2.0, 2.5, 1.5]))
    assert found.p_above(np.array([2.0, 1.75, 2.5, 2.0])).tolist() == [1.0, 0.0, 1.0, 1.0]
    assert found.p_below(np.array([2.0, 2.25, 2.5, 2.0])).tolist() == [1.0, 0.0, 1.0, 0.0]
    assert found.rtol == found.atol == 0.0
