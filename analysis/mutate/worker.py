"""A process that runs claims in a copy of the checkout and says what became of each: one line of JSON a claim.

    python -m alpt_ref.analysis.mutate.worker PACKAGE CLAIMS_FOLDER STOP ID ...

With STOP "1" it ends at the first claim that fails, as ``alpt-ref verify`` would with exit status 1.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import time
from pathlib import Path

from . import kernels as kernels  # before any kernel is loaded


def seen_by(result: object) -> str:
    """The cell, or the control, that made a claim fail."""
    from alpt_ref.verification.results import ClaimResult

    assert isinstance(result, ClaimResult)
    for cell in result.cells:
        if cell.outcome in ("REFUTED", "ERROR"):
            points = [point.label for point in cell.points if point.outcome == "REFUTED" and point.label]
            return ", ".join([f"{name}={value}" for name, value in cell.cell.items()] + points[:1])
    missed = [control.name for control in result.controls if not control.refuted]
    return f"control {missed[0]!r} is not refuted" if missed else result.outcome


def main(package: str, folder: str, stop: str, *ids: str) -> None:
    """Verify one claim after the other in the quick budget."""
    here = Path.cwd()
    found = Path(importlib.import_module(package).__file__ or "").resolve()
    if here.resolve() not in found.parents:
        raise SystemExit(f"{package} is imported from {found}, not from the copy in {here}")
    from alpt_ref._util.plugin import explain
    from alpt_ref.verification.results import failing
    from alpt_ref.verification.runner import load_claims, verify

    for name in ids:
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as output:
            try:
                (result,) = verify(list(load_claims(folder, only=[name]).values()), Path(output), jobs=1)
                outcome, red, cell = result.outcome, failing([result]), seen_by(result)
            except Exception as error:  # whatever a broken line raises, in the claim's grid or in the judge
                outcome, red, cell = "ERROR", True, explain(error)[:200]
        line = {"claim": name, "outcome": outcome, "red": red, "cell": cell if red else ""}
        print(json.dumps({**line, "seconds": round(time.perf_counter() - begun, 2)}), flush=True)
        if red and stop == "1":
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
