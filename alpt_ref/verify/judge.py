"""From stored measurements to a verdict. Pure functions: the same records give the same verdict.

``REFUTED``         the lower confidence limit lies above the bound (mirrored for lower bounds)
``SUPPORTED``       the upper confidence limit lies at or below the bound
``INCONCLUSIVE``    neither: too few runs for this bound
``NOT_APPLICABLE``  an assumption, executed, does not hold
``ERROR``           the measurement itself failed; nothing is known
``CONTROL_FAILED``  the claim would stand, but its test did not refute the broken control, so it does not count

Within a claim all points of all cells are one family: Holm's correction keeps the chance that any of them is refuted
(or supported) wrongly at alpha. The limits that are shown are simultaneous too (Bonferroni), hence never narrower
than the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .claim import ONE_SIDED, Bound, Cell, Claim, Constants, Control, region, shrunk
from .estimates import Estimate
from .measurement import FloatArray, Measurement, pool
from .plugin import guard
from .stats import estimate, holm

OUTCOMES = ("REFUTED", "ERROR", "CONTROL_FAILED", "INCONCLUSIVE", "SUPPORTED", "NOT_APPLICABLE")
FAILING = ("REFUTED", "ERROR", "CONTROL_FAILED")
"""Outcomes of a claim that make the exit status 1."""


@dataclass(frozen=True)
class Point:
    """One number compared with one bound; `low` or `high` is infinite where there is no bound on that side."""

    label: str
    value: float
    lower: float
    upper: float
    low: float
    high: float
    p_refute: float
    p_support: float
    detectable: float
    outcome: str


@dataclass(frozen=True)
class CellResult:
    """One cell: what was assumed, measured and concluded. `reason` explains an outcome that has no points."""

    cell: Cell
    outcome: str
    reason: str = ""
    constants: Constants = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    runs: int = 0
    seconds: float = 0.0
    keys: tuple[str, ...] = ()
    observed: tuple[dict[str, Any], ...] = ()
    measurement: Measurement | None = None


@dataclass(frozen=True)
class ControlResult:
    """A control and whether the test refuted it."""

    name: str
    description: str
    refuted: bool
    outcome: str
    cells: tuple[CellResult, ...]


@dataclass(frozen=True)
class ClaimResult:
    """A claim's verdict with everything behind it; needs no claim file, so figures are drawn from it alone."""

    id: str
    title: str
    statement: str
    text: str
    kind: str
    source: str
    assumptions: tuple[str, ...]
    alpha: float
    power: float
    how: str
    budget: str
    seed: int
    code: str
    outcome: str
    cells: tuple[CellResult, ...]
    controls: tuple[ControlResult, ...]

    @property
    def points(self) -> tuple[Point, ...]:
        """All points of all cells."""
        return tuple(point for cell in self.cells for point in cell.points)

    @property
    def tightness(self) -> float | None:
        """Largest measured / bound (bound / measured of a lower bound): 1 is reached, None if there is no ratio."""
        ratios: list[float] = []
        for point in self.points:
            if ONE_SIDED.get(self.kind) == "at most" and 0 < point.high < np.inf:
                ratios.append(point.value / point.high)
            elif ONE_SIDED.get(self.kind) == "at least" and point.value > 0 and point.low > 0:
                ratios.append(point.low / point.value)
        return max(ratios, default=None)

    @property
    def seconds(self) -> float:
        """Computing time of cells and controls, summed over processes."""
        cells = [*self.cells, *(cell for control in self.controls for cell in control.cells)]
        return sum(cell.seconds for cell in cells)

    def count(self, outcome: str) -> int:
        """Cells with this outcome."""
        return sum(cell.outcome == outcome for cell in self.cells)


@dataclass(frozen=True)
class Record:
    """What measuring one (cell, seed, variant) gave; the content of a stored file, or a failure, which is not stored.

    Attributes
    ----------
    failed_assumptions : names; not empty means NOT_APPLICABLE, and `measurement` may be None
    failure : why there is no measurement, or ""
    """

    constants: Constants
    bound: Bound
    measurement: Measurement | None
    failed_assumptions: tuple[str, ...] = ()
    seconds: float = 0.0
    failure: str = ""


@dataclass
class _Work:
    """A cell on its way to a result."""

    cell: Cell
    records: Sequence[Record]
    keys: tuple[str, ...]
    result: CellResult | None = None
    measurement: Measurement | None = None
    estimate: Estimate | None = None
    low: FloatArray | None = None
    high: FloatArray | None = None


Measured = Sequence[tuple[Cell, Sequence[Record], Sequence[str]]]
"""Cells with the records of their replicates and the keys of these."""


def judge_cells(claim: Claim, measured: Measured, control: Control | None = None) -> tuple[CellResult, ...]:
    """Outcomes of all cells, as one family; with `control` its broken bound takes the place of the claim's."""
    works = [_Work(cell, records, tuple(keys)) for cell, records, keys in measured]
    for work in works:
        with guard() as caught:
            _prepare(claim, work, control)
        if caught.message:
            work.result, work.estimate = _without_points(work, "ERROR", caught.message), None
    open_works = [work for work in works if work.estimate is not None]
    return _decide(claim, works, open_works)


