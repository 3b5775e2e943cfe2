"""A table of the paper kind, as one file: which runs it needs, and what it shows of them. It never runs anything.

A file of the folder ``analysis/tables`` exposes ``TABLE = Table(...)``. Its numbers come from `columns` by name; means
carry 95 % t-intervals over seeds, differences are paired seed by seed with Holm's correction over the table, and the
best value of a group is marked only where it differs significantly from every other one of the group.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from alpt_ref._util.former_names import former_fields
from alpt_ref._util.plugin import Kind, capture_error, load_plugins
from alpt_ref._util.statistics import LEVEL
from alpt_ref.errors import InputError
from alpt_ref.studies.answers import Answers
from alpt_ref.studies.columns import COLUMNS, Filled, Value, best, fill
from alpt_ref.studies.folds import folds_in_words
from alpt_ref.studies.row import Row
from alpt_ref.studies.stored import Runs
from alpt_ref.studies.study import Study
from alpt_ref.training.config import RunConfig

RunPlan = Callable[[Study], Mapping[str, RunConfig]]


@former_fields(heads="label_columns", lines="rows", beside="extra_rows")
@dataclass(frozen=True)
class Table:
    """One table.

    Attributes
    ----------
    id : name of its files: lower case letters, digits and ``_``
    title : one line
    label_columns : titles of the columns that hold the labels
    runs : ``runs(study)`` -> configuration of every run by name, made from ``study.base``
    rows : ``rows(study)`` -> `Row` objects, in order
    columns : names of `columns.COLUMNS`; those without a value in any row are left out
    times : names of columns that hold wall-clock times: they go to a table of their own, because two runs of the same
        study agree in everything else
    seeds : all seeds of the study, or few
    few : ``few(study)`` -> names of runs that have the few seeds where the others have all
    extra_rows : ``extra_rows(runs)`` -> rows with published numbers, put at the end
    note : what a reader must know beside the legend
    conclude : ``conclude(runs)`` -> sentences computed from the runs
    answers : ``answers(runs)`` -> `Answers`, which the command prints and which open the report; None for most tables
    picture : id of the figure that shows these answers
    """

    id: str
    title: str
    label_columns: tuple[str, ...]
    runs: RunPlan
    rows: Callable[[Study], Sequence[Row]]
    columns: tuple[str, ...] = ("auc", "logloss", "auc_difference", "logloss_difference")
    times: tuple[str, ...] = ()
    seeds: Literal["all", "few"] = "few"
    few: Callable[[Study], Collection[str]] = lambda study: ()
    extra_rows: Callable[[Runs], Sequence[Row]] = lambda runs: ()
    note: str = ""
    conclude: Callable[[Runs], Sequence[str]] = lambda runs: ()
    answers: Callable[[Runs], Answers] | None = None
    picture: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be written or filled."""
        if not isinstance(self.id, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", self.id):
            raise InputError(f"id must be lower case letters, digits and '_', got {self.id!r}")
        unknown = [name for name in (*self.columns, *self.times) if name not in COLUMNS]
        if unknown:
            raise InputError(f"columns must be among {', '.join(COLUMNS)}, got {unknown[0]!r}")
        if self.seeds not in ("all", "few"):
            raise InputError(f"seeds must be 'all' or 'few', got {self.seeds!r}")


@former_fields(lines="rows")
@dataclass(frozen=True)
class FilledTable:
    """A table with its numbers. `columns` are names; `values` has a tuple per row, in it a `Value` per column."""

    table: Table
    suffix: str
    rows: tuple[Row, ...]
    counts: tuple[int | None, ...]
    """Finished runs of each row; None for published numbers."""
    columns: tuple[str, ...]
    values: tuple[tuple[Value, ...], ...]
    legend: tuple[str, ...]
    """How to read the numbers."""
    remarks: tuple[str, ...]
    """The table's own note, and the sentences computed from its runs."""
    answers: Answers | None = None
    """What it answers, if it answers anything."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was computed from its runs, answers included, without the table's own note."""
        if self.suffix:
            return ()
        told = () if self.answers is None else self.answers.answers
        answers = tuple(f"{one.question} {one.sentence}" for one in told)
        return (*answers, *(remark for remark in self.remarks if remark != self.table.note))

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


def fill_table(table: Table, runs: Runs) -> list[FilledTable]:
    """The table filled with the stored runs, and its times as a second table where it has some."""
    with capture_error() as caught:
        rows = (*table.rows(runs.study), *table.extra_rows(runs))
    if caught.message:
        raise InputError(f"table {table.id}: {caught.message}")
    for row in rows:
        for name in filter(None, (row.run, row.reference)):
            if name not in runs:
                raise InputError(f"table {table.id}: row {' '.join(row.labels)!r} names the unknown run {name!r}")
    with capture_error() as caught:
        sentences = tuple(table.conclude(runs))
        answers = None if table.answers is None else table.answers(runs)
    if caught.message:
        raise InputError(f"table {table.id}: {caught.message}")
    remarks = (*((table.note,) if table.note else ()), *sentences)
    parts = [replace(_part(table, "", rows, table.columns, runs, legend_of(runs), remarks), answers=answers)]
    if table.times:
        note = "Wall-clock times as each run measured them; runs shared the machine with others of the study."
        timed = tuple(row for row in rows if row.run)
        parts.append(_part(table, "_times", timed, table.times, runs, (), (note,)))
    return parts


def _part(
    table: Table,
    suffix: str,
    rows: tuple[Row, ...],
    columns: tuple[str, ...],
    runs: Runs,
    legend: tuple[str, ...],
    remarks: tuple[str, ...],
) -> FilledTable:
    filled = {name: fill(name, rows, runs) for name in columns}
    kept = tuple(name for name in columns if any(value.number is not None for value in filled[name]))
    marked: dict[str, Filled] = {name: best(name, filled[name], rows, runs) for name in kept}
    counts = tuple(len(runs[row.run]) if row.run else None for row in rows)
    values = tuple(tuple(marked[name][place] for name in kept) for place in range(len(rows)))
    return FilledTable(table, suffix, rows, counts, kept, values, legend, remarks)


def legend_of(runs: Runs) -> tuple[str, ...]:
    """How to read the numbers; what is missing."""
    names = sorted({one.name for one in runs.data.values()})
    count = len(runs.seeds)
    several = len({one.fingerprint for one in runs.data.values()}) > 1
    folds = runs.study.base.data.folds
    what = "each with a split (synthetic data: a draw) of its own" if several else "on one split of the data"
    if folds:
        what = folds_in_words(folds, runs.seeds)
    notes = [f"Data: {', '.join(names)}; study {runs.study.name}; {count} seed{'s' if count > 1 else ''}, {what}."]
    if not runs.study.is_registered:
        notes.append("EXPLORATORY: the seeds are not those that were registered before the first run.")
    if count > 1:
        notes.append(
            f"± is the half width of a 95 % t-interval over seeds. Differences are paired by seed; * p < {LEVEL:g} "
            "after Holm's correction over the table. Bold: the best, where it differs from every other row of its "
            "group at that level (paired, Holm)."
        )
    else:
        notes.append("One seed allows no interval and no test.")
    if runs.share_rows:
        notes.append(
            "Intervals and tests are for new rows of the same source: the seeds' splits share rows, so standard errors "
            f"are multiplied by {runs.widen(count):.2f} (Nadeau and Bengio, 2003). The naive intervals, over splits of "
            "these rows alone, are narrower by that factor."
        )
    if runs.bits:
        notes.append(runs.bits)
    if runs.missing:
        notes.append(f"{runs.missing} runs are missing: they diverged, or were not finished.")
    return tuple(notes)
