"""One self-contained HTML page: the verdicts, every table, every figure, and what they were made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpt_ref._util.files import read_json, write_text
from alpt_ref.studies.answers import answers_text, write_answers
from alpt_ref.studies.inference import Undecided
from alpt_ref.studies.render import texts_of, titles_of
from alpt_ref.studies.stored import Stored
from alpt_ref.studies.table import FilledTable
from alpt_ref.studies.verdicts import Verdict
from alpt_ref.training.schedule import in_words
from alpt_ref.verification.code_hash import versions
from alpt_ref.verification.ledger import history_text, read_verdicts
from alpt_ref.verification.picture import claim_picture, data_uri, formula
from alpt_ref.verification.report import SIGNS, counts_text, number
from alpt_ref.verification.themes import themes

if TYPE_CHECKING:
    from alpt_ref.studies.study import Study
    from alpt_ref.verification.figures import Figure

__all__ = ["summary_text", "write_report"]

FIGURE_COLORS = 64
"""Colours of a figure on the page; its file beside the page has all."""
BRIEF = 320
"""Letters of a conclusion that the command repeats after its tables; longer ones stay below their own."""


def summary_text(tables: Sequence[FilledTable], verdicts: Sequence[Verdict], *, brief: bool = False) -> str:
    """What the command prints: each table, then what was found in sentences, the answers, and the count of verdicts.

    `brief` : answers and verdicts alone
    """
    from alpt_ref.studies.render import as_markdown

    answered = [answers_text(table.answers) + "\n" for table in tables if table.answers is not None]
    told = f"{len(verdicts)} claims: {_counted(verdicts)}."
    if brief:
        return "\n".join([*answered, *([told] if verdicts else [])]).rstrip()
    parts = [as_markdown(table, legend=False) for table in tables if not table.suffix]
    legends = dict.fromkeys(note for table in tables for note in table.legend)
    parts.append("\n".join(legends) + "\n")
    others = [table for table in tables if table.answers is None]
    found = [(table.table.title, [f"- {one}" for one in _brief(table)]) for table in others]
    lines = [line for title, sentences in found if sentences for line in (f"{title}:", *sentences)]
    undecided = [one for table in tables for one in table.sentences if isinstance(one, Undecided)]
    if undecided:
        seeds = " or ".join(map(str, sorted({one.seeds for one in undecided})))
        count, other = sum(one.comparisons for one in undecided), "other " if lines else ""
        lines.append(
            f"{seeds} seeds cannot tell the {other}{count} comparisons apart, which does not prove equality; below "
            "each table stands the largest of its differences with its interval."
        )
    if lines:
        parts.append("\n".join(["### What was found", "", *lines]) + "\n")
    parts += [f"### The four answers\n\n{one}" for one in answered]
    if verdicts:
        parts.append(told)
    return "\n".join(parts).rstrip()


def _brief(table: FilledTable) -> list[str]:
    """The sentences that are repeated at the end: what was decided, as far as it is short."""
    return [one for one in table.sentences if len(one) <= BRIEF and not isinstance(one, Undecided)]


def _counted(verdicts: Sequence[Verdict]) -> str:
    """``38 SUPPORTED, 2 INCONCLUSIVE (m1, m2)``: whatever is not supported is named."""
    ids = {name: [one.result.id for one in verdicts if one.result.outcome == name] for name in SIGNS}
    named = {name: "" if name == "SUPPORTED" else f" ({', '.join(of)})" for name, of in ids.items() if of}
    return ", ".join(f"{len(ids[name])} {name}{these}" for name, these in named.items())


def write_report(
    folder: Path, tables: Sequence[FilledTable], figures: Sequence[Figure], verdicts: Sequence[Verdict]
) -> None:
    """Write ``report.html``; pictures are inside it, nothing is loaded from other files."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("alpt_ref.studies", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    history = read_verdicts(folder / "verify")
    answered = [one for one in tables if one.answers is not None]
    if answered:
        write_answers(folder, [one.answers for one in answered if one.answers is not None])
    drawn = _figures(figures, folder / "figures")
    shown = {one.table.picture for one in answered}
    report = folder / "verify" / "report.html"
    reported = report.read_text(encoding="utf-8") if report.exists() else ""
    page = environment.get_template("report.html.jinja").render(
        study=_study(Stored(folder)),
        answers=[_answers(one, drawn) for one in answered],
        verdicts=[_verdict(one, history_text(history.get(one.result.id, ()))) for one in verdicts],
        themes=themes([one.result for one in verdicts], history),
        has_report=bool(reported),
        in_report=lambda name: f'<section id="{name}">' in reported,
        tables=[_table(one) for one in tables],
        figures=[one for name, one in drawn.items() if name not in shown],
        signs=SIGNS,
    )
    write_text(folder / "report.html", page)


