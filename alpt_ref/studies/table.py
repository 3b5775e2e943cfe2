"""A table of the paper kind, as one file: which runs it needs, and how they are laid out. It never runs anything.

A file of the folder ``analysis/tables`` exposes ``TABLE = Table(...)``. Its numbers come from `columns` by name; means
carry 95 % t-intervals over seeds, differences are paired seed by seed with Holm's correction over the table, and the
best value of a group is marked only where it differs significantly from every other one of the group.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alpt_ref._util.plugin import Kind, guard, load_plugins
from alpt_ref.errors import InputError
from alpt_ref.studies.columns import COLUMNS, LEVEL, Filled, Value, best, fill
from alpt_ref.studies.folds import folds_in_words
from alpt_ref.studies.line import Line
from alpt_ref.studies.paired import overlap
from alpt_ref.studies.stored import Runs
from alpt_ref.studies.study import Study
from alpt_ref.training.config import RunConfig

Plan = Callable[[Study], Mapping[str, RunConfig]]


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes
    ----------
    id : name of its files: lower case letters, digits and ``_``
    title : one line
    heads : titles of the columns that hold the labels
    runs : ``runs(study)`` -> configuration of every run by name, made from ``study.base``
    lines : ``lines(study)`` -> `Line` objects, in order
    columns : names of `columns.COLUMNS`; those without a value in any line are left out
    times : names of columns that hold wall-clock times: they go to a table of their own, because two runs of the same
        study agree in everything else
    seeds : all seeds of the study, or few
    beside : ``beside(runs)`` -> lines with numbers from elsewhere, put at the end
    note : what a reader must know beside the legend
    conclude : ``conclude(runs)`` -> sentences computed from the runs
    """

    id: str
    title: str
    heads: tuple[str, ...]
    runs: Plan
    lines: Callable[[Study], Sequence[Line]]
    columns: tuple[str, ...] = ("auc", "logloss", "auc_difference", "logloss_difference")
    times: tuple[str, ...] = ()
    seeds: Literal["all", "few"] = "few"
    beside: Callable[[Runs], Sequence[Line]] = lambda runs: ()
    note: str = ""
    conclude: Callable[[Runs], Sequence[str]] = lambda runs: ()

    def __post_init__(self) -> None:
        """Refuse what could not be written or filled."""
        if not isinstance(self.id, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", self.id):
            raise InputError(f"id must be lower case letters, digits and '_', got {self.id!r}")
        unknown = [name for name in (*self.columns, *self.times) if name not in COLUMNS]
        if unknown:
            raise InputError(f"columns must be among {', '.join(COLUMNS)}, got {unknown[0]!r}")
        if self.seeds not in ("all", "few"):
            raise InputError(f"seeds must be 'all' or 'few', got {self.seeds!r}")


@dataclass(frozen=True)
class LaidOut:
    """A table with its numbers. `columns` are names; `values` has a row a line, a `Value` a column."""

    table: Table
    suffix: str
    lines: tuple[Line, ...]
    counts: tuple[int | None, ...]
    """Finished runs of each line; None for numbers from elsewhere."""
    columns: tuple[str, ...]
    values: tuple[tuple[Value, ...], ...]
    legend: tuple[str, ...]
    """How to read the numbers."""
    remarks: tuple[str, ...]
    """The table's own note, and the sentences computed from its runs."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was computed from its runs, without the table's own note."""
        return tuple(remark for remark in self.remarks if remark != self.table.note) if not self.suffix else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Everything below the table."""
        return (*self.legend, *self.remarks)

    @property
    def id(self) -> str:
        """Name of its files."""
        return f"{self.table.id}{self.suffix}"


TABLES = Kind("table", Table, "tables", "alpt_ref.study_tables")


def load_tables(folder: str | Path | None = None, *, add: str | Path | None = None) -> list[Table]:
    """The package's own tables and installed ones (entry points ``alpt_ref.study_tables``), or those of `folder` alone.

    The files of the folder `add` come too. Loading a file runs it.
    """
    return [plugin.value for plugin in load_plugins(TABLES, folder, add=add).values()]


def lay_out(table: Table, runs: Runs) -> list[LaidOut]:
    """The table filled with the stored runs, and its times as a second table where it has some."""
    with guard() as caught:
        lines = (*table.lines(runs.study), *table.beside(runs))
    if caught.message:
        raise InputError(f"table {table.id}: {caught.message}")
    for line in lines:
        for name in filter(None, (line.run, line.against)):
            if name not in runs:
                raise InputError(f"table {table.id}: line {' '.join(line.labels)!r} names the unknown run {name!r}")
    with guard() as caught:
        sentences = tuple(table.conclude(runs))
    if caught.message:
        raise InputError(f"table {table.id}: {caught.message}")
    remarks = (*((table.note,) if table.note else ()), *sentences)
    parts = [_part(table, "", lines, table.columns, runs, _legend(runs), remarks)]
    if table.times:
        note = "Wall-clock times as each run measured them; runs shared the machine with others of the study."
        timed = tuple(line for line in lines if line.run)
        parts.append(_part(table, "_times", timed, table.times, runs, (), (note,)))
    return parts


def _part(
    table: Table,
    suffix: str,
    lines: tuple[Line, ...],
    columns: tuple[str, ...],
    runs: Runs,
    legend: tuple[str, ...],
    remarks: tuple[str, ...],
) -> LaidOut:
    filled = {name: fill(name, lines, runs) for name in columns}
    kept = tuple(name for name in columns if any(value.number is not None for value in filled[name]))
    marked: dict[str, Filled] = {name: best(name, filled[name], lines, runs) for name in kept}
    counts = tuple(len(runs[line.run]) if line.run else None for line in lines)
    rows = tuple(tuple(marked[name][place] for name in kept) for place in range(len(lines)))
    return LaidOut(table, suffix, lines, counts, kept, rows, legend, remarks)


def _legend(runs: Runs) -> tuple[str, ...]:
    """How to read the numbers; what is missing."""
    names = sorted({one.name for one in runs.data.values()})
    count = len(runs.seeds)
    several = len({one.fingerprint for one in runs.data.values()}) > 1
    folds = runs.study.base.data.folds
    what = "each with a split (synthetic data: a draw) of its own" if several else "on one split of the data"
    if folds:
        what = folds_in_words(folds, runs.seeds)
    notes = [f"Data: {', '.join(names)}; study {runs.study.name}; {count} seed{'s' if count > 1 else ''}, {what}."]
    if count > 1:
        notes.append(
            f"± is the half width of a 95 % t-interval over seeds. Differences are paired by seed; * p < {LEVEL:g} "
            "after Holm's correction over the table. Bold: the best, where it differs from every other line of its "
            "group at that level (paired, Holm)."
        )
    else:
        notes.append("One seed allows no interval and no test.")
    if runs.share_rows:
        notes.append(
            "The intervals speak of splits of these rows, which share rows; for new rows of the same source multiply "
            f"half-widths by {overlap(count, folds):.1f} (Nadeau and Bengio, 2003)."
        )
    if runs.missing:
        notes.append(f"{runs.missing} runs are missing: they diverged, or were not finished.")
    return tuple(notes)
