"""Verdicts on hand-made records: Holm's correction over the family, two-sided limits, errors that stay local."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.verification import Assumption, Claim, Control, Measurement, Test, exact, sampled
from alpt_ref.verification.judge import Measured, combine, judge, judge_cells, judge_control
from alpt_ref.verification.results import failing
from alpt_ref.verification.store import Record

SCATTER = np.tile([-1.0, 1.0], 50)  # 100 runs with standard error 0.1005 and no skewness


def claim(**changes: Any) -> Claim:
    def measure(cell: Any, seed: int, *, broken: str | None = None) -> Measurement:
        raise AssertionError("nothing is measured here")

    given: dict[str, Any] = {
        "id": "a", "title": "t", "statement": "x", "kind": "upper", "grid": lambda budget: [{}],
        "bound": lambda cell, constants: 0.0, "measure": measure, "control": Control("c", "d", shrink=0.5),
        "test": Test(alpha=0.05, normal="two values of equal weight, 100 times"),
    }  # fmt: skip
    return Claim(**{**given, **changes})


def cells(*measurements: Measurement, bound: Any = 0.0) -> list[Measured]:
    return [Measured({"k": k}, (Record({}, bound, one),), (str(k),)) for k, one in enumerate(measurements)]


REFUTED = cells(exact(1.0))


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


BOUNDED = Test(alpha=0.05)


def test_cells_that_are_not_normal_are_judged_by_their_range() -> None:
    """64 zeros have no scatter, of which Student's t says nothing; in [0, 1] their mean is small."""
    zeros = cells(sampled(SCATTER - 1.0), sampled(np.zeros(64), low=0.0, high=1.0), bound=0.3)
    everywhere = judge_cells(claim(), zeros)
    assert [cell.outcome for cell in everywhere] == ["SUPPORTED", "INCONCLUSIVE"]
    but_one = replace(claim().test, normal_in=lambda cell: cell["k"] != 1)
    assert [cell.outcome for cell in judge_cells(claim(test=but_one), zeros)] == ["SUPPORTED", "SUPPORTED"]


def test_the_largest_p_value_decides_a_conjunction_and_holm_only_its_labels() -> None:
    just = sampled(SCATTER - 0.18)  # t = -1.79: p = 0.04
    result = judge(claim(), cells(*[just] * 5), [REFUTED], budget="quick", seed=0, code="")
    assert result.outcome == "SUPPORTED"
    assert result.p == pytest.approx(max(point.p_support for point in result.points))
    assert {cell.outcome for cell in result.cells} == {"SUPPORTED"}
    open_one = [*[just] * 4, sampled(SCATTER)]
    result = judge(claim(), cells(*open_one), [REFUTED], budget="quick", seed=0, code="")
    assert result.outcome == "INCONCLUSIVE"
    assert result.p == pytest.approx(0.5)
    assert {cell.outcome for cell in result.cells} == {"INCONCLUSIVE"}  # 0.04 does not pass Holm's 0.01


def test_a_control_must_be_refuted_in_each_of_its_cells() -> None:
    both = judge_control(claim(), claim().controls[0], cells(exact(0.8), exact(0.4), bound=1.0))
    assert (both.refuted, both.outcome) == (False, "SUPPORTED")
    assert both.reason == "in 1 of its 2 cells: k=1 (SUPPORTED)"
    one = judge_control(claim(), claim().controls[0], cells(exact([0.8, 0.4]), bound=1.0))
    assert (one.refuted, one.reason) == (True, "")  # at one point of its only cell
    result = judge(
        claim(), cells(exact(0.8), exact(0.4), bound=1.0), [cells(exact(0.8), exact(0.4), bound=1.0)],
        budget="quick", seed=0, code="",
    )  # fmt: skip
    assert result.outcome == "CONTROL_FAILED"


@pytest.mark.parametrize(("missed", "named", "more"), [(4, 4, ""), (5, 4, "; and 1 more"), (7, 4, "; and 3 more")])
def test_four_cells_that_a_control_misses_are_named_and_more_are_counted(missed: int, named: int, more: str) -> None:
    found = judge_control(claim(), claim().controls[0], cells(*[exact(0.4)] * missed, bound=1.0))
    names = "; ".join(f"k={k} (SUPPORTED)" for k in range(named))
    assert found.reason == f"in {missed} of its {missed} cells: {names}{more}"


