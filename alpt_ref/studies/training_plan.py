"""What the tables and figures of a study need and nobody has run yet: plans become cells, cells become files.

Plans share cells: a run that three tables name is trained once. Cells are independent, so they go to processes here or
to a cluster, in any order; what they leave depends on none of that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from alpt_ref._util.dispatch import Where
from alpt_ref._util.files import STALE_S, read_json, remove_parts, writable_folder
from alpt_ref._util.folders import remove_locks
from alpt_ref._util.plugin import capture_error
from alpt_ref._util.progress import Progress
from alpt_ref.data import ClickDataset
from alpt_ref.errors import InputError
from alpt_ref.studies.bits_of_runs import bits_in_words
from alpt_ref.studies.cell import VERSIONS, TrainingTask, cell_key, read_cell, run_tasks
from alpt_ref.studies.cell_code import library_versions
from alpt_ref.studies.folds import require_different_folds
from alpt_ref.studies.seed_data import dataset_store
from alpt_ref.studies.stored import INDEX, Data, Index, Planned, Stored, variant_hash, write_index
from alpt_ref.studies.study import Registered, Study
from alpt_ref.studies.warm_up import warm_up
from alpt_ref.training.config import RunConfig
from alpt_ref.training.train import require_usable

Log = Callable[[str], None]


class HasRuns(Protocol):
    """A table or a figure, as far as this module cares."""

    @property
    def id(self) -> str:
        """Its name."""
        ...

    @property
    def runs(self) -> Callable[[Study], Mapping[str, RunConfig]] | None:
        """Its plan."""
        ...

    @property
    def seeds(self) -> str:
        """``all`` or ``few``."""
        ...

    @property
    def few(self) -> Callable[[Study], Collection[str]]:
        """Which runs have the few seeds where the others have all."""
        ...


@dataclass(frozen=True)
class TrainingPlan:
    """The index of a study and the tasks of all its cells.

    `replaced` says in words which finished runs of the folder cannot be used, being of other code or libraries.
    """

    index: Index
    tasks: tuple[TrainingTask, ...]
    replaced: str = ""


def task_name(plan: str, run: str, seed: int) -> str:
    """``bits: alpt-sr 4-bit, seed 2``: a run as progress and failures name it."""
    return f"{plan}: {run}, seed {seed}"


def prepare(
    study: Study,
    needs: Sequence[HasRuns],
    folder: Path,
    progress: Progress,
    stores: Mapping[int, Path] | None = None,
) -> TrainingPlan:
    """Make the datasets, name every cell, and write the index; nothing is trained.

    `stores` : the dataset of every seed, where it is there already

    Raises
    ------
    InputError
        The data or a plan cannot be used.
    """
    study = _registered(study, folder)
    plans = {one.id: _plan(one, study) for one in needs}
    few = {one.id: tuple(one.few(study)) for one in needs}
    require_different_folds(study.base.data.folds, study.seeds)
    cells_folder = writable_folder(folder / "cells")
    _clean(folder)
    seeds = tuple(dict.fromkeys(seed for one in needs for seed in _seeds(one, study)))
    if stores is None:
        stores = _stores(study, seeds, folder, progress)
    described = {store: _describe(store) for store in dict.fromkeys(stores.values())}
    data = {seed: described[stores[seed]] for seed in seeds}
    configs: dict[str, RunConfig] = {}
    cells: dict[str, dict[int, str]] = {}
    tasks: dict[str, TrainingTask] = {}
    for seed in seeds:  # seed by seed, so that a study that was stopped has complete pairs
        for one in needs:
            for name, config in plans[one.id].items() if seed in _seeds(one, study) else ():
                if name in few[one.id] and seed not in study.few_seeds:
                    continue
                variant, own = variant_hash(config), config.replace("train", seed=seed)
                key = cell_key(own, data[seed].fingerprint)
                configs.setdefault(variant, config)
                cells.setdefault(variant, {})[seed] = key
                file = cells_folder / f"{key}.json"
                tasks.setdefault(key, TrainingTask(task_name(one.id, name, seed), own, stores[seed], file))
    planned = {
        one.id: Planned(
            {name: variant_hash(config) for name, config in plans[one.id].items()}, _seeds(one, study), few[one.id]
        )
        for one in needs
    }
    index = Index(study, data, planned, configs, cells)
    replaced = _replaced(folder, cells)
    write_index(folder, index)
    return TrainingPlan(index, tuple(tasks.values()), replaced)


def _registered(study: Study, folder: Path) -> Study:
    """The study with its registered seeds: its file's, else those with which the folder was first started."""
    if study.registered is not None:
        return study
    with suppress(InputError):  # no index yet, or a damaged one
        before = Stored(folder).index.study
        if before.name == study.name and before.registered is not None:
            return msgspec.structs.replace(study, registered=before.registered)
    return msgspec.structs.replace(study, registered=Registered(study.seeds, study.few))


