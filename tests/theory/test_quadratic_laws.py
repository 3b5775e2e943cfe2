"""X2's stationary law at the ends of the range, by hand."""

from __future__ import annotations

import pytest

from alpt_ref.theory import Grid
from alpt_ref.theory.quadratic_laws import quadratic_stationary


@pytest.mark.parametrize(
    ("minimum", "law", "second_moment"),
    [
        (1.0, [0.0, 0.0, 0.0, 1.0], 0.0),  # the highest code: nothing lies above it
        (-2.0, [1.0, 0.0, 0.0, 0.0], 0.0),
        (0.75, [0.0, 0.0, 0.25, 0.75], 0.1875),
        (0.0, [0.0, 0.0, 1.0, 0.0], 0.0),
    ],
)
def test_the_law_is_that_of_rounding_the_minimum(minimum: float, law: list[float], second_moment: float) -> None:
    found, moment = quadratic_stationary(minimum, Grid(1.0, 2))
    assert (found.tolist(), moment) == (law, second_moment)


@pytest.mark.parametrize(("minimum", "below"), [(0.13, 1), (-0.3, -3), (-0.87, -8), (0.76, 6)])
def test_the_pair_of_codes_around_the_minimum_carries_the_law(minimum: float, below: int) -> None:
    found, moment = quadratic_stationary(minimum, Grid(0.11, 4))
    theta = minimum / 0.11 - below
    assert 0.0 < theta < 1.0
    wanted = [0.0] * 16
    wanted[below + 8 : below + 10] = [1.0 - theta, theta]
    assert found.tolist() == pytest.approx(wanted, abs=1e-12)
    assert moment == pytest.approx(0.11**2 * theta * (1.0 - theta), rel=1e-12)
