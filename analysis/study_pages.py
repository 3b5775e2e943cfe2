"""What is written about a finished study: its page, the verdicts on the claims, and a summary for the documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alpt_ref._util.text import csv_lines
from alpt_ref.studies.render import markdown_table
from alpt_ref.verification.report import SIGNS, bound_text, cell_text, counts_text
from alpt_ref.verification.results import CellResult, ClaimResult

from .finished_study import Found, digest_of

FORMATS = ("md", "csv", "tex")
"""Of a table."""


def summary(found: Found) -> dict[str, Any]:
    """What docs/studies.md takes from a study."""
    return {
        **found.about,
        "conclusions": {
            part.id: {"title": part.table.title, "sentences": list(part.sentences)}
            for part in found.tables
            if part.sentences
        },
        "claims": {
            one.id: {
                "title": one.title,
                "verdict": one.outcome,
                "cells": verdict_text(one),
                "about_runs": one in found.on_runs,
            }
            for one in found.verdicts
        },
    }


def _points(verdict: ClaimResult) -> list[dict[str, Any]]:
    """A line for each number that a claim on runs compares; one for each cell without numbers."""
    found: list[dict[str, Any]] = []
    for cell in verdict.cells:
        shown = {key: value for key, value in cell.cell.items() if key != "runs"}
        line = {"cell": cell_text(CellResult(shown, cell.outcome)), "verdict": cell.outcome, "reason": cell.reason}
        for point in cell.points if digest_of(cell) else ():
            allowed = {"allowed_from": point.low, "allowed_to": point.high, "allowed": bound_text(point)}
            limits = {"estimate": point.value, "lower": point.lower, "upper": point.upper}
            found.append(
                {**line, "verdict": point.outcome, "label": point.label, **limits, **allowed, "runs": cell.runs}
            )
        if not cell.points:
            found.append(line)
    return found


def claims_csv(found: Found) -> str:
    """A line for each claim, and for claims on the runs one for each number with its confidence limits."""
    heads = ("claim", "title", "cell", "label", "verdict", "estimate", "lower", "upper", "allowed_from", "allowed_to")
    lines: list[dict[str, object]] = []
    for one in found.verdicts:
        facts = {"claim": one.id, "title": one.title}
        lines.append({**facts, "cell": "all", "verdict": one.outcome, "reason": counts_text(one)})
        if one in found.on_runs:
            lines += [{**facts, **line} for line in _points(one)]
    names = (*heads, "runs", "reason")
    return csv_lines([names, *([line.get(name, "") for name in names] for line in lines)])


def claims_markdown(found: Found) -> str:
    """All verdicts, and the numbers behind those on the study's runs."""
    rows = []
    for one in found.verdicts:
        controls = f"{sum(control.refuted for control in one.controls)} of {len(one.controls)}"
        rows.append((one.id, one.title, one.outcome, counts_text(one), controls))
    lines = ["# Claims", "", markdown_table(rows, ("claim", "", "verdict", "cells", "controls refuted"), 5)]
    for one in found.on_runs:
        if one.sampled:
            lines += ["", f"## {one.id}: {one.outcome}", "", f"{one.text}.", "", *_numbers(one)]
    return "\n".join(lines) + "\n"


def _numbers(verdict: ClaimResult) -> list[str]:
    """The numbers of a claim as a table; cells without any are counted by reason."""
    every, rows = _points(verdict), []
    for line in (one for one in every if "estimate" in one):
        where = ", ".join(filter(None, (line["cell"], line["label"])))
        limits = f"{line['lower']:.5g} to {line['upper']:.5g}"
        rows.append((where, line["verdict"], line["allowed"], limits, f"{line['estimate']:.5g}", line["runs"]))
    reasons = [f"{one['verdict']}, {one['reason']}" for one in every if "estimate" not in one]
    rest = [f"{reasons.count(reason)} cells {reason}." for reason in dict.fromkeys(reasons)]
    note = f"Limits are one-sided confidence limits at level {verdict.alpha:g} over all cells (Holm)."
    table = markdown_table(rows, ("cell", "verdict", "allowed", "limits", "estimate", "runs"), 4)
    return [table, "", " ".join([note, *rest])]