def _prepare(claim: Claim, work: _Work, control: Control | None) -> None:
    """Everything up to the p-values: outcome without points, or estimate and region."""
    failure = next((record.failure for record in work.records if record.failure), "")
    failed = sorted({name for record in work.records for name in record.failed_assumptions})
    if failure:
        work.result = _without_points(work, "ERROR", failure)
        return
    if failed:
        work.result = _without_points(work, "NOT_APPLICABLE", f"does not hold: {'; '.join(failed)}")
        return
    first = work.records[0]
    work.measurement = pool([record.measurement for record in work.records if record.measurement is not None])
    bound = first.bound if control is None or control.bound is None else control.bound(work.cell, first.constants)
    low, high = region(claim, work.cell, first.constants, bound, work.measurement.points)
    if control is not None and control.shrink is not None:
        low, high = shrunk(claim, control.shrink, low, high)
    work.low, work.high = low, high
    work.estimate = estimate(work.measurement, claim.test.how)


def _decide(claim: Claim, works: Sequence[_Work], open_works: Sequence[_Work]) -> tuple[CellResult, ...]:
    alpha = claim.test.alpha
    sampled = [work for work in open_works if work.estimate is not None and work.estimate.sampled]
    family = max(sum(work.measurement.points for work in sampled if work.measurement is not None), 1)
    p_values: dict[int, tuple[FloatArray, FloatArray]] = {}
    for work in open_works:
        assert work.estimate is not None and work.low is not None and work.high is not None
        p_values[id(work)] = (
            work.estimate.p_violated(work.low, work.high),
            work.estimate.p_within(work.low, work.high),
        )
    if sampled:
        sizes = np.cumsum([len(p_values[id(work)][0]) for work in sampled])[:-1]
        both = [holm(np.concatenate([p_values[id(work)][side] for work in sampled])) for side in (0, 1)]
        for work, refute, support in zip(sampled, *(np.split(side, sizes) for side in both), strict=True):
            p_values[id(work)] = (refute, support)
    results = []
    for work in works:
        if work.result is not None:
            results.append(work.result)
            continue
        refute, support = p_values[id(work)]
        results.append(_with_points(claim, work, refute, support, alpha / family))
    return tuple(results)


def _with_points(claim: Claim, work: _Work, refute: FloatArray, support: FloatArray, share: float) -> CellResult:
    assert work.estimate is not None and work.measurement is not None
    assert work.low is not None and work.high is not None
    lower, upper = work.estimate.limits(share)
    detectable = work.estimate.detectable(share, claim.test.power)
    labels = work.measurement.labels or ("",) * work.measurement.points
    points = tuple(
        Point(
            label=labels[i],
            value=float(work.estimate.value[i]),
            lower=float(lower[i]),
            upper=float(upper[i]),
            low=float(work.low[i]),
            high=float(work.high[i]),
            p_refute=float(refute[i]),
            p_support=float(support[i]),
            detectable=float(detectable[i]),
            outcome=_outcome(float(refute[i]), float(support[i]), claim.test.alpha),
        )
        for i in range(work.measurement.points)
    )
    outcome = combine([point.outcome for point in points])
    return CellResult(
        work.cell, outcome, "", work.records[0].constants, points, work.measurement.runs,
        sum(record.seconds for record in work.records), work.keys, _observed(work), work.measurement,
    )  # fmt: skip


def _outcome(refute: float, support: float, alpha: float) -> str:
    if refute <= alpha:
        return "REFUTED"
    return "SUPPORTED" if support <= alpha else "INCONCLUSIVE"


def _observed(work: _Work) -> tuple[dict[str, Any], ...]:
    return tuple(record.measurement.observed for record in work.records if record.measurement is not None)


def _without_points(work: _Work, outcome: str, reason: str) -> CellResult:
    first = work.records[0]
    seconds = sum(record.seconds for record in work.records)
    return CellResult(
        work.cell, outcome, reason, first.constants, seconds=seconds, keys=work.keys, observed=_observed(work)
    )


def combine(outcomes: Sequence[str]) -> str:
    """The verdict on several parts: refuted if one is, supported if all that apply are and at least one does."""
    applicable = [outcome for outcome in outcomes if outcome != "NOT_APPLICABLE"]
    if not applicable:
        return "NOT_APPLICABLE"
    return next(outcome for outcome in OUTCOMES if outcome in applicable)


def judge(
    claim: Claim, measured: Measured, controls: Sequence[Measured], *, budget: str, seed: int, code: str
) -> ClaimResult:
    """The verdict on a claim from its own cells and, in the order of its controls, theirs."""
    cells = judge_cells(claim, measured)
    judged = []
    for control, theirs in zip(claim.controls, controls, strict=True):
        found = judge_cells(claim, theirs, control)
        outcome = combine([cell.outcome for cell in found])
        judged.append(ControlResult(control.name, control.description, outcome == "REFUTED", outcome, found))
    outcome = combine([cell.outcome for cell in cells])
    if outcome in ("SUPPORTED", "INCONCLUSIVE") and not all(control.refuted for control in judged):
        outcome = "CONTROL_FAILED"
    return ClaimResult(
        claim.id, claim.title, claim.statement, claim.text, claim.kind, claim.source,
        tuple(assumption.name for assumption in claim.assumptions), claim.test.alpha, claim.test.power,
        claim.test.how, budget, seed, code, outcome, cells, tuple(judged),
    )  # fmt: skip
