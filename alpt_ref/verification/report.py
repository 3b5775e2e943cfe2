"""The report: one self-contained HTML page, and the same content as Markdown and JSON.

Per claim: statement, assumptions, bound, measurement, verdict, how large a violation the test could have seen, the
control and whether it was refuted, the picture, and how tight the bound is. Nothing is loaded from elsewhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alpt_ref._util.files import write_json, write_text
from alpt_ref.verification.about import About
from alpt_ref.verification.claim import ONE_SIDED
from alpt_ref.verification.code_hash import versions
from alpt_ref.verification.ledger import Entry, history_text, read_verdicts
from alpt_ref.verification.picture import claim_picture, formula
from alpt_ref.verification.results import OUTCOMES, CellResult, ClaimResult, ControlResult, Point, failing, plain_result
from alpt_ref.verification.runner import Loaded
from alpt_ref.verification.themes import themes

History = Mapping[str, Sequence[Entry]]
"""Verdicts of a ledger by claim."""
NO_HISTORY: History = {}
ROWS = 6
"""Rows of a claim's table on the page, nearest to the bound first; all are in report.json."""
SIGNS = {
    "SUPPORTED": "✓",
    "REFUTED": "✗",
    "INCONCLUSIVE": "?",
    "NOT_APPLICABLE": "–",
    "ERROR": "!",
    "CONTROL_FAILED": "✗",
}
TESTS = {
    "betting": "betting limits (known range)",
    "t": "one-sided Student t limits",
    "bernstein": "empirical Bernstein limits (known range)",
    "hoeffding": "Hoeffding limits (known range)",
}
MEANING = {
    "SUPPORTED": "the upper confidence limit lies at or below the bound at every point of every cell that applies",
    "REFUTED": "the lower confidence limit lies above the bound in at least one cell",
    "INCONCLUSIVE": "the runs decide neither way",
    "NOT_APPLICABLE": "an assumption, executed, does not hold in any cell, as the claim says",
    "ERROR": "a measurement failed, or an assumption that is proved or was expected to hold, so nothing is known",
    "CONTROL_FAILED": "a broken control was not refuted in every cell where it must be, so the claim does not count",
}


def number(value: float | None) -> str:
    """Four digits; the sign of infinity; a dash for what does not exist."""
    if value is None:
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.4g}"


def bound_text(point: Point) -> str:
    """What the claim allows: ``≤ 0.5``, ``≥ 1``, ``1``, ``0.9 to 1.1``."""
    if not math.isfinite(point.low):
        return f"≤ {number(point.high)}"
    if not math.isfinite(point.high):
        return f"≥ {number(point.low)}"
    return number(point.low) if point.low == point.high else f"{number(point.low)} to {number(point.high)}"


def cell_text(cell: CellResult) -> str:
    """The cell's parameters in one line."""
    return ", ".join(f"{name}={_short(value)}" for name, value in cell.cell.items()) or "the only cell"


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False).strip('"')


def test_text(result: ClaimResult) -> str:
    """How the verdict was reached: method, level, power, size of the family."""
    if not result.sampled:
        return "exact values, no sampling error; compared under the stated numerical tolerance"
    kinds = {cell.measurement.kind for cell in result.cells if cell.measurement is not None}
    how = "Student t limits on a log-log slope" if "curve" in kinds else TESTS[result.how]
    how += f", normal because {result.normal}" if result.normal and result.how == "t" else ""
    runs = sorted({cell.runs for cell in result.cells if cell.points})
    span = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    return (
        f"{how}; alpha {result.alpha:g}: supported if every point is at this level, refuted if one of the "
        f"{len(result.points)} points is (Holm); power {result.power:g}, {span} runs a cell"
    )


def detectable_text(result: ClaimResult) -> str:
    """How large a violation the test would have found."""
    if result.detectable is None:
        return "nothing was measured"
    largest, relative = result.detectable
    share = "" if relative is None else f" ({relative:.2g} of the bound at worst)"
    certain = f"with probability {result.power:g}" if result.sampled else "with certainty"
    return f"in each cell a violation of {number(largest)}{share} or more would have been refuted {certain}"


