"""Verdicts as data: what the report shows and figures draw, and how it is kept in ``claims/<id>.json``.

A figure needs nothing else: neither the claim's file nor a new run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from alpt_ref._util.files import read_json, write_json
from alpt_ref.errors import InputError
from alpt_ref.verification.claim import ONE_SIDED, Cell, Constants
from alpt_ref.verification.codec import from_plain, to_plain
from alpt_ref.verification.measurement import Measurement, pool
from alpt_ref.verification.store import Store

OUTCOMES = ("REFUTED", "ERROR", "CONTROL_FAILED", "INCONCLUSIVE", "SUPPORTED", "NOT_APPLICABLE")
"""From the one that decides a family to the one that decides nothing."""
FAILING = ("REFUTED", "ERROR", "CONTROL_FAILED")
"""Outcomes of a claim that make the exit status 1."""


@dataclass(frozen=True)
class Point:
    """One number compared with one bound; `low` or `high` is infinite where there is no bound on that side.

    Attributes
    ----------
    value, lower, upper : the estimate and the one-sided confidence limits that decided
    low, high : where the claim allows the true value to lie
    p_refute, p_support : p-values; at most alpha decides. Adjusted (Holm) where points share alpha: always to refute,
        to support where the claim as a whole is not
    detectable : smallest violation of the bound that would have been refuted at the stated power
    informative : whether the bound says more than what no method can exceed; None where the claim gives no such number
    """

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
    informative: bool | None

    @property
    def slack(self) -> float:
        """Distance from the estimate to the nearer end of what is allowed; negative beyond it."""
        return min(self.high - self.value, self.value - self.low)


@dataclass(frozen=True)
class CellResult:
    """One cell: what was assumed, measured and concluded. `reason` explains an outcome that more runs cannot change."""

    cell: Cell
    outcome: str
    reason: str = ""
    constants: Constants = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    runs: int = 0
    seconds: float = 0.0
    keys: tuple[str, ...] = ()
    measurement: Measurement | None = None


@dataclass(frozen=True)
class ControlResult:
    """A control and whether the test refuted it in each of its cells; `remeasured` unless only the bound was broken.

    `reason` names the cells in which it was not refuted.
    """

    name: str
    description: str
    remeasured: bool
    refuted: bool
    outcome: str
    reason: str
    cells: tuple[CellResult, ...]


@dataclass(frozen=True)
class ClaimResult:
    """A claim's verdict with everything behind it; `p` is the largest p-value of support, which decides it."""

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
    normal: str
    budget: str
    seed: int
    code: str
    outcome: str
    p: float | None
    cells: tuple[CellResult, ...]
    controls: tuple[ControlResult, ...]

    def _repr_html_(self) -> str:
        """Verdict, statement and controls, for notebooks."""
        from alpt_ref._util.notebook import html_table

        rows = [("verdict", self.outcome), ("statement", self.text), ("largest p", self.p)]
        rows += [("cells", f"{self.count('SUPPORTED')} of {len(self.cells)} supported")]
        rows += [(f"control {one.name}", "refuted" if one.refuted else one.outcome) for one in self.controls]
        return html_table((self.id, self.title), rows)

    def plot(self) -> Any:
        """A matplotlib figure of what was measured against what is claimed."""
        from alpt_ref.verification.picture import measured_against_bound, new_figure, paper_style

        if not self.points:
            raise InputError(f"claim {self.id} has no measured points to draw ({self.outcome})")
        with paper_style():
            figure = new_figure()
            measured_against_bound(figure.add_subplot(), self)
        return figure

    @property
    def points(self) -> tuple[Point, ...]:
        """All points of all cells."""
        return tuple(point for cell in self.cells for point in cell.points)

    @property
    def sampled(self) -> bool:
        """Whether any cell has a sampling error; otherwise alpha and power play no part."""
        return any(cell.measurement is not None and not cell.measurement.exact for cell in self.cells)

    @property
    def informative(self) -> tuple[int, int] | None:
        """At how many points the bound is non-trivial, and of how many this is known; None if of none."""
        known = [point.informative for point in self.points if point.informative is not None]
        return (sum(known), len(known)) if known else None

    @property
    def tightness(self) -> float | None:
        """Largest measured / bound (bound / measured of a lower bound): 1 is reached, None if there is no ratio."""
        ratios: list[float] = []
        for point in self.points:
            if ONE_SIDED.get(self.kind) == "at most" and 0 < point.high < math.inf:
                ratios.append(point.value / point.high)
            elif ONE_SIDED.get(self.kind) == "at least" and point.value > 0 and point.low > 0:
                ratios.append(point.low / point.value)
        return max(ratios, default=None)

    @property
    def detectable(self) -> tuple[float, float | None] | None:
        """Largest detectable violation over the points, and the largest relative to its bound where that is not 0."""
        relative = []
        for point in self.points:
            ends = [abs(end) for end in (point.low, point.high) if math.isfinite(end) and end != 0]
            relative += [point.detectable / max(ends)] if ends else []
        if not self.points:
            return None
        return max(point.detectable for point in self.points), max(relative, default=None)

    @property
    def seconds(self) -> float:
        """Computing time of cells and controls, summed over processes."""
        cells = list(self.cells)
        for control in self.controls:
            cells += control.cells if control.remeasured else ()
        return sum(cell.seconds for cell in cells)

    def count(self, outcome: str) -> int:
        """Cells with this outcome."""
        return sum(cell.outcome == outcome for cell in self.cells)


