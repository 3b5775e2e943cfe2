"""One cell of a comparison: its key, its run, its file.

A finished cell is one JSON file named by the hash of everything that its numbers depend on: configuration, dataset
fingerprint, the package's sources. A cell that failed leaves no file, so that the next start tries it again.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..config import RunConfig, config_hash
from ..data.dataset import ClickDataset
from ..errors import TrainingError
from ..history import RunResult
from ..output import read_json, write_json
from ..train import train
from .observe import frequencies, observe

_NOT_NUMBERS = (
    "cli/",
    "theory/",
    "verify/",
    "reproduce/",
    "compare/cluster.py",
    "compare/folds.py",
    "compare/paired.py",
    "compare/report.py",
    "compare/figure.py",
    "compare/summary.py",
    "compare/statistics.py",
)
"""Sources that show numbers but cannot change those of a cell."""


class Task(NamedTuple):
    """What a worker process gets: small, picklable; the dataset is memory-mapped from `store`.

    With `observed` the file also holds the arrays of `observe`, under the key ``observed``.
    """

    name: str
    config: RunConfig
    store: Path
    file: Path
    observed: bool = False


class Outcome(NamedTuple):
    """Either a result or, for a run that diverged, the reason."""

    name: str
    result: RunResult | None
    failure: str | None


@functools.cache
def code_hash() -> str:
    """SHA-256 over the package's Python sources, less those that only present results."""
    package = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for source in sorted(package.rglob("*.py")):
        name = source.relative_to(package).as_posix()
        if not name.startswith(_NOT_NUMBERS):
            digest.update(name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()


def cell_key(config: RunConfig, fingerprint: str) -> str:
    """Name of a cell's file: 32 hexadecimal digits."""
    return hashlib.sha256(f"{config_hash(config)} {fingerprint} {code_hash()}".encode()).hexdigest()[:32]


def load_cell(file: Path) -> RunResult | None:
    """A finished cell, or None."""
    stored = read_json(file)
    return None if stored is None else RunResult.from_dict(stored)


@functools.lru_cache(maxsize=1)
def _open(store: Path) -> ClickDataset:
    return ClickDataset.open(store)


@functools.lru_cache(maxsize=1)
def _frequencies(store: Path) -> NDArray[np.int64]:
    return frequencies(_open(store))


def measure_cell(task: Task) -> tuple[dict[str, Any] | None, str]:
    """Train one cell; the content of its file, or None and why the run diverged."""
    try:
        result = train(task.config, _open(task.store))
    except TrainingError as error:
        return None, str(error)
    plain = result.as_dict()
    return plain | ({"observed": observe(result, _frequencies(task.store))} if task.observed else {}), ""


def keep_cell(task: Task, plain: dict[str, Any] | None, failure: str) -> Outcome:
    """Write what `measure_cell` gave to the cell's file; divergence is an outcome and leaves none."""
    if plain is None:
        return Outcome(task.name, None, failure)
    write_json(task.file, plain)
    return Outcome(task.name, RunResult.from_dict(plain), None)


def run_cell(task: Task) -> Outcome:
    """Train one cell and write its file; anything unexpected but divergence is raised."""
    return keep_cell(task, *measure_cell(task))
