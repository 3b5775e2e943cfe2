"""What stands around drawn figures: the index of their folder, and an environment for LaTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alpt_ref._util.latex import latex_text


def index_page(entries: Sequence[Mapping[str, Any]]) -> str:
    """``INDEX.md``: question, answer, picture and origin of each figure; the small print last.

    Parameters
    ----------
    entries : sequence of mappings
        As `draw_figures` writes them to ``figures.json``.

    Returns
    -------
    str
        Markdown.
    """
    lines = ["# Figures", "", "Written by `alpt-ref figures` from the results that `alpt-ref verify` stored.", ""]
    for entry in entries:
        name = entry["id"]
        if "not_drawn" in entry:
            lines.append(f"- **{name}** · {entry['title']}. Not drawn: {entry['not_drawn']}.")
            continue
        links = ", ".join(f"[{file.rpartition('.')[2]}]({file})" for file in entry["files"])
        answer = f" {entry['caption']}" if entry["caption"] else ""
        end = "" if entry["title"].endswith("?") else "."
        lines += [f"- **{name}** · {entry['title']}{end}{answer} ({links})", ""]
        picture = next((file for file in entry["files"] if file.endswith((".png", ".svg"))), None)
        if picture is not None:
            lines += [f"  ![{entry['alt']}]({picture})", ""]
        small = f"{entry['notes']} " if entry["notes"] else ""
        lines += [f"  {small}From {entry['origin']}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def figure_environment(figure: Any, caption: str, formats: Sequence[str], *, both: bool = False) -> str:
    r"""A ``figure`` environment with the picture, one sentence of caption and a label; the notes are comments.

    ``figure*`` where the picture takes `both` columns of a page.

    Needs ``\usepackage{graphicx}`` for pdf, ``\usepackage{pgf}`` for pgf.
    """
    picture = rf"\includegraphics{{{figure.id}.pdf}}" if "pdf" in formats else rf"\input{{{figure.id}.pgf}}"
    text = latex_text(caption or figure.title)
    notes = [f"% {latex_text(figure.notes)}"] if figure.notes else []
    kind = "figure*" if both else "figure"
    lines = [
        *notes,
        rf"\begin{{{kind}}}",
        r"\centering",
        picture,
        rf"\caption{{{text}}}",
        rf"\label{{fig:{figure.id}}}",
    ]
    return "\n".join([*lines, rf"\end{{{kind}}}"]) + "\n"
