"""One cell of a comparison: its key, its run, its file.

A finished cell is one JSON file named by the hash of everything that its numbers depend on: configuration, dataset
fingerprint, the package's sources. A cell that failed leaves no file, so that the next start tries it again.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import NamedTuple

from ..config import RunConfig, config_hash
from ..data.dataset import ClickDataset
from ..errors import TrainingError
from ..history import RunResult
from ..output import read_json, write_json
from ..train import train

_NOT_NUMBERS = (
    "cli/",
    "theory/",
    "verify/",
    "compare/report.py",
    "compare/figure.py",
    "compare/summary.py",
    "compare/statistics.py",
)
"""Sources that show numbers but cannot change those of a cell."""


class Task(NamedTuple):
    """What a worker process gets: small, picklable; the dataset is memory-mapped from `store`."""

    name: str
    config: RunConfig
    store: Path
    file: Path


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


def run_cell(task: Task) -> Outcome:
    """Train one cell and write its file; divergence is an outcome, anything else unexpected is raised."""
    try:
        result = train(task.config, _open(task.store))
    except TrainingError as error:
        return Outcome(task.name, None, str(error))
    plain = result.as_dict()
    write_json(task.file, plain)
    return Outcome(task.name, RunResult.from_dict(plain), None)