def _replaced(folder: Path, cells: Mapping[str, Mapping[int, str]]) -> str:
    """One sentence on runs that the folder's index names and that this plan needs, under names of other code; or ""."""
    try:
        before = read_json(folder / INDEX) or {}
        former = [
            plain.get(VERSIONS, {})
            for variant, of_seed in before.get("cells", {}).items()
            for seed, name in of_seed.items()
            if cells.get(variant, {}).get(int(seed), name) != name
            and (plain := read_cell(folder / "cells" / f"{name}.json")) is not None
        ]
    except (InputError, AttributeError, TypeError, ValueError):  # damaged: nothing of it is used
        return ""
    if not former:
        return ""
    here = library_versions()
    same = all(one.get(name) == version for one in former for name, version in here.items())
    why = "by other code or on other data" if same else bits_in_words(former).partition(" ")[2].rstrip(".")
    runs = f"{len(former)} finished run{'s' if len(former) > 1 else ''} of this folder"
    return f"{runs} cannot be used beside those of this installation and are trained again: trained {why}"


def run(plan: TrainingPlan, where: Where, *, progress: Progress, log: Log) -> dict[str, str]:
    """Train every cell without a file; returns the failures by task name.

    Raises
    ------
    InputError
        The cluster cannot be used.
    TrainingError
        A worker process, or the connection to a cluster, died; finished runs are kept.
    """
    todo = [task for task in plan.tasks if not task.file.exists()]
    at_a_time = f"{min(where.jobs, max(len(todo), 1))} at a time"
    place = f"on the cluster at {where.scheduler}" if where.scheduler else at_a_time
    place += ", shared with other clients" if where.join else ""
    if plan.replaced:
        log(plan.replaced)
    log(f"{len(plan.tasks) - len(todo)} runs finished before, {len(todo)} to go, {place}")
    if where.jobs > 1 and not where.scheduler and not where.join:
        warm_up(todo, max(data.parts[0] for data in plan.index.data.values()), log)
    failures: dict[str, str] = {}
    effort = {task.name: _samples(task, plan.index) for task in todo}
    with progress:
        progress.begin(sum(effort.values()), "training", unit="samples")
        for done, outcome in enumerate(run_tasks(todo, where, log=log), start=1):
            if outcome.result is None:
                failures[outcome.name] = outcome.failure or "no reason given"
                log(f"{outcome.name}: {outcome.failure}")
            progress.advance(effort[outcome.name], f"{done} of {len(todo)} runs")
    log(f"{len(plan.tasks) - len(todo)} cells reused, {len(todo) - len(failures)} measured")
    return failures


def _samples(task: TrainingTask, index: Index) -> int:
    """Samples that a run passes through the model, both passes of a step counted: the time left is judged by them."""
    table, rows = task.config.table, index.data[task.config.train.seed].parts[0]
    return rows * task.config.train.epochs * (2 if table.method == "alpt" and table.two_pass else 1)


def _plan(one: HasRuns, study: Study) -> Mapping[str, RunConfig]:
    """What a table or figure asks for, on the study's data and with its threads."""
    with capture_error() as caught:
        runs = {} if one.runs is None else dict(one.runs(study))
    if caught.message:
        raise InputError(f"runs of {one.id}: {caught.message}")
    base = study.base
    return {
        name: msgspec.structs.replace(config, data=base.data).replace("train", threads=base.train.threads)
        for name, config in runs.items()
    }


def _seeds(one: HasRuns, study: Study) -> tuple[int, ...]:
    return study.seeds if one.seeds == "all" else study.few_seeds


def _stores(study: Study, seeds: Sequence[int], folder: Path, progress: Progress) -> dict[int, Path]:
    """The dataset of every seed on disk."""
    writable_folder(folder / "data")
    stores = {}
    with progress:
        progress.begin(len(seeds), "preparing data", unit="sets")
        for seed in seeds:
            stores[seed] = dataset_store(study.base.data, seed, folder).absolute()
            progress.advance(1)
    return stores


def _describe(store: Path) -> Data:
    dataset = ClickDataset.open(store)
    require_usable(dataset)
    counts = tuple(int((dataset.split == part).sum()) for part in range(3))
    bayes = {
        name: float(dataset.info[f"bayes_{name}"]) for name in ("auc", "logloss") if f"bayes_{name}" in dataset.info
    }
    parts, weighted = (counts[0], counts[1], counts[2]), dataset.weights is not None
    return Data(dataset.name, dataset.fingerprint, parts, dataset.fields, dataset.n, bayes, weighted)


def _clean(folder: Path) -> None:
    """Take away what a killed process was writing."""
    remove_parts(folder / "cells", folder / "data", older_s=STALE_S)
    remove_locks(folder, folder / "cells", folder / "data")
