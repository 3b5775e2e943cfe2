"""Laws of the long run by hand: the equation that X3's value solves, and the edges of every condition."""

from __future__ import annotations

import math
from typing import Any

import pytest

from alpt_ref.theory import Eco, Grid, Noise, bounds, laws_in_the_long_run, quadratic
from alpt_ref.theory.long_run import LongRunLaw
from tests import tolerances


def law(theorem: str, curvature: Any, minimum: Any, grid: Grid, schedule: float, **options: Any) -> LongRunLaw:
    found = laws_in_the_long_run(quadratic(curvature, minimum), grid, schedule, **options)
    return next(one for one in found if one.theorem == theorem)


def test_x3_solves_its_equation_in_each_coordinate() -> None:
    """``V = Delta sqrt(lambda^2 V + sigma^2)/(2 lambda)``: fixed by iterating, and summed."""
    sigma, curvature, sizes, wanted = 0.9, [0.7, 1.3], [0.3, 0.45], 0.0
    for a, size in zip(curvature, sizes, strict=True):
        v = 1.0
        for _ in range(200):
            v = size * math.sqrt(a * a * v + sigma * sigma) / (2.0 * a)
        wanted += v
    noise = Noise("two-point", sigma)
    found = law("X3", curvature, [0.1, -0.2], Grid(0.3, 4), 0.01, noise=noise, step_sizes=sizes)
    assert found.applies
    assert found.distance2 == pytest.approx(wanted, rel=tolerances.FLOAT64)
    assert found.watch == ("exceeded",)


def test_x2_has_nothing_to_watch_and_takes_a_rate_of_one_over_the_curvature() -> None:
    at, above = (law("X2", 0.5, 0.125, Grid(0.5, 3), rate) for rate in (2.0, 2.0000001))
    assert at.applies
    assert at.watch == ()
    assert at.distance2 == 0.25 * 0.75 * 0.25  # a quarter of a step from 0: p (1 - p) Delta^2
    assert above.why == "it needs eta <= 1/lambda, lambda = 0.5"
    assert law("X2", 3.0, 0.125, Grid(0.5, 3), 0.3).applies
    assert not law("X2", 3.0, 0.125, Grid(0.5, 3), 0.4).applies


@pytest.mark.parametrize(("minimum", "far"), [(-1.0, 2.5), (0.75, 2.75), (-0.25, 1.75)])
def test_x3_takes_updates_of_up_to_one_step(minimum: float, far: float) -> None:
    """The box of three bits of 1/2 is [-2, 3/2]; the far end is the upper one, the lower one, and both."""
    largest, noise = 0.5 * far + 0.75, Noise("two-point", 0.75)
    grid = Grid(0.5, 3)
    assert law("X3", 0.5, minimum, grid, 0.5 / largest * (1.0 - 1e-12), noise=noise).applies
    found = law("X3", 0.5, minimum, grid, 0.6 / largest, noise=noise)
    assert found.why == "an update may exceed one step: eta |g| <= 0.6, one step is 0.5"


def test_x3_takes_an_update_of_exactly_one_step() -> None:
    assert law("X3", 0.5, -1.0, Grid(0.5, 3), 0.25, noise=Noise("two-point", 0.75)).applies  # (1.25 + .75)/4


@pytest.mark.parametrize(
    ("keep", "curvature", "rate", "applies"),
    [(0.5, 0.75, 8.0, False), (0.5, 0.75, 7.99, True), (0.25, 1.5, 2.2, True), (0.25, 1.5, 2.23, False)],
)
def test_eco_diverges_from_a_product_of_rate_and_curvature_on(
    keep: float, curvature: float, rate: float, applies: bool
) -> None:
    """``(1 - b) eta lambda < 2 (1 + b)``: below 6 with b = 1/2, below 10/3 with b = 1/4."""
    options: dict[str, Any] = {"update": Eco(keep), "noise": Noise("normal", 0.5)}
    found = law("EF1D", curvature, 0.1, Grid(0.25, 5), rate, **options)
    assert (found.applies, found.why) == (applies, "" if applies else "eta lambda is so large that the run diverges")
    nearest = law("EF1D nearest", curvature, 0.1, Grid(0.25, 5), rate, rounding="dr", **options)
    assert nearest.why == (found.why or "eta lambda is so large that the run swings")


@pytest.mark.parametrize(
    ("keep", "curvature", "rate", "applies"),
    [
        (0.25, 0.25, 4.0 / 3.0, False),  # p^2 = 4 b exactly: p = 1
        (0.25, 0.25, 1.33, True),
        (0.25, 0.25, 12.4, False),  # p = -1.075: its square is above 4 b
        (0.0625, 0.5, 1.0, True),  # p = .59375, above 2 sqrt(b) = 1/2
        (0.0625, 0.5, 1.3, False),  # p = .453125
        (0.36, 0.5, 0.3, True),  # p = 1.264, above 1.2 and below 4 b
        (0.36, 0.5, 0.6, False),  # p = 1.168
    ],
)
def test_eco_with_nearest_rounding_swings_where_the_roots_are_complex_or_negative(
    keep: float, curvature: float, rate: float, applies: bool
) -> None:
    options: dict[str, Any] = {"update": Eco(keep), "noise": Noise("normal", 0.5), "rounding": "dr"}
    found = law("EF1D nearest", curvature, 0.1, Grid(0.25, 5), rate, **options)
    assert (found.applies, found.why) == (applies, "" if applies else "eta lambda is so large that the run swings")
    if applies:
        numbers = {"eta": rate, "keep": keep, "curvature": curvature, "sigma": 0.5, "step_size": 0.25}
        assert found.distance2 == pytest.approx(bounds.eco_noisy_quadratic_nearest(**numbers) ** 2, rel=1e-12)
