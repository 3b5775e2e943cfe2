"""A filled table as Markdown, CSV and LaTeX (booktabs), and as cells for the report. Same numbers, same bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from alpt_ref._util.files import write_text
from alpt_ref._util.latex import latex_text as latex_text
from alpt_ref._util.text import csv_lines
from alpt_ref.studies.columns import COLUMNS, Form, Value
from alpt_ref.studies.row import Row
from alpt_ref.studies.table import FilledTable

_MINUS = re.compile(r"(?<![\w.])-(?=\d)")
"""The sign of a number, not the hyphen of a name or of 2e-06."""
_FORMS: dict[Form, Callable[[float], str]] = {
    "metric": lambda x: f"{x:.4f}",
    "signed": lambda x: f"{x:+.4f}",
    "count": lambda x: f"{x:.3g}",
    "ratio": lambda x: f"{x:.2f}",
    "share": lambda x: f"{100 * x:.1f} %",
    "number": lambda x: f"{x:.3g}",
    "bytes": lambda x: f"{x:,.0f}",
    "seconds": lambda x: f"{x:.3g}",
    "p": lambda x: f"{x:.2g}",
}


def text_of(name: str, value: Value) -> str:
    """``0.7961 ± 0.0012``, a ``*`` behind a significant difference; "" for nothing."""
    if value.number is None:
        return ""
    show = _FORMS[COLUMNS[name].form]
    half = "" if value.half is None else f" ± {show(value.half).lstrip('+')}"
    return f"{show(value.number)}{half}{'*' if value.star else ''}"


def titles_of(table: FilledTable) -> list[str]:
    """Titles of all columns."""
    return [*table.table.label_columns, *(COLUMNS[name].title for name in table.columns)]


def texts_of(table: FilledTable, emphasis: Callable[[str], str]) -> list[list[str]]:
    """Every row as text; `emphasis` marks what is bold."""
    rows = []
    for row, values in zip(table.rows, table.values, strict=True):
        texts = [(text_of(name, value), value.bold) for name, value in zip(table.columns, values, strict=True)]
        rows.append([*_labels(table, row), *(emphasis(text) if bold else text for text, bold in texts)])
    return rows


def _labels(table: FilledTable, row: Row) -> list[str]:
    count = len(table.table.label_columns)
    return [*row.labels, *[""] * count][:count]


def aligned(rows: Sequence[Sequence[str]], titles: Sequence[str], labels: int, form: str) -> str:
    """Rows of text under their titles, the first `labels` columns to the left and the others to the right.

    `form` is tabulate's: ``pipe`` for Markdown, ``simple`` for the terminal.
    """
    from tabulate import tabulate

    sides = ["left"] * labels + ["right"] * (len(titles) - labels)
    return tabulate(
        rows, titles, tablefmt=form, disable_numparse=True, colalign=sides, headersalign=sides, preserve_whitespace=True
    )


def markdown_table(rows: Sequence[Sequence[object]], titles: Sequence[str], labels: int) -> str:
    """The same as Markdown, bars within a cell escaped."""
    texts = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return aligned(texts, titles, labels, "pipe")


def as_markdown(table: FilledTable, *, legend: bool = True) -> str:
    """Title, table, notes; the legend, which tables share, may be left out."""
    notes = table.notes if legend else table.remarks
    rows = texts_of(table, lambda text: f"**{text.replace('*', chr(92) + '*')}**")
    lines = [f"### {table.table.title}", "", markdown_table(rows, titles_of(table), len(table.table.label_columns)), ""]
    return "\n".join([*lines, *(f"{note.replace('*', chr(92) + '*')}  " for note in notes)]).rstrip() + "\n"


def as_csv(table: FilledTable) -> str:
    """Full precision, one line per row: labels, finished runs, then value, half width, corrected p of each column."""
    fields = [*table.table.label_columns, "runs"]
    for name in table.columns:
        column = COLUMNS[name]
        fields += [name, *([f"{name}_half_width"] if column.interval else [])]
        fields += [f"{name}_p_holm"] if column.paired else []
    lines: list[list[object]] = [[*fields]]
    for row, count, values in zip(table.rows, table.counts, table.values, strict=True):
        cells: list[object] = [*_labels(table, row), "" if count is None else count]
        for name, value in zip(table.columns, values, strict=True):
            column = COLUMNS[name]
            known = [value.number, *([value.half] if column.interval else []), *([value.p] if column.paired else [])]
            cells += ["" if one is None else repr(float(one)) for one in known]
        lines.append(cells)
    return csv_lines(lines)


def as_latex(table: FilledTable) -> str:
    """A ``table`` environment; needs ``\\usepackage{booktabs}``. Its caption is the title; notes have their own file.

    By hand, because tabulate's ``latex_booktabs`` escapes the mathematics that ``±`` and ``η`` become, and knows no
    rules between groups of rows.
    """
    rows = texts_of(table, lambda text: "\0" + text)  # escaped first, set in bold then
    body = []
    for place, cells in enumerate(rows):
        if place and table.rows[place].group != table.rows[place - 1].group:
            body.append(r"\midrule")
        body.append(_latex_row([_cell(cell) for cell in cells]))
    titles = _latex_row([latex_text(title) for title in titles_of(table)])
    form = "l" * len(table.table.label_columns) + "r" * len(table.columns)
    caption = latex_text(f"{table.table.title}.")
    lines = [r"\begin{table}", r"\centering\small", rf"\caption{{{caption}}}", rf"\label{{tab:{table.id}}}"]
    lines += [rf"\begin{{tabular}}{{{form}}}", r"\toprule", titles, r"\midrule", *body]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(text: str) -> str:
    text = _MINUS.sub("−", text)
    return rf"\textbf{{{latex_text(text[1:])}}}" if text.startswith("\0") else latex_text(text)


def write_table(table: FilledTable, folder: Path) -> None:
    """Write ``<id>.md``, ``<id>.csv``, ``<id>.tex`` and ``<id>.notes.tex``, the small print of the latter."""
    for suffix, content in (("md", as_markdown(table)), ("csv", as_csv(table)), ("tex", as_latex(table))):
        write_text(folder / f"{table.id}.{suffix}", content)
    write_text(folder / f"{table.id}.notes.tex", "\n\n".join(latex_text(note) for note in table.notes) + "\n")
