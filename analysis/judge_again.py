"""Judge collected studies anew whose runs are not there any more: nothing is trained, nothing is measured.

    python -m analysis.judge_again small frappe criteo

reads the tables below ``analysis/results/NAME`` (`alpt_ref.studies.collected`), judges the claims on the runs by this
version's judge and writes tables, verdicts, ledger, summary and page again. What the tables do not show is left as the
version before said it, and labelled so: sentences that need single runs, and figures. Where the seeds are splits of the
same rows, intervals and tests become those for new rows; which row is best (bold) needs single runs, and is left out.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from alpt_ref import __version__
from alpt_ref._util.files import write_text
from alpt_ref._util.statistics import corrected
from alpt_ref.errors import AlptError, InputError
from alpt_ref.studies.bits_of_runs import FORMER
from alpt_ref.studies.collected import SETTINGS, Collected, CollectedRuns, Summary
from alpt_ref.studies.columns import COLUMNS, Value
from alpt_ref.studies.inference import equivalence
from alpt_ref.studies.render import write_table
from alpt_ref.studies.row import Row
from alpt_ref.studies.table import FilledTable, Table, legend_of
from alpt_ref.verification.figures import load_figures
from alpt_ref.verification.inputs import Inputs
from alpt_ref.verification.ledger import LEDGER, Entry
from alpt_ref.verification.results import CellResult, ClaimResult, ControlResult, Point
from alpt_ref.verification.runner import load_claims, verify

from .finished_study import Found
from .study_command import ROOT
from .study_pages import claims_csv, claims_markdown, page, summary
from .tables.a_methods import MARGIN
from .tables.a_methods import TABLE as METHODS

RESULTS = ROOT / "analysis" / "results"
CLAIMS = ("m1", "m2", "m2b", "m3")
EXACT = "m4"
"""Counted, not tested: its cells stay as they were."""
TOST = "two one-sided t-tests"
OVER_SPLITS = (
    "These sentences need single runs, which were not kept: they are as version 0.1 computed them, over splits of "
    "these rows, with naive intervals and tests that are too narrow for new rows (see the table for those)."
)
NOT_KEPT = "the tables do not show the control's difference, and its largest possible scatter refutes nothing"
BEFORE = "version 0.1 refuted it on the runs themselves, which are independent, by this very t-test"


def refilled(collected: Collected, table: Table, sentences: list[str]) -> FilledTable:
    """The table with the numbers of its CSV, differences tested for new rows."""
    runs = CollectedRuns(collected, table.id)
    names = [name for name in table.columns if name in collected.rows(table.id)[0]]
    by_labels = {tuple(line[title] for title in table.label_columns): line for line in collected.rows(table.id)}
    known = {row.labels: row for row in table.rows(collected.study)}
    rows = [known.get(labels, Row(labels, group="benchmark")) for labels in by_labels]
    lines = list(by_labels.values())
    filled = {name: _column(runs, collected, name, rows, lines) for name in names}
    values = tuple(tuple(filled[name][place] for name in names) for place in range(len(rows)))
    counts = tuple(int(line["runs"]) if line["runs"] else None for line in lines)
    remarks = (*((table.note,) if table.note else ()), *sentences)
    return FilledTable(table, "", tuple(rows), counts, tuple(names), values, legend_of(runs), remarks)


def _column(
    runs: CollectedRuns, collected: Collected, name: str, rows: list[Row], lines: list[dict[str, str]]
) -> list[Value]:
    """One column: as it is stored where that is for new rows already, else with wider intervals and tests."""
    column = COLUMNS[name]
    values: list[Value] = []
    raw: dict[int, float | None] = {}
    as_stored = collected.widened or not collected.share_rows
    for place, (row, line) in enumerate(zip(rows, lines, strict=True)):
        found = collected.moments(line, name) if column.interval and line[name] else None
        if as_stored or found is None:
            number, width, adjusted = (_number(line.get(f"{name}{what}")) for what in ("", "_half_width", "_p_holm"))
            values.append(Value(number, width, adjusted))
            continue
        values.append(Value(float(line[name]), _half(found, runs.widen(found.n))))
        if column.paired and row.run != row.reference:
            raw[place] = _p_value(found, runs.widen(found.n))
    for place, p in corrected(raw).items():
        values[place] = replace(values[place], p=p)
    if collected.share_rows or not column.better:
        return values
    return [replace(one, bold=bold) for one, bold in zip(values, collected.bold(runs.plan, name), strict=True)]


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def _half(found: Summary, widen: float) -> float | None:
    from scipy import stats

    if found.deviation == 0:
        return None
    return float(widen * stats.t.ppf(0.975, found.n - 1) * found.deviation / found.n**0.5)


def _p_value(found: Summary, widen: float) -> float:
    from scipy import stats

    if found.deviation == 0:
        return 1.0
    return float(2 * stats.t.sf(abs(found.mean) * found.n**0.5 / (widen * found.deviation), found.n - 1))


def sentences_of(collected: Collected, table: Table, before: list[str]) -> list[str]:
    """The table's sentences from its numbers; where these do not suffice, those that were there, labelled."""
    runs = CollectedRuns(collected, table.id)
    try:
        return [str(one) for one in table.conclude(runs)]
    except LookupError:
        kept = [one for one in before if one != OVER_SPLITS]
    if table.id == METHODS.id:
        kept = [one for one in kept if TOST not in one] + equivalence(runs, "alpt-sr", "fp32", MARGIN)
    return [OVER_SPLITS, *kept] if kept and collected.share_rows else kept  # on independent data the tests were these


