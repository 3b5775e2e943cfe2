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