def control_text(control: ControlResult) -> str:
    """What became of the control: where it was not refuted, and the numbers of its clearest cell."""
    of = f" in all {len(control.cells)} cells" if len(control.cells) > 1 else ""
    verdict = f"refuted{of}, as it must be" if control.refuted else f"NOT refuted ({control.outcome}) {control.reason}"
    worst = min(
        ((cell, point) for cell in control.cells for point in cell.points),
        key=lambda pair: (pair[1].p_refute, pair[1].slack),
        default=None,
    )
    if worst is None:
        reason = next((cell.reason for cell in control.cells if cell.reason), "nothing was measured")
        return f"{verdict}: {reason}"
    cell, point = worst
    label = f", {point.label}" if point.label else ""
    return (
        f"{verdict}: clearest measured {number(point.value)}, allowed {bound_text(point)} at {cell_text(cell)}{label}"
    )


def rows(result: ClaimResult, limit: int | None = ROWS) -> list[dict[str, str]]:
    """The table of a claim: points by outcome, then nearest to their bound; cells without points in between."""
    keyed: list[tuple[tuple[int, float], dict[str, str]]] = []
    for cell in result.cells:
        for point in cell.points:
            scale = max((abs(end) for end in (point.low, point.high) if math.isfinite(end)), default=0.0) or 1.0
            row = {
                "cell": cell_text(cell) + (f", {point.label}" if point.label else ""),
                "bound": bound_text(point) + (" (trivial)" if point.informative is False else ""),
                "measured": number(point.value),
                "limits": f"{number(point.lower)} … {number(point.upper)}",
                "detectable": number(point.detectable),
                "outcome": point.outcome,
            }
            keyed.append(((OUTCOMES.index(point.outcome), point.slack / scale), row))
        if not cell.points:
            row = {"cell": cell_text(cell), "bound": "–", "measured": cell.reason, "limits": "–", "detectable": "–"}
            keyed.append(((OUTCOMES.index(cell.outcome), 0.0), {**row, "outcome": cell.outcome}))
    ordered = [row for _, row in sorted(keyed, key=lambda pair: pair[0])]
    return ordered if limit is None else ordered[:limit]


def informative_text(result: ClaimResult) -> str:
    """At how many points the bound is below (a lower bound: above) what no method can exceed; "" if not known."""
    return "" if result.informative is None else "non-trivial at {} of {} points".format(*result.informative)


def p_text(result: ClaimResult) -> str:
    """The p-value that decides, in words."""
    if result.p is None:
        return "–"
    return f"{result.p:.2g}"


def tightness_text(result: ClaimResult) -> str:
    """Largest measured/bound in words."""
    ratio = "bound / measured" if ONE_SIDED.get(result.kind) == "at least" else "measured / bound"
    return "" if result.tightness is None else f"largest {ratio} {result.tightness:.4f}"


def open_reasons(result: ClaimResult) -> list[str]:
    """Why cells stay open however many their runs, each reason once."""
    return sorted({cell.reason for cell in result.cells if cell.outcome == "INCONCLUSIVE" and cell.reason})


def counts_text(result: ClaimResult) -> str:
    """``12 supported, 1 inconclusive``."""
    words = [f"{result.count(name)} {name.lower().replace('_', ' ')}" for name in OUTCOMES if result.count(name)]
    return ", ".join(words)


def allowed_text(result: ClaimResult) -> str:
    """What kind of comparison the claim makes."""
    side = ONE_SIDED.get(result.kind)
    return (
        f"{result.kind} claim: measured {side} the bound" if side else f"{result.kind} claim: measured within the range"
    )


def _view(result: ClaimResult, loaded: Loaded, history: str) -> dict[str, Any]:
    """What the template shows of one claim."""
    picture, missing = claim_picture(result, loaded.claim.figure)
    total = len(rows(result, None))
    return {
        "id": result.id,
        "title": result.title,
        "outcome": result.outcome,
        "sign": SIGNS[result.outcome],
        "text": result.text,
        "formula": formula(result.statement),
        "source": "proved or stated by us" if result.source == "ours" else result.source,
        "allowed": allowed_text(result),
        "assumptions": result.assumptions,
        "test": test_text(result),
        "detectable": detectable_text(result),
        "tightness": tightness_text(result),
        "tightness_number": number(result.tightness),
        "counts": counts_text(result),
        "p": p_text(result),
        "history": history,
        "informative": informative_text(result),
        "open": open_reasons(result),
        "meaning": MEANING[result.outcome],
        "controls": [(one.name, one.description, one.refuted, control_text(one)) for one in result.controls],
        "rows": rows(result),
        "left_out": total - min(total, ROWS),
        "picture": picture,
        "missing": missing,
        "seconds": f"{result.seconds:.1f}",
        "file": loaded.file.name,
    }