def verdicts_of(folder: Path, collected: Collected) -> list[ClaimResult]:
    """Verdicts on the claims that are about the runs, by this version's judge."""
    claims = load_claims(ROOT / "analysis" / "claims", only=CLAIMS)
    about = [claims[name].about(Inputs(runs=folder)) for name in CLAIMS]
    with TemporaryDirectory() as scratch:
        results = verify(about, Path(scratch), jobs=1)  # enters them in the study's ledger
    return [_with_known_controls(one, collected) for one in results]


def _with_known_controls(result: ClaimResult, collected: Collected) -> ClaimResult:
    """A verdict whose control cannot be judged from the tables: that of the runs counts where it was the same test."""
    unknown = [one for one in result.controls if not one.refuted and any(map(_unknown, one.cells))]
    if not unknown:
        return result
    if collected.share_rows:
        controls = tuple(replace(one, reason=NOT_KEPT) if one in unknown else one for one in result.controls)
        return replace(result, outcome="INCONCLUSIVE", controls=controls)
    controls = tuple(
        replace(one, refuted=True, outcome="REFUTED", reason=BEFORE) if one in unknown else one
        for one in result.controls
    )
    outcomes = {cell.outcome for cell in result.cells} - {"NOT_APPLICABLE"}
    return replace(result, outcome="SUPPORTED" if outcomes == {"SUPPORTED"} else "INCONCLUSIVE", controls=controls)


def _unknown(cell: CellResult) -> bool:
    """Whether the tables do not show the scatter of a cell's difference."""
    return cell.measurement is not None and bool(cell.measurement.extra.get("scatter_at_most"))


def exact_verdict(folder: Path, before: Mapping[str, Any]) -> ClaimResult:
    """M4 as it stands in ``claims.csv``: exact numbers, on which the judge has no say."""
    with (folder / "claims.csv").open(newline="", encoding="utf-8") as stream:
        lines = [line for line in csv.DictReader(stream) if line["claim"] == EXACT and line["cell"] != "all"]
    cells: dict[str, list[Point]] = {}
    for line in lines:
        low, high = float(line["allowed_from"]), float(line["allowed_to"])
        value, lower, upper = (float(line[name]) for name in ("estimate", "lower", "upper"))
        cells.setdefault(line["cell"], []).append(
            Point(line["label"], value, lower, upper, low, high, 1.0, 0.0, 0.0, line["verdict"], None)
        )
    claim = load_claims(ROOT / "analysis" / "claims", only=[EXACT])[EXACT].claim
    found = tuple(
        CellResult({"runs": "table", **_cell(name)}, "SUPPORTED", points=tuple(points), runs=1)
        for name, points in cells.items()
    )
    return ClaimResult(
        id=EXACT, title=claim.title, statement=claim.statement, text=claim.text, kind=claim.kind, source=claim.source,
        assumptions=(), alpha=claim.test.alpha, power=claim.test.power, how="exact", normal="", budget="quick", seed=0,
        code="", outcome=str(before["verdict"]), p=0.0, cells=found,
        controls=tuple(
            ControlResult(one.name, one.description, one.remeasures, True, "REFUTED", "", ()) for one in claim.controls
        ),
    )  # fmt: skip


