"""From stored measurements to a verdict. Pure functions: the same records give the same verdict.

``REFUTED``         the lower confidence limit lies above the bound (mirrored for lower bounds)
``SUPPORTED``       the upper confidence limit lies at or below the bound
``INCONCLUSIVE``    neither: too few runs for this bound
``NOT_APPLICABLE``  an assumption, executed, does not hold
``ERROR``           the measurement itself failed; nothing is known
``CONTROL_FAILED``  the claim would stand, but its test did not refute the broken control, so it does not count

Within a claim all sampled points of all cells are one family: Holm's correction keeps the chance that any of them is
refuted (or supported) wrongly at alpha. The limits that are shown are taken at the very levels that decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.plugin import capture_error
from alpt_ref.verification.claim import Cell, Claim, Control, allowed_interval, tighten_bound
from alpt_ref.verification.estimates import Estimate
from alpt_ref.verification.measurement import FloatArray, Measurement, pool
from alpt_ref.verification.results import OUTCOMES, CellResult, ClaimResult, ControlResult, Point
from alpt_ref.verification.stats import estimate, holm, holm_levels
from alpt_ref.verification.store import Record


class Measured(NamedTuple):
    """A cell with the records of its replicates and their keys."""

    cell: Cell
    records: tuple[Record, ...]
    keys: tuple[str, ...]


class _Ready(NamedTuple):
    """A cell that can be tested."""

    source: Measured
    measurement: Measurement
    estimate: Estimate
    low: FloatArray
    high: FloatArray


class _Tested(NamedTuple):
    """Holm-adjusted p-values (points,) and the levels that Holm's procedure tests them at."""

    p: FloatArray
    level: FloatArray


def judge(
    claim: Claim,
    own: Sequence[Measured],
    controls: Sequence[Sequence[Measured]],
    *,
    budget: str,
    seed: int,
    code: str,
) -> ClaimResult:
    """The verdict on a claim from its own cells and, in the order of its controls, theirs."""
    cells = judge_cells(claim, own)
    judged = []
    for control, theirs in zip(claim.controls, controls, strict=True):
        found = judge_cells(claim, theirs, control)
        verdict = combine([cell.outcome for cell in found])
        refuted = verdict == "REFUTED"
        judged.append(ControlResult(control.name, control.description, control.remeasures, refuted, verdict, found))
    outcome = combine([cell.outcome for cell in cells])
    if outcome in ("SUPPORTED", "INCONCLUSIVE") and not all(control.refuted for control in judged):
        outcome = "CONTROL_FAILED"
    return ClaimResult(
        id=claim.id,
        title=claim.title,
        statement=claim.statement,
        text=claim.text,
        kind=claim.kind,
        source=claim.source,
        assumptions=tuple(assumption.name for assumption in claim.assumptions),
        alpha=claim.test.alpha,
        power=claim.test.power,
        how=claim.test.how,
        budget=budget,
        seed=seed,
        code=code,
        outcome=outcome,
        cells=cells,
        controls=tuple(judged),
    )


def combine(outcomes: Sequence[str]) -> str:
    """The verdict on several parts: refuted if one is, supported if all that apply are and at least one does."""
    applicable = [outcome for outcome in outcomes if outcome != "NOT_APPLICABLE"]
    if not applicable:
        return "NOT_APPLICABLE"
    return next(outcome for outcome in OUTCOMES if outcome in applicable)


def judge_cells(claim: Claim, measured: Sequence[Measured], control: Control | None = None) -> tuple[CellResult, ...]:
    """Outcomes of all cells, as one family; with `control` its broken bound takes the place of the claim's."""
    prepared: list[_Ready | CellResult] = []
    for source in measured:
        with capture_error() as caught:
            prepared.append(_prepare(claim, source, control))
        if caught.message:
            prepared.append(_without_points(source, "ERROR", caught.message))
    ready = [one for one in prepared if isinstance(one, _Ready)]
    tested = iter(_test(claim, ready))
    return tuple(next(tested) if isinstance(one, _Ready) else one for one in prepared)


