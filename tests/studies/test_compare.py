"""A comparison: complete pairs, resumable, honest about runs that failed."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref._util.dispatch import Where
from alpt_ref.cli.compare import compare_command
from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.errors import InputError, TrainingError
from alpt_ref.studies import cell as cell_module
from alpt_ref.studies import report, training_plan
from alpt_ref.studies.comparison import Comparison, MethodSetting, compare, plan_grid
from alpt_ref.studies.comparison_text import as_text, conclusion
from alpt_ref.studies.grid import DEFAULT_METHODS, METHODS, base_hash, configure, make_settings
from alpt_ref.studies.stored import Stored
from alpt_ref.training.config import RunConfig
from alpt_ref.training.train import train

GRID: dict[str, Any] = {"methods": ("lpt-dr", "alpt-sr"), "bits": (8, 2), "seeds": (0, 1)}
RUNS = 2 * (1 + 2 * 2)


def without_times(comparison: Comparison) -> list[Any]:
    return [dataclasses.replace(row, samples_per_s=None) for row in comparison.rows]


def test_the_grid_pairs_every_setting_with_fp32() -> None:
    settings = make_settings(["alpt-sr", "lpt-dr", "alpt-sr"], [8, 4])
    assert [str(one) for one in settings] == ["fp32", "alpt-sr 8-bit", "alpt-sr 4-bit", "lpt-dr 8-bit", "lpt-dr 4-bit"]
    grid = plan_grid(RunConfig(), ["alpt-sr", "lpt-dr", "alpt-sr"], [8, 4], [3, 1, 3])
    assert [entry.name for entry in grid] == [str(one) for one in settings]
    assert {entry.reference for entry in grid} == {"fp32"}
    names = f"{', '.join(METHODS)} or module:Class"
    with pytest.raises(InputError, match=f"methods must be among {names}, got 'alpt'"):
        make_settings(["alpt"], [8])
    with pytest.raises(InputError, match=r"table\.bits must be 2, 4, 8 or 16, got 3"):
        plan_grid(RunConfig(), ["alpt-sr"], [3], [0])
    with pytest.raises(InputError, match="at least one seed"):
        plan_grid(RunConfig(), ["alpt-sr"], [8], [])


def test_methods_without_bits_have_one_setting() -> None:
    settings = make_settings(["hashing", "lsq", "pruning", "pact"], [8, 2])
    names = ["fp32", "hashing", "lsq 8-bit", "lsq 2-bit", "pruning", "pact 8-bit", "pact 2-bit"]
    assert [str(one) for one in settings] == names
    for setting in settings:
        table = configure(RunConfig(), setting).table
        assert (table.label, table.code_bits) == (setting.label, setting.bits)


def test_the_default_methods_are_those_of_the_command() -> None:
    (option,) = (one for one in compare_command.params if one.name == "methods")
    assert option.default == ",".join(DEFAULT_METHODS)
    assert all(label in str(option.to_info_dict()["help"]) for label in METHODS)


def test_weights_of_rows_reach_runs_and_metrics(config: RunConfig, dataset: ClickDataset, tmp_path: Path) -> None:
    weights = np.random.default_rng(0).exponential(size=dataset.rows).astype(np.float32)
    weighted = dataclasses.replace(dataset, weights=weights, files=None)
    found = compare(config, weighted, tmp_path, methods=["lpt-sr"], bits=[8], seeds=[0], jobs=1)
    assert found.weighted
    expected = train(configure(config, found.rows[0].setting), weighted)
    plain = train(configure(config, found.rows[0].setting), dataset)
    assert found.rows[0].metric["auc"].mean == expected.test_auc != plain.test_auc
    about = dict(report._study(Stored(tmp_path))["rows"])
    assert about["data"].startswith("synthetic: 2,000 weighted rows (")


def test_every_method_is_compared_at_its_own_bytes(config: RunConfig, dataset: ClickDataset, tmp_path: Path) -> None:
    config = config.replace("table", prune_epochs=0.5, prune_every=2)
    rows = compare(config, dataset, tmp_path / "out", methods=METHODS, bits=(8,), seeds=(0,), jobs=1).rows
    bytes_of = {row.setting.label: row.serving_bytes or 0 for row in rows}
    n = dataset.n
    packed = n * (4 + 4)  # four codes of 8 bits and a step size a row
    coded = [label for label in METHODS if "-" in label or label in ("pact", "lsq")]
    assert {bytes_of[label] for label in coded if "rowmax" not in label} == {packed}
    assert {bytes_of[label] for label in coded if "rowmax" in label} == {packed + 4 * n}  # and a bias a row
    sizes = [-(-c // 2) for c in dataset.field_sizes]
    assert bytes_of["hashing"] == 16 * sum(m + -(-c // m) for m, c in zip(sizes, dataset.field_sizes, strict=True))
    kept = (bytes_of["pruning"] - n - 4 * (n + 1)) / 4  # less mask and offsets
    assert 0.4 * 4 * n < kept < 0.6 * 4 * n
    assert all(not row.failures and 0.4 < row.metric["auc"].mean < 1 for row in rows)


def test_a_setting_of_any_method_changes_the_hash_of_the_base() -> None:
    base = RunConfig()
    for change in ({"sparsity": 0.9}, {"hash_ratio": 4}, {"clip_lr": 0.1}, {"prune_epochs": 2.0}):
        assert base_hash(base.replace("table", **change)) != base_hash(base)


def test_the_grid_does_not_change_the_hash_of_the_base_and_anything_else_does() -> None:
    base = RunConfig()
    for setting in make_settings(["lpt-dr", "alpt-sr"], [8, 2]):
        assert base_hash(configure(base, setting).replace("train", seed=9)) == base_hash(base)
    assert base_hash(base.replace("table", step_lr=1e-3)) != base_hash(base)
    assert base_hash(base.replace("train", epochs=3)) != base_hash(base)


def test_a_finished_comparison_runs_nothing_and_a_larger_grid_only_what_is_new(
    config: RunConfig, dataset: ClickDataset, tmp_path: Path, count: list[str]
) -> None:
    first = compare(config, dataset, tmp_path / "out", **GRID, jobs=1)
    assert len(count) == RUNS
    assert count[:5] == ["fp32 8 0", "lpt-dr 8 0", "lpt-dr 2 0", "alpt-sr 8 0", "alpt-sr 2 0"]
    files = {
        "cells",
        "comparison.json",
        "config.toml",
        "dataset",
        "figure.png",
        "figure.svg",
        "results.csv",
        "runs.json",
    }
    assert {path.name for path in (tmp_path / "out").iterdir()} == files | {"results.json"}
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("results.*")}
    again = compare(config.replace("train", threads=1), dataset, tmp_path / "out", **GRID, jobs=1)
    assert len(count) == RUNS
    assert again.rows == first.rows
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("results.*")} == before
    compare(config, dataset, tmp_path / "out", **{**GRID, "bits": (8, 4)}, jobs=1)
    assert count[RUNS:] == ["lpt-dr 4 0", "alpt-sr 4 0", "lpt-dr 4 1", "alpt-sr 4 1"]


def test_an_interrupted_comparison_goes_on_to_the_same_table(
    config: RunConfig, dataset: ClickDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: list[str]
) -> None:
    whole = compare(config, dataset, tmp_path / "whole", **GRID, jobs=1)
    count.clear()
    counting = cell_module.__dict__["train"]

    def stopping(*args: Any, **options: Any) -> Any:
        if len(count) == 3:
            raise KeyboardInterrupt
        return counting(*args, **options)

    monkeypatch.setattr(cell_module, "train", stopping)
    with pytest.raises(KeyboardInterrupt):
        compare(config, dataset, tmp_path / "parts", **GRID, jobs=1)
    assert len(list((tmp_path / "parts" / "cells").iterdir())) == 3
    assert not (tmp_path / "parts" / "results.csv").exists()
    monkeypatch.setattr(cell_module, "train", counting)
    assert without_times(compare(config, dataset, tmp_path / "parts", **GRID, jobs=1)) == without_times(whole)
    assert len(count) == RUNS


def test_spawned_processes_give_the_same_table(config: RunConfig, dataset: ClickDataset, tmp_path: Path) -> None:
    dataset.save(tmp_path / "store")
    here = compare(config, dataset, tmp_path / "here", **GRID, jobs=1, store=tmp_path / "store")
    spawned = compare(config, dataset, tmp_path / "spawned", **GRID, jobs=2, store=tmp_path / "store")
    assert without_times(spawned) == [dataclasses.replace(row, samples_per_s=None) for row in here.rows]
    assert not (tmp_path / "spawned" / "dataset").exists()  # the store given is mapped, not copied


def test_changed_sources_or_data_run_anew(
    config: RunConfig, dataset: ClickDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = cell_module.cell_key(config, dataset.fingerprint)
    assert cell_module.cell_key(config, dataset.fingerprint) == key
    assert cell_module.cell_key(config, "other data") != key
    assert cell_module.cell_key(config.replace("train", seed=1), dataset.fingerprint) != key
    monkeypatch.setattr(cell_module, "cell_code", lambda config: "other sources")
    assert cell_module.cell_key(config, dataset.fingerprint) != key


def test_a_diverged_run_is_reported_and_tried_again(
    config: RunConfig, dataset: ClickDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: list[str]
) -> None:
    counting = cell_module.__dict__["train"]

    def failing(run: RunConfig, *rest: Any, **options: Any) -> Any:
        if run.table.label == "lpt-dr" and run.table.bits == 2 and run.train.seed == 1:
            raise TrainingError("training diverged at step 7 (epoch 1)")
        return counting(run, *rest, **options)

    monkeypatch.setattr(cell_module, "train", failing)
    comparison = compare(config, dataset, tmp_path / "out", **GRID, jobs=1)
    row = next(row for row in comparison.rows if row.setting == MethodSetting("lpt-dr", 2))
    assert row.failures == ("lpt-dr 2-bit seed 1: training diverged at step 7 (epoch 1)",)
    assert (row.metric["auc"].n, row.metric["auc"].half_width, row.p_value["auc"]) == (1, None, None)
    text = as_text(comparison)
    assert "1/2" in text
    assert "failed: lpt-dr 2-bit seed 1: training diverged at step 7 (epoch 1)" in text
    assert len(count) == RUNS - 1
    monkeypatch.setattr(cell_module, "train", counting)
    healed = compare(config, dataset, tmp_path / "out", **GRID, jobs=1)
    assert count[RUNS - 1 :] == ["lpt-dr 2 1"]
    assert all(not one.failures for one in healed.rows)


def test_every_run_of_a_setting_may_fail(
    config: RunConfig, dataset: ClickDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(run: RunConfig, *rest: Any, **options: Any) -> Any:
        raise TrainingError("no")

    monkeypatch.setattr(cell_module, "train", failing)
    comparison = compare(config, dataset, tmp_path / "out", **GRID, jobs=1)
    assert as_text(comparison).count("0/2") == 5
    assert conclusion(comparison) == "No setting can be compared with FP32."
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "results.csv").read_text())))
    assert [row["test_auc"] for row in rows] == [""] * 5


def test_folders_of_other_comparisons_are_refused(config: RunConfig, dataset: ClickDataset, tmp_path: Path) -> None:
    grid: dict[str, Any] = {"methods": ("lpt-dr",), "bits": (8,), "seeds": (0,), "jobs": 1}
    compare(config, dataset, tmp_path / "out", **grid)
    with pytest.raises(InputError, match=r"out holds a run with another configuration; choose another with --output"):
        compare(config.replace("model", dim=2), dataset, tmp_path / "out", **grid)
    with pytest.raises(InputError, match="out holds a run with other data"):
        compare(config, synthetic_clicks(rows=2000, fields=3, features=60, seed=2), tmp_path / "out", **grid)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        compare(config, dataset, tmp_path / "file", **grid)
    with pytest.raises(InputError, match="jobs must be a whole number of at least 1, got 0"):
        compare(config, dataset, tmp_path / "new", **{**grid, "jobs": 0})
    with pytest.raises(InputError, match="methods must be among"):
        compare(config, dataset, tmp_path / "new", **{**grid, "methods": ("x",)})
    assert not (tmp_path / "new").exists()


def _die(task: object) -> None:
    os._exit(9)


def test_a_dead_worker_is_one_sentence(
    config: RunConfig, dataset: ClickDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_module, "run_cell", _die)
    with pytest.raises(TrainingError, match=r"a worker process died .*what was finished is kept in .*cells.*--jobs"):
        compare(config, dataset, tmp_path / "out", **GRID, jobs=2)


def test_each_job_gets_its_share_of_the_cores(
    config: RunConfig, dataset: ClickDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int | None, int]] = []

    def recording(tasks: Any, where: Where, **rest: Any) -> Any:
        seen.append((tasks[0].config.train.threads, where.jobs))
        return iter(())

    monkeypatch.setattr(training_plan, "run_tasks", recording)
    shares: list[tuple[int, int | None]] = [(8, 2), (8, None), (2, 4)]
    for number, (cores, jobs) in enumerate(shares):
        run: Callable[..., Any] = compare
        run(config.replace("train", threads=cores), dataset, tmp_path / str(number), seeds=(0,), jobs=jobs)
    assert seen == [(4, 2), (1, 8), (1, 4)]
