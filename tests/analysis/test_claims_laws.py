"""Statements that were stronger than what holds: each broken form is refuted by the claim that now says less."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.studies.study import PRESETS
from alpt_ref.theory import Noise, adam_dr_stalls, adam_update_bound
from alpt_ref.theory.bounds import step_size_change_floor
from alpt_ref.theory.crossover import loud_ratio, quiet_ratio, whole_width_ratio
from alpt_ref.theory.learned_step_size import straight_through_step_size
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Claim
from alpt_ref.verification.task import load_claim
from tests import tolerances

FOLDER = Path(__file__).resolve().parents[2] / "analysis" / "claims"


def claim(name: str) -> Claim:
    (file,) = FOLDER.glob(f"{name}_*.py")
    return load_claim(file)


def control_cells(of: Claim, name: str) -> list[dict[str, Any]]:
    """The quick cells in which a control must be refuted."""
    control = next(one for one in of.controls if one.name == name)
    return [cell for cell in of.grid("quick") if control.where is None or control.where(cell)]


# ---- A1b: the sum over the codes, not the largest


def test_the_largest_code_in_place_of_the_sum_is_exceeded_in_every_dimension_above_one() -> None:
    of = claim("a1b")
    control = next(one for one in of.controls if one.name == "max-for-sum")
    cells = control_cells(of, "max-for-sum")
    assert {cell["d"] for cell in cells} == {4, 16, 64}
    for cell in cells:
        constants = of.constants(cell)
        assert control.bound is not None
        measured, largest = of.measure(cell, 0).values[-1], control.bound(cell, constants)[-1]
        assert largest < measured < of.bound(cell, constants)[-1]


def test_the_statement_of_a1b_has_the_sum_and_says_what_it_does_not_cover() -> None:
    stated = theorem(step_size_change_floor)
    assert r"\sum_i |k_{t,i}|" in stated.statement
    assert "max_i" not in stated.statement
    assert "fixed beforehand" in stated.plain
    assert "Not covered: ALPT's own step sizes" in stated.plain


def test_d_equal_coordinates_have_d_times_the_loss_and_the_bound_of_one() -> None:
    of = claim("a1b")
    cells = [cell for cell in of.grid("quick") if cell["problem"] == "kink" and cell["reach"] == 0.01]
    cells = [cell for cell in cells if cell["path"] == "alternating" and cell["change"] == 1e-3 and cell["d"] >= 4]
    per_coordinate = [np.array(of.bound(cell, of.constants(cell))) / cell["d"] for cell in cells]
    for one in per_coordinate[1:]:
        np.testing.assert_allclose(one, per_coordinate[0], rtol=tolerances.FLOAT64)


# ---- A3: at the step of least error, 2 to 10 bits, 4 to 128 columns

OUTSIDE = [("12 bits", 1.9, 2.5), ("16 bits", 6.0, 8.0), ("every-d", 1.6, 2.6), ("first-step", 0.12, 0.2)]


@pytest.mark.parametrize(("name", "low", "high"), OUTSIDE)
def test_a3_does_not_hold_beyond_what_it_says(name: str, low: float, high: float) -> None:
    of = claim("a3")
    cell = next(cell for cell in control_cells(of, name) if cell["bits"] == 8)
    mean = float(of.measure(cell, 1, broken=name).values.mean())
    ends = of.bound(cell, {})
    assert low < mean < high
    assert not ends[0] <= mean <= ends[1]


def test_rows_drawn_by_their_weights_beyond_the_range_have_the_mean_of_plain_rows() -> None:
    """At 4 bits and four columns one weight in 80 lies beyond the range: both ways of drawing are possible."""
    from analysis.claims import _relative_update as update

    generator = np.random.Generator(np.random.Philox(key=5))
    weighed = update.ratios(40_000, 3, 1, 4, generator)
    assert update.RARE > 3 * 0.0125
    plain = update._unscaled(generator.standard_normal((400_000, 3), dtype=np.float32), 1, 4, update.best(4), generator)
    error = math.sqrt(weighed.var() / len(weighed) + plain.var() / len(plain))
    assert abs(weighed.mean() - plain.mean()) < tolerances.SIX_SIGMA * error
    assert weighed.std() < plain.std()


# ---- A2: what is predicted, and what is fitted


def test_the_limits_around_the_optimum_are_called_fitted_and_fail_for_uniform_weights() -> None:
    of = claim("a2")
    assert "fitted to these very cells" in of.plain
    assert "fitted" in of.statement
    (cell,) = control_cells(of, "every-distribution")
    measured = of.measure(cell, 0, broken="every-distribution")
    assert measured.values[0] > 1.5 * of.bound(cell, {})[0]
    assert [label for label in measured.labels if "fitted" in label] == list(measured.labels[:2])


def test_learning_rests_where_the_expected_derivative_vanishes() -> None:
    of = claim("a2")
    for cell in of.grid("quick"):
        if cell["distribution"] == "laplace" and cell["bits"] in (3, 4):
            kept, rest = of.measure(cell, 0).extra, straight_through_step_size(cell["bits"], "laplace")
            assert kept["learned"] == pytest.approx(rest, rel=of.bound(cell, {})[2])
            assert kept["learned"] > kept["best"]


# ---- D5b: its conditions


def test_after_ten_updates_neither_has_forgotten_its_start() -> None:
    of = claim("d5b")
    cells = [cell for cell in of.grid("quick") if cell["side"] == "quiet" and cell["rate"] == 0.05]
    ratio = {cell["updates"]: of.measure(cell, 0).values[0] for cell in cells if cell["sigma"] == 0.0}
    assert set(ratio) == {10, 240}
    assert ratio[10] < 1.1
    assert ratio[240] > 300.0
    limit = quiet_ratio(rate=0.05, noise=Noise(), start=-60.3, updates=240)
    assert limit > ratio[10]  # what the statement without the start would claim
    assert quiet_ratio(rate=0.05, noise=Noise(), start=-60.3, updates=10) <= ratio[10]


def squared_errors(rate: float, level: float, start: float, updates: int) -> float:
    """``q^2 m^2 + level``, iterated: both roundings under noise so wide that their errors have no Fourier terms."""
    square = start * start
    for _ in range(updates):
        square = (1.0 - rate) ** 2 * square + level
    return square


@pytest.mark.parametrize(("rate", "updates"), [(0.01, 1), (0.01, 50), (0.1, 3), (0.1, 200)])
@pytest.mark.parametrize("start", [-12.0, 40.0])
def test_the_loud_interval_holds_from_outside(rate: float, updates: int, start: float) -> None:
    low, high = loud_ratio(rate=rate, sigma=1.0, start=start, updates=updates)
    ratio = squared_errors(rate, 1 + 1 / 12, start, updates) / squared_errors(rate, 1 + 1 / 6, start, updates)
    assert low <= ratio <= high


def test_the_loud_interval_is_refused_from_inside() -> None:
    """From half a step off one update leaves a ratio of 0.941, which the interval (0.925 to 0.933) would not hold."""
    ratio = squared_errors(0.01, 1 + 1 / 12, 0.5, 1) / squared_errors(0.01, 1 + 1 / 6, 0.5, 1)
    assert ratio == pytest.approx(0.941, abs=5e-4)
    with pytest.raises(InputError, match=r"start must be at least 7\.\d+ steps from the minimum"):
        loud_ratio(rate=0.01, sigma=1.0, start=0.5, updates=1)


def test_with_uniform_noise_one_step_wide_nearest_rounding_is_stochastic_rounding() -> None:
    from analysis.claims.d5b_dither_crossover import SETTLED

    of = claim("d5b")
    for cell in of.grid("quick"):
        if cell["side"] == "whole":
            expected = 4 * 0.21 * (1 - (1 - cell["rate"]) ** 2)
            assert of.measure(cell, 0).values[0] == pytest.approx(expected, rel=SETTLED)
            assert whole_width_ratio(rate=cell["rate"], minimum=0.3) == pytest.approx(expected)


# ---- C1 to C6: exact slopes, intervals with a reason


@pytest.mark.parametrize("name", ["c1", "c2", "c3", "c4", "c5", "c6"])
def test_the_slope_lies_in_a_narrow_interval_and_the_wrong_power_does_not(name: str) -> None:
    from analysis.claims._slopes import slope_of

    of = claim(name)
    for cell in of.grid("quick"):
        low, high = of.bound(cell, of.constants(cell))
        curve = of.measure(cell, 0)
        assert len(curve.values) == 1  # exact: one row
        assert low <= slope_of(curve.x, curve.values[0]) <= high
        assert high - low < 0.08
    wrong: list[Callable[..., Any]] = [one.bound for one in of.controls if one.bound is not None]
    assert wrong


def test_the_interval_of_a_slope_holds_every_curve_between_its_ends() -> None:
    from analysis.claims._slopes import slope_between, slope_of

    generator = np.random.Generator(np.random.Philox(key=2))
    x = np.geomspace(1.0, 50.0, 9)
    low, high = 0.8 * x**-2.0, 1.3 * x**-2.0
    ends = slope_between(x, low, high)
    slopes = [slope_of(x, low + generator.random(9).round() * (high - low)) for _ in range(2000)]
    rounding = tolerances.FLOAT64
    assert ends[0] - rounding <= min(slopes) < -2.0 < max(slopes) <= ends[1] + rounding
    assert max(slopes) - min(slopes) > 0.9 * (ends[1] - ends[0])


# ---- M1: D7's region


def test_m1_speaks_where_d7_says_that_no_row_moves_in_fifty_touches() -> None:
    from analysis.claims.m1_sr_beats_dr_where_dr_stalls import TOUCHES, stalls

    ratios = PRESETS["small"]().ratios
    spoken = [ratio for ratio in ratios if stalls({"ratio": ratio})]
    assert spoken == [ratio for ratio in ratios if ratio * float(adam_update_bound(TOUCHES)) < 0.5 * (1 - 1e-4)]
    assert not stalls({"ratio": 0.49})  # inside the region of the first step alone: a row can move at touch 7
    assert not adam_dr_stalls(0.49, 7)
