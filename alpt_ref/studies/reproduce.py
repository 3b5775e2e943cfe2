"""A study: every table and figure of the paper from one command, at the size of the data that are there.

A table is one file (`Table`), a figure too; both name the runs they need as changes of `Study.base`. `train_missing`
trains what nobody has trained yet, one file per run; `draw` fills and draws everything from these files. A study that
was stopped at any moment resumes and ends in the same tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alpt_ref._util.dispatch import Where
from alpt_ref._util.files import claim_folder, writable_folder, write_json
from alpt_ref._util.former_names import former_keywords
from alpt_ref._util.progress import Progress
from alpt_ref.errors import InputError
from alpt_ref.studies.benchmark import Benchmark, check_benchmark
from alpt_ref.studies.columns import Value
from alpt_ref.studies.row import Row
from alpt_ref.studies.stored import Runs, Stored, StoredRun, stored_runs
from alpt_ref.studies.study import PRESETS, Study, preset, with_seeds
from alpt_ref.studies.table import FilledTable, Table, load_tables

if TYPE_CHECKING:
    from alpt_ref.verification.figures import Figure

__all__ = [
    "PRESETS",
    "Benchmark",
    "FilledTable",
    "Row",
    "Runs",
    "Selection",
    "Stored",
    "StoredRun",
    "Study",
    "Table",
    "Value",
    "answering",
    "check_benchmark",
    "draw",
    "load_tables",
    "preset",
    "stored_runs",
    "train_missing",
    "with_seeds",
]

MARKER = "reproduce.json"
OWN = ("cells", "data", "runs.json", "tables", "figures", "verify", "report.html", "answers.json")
Log = Callable[[str], None]


@dataclass(frozen=True)
class Selection:
    """The tables and figures of a study; figures that are drawn from claims are not among them."""

    tables: tuple[Table, ...]
    figures: tuple[Figure, ...]

    @property
    def needs(self) -> tuple[Table | Figure, ...]:
        """Everything that needs runs."""
        return (*self.tables, *self.figures)


def choose(tables: Sequence[Table], figures: Sequence[Figure], only: Sequence[str] = ()) -> Selection:
    """The named tables and figures, all if none is named.

    Raises
    ------
    InputError
        A name is unknown, or two files share one.
    """
    ours = [one for one in figures if one.runs is not None]
    names = [*(one.id for one in tables), *(one.id for one in ours)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"a table and a figure share the id {twice[0]!r}; rename one of them")
    unknown = [name for name in only if name not in names]
    if unknown:
        raise InputError(f"--only must be among {', '.join(names)}, got {unknown[0]!r}")
    return Selection(
        tuple(one for one in tables if not only or one.id in only),
        tuple(one for one in ours if not only or one.id in only),
    )


def answering(tables: Sequence[Table]) -> tuple[str, ...]:
    """Ids of the tables that have answers, and of the figures that show these."""
    return tuple(name for one in tables if one.answers is not None for name in (one.id, one.picture) if name)


def open_folder(path: str | Path) -> Path:
    """Take the output folder; runs of any number of studies may share it, each is found by what it is."""
    folder = claim_folder(path, MARKER, lambda marker: None, OWN)
    write_json(folder / MARKER, {"command": "alpt-ref reproduce"})
    return folder


@former_keywords(say="log")
def train_missing(
    study: Study,
    chosen: Selection,
    folder: Path,
    *,
    jobs: int,
    scheduler: str | None = None,
    join: bool = False,
    progress: bool = False,
    log: Log = lambda text: None,
) -> Mapping[str, str]:
    """Train what the tables and figures need and nobody has trained yet; returns failures (diverged runs) by name.

    Parameters
    ----------
    study, chosen : what to run
    folder : as `open_folder` gave it
    jobs : processes on this machine
    scheduler : address of a Dask scheduler whose workers train in their place
    join : share the runs with other clients that work on this folder with ``join``
    progress : show it
    log : takes remarks

    Raises
    ------
    InputError
        Data, a plan or the cluster cannot be used.
    TrainingError
        A worker died; finished runs are kept.
    """
    from alpt_ref.studies.training_plan import prepare, run

    plan = prepare(study, chosen.needs, folder, Progress(enabled=progress))
    log(f"{len(chosen.needs)} tables and figures need {len(plan.tasks)} runs")
    comparable = check_benchmark(study.name, next(iter(plan.index.data.values())))[1]
    if comparable:
        log(comparable)
    return run(plan, Where(jobs, scheduler, join), progress=Progress(enabled=progress), log=log)


@former_keywords(say="log")
def draw(folder: Path, chosen: Selection, log: Log = lambda text: None) -> list[FilledTable]:
    """Fill every table and draw every figure from the stored runs; nothing is trained.

    Writes ``tables/`` and ``figures/``. What the study was not asked for is left as it was and named through `log`.

    Raises
    ------
    InputError
        The folder holds no runs, or a table names a run that its plan lacks.
    """
    from alpt_ref.studies.render import write_table
    from alpt_ref.studies.table import fill_table
    from alpt_ref.verification.figures import draw_figures

    stored = Stored(folder)
    for table in chosen.tables:
        if table.id not in stored:
            log(f"table {table.id} was not written: no stored runs")
    ours = [table for table in chosen.tables if table.id in stored]
    made = [part for table in ours for part in fill_table(table, stored.plan(table.id))]
    tables = writable_folder(folder / "tables")
    for part in made:
        write_table(part, tables)
    if chosen.figures:
        draw_figures(chosen.figures, {}, writable_folder(folder / "figures"), log, stored)
    return made
