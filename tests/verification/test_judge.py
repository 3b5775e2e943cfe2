"""Verdicts on hand-made records: Holm's correction over the family, two-sided limits, errors that stay local."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.verification import Claim, Control, Measurement, Test, exact, sampled
from alpt_ref.verification.judge import Measured, combine, judge_cells
from alpt_ref.verification.store import Record

SCATTER = np.tile([-1.0, 1.0], 50)  # 100 runs with standard error 0.1005 and no skewness


def claim(**changes: Any) -> Claim:
    def measure(cell: Any, seed: int, *, broken: str | None = None) -> Measurement:
        raise AssertionError("nothing is measured here")

    given: dict[str, Any] = {
        "id": "a", "title": "t", "statement": "x", "kind": "upper", "grid": lambda budget: [{}],
        "bound": lambda cell, constants: 0.0, "measure": measure, "control": Control("c", "d", shrink=0.5),
        "test": Test(alpha=0.05),
    }  # fmt: skip
    return Claim(**{**given, **changes})


def cells(*measurements: Measurement, bound: Any = 0.0) -> list[Measured]:
    return [Measured({"k": k}, (Record({}, bound, one),), (str(k),)) for k, one in enumerate(measurements)]


def test_holm_spares_what_a_single_test_would_refute() -> None:
    just = sampled(SCATTER + 0.18)  # t = 1.79: p = 0.04
    (alone,) = judge_cells(claim(), cells(just))
    family = judge_cells(claim(), cells(*[just] * 5))
    assert alone.outcome == "REFUTED"
    assert [cell.outcome for cell in family] == ["INCONCLUSIVE"] * 5
    assert alone.points[0].lower > 0 > family[0].points[0].lower
    assert family[0].points[0].p_refute == pytest.approx(min(1, 5 * alone.points[0].p_refute))


def test_points_of_one_cell_belong_to_the_family_and_exact_ones_do_not() -> None:
    both = sampled(np.stack([SCATTER + 0.18, SCATTER + 0.18], axis=1), labels=["T=1", "T=2"])
    (cell,) = judge_cells(claim(), cells(both))
    assert [point.outcome for point in cell.points] == ["INCONCLUSIVE"] * 2
    assert [point.label for point in cell.points] == ["T=1", "T=2"]
    mixed = judge_cells(claim(), cells(sampled(SCATTER + 0.18), exact(-1.0), exact(1.0)))
    assert [cell.outcome for cell in mixed] == ["REFUTED", "SUPPORTED", "REFUTED"]


def test_limits_agree_with_every_outcome() -> None:
    rng = np.random.Generator(np.random.Philox(key=3))
    points = sampled(rng.normal(rng.normal(0, 0.5, 40), 1.0, (100, 40)))
    for changes, bound in (({}, 0.0), ({"kind": "lower"}, 0.0), ({"kind": "equivalence", "margin": 0.35}, 0.0)):
        (cell,) = judge_cells(claim(**{**changes, "control": Control("c", "d")}), cells(points, bound=bound))
        for point in cell.points:
            beyond = point.lower > point.high or point.upper < point.low
            inside = point.low <= point.lower and point.upper <= point.high
            one_sided = {"upper": point.upper <= point.high, "lower": point.lower >= point.low}
            within = one_sided.get(str(changes.get("kind", "upper")), inside)
            assert point.outcome == ("REFUTED" if beyond else "SUPPORTED" if within else "INCONCLUSIVE")
        assert {point.outcome for point in cell.points} == {"REFUTED", "SUPPORTED", "INCONCLUSIVE"}


def test_a_shrunk_bound_moves_into_the_truth_from_either_side() -> None:
    value = cells(exact(0.8), bound=1.0)
    (upper,) = judge_cells(claim(), value, Control("c", "d", shrink=0.5))
    (lower,) = judge_cells(claim(kind="lower"), cells(exact(1.2), bound=1.0), Control("c", "d", shrink=0.5))
    assert (upper.outcome, upper.points[0].high) == ("REFUTED", 0.5)
    assert (lower.outcome, lower.points[0].low) == ("REFUTED", 2.0)


def test_a_cell_that_cannot_be_judged_is_an_error_and_the_others_are_judged() -> None:
    found = judge_cells(claim(), [*cells(exact(-1.0)), *cells(exact(-1.0), bound=[1.0, 2.0]), *cells(sampled([1.0]))])
    assert [cell.outcome for cell in found] == ["SUPPORTED", "ERROR", "ERROR"]
    assert found[1].reason.startswith("bound must be one number or one for each of the 1 points")
    assert found[2].reason.startswith("one run allows no confidence limit")


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        (["SUPPORTED", "NOT_APPLICABLE"], "SUPPORTED"),
        (["NOT_APPLICABLE"], "NOT_APPLICABLE"),
        (["SUPPORTED", "INCONCLUSIVE"], "INCONCLUSIVE"),
        (["SUPPORTED", "ERROR", "INCONCLUSIVE"], "ERROR"),
        (["SUPPORTED", "REFUTED", "ERROR"], "REFUTED"),
    ],
)
def test_the_weakest_part_decides(outcomes: list[str], verdict: str) -> None:
    assert combine(outcomes) == verdict
