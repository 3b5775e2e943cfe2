"""One claim in this process, without a store: measured cell by cell, and red as soon as one cell makes it so.

A cell whose measurement fails makes the claim an ERROR, and exact numbers share no alpha: what one such cell says is
what the whole claim would. Sampled cells and controls are judged together at the end, as `alpt-ref verify` does.
"""

from __future__ import annotations

from alpt_ref._util.plugin import capture_error, explain
from alpt_ref.verification import runner
from alpt_ref.verification.judge import Measured, judge, judge_cells
from alpt_ref.verification.results import CellResult, ClaimResult, failing
from alpt_ref.verification.runner import load_claims
from alpt_ref.verification.store import Record
from alpt_ref.verification.task import Task, measure


def verdict(folder: str, name: str) -> tuple[str, bool, str]:
    """Outcome of a claim in the quick budget, whether ``alpt-ref verify`` would fail, and the cell that says so."""
    setattr(runner, "source_hash", lambda *about: "")  # noqa: B010  # nothing is stored
    try:
        (loaded,) = load_claims(folder, only=[name]).values()
        work = runner.plan(loaded, "quick", 0)
        records: dict[str, Record] = {}

        def measured(cell: dict[str, object], tasks: tuple[Task, ...]) -> Measured:
            for task in tasks:
                if task.key not in records:
                    with capture_error() as caught:
                        records[task.key] = measure(loaded.claim, task)
                    if caught.message:
                        records[task.key] = Record({}, 0.0, None, failure=caught.message)
            keys = tuple(task.key for task in tasks)
            return Measured(cell, tuple(records[key] for key in keys), keys)

        own = []
        for cell, tasks in work.own:
            own.append(measured(cell, tasks))
            for found in judge_cells(loaded.claim, own[-1:]):
                certain = found.measurement is not None and found.measurement.exact
                if found.outcome == "ERROR" or (found.outcome == "REFUTED" and certain):
                    return found.outcome, True, label(found)
        controls = [[measured(*one) for one in group] for group in work.controls]
        result = judge(loaded.claim, own, controls, budget="quick", seed=0, code="")
    except Exception as error:  # whatever a broken line raises, in the claim's grid or in the judge
        return "ERROR", True, explain(error)[:200]
    red = failing([result])
    return result.outcome, red, seen_by(result) if red else ""


def seen_by(result: ClaimResult) -> str:
    """The cell, or the control, that made a claim fail."""
    for cell in result.cells:
        if cell.outcome in ("REFUTED", "ERROR"):
            return label(cell)
    missed = [control.name for control in result.controls if not control.refuted]
    return f"control {missed[0]!r} is not refuted" if missed else result.outcome


def label(cell: CellResult) -> str:
    """A cell in words, with the first point that is refuted."""
    points = [point.label for point in cell.points if point.outcome == "REFUTED" and point.label]
    return ", ".join([f"{name}={value}" for name, value in cell.cell.items()] + points[:1])
