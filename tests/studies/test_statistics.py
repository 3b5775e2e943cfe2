"""Intervals, paired tests and Holm's correction against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from alpt_ref._util.statistics import estimates, multiplicity_note, new_rows_factor, paired_p_value, t_interval
from tests.tolerances import CLOSED_FORM


def test_t_interval_of_three_numbers() -> None:
    # mean 2, s = 1, t(0.975, 2) = sqrt(2) * 0.95 / sqrt(1 - 0.95²): the quantile of t with 2 degrees is closed-form
    quantile = math.sqrt(2) * 0.95 / math.sqrt(1 - 0.95**2)
    interval = t_interval([1.0, 2.0, 3.0])
    assert (interval.mean, interval.n) == (2.0, 3)
    assert interval.half_width == pytest.approx(quantile / math.sqrt(3), rel=CLOSED_FORM)


def test_t_interval_of_two_numbers_is_a_cauchy_quantile() -> None:
    interval = t_interval([0.0, 2.0])  # s = √2, t(0.975, 1) = tan(0.475 π)
    assert interval.half_width == pytest.approx(math.tan(0.475 * math.pi), rel=CLOSED_FORM)


def test_one_value_claims_no_interval_and_none_is_an_error() -> None:
    assert t_interval([0.7]) == (0.7, None, 1)
    with pytest.raises(ValueError, match="at least one number"):
        t_interval([])


def test_paired_p_value_with_two_degrees_of_freedom() -> None:
    # differences 1, 2, 3: t = 2√3, and with 2 degrees P(|T| > t) = 1 - t / sqrt(2 + t²)
    t = 2 * math.sqrt(3)
    assert paired_p_value([1.0, 2.0, 3.0]) == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=CLOSED_FORM)
    assert paired_p_value([-1.0, -2.0, -3.0]) == paired_p_value([1.0, 2.0, 3.0])


def test_the_corrected_resampled_t_test_by_hand() -> None:
    """Differences 1, 2, 3 over three splits with 1 test row to 8 training rows (Nadeau and Bengio, 2003, equation 9).

    Mean 2, variance 1; variance of the mean (1/3 + 1/8) · 1 = 11/24 in place of 1/3, so t = 2 sqrt(24 / 11), and with
    two degrees of freedom P(|T| > t) = 1 - t / sqrt(2 + t²); the 95 % quantile is t = sqrt(2) · .95 / sqrt(1 - .95²).
    """
    widen = new_rows_factor(3, 1 / 8)
    t = 2 * math.sqrt(24 / 11)
    assert paired_p_value([1.0, 2.0, 3.0], widen) == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=CLOSED_FORM)
    quantile = math.sqrt(2) * 0.95 / math.sqrt(1 - 0.95**2)
    interval = t_interval([1.0, 2.0, 3.0], widen=widen)
    assert interval.half_width == pytest.approx(quantile * math.sqrt(11 / 24), rel=CLOSED_FORM)
    assert new_rows_factor(3, 1.0) == 2.0  # three folds: as many test rows as training rows
    assert new_rows_factor(7, 0.0) == 1.0


def test_without_scatter_nothing_is_certain() -> None:
    for constant in (0.0, 0.5, 0.1 + 0.2):
        assert paired_p_value([constant] * 5) == 1.0
        assert t_interval([constant] * 5) == (constant, None, 5)
    assert paired_p_value([0.3, 0.1 + 0.2, 0.3]) == 1.0  # equal up to rounding
    (one,) = estimates({"a": [0.5, 0.5, 0.5]}).values()
    assert (one.sign, str(one)) == (0, "+0.5000 ± n/a")
    assert multiplicity_note([(one.mean, one.half_width)], 1) == ""  # it excludes no 0
    assert paired_p_value([0.5]) is None
    assert paired_p_value([]) is None