def _answers(table: FilledTable, drawn: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """What opens the page: the table's answers, and the picture that shows them."""
    answers = table.answers
    if answers is None:
        raise LookupError(f"table {table.id} has no answers")
    return {
        "id": f"answers-{table.id}",
        "about": answers.about,
        "answers": answers.answers,
        "untold": answers.untold,
        "picture": drawn.get(table.table.picture),
    }


def _study(stored: Stored) -> dict[str, Any]:
    study, data = stored.index.study, stored.index.data
    first = next(iter(data.values()))
    settings = study.base
    rows = [
        ("study", study.name),
        ("data", f"{first.name}: {sum(first.parts):,} {'weighted ' if first.weighted else ''}rows "
                 f"({' / '.join(f'{part:,}' for part in first.parts)}), "
                 f"{first.fields} fields, {first.features:,} features"),
        ("seeds", f"{len(study.seeds)}, {len(study.few_seeds)} for tables of variants{_registered(study)}"),
        ("backbone", f"{settings.model.kind}, dimension {settings.model.dim}, hidden {list(settings.model.hidden)}"),
        ("training", f"{settings.table.optimizer} {settings.table.lr:g}, batches of {settings.train.batch_size:,}, "
                     f"{settings.train.epochs} epochs, {in_words(settings.train)}"),
        ("software", ", ".join(f"{name} {version}" for name, version in versions().items())),
    ]  # fmt: skip
    bayes = [one.bayes for one in data.values() if one.bayes]
    if bayes:
        means = {name: sum(one[name] for one in bayes) / len(bayes) for name in bayes[0]}
        rows.append(("Bayes optimum", ", ".join(f"{name} {value:.4f}" for name, value in means.items()) + " (mean)"))
    return {"name": study.name, "rows": rows}


def _registered(study: Study) -> str:
    """Whether these seeds were fixed before; "" where that is not known."""
    if study.registered is None:
        return ""
    if study.is_registered:
        return ", as registered before the first run"
    before = f"{len(study.registered.seeds)} and {study.registered.few}"
    return f"; EXPLORATORY: others than the registered ones ({before}), so that no claim on these runs is judged"


def _table(table: FilledTable) -> dict[str, Any]:
    groups = [row.group for row in table.rows]
    return {
        "id": table.id,
        "title": table.table.title + (" – times" if table.suffix else ""),
        "titles": titles_of(table),
        "labels": len(table.table.label_columns),
        "rows": [
            {"cells": [(text.lstrip("\0"), text.startswith("\0")) for text in cells], "rule": new}
            for cells, new in zip(texts_of(table, "\0{}".format), _changes(groups), strict=True)
        ],
        "notes": table.notes,
    }


def _changes(groups: Sequence[str]) -> list[bool]:
    return [place > 0 and group != groups[place - 1] for place, group in enumerate(groups)]


def _figures(figures: Sequence[Figure], folder: Path) -> dict[str, dict[str, Any]]:
    """Figures by id: question, answer and picture, as `draw_figures` left them in the folder."""
    told = {one["id"]: one for one in read_json(folder / "figures.json") or []}
    found = {}
    for figure in figures:
        about, file = told.get(figure.id, {}), folder / f"{figure.id}.png"
        source = data_uri(file.read_bytes(), FIGURE_COLORS) if file.exists() else ""
        found[figure.id] = {
            "id": figure.id,
            "title": figure.title,
            "alt": figure.alt or figure.title,
            "caption": about.get("caption", ""),
            "notes": figure.notes,
            "files": about.get("files", []) if source else [],
            "not_drawn": about.get("not_drawn", "its runs are missing"),
            "source": source,
        }
    return found


def _verdict(verdict: Verdict, history: str) -> dict[str, Any]:
    result, claim = verdict.result, verdict.loaded.claim
    about_runs = any(isinstance(cell.cell.get("runs"), str) for cell in result.cells)
    picture, _ = claim_picture(result, claim.figure) if about_runs else ("", "")
    return {
        "id": result.id,
        "title": result.title,
        "outcome": result.outcome,
        "sign": SIGNS[result.outcome],
        "counts": counts_text(result),
        "tightness": number(result.tightness),
        "controls": f"{sum(one.refuted for one in result.controls)} of {len(result.controls)}",
        "about_runs": about_runs,
        "history": history,
        "text": result.text,
        "formula": formula(result.statement) if about_runs else "",
        "reasons": sorted({cell.reason for cell in result.cells if cell.reason}),
        "picture": picture,
    }
