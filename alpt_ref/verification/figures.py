"""Figures of the paper kind, redrawn from stored results: one file a figure, found by folder, never a new run.

A file of the folder exposes ``FIGURE = Figure(id, title, claims, draw)``; ``draw(results)`` gets the verdicts of the
claims it names, with cells, limits, bounds and measured arrays, and returns a matplotlib figure and the table behind
it. A figure about trained models gives ``runs`` in place of claims: which runs of a study it needs; ``draw`` then gets
these runs as `alpt-ref reproduce` stored them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from alpt_ref._util.files import atomic, write_text
from alpt_ref._util.former_names import former_keywords
from alpt_ref._util.pages import fit, page_style, takes_both_columns
from alpt_ref._util.plotting import DPI as DPI
from alpt_ref._util.plotting import FORMATS, picture_bytes, settle
from alpt_ref._util.plugin import Kind, capture_error, load_plugins
from alpt_ref._util.text import csv_lines
from alpt_ref.errors import InputError
from alpt_ref.verification.figure_index import figure_environment, index_page
from alpt_ref.verification.picture import new_figure, paper_style
from alpt_ref.verification.results import ClaimResult

__all__ = ["Figure", "draw_figures", "load_figures", "new_figure"]

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes
    ----------
    id : name of its files: lower case letters, digits, ``-`` and ``_``
    title : one line for the index, best the question that it answers
    claims : ids of the claims it is drawn from
    draw : ``draw(results)``, a mapping from each of these ids to its `ClaimResult`, or from each run's name to its runs
        by seed, -> (matplotlib figure, rows); make the figure with `new_figure`; the rows are dicts with the same keys,
        the numbers that are drawn
    runs : ``runs(study)`` -> configurations by name, in place of claims
    seeds : how many of the study's seeds the runs need
    few : ``few(study)`` -> names of runs that have the few seeds where the others have all
    caption : one sentence that answers the title's question; of measured numbers ``caption(rows)``, so that it says
        what these rows show
    alt : what is to be seen, for those who cannot see it
    notes : the small print: what bars and bands are, what lies beside its place
    """

    id: str
    title: str
    claims: tuple[str, ...]
    draw: Callable[[Any], tuple[Any, Rows]]
    runs: Callable[[Any], Mapping[str, Any]] | None = None
    seeds: Literal["all", "few"] = "few"
    caption: str | Callable[[Rows], str] = ""
    alt: str = ""
    notes: str = ""
    few: Callable[[Any], Collection[str]] = lambda study: ()

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
    *,
    formats: Sequence[str] = ("png", "svg"),
    style: str | None = None,
) -> list[str]:
    """Write ``<id>.csv`` and a picture in each format for every figure, and an index; returns the ids drawn.

    A figure whose claims or runs have no stored results, or whose code fails, is left as it was, its entry in the index
    too, and named through `log`. Figures of the folder that are not among `figures` keep their entries.

    Parameters
    ----------
    figures : sequence of Figure
    results : mapping
        Verdicts by the claim's id.
    output : Path
        A folder; it gets ``INDEX.md`` and ``figures.json`` too, with title, caption, alt text, notes, origin and files
        of each figure, and ``<id>.tex``, an environment with picture and caption, where pdf or pgf is asked for.
    log : callable
        Gets a sentence on every figure that was not drawn.
    runs : StoredRuns, optional
        A study on disk, for figures about trained models.
    formats : sequence of str
        Of png, svg, pdf and pgf.
    style : str, optional
        Page style (`alpt_ref._util.pages.STYLES`); each figure is as it was laid out where there is none.

    Raises
    ------
    InputError
        An unknown format or style; or a file that would be replaced is of unknown origin.
    """
    check_formats(formats)
    if style is not None:
        page_style(style)
    known = _own_entries(output)
    for figure in figures:
        files = [output / f"{figure.id}.{suffix}" for suffix in ("csv", "tex", *FORMATS)]
        if figure.id not in known and (found := [file for file in files if file.exists()]):
            raise _of_unknown_origin(found[0])
    entries = {name: one for name, one in known.items() if _is_entry(one) and _files_are_there(one, output)}
    drawn = []
    for figure in figures:
        entry: dict[str, Any] = {"id": figure.id, "title": figure.title, "alt": figure.alt, "notes": figure.notes}
        reason, caption = _draw(figure, results, output, runs, formats, style)
        if reason:
            log(f"figure {figure.id} was not drawn: {reason}")
            entries.setdefault(figure.id, entry | {"caption": "", "not_drawn": reason})
            continue
        drawn.append(figure.id)
        used = "; ".join(_origin(results[name]) for name in figure.claims) or "the runs of `alpt-ref reproduce`"
        names = [f"{figure.id}.{suffix}" for suffix in (*formats, "csv")]
        drawing = {"caption": caption, "origin": used, "files": names, "claims": list(figure.claims)}
        entries[figure.id] = entry | drawing
    ordered = [entries[name] for name in sorted(entries)]
    write_text(output / "INDEX.md", index_page(ordered))
    write_text(output / "figures.json", json.dumps(ordered, indent=2, ensure_ascii=False) + "\n")
    return drawn


