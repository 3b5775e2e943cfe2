"""From stored measurements to a verdict. Pure functions: the same records give the same verdict.

``REFUTED``         the lower confidence limit lies above the bound (mirrored for lower bounds)
``SUPPORTED``       the upper confidence limit lies at or below the bound
``INCONCLUSIVE``    neither: too few runs for this bound, or nothing is known of how the runs are distributed
``NOT_APPLICABLE``  an assumption, executed, does not hold in a cell where the claim says that it may not
``ERROR``           the measurement failed, or an assumption does that cannot or was not expected to; nothing is known
``CONTROL_FAILED``  the claim would stand, but its test did not refute a broken control in every cell where it must

A claim says that *all* its points obey the bound. So it is supported iff every point is, each tested at alpha: the
largest p-value decides (an intersection-union test), and the chance of supporting a claim that fails anywhere is at
most alpha. It is refuted as soon as one point is, so refutations share alpha over all sampled points of all cells
(Holm). Where the claim as a whole is not supported its cells are labelled by Holm's correction too, so that the labels
err together with at most alpha. The limits that are shown are taken at the very levels that decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.plugin import capture_error
from alpt_ref.verification.claim import ONE_SIDED, Cell, Claim, Control, allowed_interval, tighten_bound
from alpt_ref.verification.estimates import Estimate
from alpt_ref.verification.measurement import FloatArray, Measurement, pool
from alpt_ref.verification.results import OUTCOMES, CellResult, ClaimResult, ControlResult, Point
from alpt_ref.verification.stats import estimate, holm, holm_levels
from alpt_ref.verification.store import Record

NAMED = 4
"""Cells that are named where a control is not refuted; the others are counted."""


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
    informative: tuple[bool | None, ...]


class _Tested(NamedTuple):
    """p-values (points,), adjusted where they share alpha, and the levels that the raw ones are tested at."""

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
    cells, p = _judge_family(claim, own, None)
    judged = tuple(
        judge_control(claim, control, theirs) for control, theirs in zip(claim.controls, controls, strict=True)
    )
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
        how=claim.test.method,
        normal=claim.test.normal,
        budget=budget,
        seed=seed,
        code=code,
        outcome=outcome,
        p=p,
        cells=cells,
        controls=judged,
    )


def judge_control(claim: Claim, control: Control, measured: Sequence[Measured]) -> ControlResult:
    """Whether the claim's test refutes the control in every cell given, which are those of `Control.where`.

    This too is a conjunction, over cells: each is tested at alpha, its points sharing it. What is not applicable, or an
    error, is not refuted.
    """
    found = tuple(cell for one in measured for cell in judge_cells(claim, [one], control))
    missed = [cell for cell in found if cell.outcome != "REFUTED"]
    reason = ""
    if missed:
        names = "; ".join(f"{_name(cell.cell)} ({cell.outcome})" for cell in missed[:NAMED])
        more = f"; and {len(missed) - NAMED} more" if len(missed) > NAMED else ""
        reason = f"in {len(missed)} of its {len(found)} cells: {names}{more}"
    verdict = combine([cell.outcome for cell in missed]) if missed or not found else "REFUTED"
    refuted = bool(found) and not missed
    return ControlResult(control.name, control.description, control.remeasures, refuted, verdict, reason, found)


def _name(cell: Cell) -> str:
    return ", ".join(f"{name}={value}" for name, value in cell.items()) or "the only cell"


def combine(outcomes: Sequence[str]) -> str:
    """The verdict on several parts: refuted if one is, supported if all that apply are and at least one does."""
    applicable = [outcome for outcome in outcomes if outcome != "NOT_APPLICABLE"]
    if not applicable:
        return "NOT_APPLICABLE"
    return next(outcome for outcome in OUTCOMES if outcome in applicable)


def judge_cells(claim: Claim, measured: Sequence[Measured], control: Control | None = None) -> tuple[CellResult, ...]:
    """Outcomes of all cells, as one family; with `control` its broken bound takes the place of the claim's."""
    return _judge_family(claim, measured, control)[0]


def _judge_family(
    claim: Claim, measured: Sequence[Measured], control: Control | None
) -> tuple[tuple[CellResult, ...], float | None]:
    """Outcomes of all cells, and the largest raw p-value of support over their points (None if there are none)."""
    prepared: list[_Ready | CellResult] = []
    for source in measured:
        with capture_error() as caught:
            prepared.append(_prepare(claim, source, control))
        if caught.message:
            prepared.append(_without_points(source, "ERROR", caught.message))
    ready = [one for one in prepared if isinstance(one, _Ready)]
    cells, p = _test(claim, ready)
    tested = iter(cells)
    return tuple(next(tested) if isinstance(one, _Ready) else one for one in prepared), p


