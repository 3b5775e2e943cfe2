"""Every rounding of a package under `check_quantizer`, and which of its outcomes count as a failure."""

from __future__ import annotations

import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import numpy as np

from alpt_ref.testing import Report, check_quantizer
from alpt_ref.testing.quantizer import report

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
NOT_IMPLIED: dict[str, dict[str, str]] = {
    "sr": {
        "layout": "which random number an element gets is promised to nobody",
        "monotone": "it is promised to nobody that one draw keeps the order",
        "gradient": "no gradient is promised",
    },
    "dr": {"gradient": "no gradient is promised"},
}
"""Properties that do not follow from a kind of rounding, with the reason; those in `Case.require` count nonetheless."""
SECONDS = 24.0
"""After which the long counts of a rounding stop; the report says so."""
_VERDICTS: dict[str, Verdict] = {
    "passed": "holds",
    "failed": "fails",
    "note": "note",
    "not applicable": "left out",
}


def verdict(outcome: report.Outcome, case: Case) -> Check:
    """What an outcome of the report means for a package with these promises."""
    found, why = _VERDICTS[outcome.status], ""
    optional = {**NOT_IMPLIED[case.rounding], **case.not_promised}
    if outcome.name in case.left_out:
        return Check("left out", "cannot be measured: nothing seeds its generator")
    if outcome.name == "ties" and case.ties is None:
        optional |= {"ties": "no rule for ties is promised"}
    if found == "fails" and outcome.name in optional and outcome.name not in case.require:
        found, why = "note", optional[outcome.name]
    example = None if outcome.example is None or found == "holds" else reproduction(outcome.example, case)
    return Check(found, outcome.text or outcome.detects, why, example)


def reproduction(found: report.Example, case: Case) -> Example:
    """The report's example as a line of Python: in an array of its own, of nothing but x, or at least as it was met.

    Random numbers depend on the place, so that an element alone seldom shows what it does within an array.
    """
    expected = repr(found.lower) if found.lower == found.upper else f"{found.lower!r} or {found.upper!r}"
    (row, column), (_, columns) = found.place, found.shape
    for shape in dict.fromkeys([(1, 1), (row + 1, columns), found.shape]):
        place = (min(row, shape[0] - 1), min(column, shape[1] - 1))
        result = case.quantizer(np.full(shape, found.x, np.float32), found.draw)[place]
        if float(result) == found.result:
            array = f"np.full({shape}, {found.x!r}, np.float32)"
            return Example(f"quantizer({array}, {found.draw})[{place[0]}, {place[1]}]", repr(found.result), expected)
    array = f"x of shape {found.shape} with x[{row}, {column}] = {found.x!r}"
    return Example(f"quantizer(x, {found.draw})[{row}, {column}]  # {array}", repr(found.result), expected)


def case(peer: str, name: str) -> Case:
    """A rounding by the names in the table."""
    return next(one for one in PEERS if one.name == peer).case(name)


def row(peer: Peer, case: Case, found: Report) -> Row:
    """A line of the results."""
    return Row(
        peer.name,
        peer.version(),
        case.name,
        case.rounding,
        found.lattice,
        case.promise,
        case.source,
        {outcome.name: verdict(outcome, case) for outcome in found},
        found.effort,
        found.seed,
        round(found.seconds, 1),
        datetime.now(UTC).strftime("%Y-%m-%d"),
        machine(),
    )


def machine() -> str:
    """What the results may depend on besides the package."""
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{platform.system()} {platform.machine()}, Python {python}, NumPy {np.__version__}"


def measured(
    peer: Peer, *, effort: str | float, seed: int, say: Callable[[str], None], only: Iterable[str] = ()
) -> list[Row] | Missing:
    """All its roundings, or why there are none; `only` these properties."""
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
            found = check_quantizer(
                case.quantizer,
                case.lattice,
                rounding=case.rounding,
                require=case.require,
                effort=effort,
                seed=seed,
                only=only,
                resolution=case.resolution,
                ties=case.ties,
                seconds=SECONDS,
                name=case.name,
            )
            rows.append(row(peer, case, found))
        failed = ", ".join(rows[-1].failed) or "nothing"
        say(f"{peer.name}, {case.name}: {failed} failed ({time.perf_counter() - start:.0f} s)")
    return rows