def page(found: Found, name: str) -> str:
    """README.md of the folder: how it was made, what it concluded, where everything is."""
    about = found.about
    rows = " / ".join(f"{count:,}" for count in about["rows"])
    missing = f"; {about['missing']} more diverged or were not finished" if about["missing"] else ""
    used = ", ".join(f"{library} {version}" for library, version in about["versions"].items())
    lines = [
        f"# Study {name}",
        "",
        "Written by `python -m analysis.collect` from the output of",
        "",
        f"```sh\n{about['command']} --output runs/{name}\n```",
        "",
        f"- data: {', '.join(about['data'])}; {sum(about['rows']):,} rows ({rows}), {about['fields']} fields, "
        f"{about['features']:,} features (first seed)",
        f"- runs: {about['runs']}{missing}; {about['seeds']} seeds, {about['few']} in tables of variants",
        f"- last run: {about['date']}",
        f"- judged and collected with (each table names what its runs were trained with): {used}",
        f"- collected on: {about['machine']['processor']}, {about['machine']['cores']} cores",
        *_took(about),
        *_judged(about),
        "",
        "## What was found",
    ]
    for part in found.tables:
        if part.sentences:
            lines += ["", f"[{part.table.title}](tables/{part.id}.md):", "", *map(_bullet, part.sentences)]
    lines += ["", "## Claims", "", *_claims(found), "", "## Tables", ""]
    for part in found.tables:
        others = ", ".join(f"[{form}](tables/{part.id}.{form})" for form in FORMATS[1:])
        timed = ": wall-clock times of one machine" if part.suffix else ""
        lines.append(f"- [{part.table.title}](tables/{part.id}.md){timed} ({others})")
    lines += ["", *map(_bullet, dict.fromkeys(note for part in found.tables for note in part.legend))]
    lines += ["", "## Figures"]
    for figure in found.figures:
        lines += ["", f"{figure.title} ([csv](figures/{figure.id}.csv))", "", f"![](figures/{figure.id}.png)"]
    return "\n".join(lines) + "\n"


def _took(about: Mapping[str, Any]) -> list[str]:
    """How long the runs took; nothing of a study that an earlier version collected."""
    if "wall_s" not in about:
        return []
    return [
        f"- time: {about['wall_s'] / 60:.1f} min from the first finished run to the last, without pauses; epochs of "
        f"all runs, one after another, {about['training_s'] / 60:.0f} min"
    ]


def _judged(about: Mapping[str, Any]) -> list[str]:
    """For a study that was judged anew after it was collected: by what, and what was left as it was."""
    if "judged" not in about:
        return []
    judged = about["judged"]
    return [
        f"- judged anew by version {judged['version']} ({judged['date']}) from the tables, by `python -m "
        f"analysis.judge_again`; nothing was trained: all numbers are {judged['bits']}. Claims that are not about "
        "these runs are judged by `alpt-ref verify`. Figures are as they were drawn then: where the seeds are splits "
        "of the same rows, their bars are the naive ones. Every verdict is in [ledger.jsonl](ledger.jsonl).",
    ]


def _bullet(sentence: str) -> str:
    return f"- {sentence}".replace("*", "\\*")


def verdict_text(verdict: ClaimResult) -> str:
    """Counts of cells, the largest p-value, the interval of a claim of one cell, and what is said on controls."""
    parts = [counts_text(verdict)]
    if verdict.sampled and verdict.p is not None:
        parts.append(f"largest p {verdict.p:.2g}")
    points = [point for cell in verdict.cells for point in cell.points]
    if verdict.sampled and len(points) == 1:
        (one,) = points
        parts.append(f"{one.value:+.5f}, limits {one.lower:+.5f} to {one.upper:+.5f}, allowed {bound_text(one)}")
    parts += [f"control {one.name}: {one.reason}" for one in verdict.controls if one.reason]
    return "; ".join(parts)


def _claims(found: Found) -> list[str]:
    """Counts of verdicts, and the claims on the runs by name."""
    if not found.verdicts:
        return ["The claims were not verified."]
    outcomes = [one.outcome for one in found.verdicts]
    counted = ", ".join(f"{outcomes.count(sign)} {sign}" for sign in SIGNS if sign in outcomes)
    ours = [f"- {one.id}: {one.title}: {one.outcome} ({verdict_text(one)})" for one in found.on_runs]
    return [f"{len(outcomes)} claims: {counted} ([all](claims.md), [csv](claims.csv)). On these runs:", "", *ours]