def _prepare(claim: Claim, source: Measured, control: Control | None) -> _Ready | CellResult:
    """Everything up to the p-values, or the outcome where there is nothing to test."""
    failure = next((record.failure for record in source.records if record.failure), "")
    if failure:
        return _without_points(source, "ERROR", failure)
    failed = sorted({name for record in source.records for name in record.failed_assumptions})
    if failed:
        return _without_points(source, "NOT_APPLICABLE", f"does not hold: {'; '.join(failed)}")
    first = source.records[0]
    measurement = pool([record.measurement for record in source.records if record.measurement is not None])
    bound = first.bound if control is None or control.bound is None else control.bound(source.cell, first.constants)
    low, high = allowed_interval(claim, source.cell, first.constants, bound, measurement.points)
    if control is not None and control.shrink is not None:
        low, high = tighten_bound(claim, control.shrink, low, high)
    return _Ready(source, measurement, estimate(measurement, claim.test.how), low, high)


def _without_points(source: Measured, outcome: str, reason: str) -> CellResult:
    seconds = sum(record.seconds for record in source.records)
    return CellResult(
        source.cell, outcome, reason, source.records[0].constants, seconds=seconds, keys=tuple(source.keys)
    )


def _test(claim: Claim, ready: Sequence[_Ready]) -> list[CellResult]:
    """p-values, Holm's correction over the sampled points, and limits at the levels that decided."""
    alpha = claim.test.alpha
    sizes = [one.measurement.points for one in ready]
    sampled = np.repeat([one.estimate.sampled for one in ready], sizes).astype(bool)
    tests: list[list[_Tested]] = []
    for name in ("p_violated", "p_within"):
        p = np.concatenate([getattr(one.estimate, name)(one.low, one.high) for one in ready] or [np.empty(0)])
        levels = np.full(len(p), alpha)  # exact points have p-values of 0 and 1 and take no share of alpha
        levels[sampled] = holm_levels(p[sampled], alpha)
        p[sampled] = holm(p[sampled])
        tests.append([_Tested(*parts) for parts in zip(_split(p, sizes), _split(levels, sizes), strict=True)])
    share = alpha / max(int(sampled.sum()), 1)
    return [
        _with_points(claim, one, refute, support, share) for one, refute, support in zip(ready, *tests, strict=True)
    ]


def _split(values: FloatArray, sizes: Sequence[int]) -> list[FloatArray]:
    return np.split(values, np.cumsum(sizes)[:-1]) if sizes else []


def _with_points(claim: Claim, one: _Ready, refute: _Tested, support: _Tested, share: float) -> CellResult:
    refuted = refute.p <= claim.test.alpha
    supported = ~refuted & (support.p <= claim.test.alpha)
    lower, upper = _limits(one, refuted, supported, refute.level, support.level)
    detectable = one.estimate.detectable(share, claim.test.power)
    labels = one.measurement.labels or ("",) * one.measurement.points
    outcomes = np.where(refuted, "REFUTED", np.where(supported, "SUPPORTED", "INCONCLUSIVE")).tolist()
    columns = (one.estimate.value, lower, upper, one.low, one.high, refute.p, support.p, detectable)
    points = []
    for label, outcome, numbers in zip(labels, outcomes, np.stack(columns, axis=1).tolist(), strict=True):
        value, lower_limit, upper_limit, low, high, p_refute, p_support, smallest = numbers
        points.append(Point(label, value, lower_limit, upper_limit, low, high, p_refute, p_support, smallest, outcome))
    return CellResult(
        cell=one.source.cell,
        outcome=combine(outcomes),
        constants=one.source.records[0].constants,
        points=tuple(points),
        runs=one.measurement.runs,
        seconds=sum(record.seconds for record in one.source.records),
        keys=tuple(one.source.keys),
        measurement=one.measurement,
    )


def _limits(
    one: _Ready,
    refuted: NDArray[np.bool_],
    supported: NDArray[np.bool_],
    refute_level: FloatArray,
    support_level: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Limits that agree with the outcomes: the limit towards the bound decides support, the one away decides refusal.

    With a bound on both sides each limit decides both, to refute at half the level, which the sides share; what
    stays open is shown with the wider limits, which lie neither inside the bounds nor beyond one.
    """
    both = np.isfinite(one.low) & np.isfinite(one.high)
    half = refute_level / 2
    two_sided = np.where(refuted, half, np.where(supported, support_level, np.minimum(half, support_level)))
    upper_bound = np.isfinite(one.high)
    lower, _ = one.estimate.limits(np.where(both, two_sided, np.where(upper_bound, refute_level, support_level)))
    _, upper = one.estimate.limits(np.where(both, two_sided, np.where(upper_bound, support_level, refute_level)))
    return lower, upper
