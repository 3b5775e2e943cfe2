"""Every rounding of a package under `check_quantizer`, and which of its outcomes count as a failure."""

from __future__ import annotations

import platform
import sys
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np

from alpt_ref.testing import Report, check_quantizer
from alpt_ref.testing.quantizer.report import Outcome

from . import brevitas, fbgemm, gfloat, hqq, idiom, ours, pychop, pytorch, qpytorch, torchao
from .peer import Case, Peer
from .record import Check, Example, Missing, Row, Verdict

PEERS: tuple[Peer, ...] = (
    ours.PEER,
    idiom.NUMPY,
    idiom.TORCH,
    qpytorch.PEER,
    pychop.NUMPY,
    pychop.TORCH,
    torchao.PEER,
    pytorch.PEER,
    brevitas.PEER,
    gfloat.PEER,
    fbgemm.RULE,
    fbgemm.CPU,
    hqq.PEER,
)
_VERDICTS: dict[str, Verdict] = {
    "passed": "holds",
    "failed": "fails",
    "note": "note",
    "not applicable": "left out",
}


def verdict(outcome: Outcome, case: Case) -> Check:
    """What an outcome of the report means for a package with these promises."""
    found, why = _VERDICTS[outcome.status], ""
    if found == "fails" and outcome.name in case.not_promised:
        found, why = "note", case.not_promised[outcome.name]
    elif found == "note":
        why = "nobody promised it"
    example = None
    if outcome.example is not None:
        one = outcome.example
        shape = "" if one.shape == (1, 1) else f" in an array {one.shape}, at {one.place}"
        expected = f"{one.lower!r}" if one.lower == one.upper else f"{one.lower!r} or {one.upper!r}"
        example = Example(f"{one.x!r} ({float(one.x).hex()}){shape}", one.draw, repr(one.result), expected)
    return Check(found, outcome.text or outcome.detects, why, example)


def row(peer: Peer, case: Case, report: Report) -> Row:
    """A line of the results."""
    return Row(
        peer.name,
        peer.version(),
        case.name,
        case.rounding,
        report.lattice,
        case.promise,
        case.source,
        {outcome.name: verdict(outcome, case) for outcome in report},
        report.effort,
        report.seed,
        round(report.seconds, 1),
        datetime.now(UTC).strftime("%Y-%m-%d"),
        machine(),
    )


def machine() -> str:
    """What the results may depend on besides the package."""
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{platform.system()} {platform.machine()}, Python {python}, NumPy {np.__version__}"


def measured(peer: Peer, *, effort: str | float, seed: int, say: Callable[[str], None]) -> list[Row] | Missing:
    """All its roundings, or why there are none."""
    try:
        peer.version()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of packages while they are imported
            cases = peer.cases()
    except (ImportError, OSError, RuntimeError) as error:
        return Missing(peer.name, " ".join(str(error).split())[:200])
    rows = []
    for case in cases:
        start = time.perf_counter()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            report = check_quantizer(
                case.quantizer,
                case.lattice,
                rounding=case.rounding,
                require=case.require,
                effort=effort,
                seed=seed,
                resolution=case.resolution,
                name=case.name,
            )
        rows.append(row(peer, case, report))
        failed = ", ".join(rows[-1].failed) or "nothing"
        say(f"{peer.name}, {case.name}: {failed} failed ({time.perf_counter() - start:.0f} s)")
    return rows
