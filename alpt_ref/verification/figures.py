"""Figures of the paper kind, redrawn from stored results: one file a figure, found by folder, never a new run.

A file of the folder exposes ``FIGURE = Figure(id, title, claims, draw)``; ``draw(results)`` gets the verdicts of the
claims it names, with cells, limits, bounds and measured arrays, and returns a matplotlib figure and the table behind
it. A figure about trained models gives ``runs`` in place of claims: which runs of a study it needs; ``draw`` then gets
these runs as `alpt-ref reproduce` stored them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from alpt_ref._util.files import atomic, write_text
from alpt_ref._util.former_names import former_keywords
from alpt_ref._util.plugin import Kind, capture_error, load_plugins
from alpt_ref._util.text import csv_lines
from alpt_ref.errors import InputError
from alpt_ref.verification.picture import new_figure, paper_style, svg_bytes
from alpt_ref.verification.results import ClaimResult

__all__ = ["Figure", "draw_figures", "load_figures", "new_figure"]

DPI = 200
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes
    ----------
    id : name of its files: lower case letters, digits, ``-`` and ``_``
    title : one line for the index
    claims : ids of the claims it is drawn from
    draw : ``draw(results)``, a mapping from each of these ids to its `ClaimResult`, or from each run's name to its runs
        by seed, -> (matplotlib figure, rows); make the figure with `new_figure`; the rows are dicts with the same keys,
        the numbers that are drawn
    runs : ``runs(study)`` -> configurations by name, in place of claims
    seeds : how many of the study's seeds the runs need
    """

    id: str
    title: str
    claims: tuple[str, ...]
    draw: Callable[[Any], tuple[Any, Rows]]
    runs: Callable[[Any], Mapping[str, Any]] | None = None
    seeds: Literal["all", "few"] = "few"

    def __post_init__(self) -> None:
        """Refuse what could not be written or found."""
        if not isinstance(self.id, str) or not re.fullmatch(r"[a-z][a-z0-9_-]*", self.id):
            raise InputError(f"id must be lower case letters, digits, '-' and '_', got {self.id!r}")
        if isinstance(self.claims, str) or bool(self.claims) == (self.runs is not None):
            raise InputError(f"claims must be a tuple of claim ids, or () for a figure with runs, got {self.claims!r}")


class StoredRuns(Protocol):
    """Where the runs of a figure come from: a study on disk."""

    def __contains__(self, figure: str) -> bool:
        """Whether there are runs of that figure."""
        ...

    def plan(self, name: str) -> Any:
        """The runs of a figure: name -> seed -> run."""
        ...


FIGURES = Kind("figure", Figure, "figures", "alpt_ref.figures")


def load_figures(
    folder: str | Path | None = None, *, add: str | Path | None = None, only: Sequence[str] = ()
) -> list[Figure]:
    """The package's own figures and installed ones (entry points ``alpt_ref.figures``), or those of `folder` alone.

    The files of the folder `add` come too; `only` names those to keep. Loading a file runs it.
    """
    return [plugin.value for plugin in load_plugins(FIGURES, folder, add=add, only=only).values()]


@former_keywords(say="log")
def draw_figures(
    figures: Sequence[Figure],
    results: Mapping[str, ClaimResult],
    output: Path,
    log: Callable[[str], None] = lambda text: None,
    runs: StoredRuns | None = None,
) -> list[str]:
    """Write ``<id>.png``, ``<id>.svg``, ``<id>.csv`` for every figure and ``INDEX.md``; returns the ids drawn.

    A figure whose claims or runs have no stored results, or whose code fails, is left as it was and named in the index
    and through `log`.
    """
    lines, drawn = [], []
    for figure in figures:
        reason = _draw(figure, results, output, runs)
        if reason:
            log(f"figure {figure.id} was not drawn: {reason}")
            lines.append(f"- **{figure.id}** · {figure.title}. Not drawn: {reason}.")
            continue
        drawn.append(figure.id)
        used = "; ".join(_origin(results[name]) for name in figure.claims) or "the runs of `alpt-ref reproduce`"
        links = ", ".join(f"[{suffix}]({figure.id}.{suffix})" for suffix in ("png", "svg", "csv"))
        lines += [f"- **{figure.id}** · {figure.title} ({links}). From {used}.", "", f"  ![]({figure.id}.png)", ""]
    head = ["# Figures", "", "Written by `alpt-ref figures` from the results that `alpt-ref verify` stored.", ""]
    write_text(output / "INDEX.md", "\n".join([*head, *lines]).rstrip() + "\n")
    return drawn


def _origin(result: ClaimResult) -> str:
    return f"{result.id} ({result.outcome}, budget {result.budget}, seed {result.seed}, code {result.code[:12]})"


def _draw(figure: Figure, results: Mapping[str, ClaimResult], output: Path, runs: StoredRuns | None) -> str:
    """Draw one figure; returns "" or why it could not be drawn."""
    absent = [name for name in figure.claims if name not in results]
    if absent:
        options = " ".join(f"--claim {name}" for name in absent)
        return f"no stored results of {', '.join(absent)}, run 'alpt-ref verify {options}'"
    if not figure.claims and (runs is None or figure.id not in runs):
        return "no stored runs, run 'alpt-ref reproduce'"
    with capture_error() as caught, paper_style():
        of_claims = {name: results[name] for name in figure.claims}
        stored = of_claims if figure.claims or runs is None else runs.plan(figure.id)
        drawing, rows = figure.draw(stored)
        stream = io.BytesIO()
        drawing.savefig(stream, format="png", dpi=DPI)
        files = {"png": stream.getvalue(), "svg": svg_bytes(drawing), "csv": _csv(rows).encode()}
    if caught.message:
        return caught.message
    for suffix, content in files.items():
        with atomic(output / f"{figure.id}.{suffix}") as target:
            target.write(content)
    return ""


def _csv(rows: Rows) -> str:
    if not rows:
        raise InputError("draw must return the rows behind the figure, got none")
    names = list(rows[0])
    if any(set(row) - set(names) for row in rows):
        raise ValueError(f"every row behind the figure must have the columns of the first, {', '.join(names)}")
    return csv_lines([names, *([row.get(name, "") for name in names] for row in rows)])