def html(
    results: Sequence[ClaimResult],
    claims: Sequence[Loaded],
    history: History = NO_HISTORY,
    about: About | None = None,
) -> str:
    """The page; `history` has the verdicts of the folder's ledger by claim."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alpt_ref.verification", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    views = [
        _view(result, loaded, history_text(history.get(result.id, ())))
        for result, loaded in zip(results, claims, strict=True)
    ]
    return environment.get_template("report.html.jinja").render(
        claims=views, failing=failing(list(results)), meaning=MEANING, signs=SIGNS, setting=_setting(results),
        about=about, themes=themes(results, history),
    )  # fmt: skip


def _setting(results: Sequence[ClaimResult]) -> str:
    of = ", ".join(f"{name} {version}" for name, version in versions().items())
    return f"budget {results[0].budget}, seed {results[0].seed}; {of}"


def markdown(results: Sequence[ClaimResult], history: History = NO_HISTORY, about: About | None = None) -> str:
    """The same without pictures."""
    lines = ["# Claims verified", "", _setting(results), ""]
    if about is not None:
        lines += [f"## {about.heading}", "", "```text", *about.lines(), "```", ""]
    lines += ["| claim | verdict | largest p | cells | bound | tightness | controls refuted |", "|---" * 7 + "|"]
    for result in results:
        refuted = f"{sum(one.refuted for one in result.controls)} of {len(result.controls)}"
        says, tight = informative_text(result) or "–", number(result.tightness)
        claim = f"{result.id} {result.title}"
        cells = (claim, result.outcome, p_text(result), counts_text(result), says, tight, refuted)
        lines.append("| " + " | ".join(map(_escape, cells)) + " |")
    for result in results:
        lines += ["", f"## {result.id} · {result.title}: {result.outcome}", "", result.text, ""]
        lines += [f"- source: {result.source}", f"- {allowed_text(result)}", f"- test: {test_text(result)}"]
        lines += [f"- assumption, executed: {name}" for name in result.assumptions]
        lines += [f"- largest p-value of a point: {p_text(result)}", f"- {detectable_text(result)}"]
        lines += [f"- bound: {text}" for text in [informative_text(result), tightness_text(result)] if text]
        lines += [f"- ledger: {text}" for text in [history_text(history.get(result.id, ()))] if text]
        lines += [f"- undecided because {reason}" for reason in open_reasons(result)]
        lines += [f"- control {one.name} ({one.description}): {control_text(one)}" for one in result.controls]
        lines += ["", "| cell | bound | measured | limits | detectable | outcome |", "|---|---|---|---|---|---|"]
        lines += ["| " + " | ".join(map(_escape, row.values())) + " |" for row in rows(result)]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def write_report(
    folder: Path, results: Sequence[ClaimResult], claims: Sequence[Loaded], about: About | None = None
) -> None:
    """Write report.html, report.md and report.json, each whole or not at all.

    The pages say what the folder's ledger holds; report.json is the same for the same results, however often judged.
    """
    history = read_verdicts(folder)
    write_text(folder / "report.html", html(results, claims, history, about))
    write_text(folder / "report.md", markdown(results, history, about))
    claims_only = [_public(plain_result(result)) for result in results]
    content = {"versions": versions(), "failing": failing(list(results)), "claims": claims_only}
    write_json(folder / "report.json", content if about is None else {**content, **_public(about.as_dict())})


def _public(value: Any) -> Any:
    """JSON for readers other than this package: infinity, for example of a bound that does not exist, is null."""
    if isinstance(value, dict):
        return None if "__float__" in value else {key: _public(item) for key, item in value.items()}
    return [_public(item) for item in value] if isinstance(value, list) else value
