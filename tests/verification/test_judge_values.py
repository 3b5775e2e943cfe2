"""Levels at which limits are shown, what is detectable, and the words for controls: against Student's t by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from alpt_ref.verification import Claim, Control, Measurement, Test, exact, sampled
from alpt_ref.verification.estimates import noncentrality
from alpt_ref.verification.judge import Measured, judge, judge_cells, judge_control
from alpt_ref.verification.results import CellResult
from alpt_ref.verification.store import Record
from tests.tolerances import CLOSED_FORM

RUNS, ALPHA, POWER = 100, 0.03, 0.8
SCATTER = np.tile([-1.0, 1.0], RUNS // 2)
ERROR = (RUNS / (RUNS - 1) / RUNS) ** 0.5


def claim(**changes: Any) -> Claim:
    def measure(cell: Any, seed: int, *, broken: str | None = None) -> Measurement:
        raise AssertionError("nothing is measured here")

    given: dict[str, Any] = {
        "id": "a", "title": "t", "statement": "x", "kind": "upper", "grid": lambda budget: [{}],
        "bound": lambda cell, constants: 0.0, "measure": measure, "control": Control("c", "d"),
        "test": Test(alpha=ALPHA, power=POWER, normal="two values of equal weight, many times"),
    }  # fmt: skip
    return Claim(**{**given, **changes})


def cells(*measurements: Measurement, bound: Any = 0.0) -> list[Measured]:
    return [Measured({"k": k}, (Record({}, bound, one),), (str(k),)) for k, one in enumerate(measurements)]


def radii(found: CellResult, centre: float) -> tuple[float, float]:
    """How far the limits of the first point lie from its value, in standard errors."""
    return (centre - found.points[0].lower) / ERROR, (found.points[0].upper - centre) / ERROR


def quantile(level: float) -> Any:
    return pytest.approx(float(stats.t.isf(level, RUNS - 1)), rel=CLOSED_FORM)


def test_limits_of_an_equivalence_are_taken_at_half_the_level_where_it_is_refuted() -> None:
    about = claim(kind="equivalence", margin=0.4)
    for centre, outcome, level in ((2.0, "REFUTED", ALPHA / 2), (0.01, "SUPPORTED", ALPHA), (0.4, "INCONCLUSIVE", 0)):
        (found,) = judge_cells(about, cells(sampled(SCATTER + centre)))
        assert found.outcome == outcome
        wanted = quantile(level or ALPHA / 2)
        assert radii(found, centre) == (wanted, wanted)


def test_limits_of_a_one_sided_claim_are_taken_at_the_level_of_what_each_decides() -> None:
    for kind, sign in (("upper", 1.0), ("lower", -1.0)):
        found = judge_cells(claim(kind=kind), cells(sampled(SCATTER + 2.0 * sign), sampled(SCATTER + 3.0 * sign)))
        assert [one.outcome for one in found] == ["REFUTED", "REFUTED"]
        levels = sorted((stats.t.isf(ALPHA / 2, RUNS - 1), stats.t.isf(ALPHA, RUNS - 1)))
        limits = [one.points[0].lower if kind == "upper" else one.points[0].upper for one in found]
        away = sorted(abs(limit - centre * sign) / ERROR for limit, centre in zip(limits, (2.0, 3.0), strict=True))
        assert away == pytest.approx(levels, rel=CLOSED_FORM)


@pytest.mark.parametrize("points", [1, 2, 5])
def test_what_is_detectable_is_refuted_at_the_share_of_a_sampled_point(points: int) -> None:
    found = judge_cells(claim(), cells(*[sampled(SCATTER - 1.0)] * points, exact(-1.0)))
    wanted = noncentrality(ALPHA / points, POWER, RUNS - 1) * ERROR
    for one in found[:points]:
        assert one.points[0].detectable == pytest.approx(wanted, rel=1e-6)
    (certain,) = judge_cells(claim(), cells(exact(-1.0)))
    assert certain.points[0].detectable == exact(-1.0).rtol


def test_a_control_is_refuted_in_words_too_and_one_without_cells_does_not_apply() -> None:
    about = claim(control=Control("c", "d", shrink=0.5))
    control = about.controls[0]
    found = judge_control(about, control, cells(exact(0.8), exact(0.7), bound=1.0))
    assert (found.refuted, found.outcome, found.reason) == (True, "REFUTED", "")
    none = judge_control(about, control, [])
    assert (none.refuted, none.outcome, none.cells) == (False, "NOT_APPLICABLE", ())


def test_a_claim_of_which_no_cell_can_be_tested_has_no_p_value() -> None:
    failed = Measured({"k": 0}, (Record({}, 0.0, None, failure="it broke"),), ("0",))
    result = judge(claim(), [failed], [[]], budget="quick", seed=0, code="")
    assert (result.outcome, result.p, result.cells[0].points) == ("ERROR", None, ())
