"""A finished study, read back from the output folder of `alpt-ref reproduce` and checked against this version."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alpt_ref import __version__
from alpt_ref._util.files import read_json
from alpt_ref.errors import InputError
from alpt_ref.studies.render import as_markdown
from alpt_ref.studies.reproduce import FilledTable, Stored, load_tables
from alpt_ref.studies.stored import Index
from alpt_ref.studies.table import fill_table
from alpt_ref.verification.code_hash import versions
from alpt_ref.verification.figures import Figure, load_figures
from alpt_ref.verification.results import CellResult, ClaimResult, Results

from .benchmarks.timing import machine
from .study_command import ROOT, command_of

PAUSE_S = 300
"""Seconds without a finished run that count as a pause."""


@dataclass(frozen=True)
class Found:
    """A finished study: what it is, its tables and figures, the verdicts on the claims."""

    folder: Path
    index: Index
    about: Mapping[str, Any]
    tables: tuple[FilledTable, ...]
    figures: tuple[Figure, ...]
    verdicts: tuple[ClaimResult, ...]

    @property
    def on_runs(self) -> tuple[ClaimResult, ...]:
        """Verdicts on claims about this study's runs."""
        return tuple(one for one in self.verdicts if any(digest_of(cell) for cell in one.cells))


def find(folder: Path) -> Found:
    """Read a study; raises `InputError` where it is unfinished, or older than this version's tables and claims."""
    stored = Stored(folder)
    known = [table for table in load_tables(ROOT / "analysis" / "tables") if table.id in stored]
    try:
        tables = tuple(part for table in known for part in fill_table(table, stored.plan(table.id)))
    except InputError as error:
        raise InputError(f"{error}; these are runs of another version: first give the same command again") from None
    for part in tables:
        file = folder / "tables" / f"{part.id}.md"
        if not file.exists() or file.read_text(encoding="utf-8") != as_markdown(part):
            raise InputError(f"{file} is not what this version draws from the runs; first give the same command again")
    figures = tuple(
        one for one in load_figures(ROOT / "analysis" / "figures") if one.runs is not None and one.id in stored
    )
    where = folder / "verify"
    verdicts = tuple(Results(where).values()) if (where / "claims").exists() else ()
    digests = {stored.digest(plan) for plan in stored.index.plans}
    for verdict in verdicts:
        for digest in filter(None, map(digest_of, verdict.cells)):
            if not set(digest.split("-")) <= digests:
                raise InputError(f"the verdict on {verdict.id} is about other runs; first give the same command again")
    return Found(folder, stored.index, _about(stored), tables, figures, verdicts)


def digest_of(cell: CellResult) -> str:
    """The runs that a cell is about; "" for a cell on none."""
    runs = cell.cell.get("runs", "")
    return runs if isinstance(runs, str) and runs != "none" else ""


def _about(stored: Stored) -> dict[str, Any]:
    """How the study was made. The machine is the one that collects; versions are those that judged the claims.

    ``wall_s``: seconds from the first finished run to the last, pauses of a stopped study left out. ``training_s``:
    seconds of all epochs, evaluation included, one run's after the other's.
    """
    index, here = stored.index, machine()
    names = {name for of_seed in index.cells.values() for name in of_seed.values()}
    finished = [file for name in names if (file := stored.folder / "cells" / f"{name}.json").exists()]
    if not finished:
        raise InputError(f"{stored.folder} holds no finished run")
    report: dict[str, Any] = read_json(stored.folder / "verify" / "report.json") or {}
    first = next(iter(index.data.values()))
    written = sorted(file.stat().st_mtime for file in finished)
    gaps = [later - earlier for earlier, later in itertools.pairwise(written)]
    timings = [epoch["timing"] for file in finished for epoch in json.loads(file.read_bytes())["history"]]
    return {
        "command": command_of(stored.folder),
        "study": index.study.name,
        "data": sorted({one.name for one in index.data.values()}),
        "rows": list(first.parts),
        "fields": first.fields,
        "features": first.features,
        "runs": len(finished),
        "missing": len(names) - len(finished),
        "seeds": len(index.study.seeds),
        "few": len(index.study.few_seeds),
        "date": datetime.fromtimestamp(max(written), UTC).date().isoformat(),
        "wall_s": round(sum(gap for gap in gaps if gap <= PAUSE_S)),
        "training_s": round(sum(one["seconds"] + one["evaluation_seconds"] for one in timings)),
        "versions": {"alpt-ref": __version__, **report.get("versions", versions())},
        "machine": {key: here[key] for key in ("processor", "cores")},
    }
