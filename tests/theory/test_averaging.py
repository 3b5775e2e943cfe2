"""X4 against the double sum of its correlations, in fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.errors import InputError
from alpt_ref.theory import averaging
from alpt_ref.theory.averaging import averaged_second_moment
from tests import tolerances


@given(T=st.integers(1, 40), sixteenths=st.integers(1, 31), V=st.integers(0, 9))
def test_it_is_the_double_sum_and_below_its_bound(T: int, sixteenths: int, V: int) -> None:
    rho = 1 - Fraction(sixteenths, 16)
    wanted = sum((V * rho ** abs(s - t) for s in range(T) for t in range(T)), Fraction(0)) / T**2
    found, bound = averaged_second_moment(T=T, second_moment=V, eta=sixteenths / 32, curvature=2.0)
    assert found == pytest.approx(float(wanted), rel=tolerances.FLOAT64, abs=1e-15)
    assert bound == pytest.approx(2 * V / (sixteenths / 16 * T), rel=tolerances.FLOAT64)
    assert wanted <= 2 * V / (Fraction(sixteenths, 16) * T)


@pytest.mark.parametrize("rate", [1e-6, 0.01, 1.5])
def test_long_sums_in_closed_form_agree_with_the_sum(rate: float) -> None:
    T = 20_000
    powers = (1.0 - rate) ** np.arange(T, dtype=np.float64)
    wanted = (T + 2.0 * float((np.arange(T, 0.0, -1.0)[1:] * powers[1:]).sum())) / T**2
    found, _ = averaged_second_moment(T=T, second_moment=1.0, eta=rate, curvature=1.0)
    assert found == pytest.approx(wanted, rel=tolerances.FLOAT64)


def test_the_bound_is_reached_as_eta_falls_and_the_horizon_grows() -> None:
    found, bound = averaged_second_moment(T=10**9, second_moment=1.0, eta=1e-4, curvature=1.0)
    assert 0.9999 < found / bound < 1.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"eta": 2.0}, "needs eta \\* curvature < 2"),
        ({"T": 0}, "T must be a whole number of at least 1"),
        ({"second_moment": -1.0}, "second_moment must be at least 0"),
        ({"second_moment": float("nan")}, "second_moment must be at least 0"),
    ],
)
def test_what_it_refuses(changed: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        averaged_second_moment(**{"T": 4, "second_moment": 1.0, "eta": 0.5, "curvature": 1.0, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [0.01, 0.5, 1.0, 1.5, 1.99])
def test_the_closed_form_for_many_iterates_is_the_sum_for_few(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    summed = [averaged_second_moment(T=T, second_moment=0.25, eta=rate, curvature=1.0) for T in range(1, 30)]
    monkeypatch.setattr(averaging, "_SUMMED", 0)
    closed = [averaged_second_moment(T=T, second_moment=0.25, eta=rate, curvature=1.0) for T in range(1, 30)]
    assert np.array(closed) == pytest.approx(np.array(summed), rel=1e-9)


def test_a_short_mean_keeps_its_digits_at_the_smallest_rates() -> None:
    """The closed form has lost most of them there: what it subtracts is of the size ``1/rate^2``."""
    rate, V = 2.0**-30, Fraction(3, 7)
    rho = 1 - Fraction(rate)
    for T in (1, 2, 7):
        wanted = sum((V * rho ** abs(s - t) for s in range(T) for t in range(T)), Fraction(0)) / T**2
        found, _ = averaged_second_moment(T=T, second_moment=float(V), eta=rate / 0.75, curvature=0.75)
        assert found == pytest.approx(float(wanted), rel=1e-14)