def _cell(name: str) -> dict[str, Any]:
    return dict(part.split("=", 1) for part in name.split(", "))


def enter_former(folder: Path, about: Mapping[str, Any]) -> None:
    """The verdicts of the version before as the first lines of the ledger, if it has none yet."""
    if (folder / LEDGER).exists():
        return
    entries = [
        Entry(name, "quick", 0, "", None, str(one["verdict"]), f"{about['date']}T00:00:00Z", about["versions"], "runs")
        for name, one in about["claims"].items()
        if one["about_runs"]
    ]
    write_text(folder / LEDGER, "".join(json.dumps(entry._asdict()) + "\n" for entry in entries))


def judge_again(folder: Path) -> dict[str, str]:
    """Write a collected study anew; its verdicts by claim.

    Raises
    ------
    InputError
        The folder holds no collected study of a form that is known.
    """
    about = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    enter_former(folder, about)
    collected = Collected(folder)
    conclusions = {name: list(one["sentences"]) for name, one in about["conclusions"].items()}
    tables = [
        refilled(collected, table, sentences_of(collected, table, conclusions.get(name, [])))
        for name, table in collected.tables.items()
    ]
    timed = [
        FilledTable(table, "_times", (), (), (), (), (), ())
        for name, table in collected.tables.items()
        if (folder / "tables" / f"{name}_times.csv").exists()  # times of one machine stay as they are
    ]
    for part in tables:
        write_table(part, folder / "tables")
    settings = {**collected.settings, "intervals": "new rows"}
    write_text(folder / SETTINGS, json.dumps(settings, indent=1, ensure_ascii=False) + "\n")
    collected = Collected(folder)  # what is judged is what stands there now, to the last digit
    verdicts = (*verdicts_of(folder, collected), exact_verdict(folder, about["claims"][EXACT]))
    figures = tuple(
        one for one in load_figures(ROOT / "analysis" / "figures") if (folder / "figures" / f"{one.id}.csv").exists()
    )
    kept = {key: value for key, value in about.items() if key not in ("conclusions", "claims")}
    judged = {"version": __version__, "date": time.strftime("%Y-%m-%d", time.gmtime()), "bits": FORMER}
    found = Found(folder, collected.index, {**kept, "judged": judged}, (*tables, *timed), figures, verdicts)
    write_text(folder / "claims.csv", claims_csv(found))
    write_text(folder / "claims.md", claims_markdown(found))
    write_text(folder / "summary.json", json.dumps(summary(found), indent=1, ensure_ascii=False) + "\n")
    write_text(folder / "README.md", page(found, folder.name))
    return {one.id: one.outcome for one in verdicts}


@click.command(help=__doc__, context_settings={"max_content_width": 120})
@click.argument("names", nargs=-1, required=True)
@click.option("--results", default=RESULTS, type=click.Path(path_type=Path), metavar="FOLDER", help="Where they are.")
def main(names: tuple[str, ...], results: Path) -> None:
    for name in names:
        if not (results / name / "summary.json").is_file():
            raise click.UsageError(f"{results / name} holds no collected study")
        try:
            found = judge_again(results / name)
        except (AlptError, InputError) as error:
            raise click.UsageError(f"{name}: {error}") from None
        click.echo(f"{name}: {', '.join(f'{claim} {outcome}' for claim, outcome in found.items())}")


if __name__ == "__main__":
    main()
