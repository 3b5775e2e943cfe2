"""Compare methods × bits × varied settings × seeds on one dataset: how much accuracy is kept at how many bytes.

A comparison is a study of one table. Its runs are prepared, trained and stored as those of `alpt-ref reproduce`: each
finished one is a file, so a comparison that was stopped resumes, and one that is started twice trains nothing again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from alpt_ref._util.dispatch import Where
from alpt_ref._util.files import claim_folder, path_of, read_json, write_json, write_text
from alpt_ref._util.folders import alone_with
from alpt_ref._util.former_names import former_keywords
from alpt_ref._util.progress import Progress
from alpt_ref._util.progress import shown as progress_of
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.errors import InputError
from alpt_ref.kernels import jit as _jit
from alpt_ref.studies.comparison_rows import Comparison, ComparisonRow, further_metrics, make_rows
from alpt_ref.studies.folds import require_different_folds
from alpt_ref.studies.grid import (
    BITS,
    DEFAULT_METHODS,
    METHODS,
    SEEDS,
    GridEntry,
    MethodSetting,
    Vary,
    base_hash,
    make_grid,
    make_settings,
    short_key,
    value_text,
)
from alpt_ref.studies.row import Row as TableRow
from alpt_ref.studies.stored import Runs, Stored
from alpt_ref.studies.study import Study
from alpt_ref.studies.table import Table
from alpt_ref.studies.training_plan import prepare, run, task_name
from alpt_ref.training.config import RunConfig
from alpt_ref.training.config_io import dump_toml
from alpt_ref.training.train import require_usable

__all__ = ["BITS", "METHODS", "SEEDS", "Comparison", "ComparisonRow", "MethodSetting", "compare", "plan_grid"]

MARKER = "comparison.json"
TABLE = "comparison"
FILES = ("config.toml", "runs.json", "results.csv", "results.json", "figure.png", "figure.svg", "cells", "data")


def plan_grid(
    config: RunConfig, methods: Sequence[str], bits: Sequence[int], seeds: Sequence[int], vary: Vary | None = None
) -> tuple[GridEntry, ...]:
    """Every run of a comparison but for its seed; raises `InputError` for a grid that cannot be."""
    if not seeds:
        raise InputError("seeds must name at least one seed, got none")
    for seed in seeds:
        config.replace("train", seed=seed)  # its rule, before anything is written
    require_different_folds(config.data.folds, seeds)
    return make_grid(config, make_settings(methods, bits), vary)


@former_keywords(say="log")
def compare(
    config: RunConfig,
    dataset: ClickDataset,
    output: str | Path,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    bits: Sequence[int] = BITS,
    seeds: Sequence[int] = SEEDS,
    vary: Vary | None = None,
    metrics: Sequence[str] = (),
    jobs: int | None = None,
    scheduler: str | None = None,
    join: bool = False,
    store: str | Path | None = None,
    progress: Progress | None = None,
    log: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Run what is missing of the grid, summarise all of it, and write results.csv, results.json and the figure.

    Parameters
    ----------
    config : RunConfig
        What all runs share; method, rounding, bits, seed and varied settings come from the grid.
    dataset : ClickDataset
        With ``config.data.folds``: that of fold 0; those of the other seeds are made from ``config.data``.
    output : folder
        One JSON file per run, the dataset's store, and the results. A folder of another configuration or dataset is
        refused; more methods, bits, values or seeds of the same one are added.
    methods, bits, seeds : sequences
        The grid; fp32 is always part of it. `METHODS` names all methods; hashing and pruning have no bits.
    vary : mapping, optional
        Any settings of the model, the table or the training, with the values that each takes:
        ``{"table.step_lr": [2e-6, 2e-5]}``. Every combination is a further dimension of the grid; each row is compared
        with FP32 under the same combination.
    metrics : sequence of str, optional
        Further columns of table and CSV: ``"ne"``, ``"calibration"``, ``"ece"``, ``"gauc"`` (with ``train.group``).
        results.json has all of them always.
    jobs : int, optional
        Processes, default one per core (``config.train.threads``, or all); each gets cores // jobs threads. With more
        than one, a script that calls this needs the usual ``if __name__ == "__main__":``.
    scheduler : str, optional
        Address of a Dask scheduler whose workers train instead (extra ``dist``); they must see `output` under the same
        path.
    join : bool
        Share the runs with other clients that work on `output` with ``join``, here or on other machines.
    store : folder, optional
        Where `dataset` is stored already; otherwise it is written into `output`.
    progress, log : optional
        Show what is done; receive one line of text.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        Before anything is run or written.
    TrainingError
        A worker process died. A run that diverges is no error: it is counted as failed in its row.

    Examples
    --------
    >>> import tempfile
    >>> from alpt_ref.data import synthetic_clicks
    >>> from alpt_ref.training.config import RunConfig
    >>> config = RunConfig().replace("model", hidden=[4]).replace("train", epochs=1, milestones=(), batch_size=100)
    >>> data = synthetic_clicks(rows=500, fields=2, features=20, seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = compare(config, data, folder, methods=["lpt-sr"], bits=[8], seeds=[0], jobs=1)
    >>> [(row.name, row.serving_ratio) for row in found.rows]
    [('fp32', 1.0), ('lpt-sr 8-bit', 3.2)]
    """
    cores = config.train.threads or _jit.num_threads()
    if jobs is None:  # runs that share one GPU only wait for each other
        jobs = 1 if config.train.device == "cuda" else cores
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise InputError(f"jobs must be a whole number of at least 1, got {jobs!r}")
    require_usable(dataset)
    columns = further_metrics(metrics, config)
    folds = config.data.folds
    if folds and dataset.info.get("encoding", {}).get("folds") != folds:
        raise InputError(f"dataset must be a fold of data.folds={folds}; load it with these settings, or set folds=0")
    grid = plan_grid(config.replace("train", threads=max(1, cores // jobs)), methods, bits, seeds, vary)
    folder, shown = _claim(path_of(output, "output"), config, dataset), progress_of(progress)
    stores = None
    if not folds:
        if store is None:
            store = folder / "dataset"
            with alone_with(store):
                dataset.save(store)
        stores = dict.fromkeys(seeds, Path(store).absolute())
    unique = tuple(dict.fromkeys(seeds))
    study = Study(TABLE, config.replace("train", threads=max(1, cores // jobs)), unique, len(unique))
    table = _table(grid, tuple(vary or ()))
    plan = prepare(study, [table], folder, shown, stores)
    failures = run(plan, Where(jobs, scheduler, join), progress=shown, log=log)
    found = _sorted(Stored(folder).plan(TABLE))
    reasons = {
        entry.name: [
            f"{entry.name} seed {seed}: {failures[name]}"
            for seed in unique
            if (name := task_name(TABLE, entry.name, seed)) in failures
        ]
        for entry in grid
    }
    rows = make_rows(found, grid, table.rows(study), reasons)
    bayes = {
        name: float(dataset.info[f"bayes_{name}"]) for name in ("auc", "logloss") if f"bayes_{name}" in dataset.info
    }
    about = (dataset.name, dataset.fingerprint, unique, bayes, folder, folds, tuple(vary or ()), found.bits)
    comparison = Comparison(rows, *about, metrics=columns, weighted=dataset.weights is not None)
    _write(comparison, found)
    return comparison


def _table(grid: Sequence[GridEntry], varied: Sequence[str]) -> Table:
    """The comparison as a table of a study."""
    rows = [
        TableRow(
            (
                entry.setting.label,
                "32" if entry.setting.bits is None else str(entry.setting.bits),
                *(value_text(entry.varied[key]) if key in entry.varied else "" for key in varied),
            ),
            entry.name,
            entry.reference,
        )
        for entry in grid
    ]
    return Table(
        id=TABLE,
        title="Methods by bits",
        label_columns=("method", "bits", *map(short_key, varied)),
        runs=lambda study: {entry.name: entry.config for entry in grid},
        rows=lambda study: rows,
        columns=("auc", "logloss", "auc_difference", "logloss_difference", "training_bytes", "serving_bytes"),
        times=("samples_per_s",),
        seeds="all",
    )


def _sorted(runs: Runs) -> Runs:
    """The runs of each row by ascending seed, so that no mean depends on the order in which the seeds were given."""
    return Runs(runs.study, runs.seeds, runs.data, {name: dict(sorted(runs[name].items())) for name in runs})


def _claim(folder: Path, config: RunConfig, dataset: ClickDataset) -> Path:
    """Take the folder for this configuration and dataset, or raise `InputError`."""
    ours = {"config_hash": base_hash(config), "fingerprint": dataset.fingerprint, "dataset": dataset.name}

    def difference(marker: Path) -> str | None:
        stored: Any = read_json(marker)
        if not isinstance(stored, dict) or stored.get("fingerprint") != ours["fingerprint"]:
            return "other data"
        return None if stored.get("config_hash") == ours["config_hash"] else "another configuration"

    claim_folder(folder, MARKER, difference, FILES)
    write_json(folder / MARKER, ours)
    write_text(folder / "config.toml", dump_toml(config))
    return folder


def _write(comparison: Comparison, runs: Mapping[str, Mapping[int, Any]]) -> None:
    from alpt_ref.studies.comparison_figure import draw
    from alpt_ref.studies.comparison_text import as_csv, as_json

    results = [run.result for of_seed in runs.values() for run in of_seed.values()]
    write_text(comparison.folder / "results.csv", as_csv(comparison))
    write_json(comparison.folder / "results.json", as_json(comparison, results))
    draw(comparison, comparison.folder)