def _prepare(claim: Claim, source: Measured, control: Control | None) -> _Ready | CellResult:
    """Everything up to the p-values, or the outcome where there is nothing to test."""
    failure = next((record.failure for record in source.records if record.failure), "")
    if failure:
        return _without_points(source, "ERROR", failure)
    failed = sorted({name for record in source.records for name in record.failed_assumptions})
    if failed:
        return _without_points(source, *_failed_assumption(claim, source.cell, failed, control))
    first = source.records[0]
    measurement = pool([record.measurement for record in source.records if record.measurement is not None])
    bound = first.bound if control is None or control.bound is None else control.bound(source.cell, first.constants)
    low, high = allowed_interval(claim, source.cell, first.constants, bound, measurement.points)
    if control is not None and control.shrink is not None:
        low, high = tighten_bound(claim, control.shrink, low, high)
    informative = _informative(claim, source.cell, first, low, high)
    return _Ready(source, measurement, estimate(measurement, claim.test.of(source.cell)), low, high, informative)


def _failed_assumption(claim: Claim, cell: Cell, failed: list[str], control: Control | None) -> tuple[str, str]:
    """Outcome and reason of a cell in which assumptions do not hold."""
    if control is not None:  # broken on purpose; it is not refuted here, whatever the reason
        return "NOT_APPLICABLE", f"does not hold: {'; '.join(failed)}"
    proved = [one.name for one in claim.assumptions if one.proved and one.name in failed]
    if proved:
        return "ERROR", f"does not hold, though the theory proves it: {'; '.join(proved)}"
    if claim.not_applicable is None or not claim.not_applicable(cell):
        return "ERROR", f"does not hold, and the claim does not declare this cell (not_applicable): {'; '.join(failed)}"
    return "NOT_APPLICABLE", f"does not hold: {'; '.join(failed)}"


def _informative(
    claim: Claim, cell: Cell, record: Record, low: FloatArray, high: FloatArray
) -> tuple[bool | None, ...]:
    """Whether the bound is non-trivial at each point: not beyond what no method can exceed."""
    if claim.trivial is None:
        return (None,) * len(high)
    trivial = np.broadcast_to(np.asarray(claim.trivial(cell, record.constants), dtype=np.float64), high.shape)
    return tuple((high < trivial if ONE_SIDED[claim.kind] == "at most" else low > trivial).tolist())


def _without_points(source: Measured, outcome: str, reason: str) -> CellResult:
    seconds = sum(record.seconds for record in source.records)
    return CellResult(
        source.cell, outcome, reason, source.records[0].constants, seconds=seconds, keys=tuple(source.keys)
    )


def _test(claim: Claim, ready: Sequence[_Ready]) -> tuple[list[CellResult], float | None]:
    """p-values, what is shared over the sampled points, limits at the levels that decided, and the largest p-value."""
    alpha = claim.test.alpha
    sizes = [one.measurement.points for one in ready]
    sampled = np.repeat([one.estimate.sampled for one in ready], sizes).astype(bool)
    violated, within = (
        np.concatenate([getattr(one.estimate, name)(one.low, one.high) for one in ready] or [np.empty(0)])
        for name in ("p_violated", "p_within")
    )
    largest = float(within.max()) if len(within) else None
    whole = largest is not None and largest <= alpha  # the conjunction is supported, and so is each of its parts
    tests: list[list[_Tested]] = []
    for p, shared in ((violated, True), (within, not whole)):
        levels = np.full(len(p), alpha)  # exact points have p-values of 0 and 1 and take no share of alpha
        if shared:
            levels[sampled] = holm_levels(p[sampled], alpha)
            p[sampled] = holm(p[sampled])
        tests.append([_Tested(*parts) for parts in zip(_split(p, sizes), _split(levels, sizes), strict=True)])
    share = alpha / max(int(sampled.sum()), 1)
    cells = [
        _with_points(claim, one, refute, support, share) for one, refute, support in zip(ready, *tests, strict=True)
    ]
    return cells, largest


def _split(values: FloatArray, sizes: Sequence[int]) -> list[FloatArray]:
    return np.split(values, np.cumsum(sizes)[:-1]) if sizes else []


def _with_points(claim: Claim, one: _Ready, refute: _Tested, support: _Tested, share: float) -> CellResult:
    refuted = refute.p <= claim.test.alpha
    supported = ~refuted & (support.p <= claim.test.alpha)
    lower, upper = _limits(one, refuted, supported, refute.level, support.level)
    detectable = one.estimate.detectable(share, claim.test.power)
    labels = one.measurement.labels or ("",) * one.measurement.points
    outcomes = np.where(refuted, "REFUTED", np.where(supported, "SUPPORTED", "INCONCLUSIVE")).tolist()
    columns = np.stack([one.estimate.value, lower, upper, one.low, one.high, refute.p, support.p, detectable], axis=1)
    points = [
        Point(label, *[*numbers, outcome, informative])
        for label, outcome, informative, numbers in zip(
            labels, outcomes, one.informative, columns.tolist(), strict=True
        )
    ]
    verdict = combine(outcomes)
    return CellResult(
        cell=one.source.cell,
        outcome=verdict,
        reason=one.estimate.why_open(one.low, one.high) if verdict == "INCONCLUSIVE" else "",
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
