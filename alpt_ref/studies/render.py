"""A laid-out table as Markdown, CSV and LaTeX (booktabs), and as cells for the report. Same numbers, same bytes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from alpt_ref._util.files import write_text
from alpt_ref.studies.columns import COLUMNS, Form, Value
from alpt_ref.studies.line import Line
from alpt_ref.studies.table import LaidOut

_LATEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "~": r"\textasciitilde{}", "^": r"\^{}"}
_LATEX |= {"±": r"$\pm$", "−": "$-$", "η": r"$\eta$", "Δ": r"$\Delta$", "–": "--", "×": r"$\times$", "≤": r"$\leq$"}
_LATEX |= {"<": "$<$", ">": "$>$", "{": r"\{", "}": r"\}", "\\": r"\textbackslash{}", "≥": r"$\geq$", "…": r"\ldots{}"}
_LATEX |= {"√": r"$\surd$", "·": r"$\cdot$", "²": "$^2$", "λ": r"$\lambda$", "σ": r"$\sigma$", "μ": r"$\mu$"}
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


def heads_of(table: LaidOut) -> list[str]:
    """Titles of all columns."""
    return [*table.table.heads, *(COLUMNS[name].title for name in table.columns)]


def rows_of(table: LaidOut, emphasis: Callable[[str], str]) -> list[list[str]]:
    """Every line as text; `emphasis` marks what is bold."""
    rows = []
    for line, values in zip(table.lines, table.values, strict=True):
        texts = [(text_of(name, value), value.bold) for name, value in zip(table.columns, values, strict=True)]
        rows.append([*_labels(table, line), *(emphasis(text) if bold else text for text, bold in texts)])
    return rows


def _labels(table: LaidOut, line: Line) -> list[str]:
    count = len(table.table.heads)
    return [*line.labels, *[""] * count][:count]


def as_markdown(table: LaidOut, *, legend: bool = True) -> str:
    """Title, table, notes; the legend, which tables share, may be left out."""

    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    notes = table.notes if legend else table.remarks
    heads = heads_of(table)
    ruler = "|" + "|".join(["---"] * len(table.table.heads) + ["---:"] * len(table.columns)) + "|"
    rows = rows_of(table, lambda text: f"**{text.replace('*', chr(92) + '*')}**")
    lines = [f"### {table.table.title}", "", row(heads), ruler, *(row(cells) for cells in rows), ""]
    return "\n".join([*lines, *(f"{note.replace('*', chr(92) + '*')}  " for note in notes)]).rstrip() + "\n"


def as_csv(table: LaidOut) -> str:
    """Full precision, one line a row: labels, finished runs, then value, half width and corrected p of each column."""
    fields = [*table.table.heads, "runs"]
    for name in table.columns:
        column = COLUMNS[name]
        fields += [name, *([f"{name}_half_width"] if column.interval else [])]
        fields += [f"{name}_p_holm"] if column.paired else []
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(fields)
    for line, count, values in zip(table.lines, table.counts, table.values, strict=True):
        cells: list[object] = [*_labels(table, line), "" if count is None else count]
        for name, value in zip(table.columns, values, strict=True):
            column = COLUMNS[name]
            known = [value.number, *([value.half] if column.interval else []), *([value.p] if column.paired else [])]
            cells += ["" if one is None else repr(float(one)) for one in known]
        writer.writerow(cells)
    return stream.getvalue()


def latex_text(text: str) -> str:
    """`text` with everything that LaTeX would take for markup escaped."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


def as_latex(table: LaidOut) -> str:
    """A ``table`` environment; needs ``\\usepackage{booktabs}``."""

    def row(cells: Sequence[str]) -> str:
        return " & ".join(cells) + r" \\"

    rows = rows_of(table, lambda text: "\0" + text)  # escaped first, set in bold then
    body = []
    for place, cells in enumerate(rows):
        if place and table.lines[place].group != table.lines[place - 1].group:
            body.append(r"\midrule")
        body.append(row([_cell(cell) for cell in cells]))
    heads = row([latex_text(head) for head in heads_of(table)])
    form = "l" * len(table.table.heads) + "r" * len(table.columns)
    caption = latex_text(f"{table.table.title}. {' '.join(table.notes)}")
    lines = [r"\begin{table}", r"\centering\small", rf"\caption{{{caption}}}", rf"\label{{tab:{table.id}}}"]
    lines += [rf"\begin{{tabular}}{{{form}}}", r"\toprule", heads, r"\midrule", *body]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def _cell(text: str) -> str:
    text = _MINUS.sub("−", text)
    return rf"\textbf{{{latex_text(text[1:])}}}" if text.startswith("\0") else latex_text(text)


def write_table(table: LaidOut, folder: Path) -> None:
    """Write ``<id>.md``, ``<id>.csv`` and ``<id>.tex``."""
    for suffix, content in (("md", as_markdown(table)), ("csv", as_csv(table)), ("tex", as_latex(table))):
        write_text(folder / f"{table.id}.{suffix}", content)