def failing(results: list[ClaimResult]) -> bool:
    """Whether the exit status is 1: a claim is refuted or failed, or a control is not refuted."""
    return any(result.outcome in FAILING for result in results)


def _plain_cell(cell: CellResult) -> dict[str, Any]:
    plain = {item.name: getattr(cell, item.name) for item in fields(cell) if item.name != "measurement"}
    return {**plain, "constants": dict(cell.constants), "points": [vars(point) for point in cell.points]}


def plain_result(result: ClaimResult) -> dict[str, Any]:
    """A verdict as JSON values, without the arrays of the cells: these stay in their files, found by key."""
    plain = {item.name: getattr(result, item.name) for item in fields(result)}
    plain["cells"] = [_plain_cell(cell) for cell in result.cells]
    plain["controls"] = [{**vars(one), "cells": [_plain_cell(cell) for cell in one.cells]} for one in result.controls]
    return {key: to_plain(value) for key, value in plain.items()}


def save_results(folder: Path, results: list[ClaimResult]) -> None:
    """Write ``claims/<id>.json`` for each; verdicts on other claims in the folder stay."""
    (folder / "claims").mkdir(parents=True, exist_ok=True)
    for result in results:
        write_json(folder / "claims" / f"{result.id}.json", plain_result(result))


class Results(Mapping[str, ClaimResult]):
    """The verdicts stored below a folder by claim id, read when asked for, with their measurements.

    Examples
    --------
    >>> for cell in results["s1"].cells:  # doctest: +SKIP
    ...     axes.plot(cell.cell["lr"], cell.points[0].value)
    """

    def __init__(self, folder: Path) -> None:
        """List what is there; raises `InputError` where there is nothing."""
        self._folder = folder
        self._ids = sorted(file.stem for file in (folder / "claims").glob("*.json"))
        self._read: dict[str, ClaimResult] = {}
        if not self._ids:
            raise InputError(f"{folder} holds no results of 'alpt-ref verify'; run it, or give --results DIR")

    def __getitem__(self, name: str) -> ClaimResult:
        """The verdict on a claim; KeyError if it is not stored."""
        if name not in self._ids:
            raise KeyError(name)
        if name not in self._read:
            self._read[name] = _load(self._folder, name)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        """Ids in alphabetical order."""
        return iter(self._ids)

    def __len__(self) -> int:
        """Number of verdicts."""
        return len(self._ids)


def _load(folder: Path, name: str) -> ClaimResult:
    path = folder / "claims" / f"{name}.json"
    store = Store(folder)
    try:
        plain = from_plain(read_json(path))
        controls = tuple(
            ControlResult(**{**one, "cells": tuple(_cell(store, name, cell) for cell in one["cells"])})
            for one in plain["controls"]
        )
        cells = tuple(_cell(store, name, cell) for cell in plain["cells"])
        return ClaimResult(
            **{**plain, "assumptions": tuple(plain["assumptions"]), "cells": cells, "controls": controls}
        )
    except (KeyError, TypeError):
        raise InputError(
            f"{path} was not written by this version; run 'alpt-ref verify --claim {name}' again"
        ) from None


def _cell(store: Store, claim: str, plain: dict[str, Any]) -> CellResult:
    records = [store.load(claim, key) for key in plain["keys"]]
    parts = [record.measurement for record in records if record is not None and record.measurement is not None]
    points = tuple(Point(**point) for point in plain["points"])
    if points and len(parts) < len(plain["keys"]):
        raise InputError(f"a stored cell of claim {claim!r} is missing; run 'alpt-ref verify --claim {claim}' again")
    measurement = pool(parts) if points else None
    return CellResult(**{**plain, "points": points, "keys": tuple(plain["keys"]), "measurement": measurement})
