"""The experiments of the paper kind: every table and figure from one command, at the size of the data that are there.

A table is one file (`Table`), a figure too; both name the runs they need as changes of `Study.base`. `train_missing`
trains what nobody has trained yet, one file a run; `draw` lays everything out from these files. Stopped at any moment,
a study goes on where it was and ends in the same tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alpt_ref._util.files import claim_folder, writable_folder, write_json
from alpt_ref._util.progress import Progress
from alpt_ref.errors import InputError
from alpt_ref.studies.benchmark import Benchmark, check_benchmark
from alpt_ref.studies.columns import Value
from alpt_ref.studies.line import Line
from alpt_ref.studies.stored import Runs, Stored, StoredRun, stored_runs
from alpt_ref.studies.study import PRESETS, Study, preset, with_seeds
from alpt_ref.studies.table import LaidOut, Table, load_tables

if TYPE_CHECKING:
    from alpt_ref.verification.figures import Figure

__all__ = [
    "PRESETS",
    "Benchmark",
    "LaidOut",
    "Line",
    "Runs",
    "Stored",
    "StoredRun",
    "Study",
    "Table",
    "Value",
    "check_benchmark",
    "draw",
    "load_tables",
    "preset",
    "stored_runs",
    "train_missing",
    "with_seeds",
]

MARKER = "reproduce.json"
OWN = ("cells", "data", "runs.json", "tables", "figures", "verify", "report.html")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Chosen:
    """The tables and figures of a study; figures that are drawn from claims are not among them."""

    tables: tuple[Table, ...]
    figures: tuple[Figure, ...]

    @property
    def needs(self) -> tuple[Table | Figure, ...]:
        """Everything that needs runs."""
        return (*self.tables, *self.figures)


def choose(tables: Sequence[Table], figures: Sequence[Figure], only: Sequence[str] = ()) -> Chosen:
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
    return Chosen(
        tuple(one for one in tables if not only or one.id in only),
        tuple(one for one in ours if not only or one.id in only),
    )


def open_folder(path: str | Path) -> Path:
    """Take the output folder; runs of any number of studies may share it, each is found by what it is."""
    folder = claim_folder(path, MARKER, lambda marker: None, OWN)
    write_json(folder / MARKER, {"command": "alpt-ref reproduce"})
    return folder


def train_missing(
    study: Study,
    chosen: Chosen,
    folder: Path,
    *,
    jobs: int,
    scheduler: str | None = None,
    progress: bool = False,
    say: Say = lambda text: None,
) -> Mapping[str, str]:
    """Train what the tables and figures need and nobody has trained yet; returns failures (diverged runs) by name.

    Parameters
    ----------
    study, chosen : what to run
    folder : as `open_folder` gave it
    jobs : processes on this machine
    scheduler : address of a Dask scheduler whose workers train in their place
    progress : show it
    say : takes remarks

    Raises
    ------
    InputError
        Data, a plan or the cluster cannot be used.
    TrainingError
        A worker died; finished runs are kept.
    """
    from alpt_ref.studies.experiments import prepare, run

    work = prepare(study, chosen.needs, folder, Progress(enabled=progress), say)
    comparable = check_benchmark(study.name, next(iter(work.index.data.values())))[1]
    if comparable:
        say(comparable)
    return run(work, jobs=jobs, scheduler=scheduler, progress=Progress(enabled=progress), say=say)


def draw(folder: Path, chosen: Chosen, say: Say = lambda text: None) -> list[LaidOut]:
    """Lay out every table and draw every figure from the stored runs; nothing is trained.

    Writes ``tables/`` and ``figures/``. What the study was not asked for is left as it was and named through `say`.

    Raises
    ------
    InputError
        The folder holds no runs, or a table names a run that its plan lacks.
    """
    from alpt_ref.studies.render import write_table
    from alpt_ref.studies.table import lay_out
    from alpt_ref.verification.figures import draw_figures

    stored = Stored(folder)
    for table in chosen.tables:
        if table.id not in stored:
            say(f"table {table.id} was not written: no stored runs")
    ours = [table for table in chosen.tables if table.id in stored]
    made = [part for table in ours for part in lay_out(table, stored.plan(table.id))]
    tables = writable_folder(folder / "tables")
    for part in made:
        write_table(part, tables)
    if chosen.figures:
        draw_figures(chosen.figures, {}, writable_folder(folder / "figures"), say, stored)
    return made
