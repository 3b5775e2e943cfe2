"""Paired runs over random splits: seed s draws the split, the initial weights, the order of the rows and the rounding.

Every variant sees the same split, weights and order of a seed, so differences are taken seed by seed, and their
intervals cover both the scatter of training and the scatter of the test rows. (``alpt-ref compare`` keeps one split:
its intervals say nothing about other test rows.) Splits of the same rows overlap, so the plain t-interval speaks of
further splits of these rows; the wider one of Nadeau and Bengio (2003) is given for further rows of the same source.
Finished runs are kept and found again, as in ``alpt-ref compare``.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from alpt_ref.training.history import RunResult

from alpt_ref._util.files import writable_folder, write_json, write_text
from alpt_ref._util.statistics import t_interval
from alpt_ref.data import ClickDataset
from alpt_ref.studies.cell import Task, cell_key, load_cell, run_tasks
from alpt_ref.studies.folds import require_different_folds
from alpt_ref.studies.paired import METRICS, Difference, Runs, dataset_store, differences
from alpt_ref.training.config import DataConfig, RunConfig
from analysis.benchmarks.timing import machine

__all__ = ["Difference", "Runs", "differences", "means", "run_pairs", "write_about", "write_csv"]


def run_pairs(
    variants: Mapping[str, RunConfig],
    data: DataConfig,
    seeds: Sequence[int],
    folder: str | Path,
    *,
    jobs: int = 1,
    say: Callable[[str], None] = lambda text: None,
) -> Runs:
    """Run every variant with every seed, as far as not run before."""
    require_different_folds(data.folds, seeds)
    folder = Path(folder)
    cells = writable_folder(folder / "cells")
    writable_folder(folder / "data")
    tasks: dict[str, tuple[str, int, Task]] = {}
    for seed in seeds:
        store = dataset_store(data, seed, folder)
        fingerprint = ClickDataset.open(store).fingerprint
        for name, variant in variants.items():
            config = variant.replace("train", seed=seed, threads=1)
            task = Task(f"{name} seed {seed}", config, store, cells / f"{cell_key(config, fingerprint)}.json")
            tasks[task.name] = (name, seed, task)
    runs: dict[str, dict[int, RunResult]] = {name: {} for name in variants}
    todo = []
    for name, seed, task in tasks.values():
        stored = load_cell(task.file)
        if stored is None:
            todo.append(task)
        else:
            runs[name][seed] = stored
    say(f"{len(tasks)} runs, {len(tasks) - len(todo)} finished before")
    for done, (task_name, result, failure) in enumerate(run_tasks(todo, jobs=jobs), start=1):
        name, seed, _ = tasks[task_name]
        if result is not None:
            runs[name][seed] = result
        outcome = failure if result is None else f"test AUC {result.test_auc:.4f}"
        say(f"{done}/{len(todo)} {task_name}: {outcome}")
    return {name: dict(sorted(of_seed.items())) for name, of_seed in runs.items()}


def means(runs: Runs) -> list[dict[str, Any]]:
    """One line a variant: metrics with 95 % half-widths over seeds, and what its table went through."""
    lines = []
    for name, of_seed in runs.items():
        results = list(of_seed.values())
        line: dict[str, Any] = {"variant": name, "runs": len(results)}
        for metric in METRICS if results else ():
            interval = t_interval([getattr(one, f"test_{metric}") for one in results])
            line |= {f"test_{metric}": interval.mean, f"test_{metric}_half_width": interval.half_width}
        for share in ("stalled_share", "clipped_share"):
            line[share] = _mean(record.table.get(share) for one in results for record in one.history)
            line[f"{share}_last_epoch"] = _mean(one.history[-1].table.get(share) for one in results)
        line["step_floor_hits"] = _mean(
            sum(record.table["step_floor_hits"] for record in one.history)
            for one in results
            if "step_floor_hits" in one.history[-1].table
        )
        line["step_size_mean"] = _mean(one.history[-1].table.get("step_size_mean") for one in results)
        line["training_bytes"] = _mean(float(one.training_bytes) for one in results)
        line["serving_bytes"] = _mean(float(one.serving_bytes) for one in results)
        lines.append(line)
    return lines


def _mean(values: Iterable[float | None]) -> float | None:
    """Mean of what is there; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def write_csv(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Columns in the order of their first appearance; six significant digits; what is unknown is empty."""
    columns = list(dict.fromkeys(key for line in lines for key in line))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in line.items()})
    write_text(path, stream.getvalue())


def write_about(path: Path, module: str, base: RunConfig, seeds: Sequence[int]) -> None:
    """Command (folders outside the working directory shortened to their names), configuration, machine and date."""
    arguments = [Path(one).name if Path(one).is_absolute() else one for one in sys.argv[1:]]
    config = msgspec.to_builtins(base)
    config["data"]["path"] = Path(config["data"]["path"]).name
    about = {"command": " ".join(["python -m", module, *arguments]), "seeds": list(seeds), "machine": machine()}
    write_json(path, {**about, "config": json.loads(json.dumps(config))})