@pytest.mark.parametrize("record", [Record({}, 0.0, None, ("x",)), Record({}, 0.0, None, failure="it broke")])
def test_a_control_that_does_not_apply_or_fails_is_not_refuted(record: Record) -> None:
    found = judge_control(claim(), claim().controls[0], [*cells(exact(0.8)), Measured({"k": 9}, (record,), ("9",))])
    assert not found.refuted
    assert found.reason.startswith("in 1 of its 2 cells: k=9 (")


@pytest.mark.parametrize(
    ("proved", "declared", "outcome", "reason"),
    [
        (False, True, "NOT_APPLICABLE", "does not hold: x"),
        (False, False, "ERROR", "does not hold, and the claim does not declare this cell (not_applicable): x"),
        (True, False, "ERROR", "does not hold, though the theory proves it: x"),
        (True, True, "ERROR", "does not hold, though the theory proves it: x"),
    ],
)
def test_a_failed_assumption_is_an_error_unless_the_claim_expects_it(
    proved: bool, declared: bool, outcome: str, reason: str
) -> None:
    about = claim(
        assumptions=(Assumption("x", lambda cell, constants: False, proved=proved),),
        not_applicable=(lambda cell: True) if declared else None,
    )
    result = judge(
        about, [Measured({"k": 0}, (Record({}, 0.0, None, ("x",)),), ("0",))], [[]], budget="quick", seed=0, code=""
    )
    assert (result.outcome, result.cells[0].outcome, result.cells[0].reason) == (outcome, outcome, reason)
    assert failing([result]) == (outcome == "ERROR")


def test_a_declared_range_decides_and_nothing_else_does_without_a_reason_for_normality() -> None:
    values = np.linspace(0.0, 0.1, 400)
    (known,) = judge_cells(claim(test=BOUNDED), cells(sampled(values, low=0.0, high=1.0), bound=0.2))
    (half,) = judge_cells(claim(test=BOUNDED), cells(sampled(values, low=0.0), bound=0.2))
    (unknown,) = judge_cells(claim(test=BOUNDED), cells(sampled(values), bound=0.2))
    assert [cell.outcome for cell in (known, half, unknown)] == ["SUPPORTED", "INCONCLUSIVE", "INCONCLUSIVE"]
    assert "no upper end" in half.reason
    assert "neither a declared range" in unknown.reason
    (refuted,) = judge_cells(claim(test=BOUNDED), cells(sampled(values, low=0.0), bound=0.02))
    assert refuted.outcome == "REFUTED"  # the lower end suffices


def test_equal_values_are_no_certainty() -> None:
    (cell,) = judge_cells(claim(), cells(sampled(np.full(64, -1.0))))
    assert (cell.outcome, cell.points[0].p_support) == ("INCONCLUSIVE", 1.0)
    assert cell.reason.startswith("all runs gave the same value")


def test_the_points_at_which_a_bound_says_something_are_counted() -> None:
    about = claim(trivial=lambda cell, constants: [1.0, 3.0])
    (cell,) = judge_cells(about, cells(exact([-1.0, -1.0]), bound=[1.0, 2.0]))
    assert [point.informative for point in cell.points] == [False, True]
    lower = claim(kind="lower", trivial=lambda cell, constants: 0.0)
    assert judge_cells(lower, cells(exact(3.0), bound=2.0))[0].points[0].informative is True
    assert judge_cells(lower, cells(exact(3.0), bound=0.0))[0].points[0].informative is False
    result = judge(about, cells(exact([-1.0, -1.0]), bound=[1.0, 2.0]), [[]], budget="quick", seed=0, code="")
    assert result.informative == (1, 2)
    with pytest.raises(InputError, match="trivial is for one-sided claims"):
        claim(kind="identity", trivial=lambda cell, constants: 0.0, control=Control("c", "d"))
