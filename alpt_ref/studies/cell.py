"""One cell of a study: its key, its run, its file.

A finished cell is one JSON file named by the hash of everything that its numbers depend on: configuration, dataset
fingerprint, the code and libraries behind it (`alpt_ref.studies.cell_code`). It holds the versions that it was trained
with, and a checksum. A cell that failed leaves no file, so that the next start tries it again.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.dispatch import Cells, Where, run_cells
from alpt_ref._util.files import read_json, write_json
from alpt_ref._util.sealed import digest_of
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.errors import InputError, TrainingError
from alpt_ref.studies.cell_code import cell_code, code_of_package
from alpt_ref.studies.table_diagnostics import frequencies, table_diagnostics
from alpt_ref.training.config import RunConfig, config_hash
from alpt_ref.training.results import RunResult
from alpt_ref.training.train import train
from alpt_ref.training.versions import versions

VERSIONS, CHECKSUM = "versions", "sha256"
"""Keys of a cell's file beside the measurements and ``observed``."""


class TrainingTask(NamedTuple):
    """What a worker process gets: small, picklable; the dataset is memory-mapped from `store`.

    The file also holds the arrays of `table_diagnostics`, under the key ``observed``.
    """

    name: str
    config: RunConfig
    store: Path
    file: Path


class Outcome(NamedTuple):
    """Either a result or, for a run that diverged, the reason."""

    name: str
    result: RunResult | None
    failure: str | None


def cell_key(config: RunConfig, fingerprint: str) -> str:
    """Name of a cell's file: 32 hexadecimal digits."""
    return hashlib.sha256(f"{config_hash(config)} {fingerprint} {cell_code(config)}".encode()).hexdigest()[:32]


@functools.lru_cache(maxsize=1)
def _open(store: Path) -> ClickDataset:
    return ClickDataset.open(store)


@functools.lru_cache(maxsize=1)
def _frequencies(store: Path) -> NDArray[np.int64]:
    return frequencies(_open(store))


def measure_cell(task: TrainingTask) -> tuple[dict[str, Any] | None, str]:
    """Train one cell; the content of its file, or None and why the run diverged."""
    try:
        result = train(task.config, _open(task.store))
    except TrainingError as error:
        return None, str(error)
    observed = table_diagnostics(result, _frequencies(task.store))
    return {**result.as_dict(), "observed": observed, VERSIONS: versions()}, ""


def keep_cell(task: TrainingTask, plain: dict[str, Any] | None, failure: str) -> Outcome:
    """Write what `measure_cell` gave to the cell's file; divergence is an outcome and leaves none."""
    if plain is None:
        return Outcome(task.name, None, failure)
    write_json(task.file, {**plain, CHECKSUM: digest_of(json.loads(json.dumps(plain)))})
    return _result(task, plain)


def read_cell(file: Path) -> dict[str, Any] | None:
    """The content of a cell's file, None where there is none.

    Raises
    ------
    InputError
        It was altered; releases 0.1 and 0.2 wrote no checksum, and nothing is known of theirs.
    """
    plain: dict[str, Any] | None = read_json(file)
    if plain is not None and CHECKSUM in plain:
        checksum = plain.pop(CHECKSUM)
        if digest_of(plain) != checksum:
            raise InputError(f"{file} does not have its checksum; delete it, and the command trains that run again")
    return plain


def run_cell(task: TrainingTask) -> Outcome:
    """Train one cell and write its file; anything unexpected but divergence is raised."""
    return keep_cell(task, *measure_cell(task))


def run_tasks(
    tasks: Sequence[TrainingTask], where: Where, *, log: Callable[[str], None] = lambda text: None
) -> Iterator[Outcome]:
    """Run the cells and yield outcomes as they come; what they leave does not depend on where.

    Raises
    ------
    InputError
        The cluster cannot be used.
    TrainingError
        A worker process, or the connection to the cluster, died; finished cells are kept.
    """
    if not tasks:
        return
    folder = tasks[0].file.parent
    cells = Cells(run_cell, _file_of, _outcome, code_of_package, _seen_by_workers, folder)
    yield from run_cells(cells, tasks, where, log=log)


def _file_of(task: TrainingTask) -> Path:
    return task.file


def _outcome(task: TrainingTask) -> Outcome:
    """That of a cell which another client has trained."""
    plain = read_cell(task.file)
    return Outcome(task.name, None, "its file was taken away") if plain is None else _result(task, plain)


def _result(task: TrainingTask, plain: dict[str, Any]) -> Outcome:
    return Outcome(task.name, RunResult.from_dict(plain), None)


def _seen_by_workers(task: TrainingTask) -> tuple[Path, ...]:
    return (task.store / "manifest.json", task.file.parent)
