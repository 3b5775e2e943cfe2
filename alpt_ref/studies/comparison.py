"""Compare methods × bits × seeds on one dataset: which method keeps how much accuracy at how many bytes.

Cells are independent runs in spawned processes. Each finished one is a file, so a comparison that was stopped goes on
where it was, and the same comparison started twice runs nothing the second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpt_ref._util.files import claim_folder, read_json, writable_folder, write_json, write_text
from alpt_ref._util.progress import Progress
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.errors import InputError
from alpt_ref.kernels import jit as _jit
from alpt_ref.studies.cell import Task, cell_key, load_cell, run_tasks
from alpt_ref.studies.grid import (
    BITS,
    DEFAULT_METHODS,
    METHODS,
    SEEDS,
    Cell,
    Setting,
    base_hash,
    make_cells,
    make_settings,
)
from alpt_ref.studies.paired import dataset_store
from alpt_ref.studies.summary import Row, summarise
from alpt_ref.training.config import RunConfig
from alpt_ref.training.config_io import dump_toml
from alpt_ref.training.results import RunResult
from alpt_ref.training.train import require_usable

__all__ = ["BITS", "METHODS", "SEEDS", "Comparison", "Row", "Setting", "compare"]

MARKER = "comparison.json"
FILES = ("config.toml", "results.csv", "results.json", "figure.png", "figure.svg", "cells", "data")


@dataclass(frozen=True)
class Comparison:
    """The rows of the table and what they are about."""

    rows: tuple[Row, ...]
    dataset: str
    fingerprint: str
    seeds: tuple[int, ...]
    bayes: dict[str, float]
    """Bayes-optimal ``auc`` and ``logloss`` of the test part where the data are synthetic, else empty."""
    folder: Path
    folds: int = 0
    """Of cross-validation, the dataset named being that of fold 0; 0: all seeds saw one split."""


def compare(
    config: RunConfig,
    dataset: ClickDataset,
    output: str | Path,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    bits: Sequence[int] = BITS,
    seeds: Sequence[int] = SEEDS,
    jobs: int | None = None,
    store: str | Path | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Run what is missing of the grid, summarise all of it, and write results.csv, results.json and the figure.

    Parameters
    ----------
    config : RunConfig
        What all cells share; method, rounding, bits and seed come from the grid.
    dataset : ClickDataset
        With ``config.data.folds``: that of fold 0; those of the other seeds are made from ``config.data``.
    output : folder
        One JSON file a cell, the dataset's store, and the results. A folder of another configuration or dataset is
        refused; more methods, bits or seeds of the same one are added.
    methods, bits, seeds : sequences
        The grid; fp32 is always part of it. `METHODS` names all methods; hashing and pruning have no bits.
    jobs : int, optional
        Processes, default one a core (``config.train.threads``, or all); each gets cores // jobs threads. With more
        than one, a script that calls this needs the usual ``if __name__ == "__main__":``.
    store : folder, optional
        Where `dataset` is stored already; otherwise it is written into `output`.
    progress, say : optional
        Show cells done; receive one line of text.

    Raises
    ------
    InputError
        Before anything is run or written.
    TrainingError
        A worker process died. A run that diverges is no error: it is counted as failed in its row.
    """
    cores = config.train.threads or _jit.num_threads()
    if jobs is None:  # runs that share one GPU only wait for each other
        jobs = 1 if config.train.device == "cuda" else cores
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise InputError(f"jobs must be a whole number of at least 1, got {jobs!r}")
    require_usable(dataset)
    folds = config.data.folds
    if folds and dataset.info.get("encoding", {}).get("folds") != folds:
        raise InputError(f"dataset must be a fold of data.folds={folds}; load it with these settings, or set folds=0")
    settings = make_settings(methods, bits)
    cells = make_cells(config.replace("train", threads=max(1, cores // jobs)), settings, seeds)
    folder = _claim(Path(output), config, dataset)
    shown = progress or Progress(enabled=False)
    if folds:
        stores = _folds(config, seeds, folder, shown)
    else:
        if store is None:
            store = folder / "dataset"
            dataset.save(store)
        stores = dict.fromkeys(seeds, (Path(store), dataset.fingerprint))
    tasks = _tasks(cells, stores, folder)
    results: dict[Setting, dict[int, RunResult]] = {setting: {} for setting in settings}
    failures: dict[Setting, list[str]] = {}
    todo = {}
    for cell, task in zip(cells, tasks, strict=True):
        stored = load_cell(task.file)
        if stored is None:
            todo[task.name] = (cell, task)
        else:
            results[cell.setting][cell.config.train.seed] = stored
    say(f"{len(cells)} runs, {len(cells) - len(todo)} finished before, {min(jobs, max(len(todo), 1))} at a time")
    with shown:
        shown.begin(len(todo), "comparing", unit="runs")
        for name, result, failure in run_tasks([task for _, task in todo.values()], jobs=jobs):
            setting, seed = todo[name][0].setting, todo[name][0].config.train.seed
            if result is None:
                failures.setdefault(setting, []).append(f"{name}: {failure}")
            else:
                results[setting][seed] = result
            shown.advance(1, name)
    ordered = {one: dict(sorted(runs.items())) for one, runs in results.items()}
    unique = tuple(dict.fromkeys(seeds))
    bayes = {
        name: float(dataset.info[f"bayes_{name}"]) for name in ("auc", "logloss") if f"bayes_{name}" in dataset.info
    }
    comparison = Comparison(
        summarise(ordered, failures, len(unique)), dataset.name, dataset.fingerprint, unique, bayes, folder, folds
    )
    _write(comparison, ordered)
    return comparison


def _claim(folder: Path, config: RunConfig, dataset: ClickDataset) -> Path:
    """Take the folder for this configuration and dataset, or raise `InputError`."""
    ours = {"config_hash": base_hash(config), "fingerprint": dataset.fingerprint, "dataset": dataset.name}

    def difference(marker: Path) -> str | None:
        stored: Any = read_json(marker)
        if not isinstance(stored, dict) or stored.get("fingerprint") != ours["fingerprint"]:
            return "other data"
        return None if stored.get("config_hash") == ours["config_hash"] else "another configuration"

    claim_folder(folder, MARKER, difference, FILES)
    writable_folder(folder / "cells")
    write_json(folder / MARKER, ours)
    write_text(folder / "config.toml", dump_toml(config))
    return folder


def _folds(config: RunConfig, seeds: Sequence[int], folder: Path, progress: Progress) -> dict[int, tuple[Path, str]]:
    """Store and fingerprint of the fold of every seed."""
    stores = {}
    writable_folder(folder / "data")
    with progress:
        progress.begin(len(seeds), "preparing folds", unit="sets")
        for seed in seeds:
            store = dataset_store(config.data, seed, folder)
            dataset = ClickDataset.open(store)
            require_usable(dataset)
            stores[seed] = store, dataset.fingerprint
            progress.advance(1)
    return stores


def _tasks(cells: Sequence[Cell], stores: Mapping[int, tuple[Path, str]], folder: Path) -> list[Task]:
    tasks = []
    for cell in cells:
        store, fingerprint = stores[cell.config.train.seed]
        name = cell_key(cell.config, fingerprint)
        tasks.append(Task(str(cell), cell.config, store, folder / "cells" / f"{name}.json"))
    return tasks


def _write(comparison: Comparison, results: dict[Setting, dict[int, RunResult]]) -> None:
    from alpt_ref.studies.comparison_figure import draw
    from alpt_ref.studies.comparison_text import as_csv, as_json

    write_text(comparison.folder / "results.csv", as_csv(comparison))
    write_json(comparison.folder / "results.json", as_json(comparison, results))
    draw(comparison, comparison.folder)
