"""Which control shows that a term or factor of a bound is needed, in which cell: ``python -m analysis.necessity``.

A theorem lists the terms of its formula and their factors in the section Terms of its docstring; a control names those
that it breaks (`Control.removes`). Each pair is a line of ``results/necessity.csv``: claim, term or factor, control,
the number of cells in which the broken bound must be refuted, and of these the one with the largest p-value.
"""

from __future__ import annotations

import csv
import importlib
import inspect
import io
import pkgutil
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

import alpt_ref.theory
from alpt_ref._util.files import write_text
from alpt_ref._util.text import csv_lines
from alpt_ref.theory.theorem import terms
from alpt_ref.verification.claim import Cell
from alpt_ref.verification.codec import canonical
from alpt_ref.verification.results import ClaimResult
from alpt_ref.verification.runner import Loaded, choose, load_claims, verify

CSV = Path(__file__).parent / "results" / "necessity.csv"
HEAD = ("claim", "term or factor", "control", "cells", "cell", "p")
_LATER = re.compile(r"[bce]?")
"""A theorem's further claims: a1 and a1b are both about A1."""


def theorems() -> dict[str, Callable[..., Any]]:
    """Every function of `alpt_ref.theory` whose docstring states a theorem or lists terms, by its own name."""
    found = {}
    for module in pkgutil.walk_packages(alpt_ref.theory.__path__, "alpt_ref.theory."):
        for name, value in vars(importlib.import_module(module.name)).items():
            text = inspect.getdoc(value) or "" if inspect.isfunction(value) else ""
            if "\nStatement\n---" in text or "\nTerms\n---" in text:
                found[name] = value
    return found


def labels(function: Callable[..., Any]) -> tuple[str, tuple[str, ...]]:
    """The id of the theorem's claim, and what the claim's controls have to remove.

    The first word of the docstring is the claim (S1); further words name a form of the bound (S1 small moves) and stand
    before each of its terms: ``small moves: Delta G1/2``.
    """
    first = (inspect.getdoc(function) or "").split(":")[0]
    claim, _, form = first.partition(" ")
    prefix = f"{form}: " if form else ""
    every = [text for term in terms(function) for text in (term.text, *term.factors)]
    return claim.lower(), tuple(prefix + text for text in dict.fromkeys(every))


def missing(claims: Iterable[Loaded]) -> list[str]:
    """Terms and factors that no control of their theorem's claims removes, ``s1: eta G^2/2``; a sentence each."""
    removed: dict[str, set[str]] = {}
    for loaded in claims:
        removed[loaded.claim.id] = {one for control in loaded.claim.controls for one in control.removes}
    lacking = []
    for name, function in theorems().items():
        claim, needed = labels(function)
        own = [key for key in removed if key.startswith(claim) and _LATER.fullmatch(key[len(claim) :])]
        have = set().union(*(removed[key] for key in own))
        lacking += [f"{claim}: no control removes {one!r} ({name})" for one in needed if one not in have]
    return lacking


def rows(loaded: Iterable[Loaded], results: Iterable[ClaimResult]) -> Iterator[tuple[str, str, str, int, str, str]]:
    """Lines of the table, in the order of the claims' controls."""
    for one, result in zip(loaded, results, strict=True):
        for control, judged in zip(one.claim.controls, result.controls, strict=True):
            p = [min((point.p_refute for point in cell.points), default=1.0) for cell in judged.cells]
            weakest = judged.cells[p.index(max(p))]
            for label in control.removes:
                yield result.id, label, control.name, len(p), canonical(weakest.cell), f"{max(p):.3g}"


def only_removing(loaded: Loaded) -> Loaded:
    """The claim with the controls that remove something, and the cells in which they must be refuted."""
    controls = tuple(control for control in loaded.claim.controls if control.removes)

    def grid(budget: str) -> list[Cell]:
        cells = loaded.claim.grid(budget)
        return [cell for cell in cells if any(one.where is None or one.where(cell) for one in controls)]

    return replace(loaded, claim=replace(loaded.claim, control=controls, grid=grid))


def table(budget: str = "quick", *, jobs: int | None = None, ids: tuple[str, ...] = ()) -> str:
    """The CSV: measures the claims whose controls remove something."""
    chosen = choose(load_claims(), ids)
    claims = [only_removing(one) for one in chosen if any(control.removes for control in one.claim.controls)]
    with tempfile.TemporaryDirectory() as folder:
        results = verify(claims, Path(folder), budget=budget, jobs=jobs)
    return csv_lines([HEAD, *rows(claims, results)])


@click.command(help=__doc__, context_settings={"max_content_width": 120})
@click.option("--output", default=CSV, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@click.option("--jobs", type=click.IntRange(1), help="Processes; one a core if left out.")
def main(output: Path, jobs: int | None) -> None:
    text = table(jobs=jobs)
    write_text(output, text)
    weak = [line for line in csv.DictReader(io.StringIO(text)) if float(line["p"]) > 0.001]
    lacking = [f"{line['claim']}: {line['control']} is not refuted in {line['cell']}" for line in weak]
    lacking += missing(load_claims().values())
    click.echo("\n".join([*lacking, f"{output}: {text.count(chr(10)) - 1} lines"]))
    sys.exit(1 if lacking else 0)


if __name__ == "__main__":
    main()