def _own_entries(output: Path) -> dict[str, dict[str, Any]]:
    """Entries of the folder's ``figures.json`` by id; InputError where it or the page is not of an earlier call."""
    index = output / "figures.json"
    try:
        entries = json.loads(index.read_text(encoding="utf-8"))
        own = {one["id"]: one for one in entries if all(isinstance(one[name], str) for name in ("id", "title", "alt"))}
        if not isinstance(entries, list) or len(own) < len(entries):
            raise _of_unknown_origin(index)
    except FileNotFoundError:
        if (output / "INDEX.md").exists():
            raise _of_unknown_origin(output / "INDEX.md") from None
        return {}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        raise _of_unknown_origin(index) from None
    return own


def _of_unknown_origin(file: Path) -> InputError:
    return InputError(
        f"output folder {file.parent} holds a {file.name} of unknown origin, which would be replaced; choose another "
        "with --output, or move it away"
    )


def _is_entry(one: Mapping[str, Any]) -> bool:
    """Whether it has all that the index shows: another tool's file may have the same name."""
    texts, lists = ("id", "title", "alt", "notes", "caption", "origin"), ("files", "claims")
    return all(isinstance(one.get(name), str) for name in texts) and all(
        isinstance(one.get(name), list) and all(isinstance(item, str) for item in one[name]) for name in lists
    )


def _files_are_there(one: Mapping[str, Any], output: Path) -> bool:
    return bool(one["files"]) and all((output / file).exists() for file in one["files"])


def check_formats(formats: Sequence[str]) -> None:
    """InputError for a kind of file that cannot be written."""
    unknown = [kind for kind in formats if kind not in FORMATS]
    if unknown or not formats:
        raise InputError(f"formats must be some of {', '.join(FORMATS)}, got {', '.join(unknown) or 'none'}")


def _origin(result: ClaimResult) -> str:
    return f"{result.id} ({result.outcome}, budget {result.budget}, seed {result.seed}, code {result.code[:12]})"


def _draw(
    figure: Figure,
    results: Mapping[str, ClaimResult],
    output: Path,
    runs: StoredRuns | None,
    formats: Sequence[str],
    style: str | None,
) -> tuple[str, str]:
    """Draw one figure; returns "" or why it could not be drawn, and its caption."""
    absent = [name for name in figure.claims if name not in results]
    if absent:
        options = " ".join(f"--claim {name}" for name in absent)
        return f"no stored results of {', '.join(absent)}, run 'alpt-ref verify {options}'", ""
    if not figure.claims and (runs is None or figure.id not in runs):
        return "no stored runs, run 'alpt-ref reproduce'", ""
    caption = ""
    with capture_error() as caught, paper_style(style):
        of_claims = {name: results[name] for name in figure.claims}
        stored = of_claims if figure.claims or runs is None else runs.plan(figure.id)
        drawing, rows = figure.draw(stored)
        fit(drawing, style)
        settle(drawing)
        caption = figure.caption(rows) if callable(figure.caption) else figure.caption
        files = {"csv": _csv(rows).encode()} | {kind: picture_bytes(drawing, kind) for kind in formats}
        if {"pdf", "pgf"} & set(formats):
            both = style is not None and takes_both_columns(drawing, style)
            files["tex"] = figure_environment(figure, caption, formats, both=both).encode()
    if caught.message:
        return caught.message, ""
    for suffix, content in files.items():
        with atomic(output / f"{figure.id}.{suffix}") as target:
            target.write(content)
    return "", caption


def _csv(rows: Rows) -> str:
    if not rows:
        raise InputError("draw must return the rows behind the figure, got none")
    names = list(rows[0])
    if any(set(row) - set(names) for row in rows):
        raise ValueError(f"every row behind the figure must have the columns of the first, {', '.join(names)}")
    return csv_lines([names, *([row.get(name, "") for name in names] for row in rows)])
