"""Settings that are varied within a comparison: a further dimension of its grid."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from alpt_ref.cli.compare import vary_of
from alpt_ref.data import ClickDataset
from alpt_ref.errors import InputError
from alpt_ref.studies.comparison import compare, plan_grid
from alpt_ref.studies.comparison_text import as_text
from alpt_ref.training.config import RunConfig


def test_a_varied_setting_is_a_further_dimension_of_the_grid() -> None:
    vary = {"table.init_step": ["lsq", 0.01], "table.step_lr": [0.0, 1e-4]}
    grid = plan_grid(RunConfig(), ["lpt-sr", "alpt-sr"], [4], [0], vary)
    assert [entry.name for entry in grid] == [  # a name holds what its method has a use for
        "fp32",
        *(f"lpt-sr 4-bit init_step={step}" for step in ("lsq", "0.01")),
        *(f"alpt-sr 4-bit init_step={step} step_lr={lr}" for step in ("lsq", "0.01") for lr in ("0.0", "0.0001")),
    ]
    assert (grid[-1].config.table.init_step, grid[-1].config.table.step_lr) == (0.01, 1e-4)
    assert {entry.reference for entry in grid} == {"fp32"}
    grid = plan_grid(RunConfig(), ["lpt-sr"], [4], [0], {"train.epochs": [2, 3], "table.lr": [1e-3]})
    assert [(entry.name, entry.reference) for entry in grid] == [
        (f"{label} epochs={epochs} table.lr=0.001", f"fp32 epochs={epochs} table.lr=0.001")
        for label in ("fp32", "lpt-sr 4-bit")
        for epochs in (2, 3)
    ]


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ({"step_lr": [1.0]}, "--vary must look like section.key=value,value, got 'step_lr'"),
        ({"table.steplr": [1.0]}, r"unknown setting 'table.steplr' in --vary; did you mean 'step_lr'"),
        ({"table.step_lr": [-1.0]}, "table.step_lr must be a finite number of at least 0"),
        ({"table.bits": [4]}, "--vary cannot change table.bits, which is a dimension of the grid already: --bits"),
        ({"data.rows": [100]}, "--vary cannot change data.rows: all runs of a comparison see the same data"),
        ({"table.step_lr": []}, "--vary table.step_lr must have at least one value"),
        ({"table.step_lr": "12"}, "--vary table.step_lr must have at least one value"),
        ({"table.step_lr": [1.0, 1.0]}, "--vary table.step_lr must have different values, got 1.0, 1.0"),
        ({"table.hash_ratio": [2, 4]}, "--vary table.hash_ratio would change nothing: no method of this comparison"),
        ({"train.threads": [1, 2]}, "--vary train.threads would change nothing"),
    ],
)
def test_what_cannot_be_varied_is_refused(vary: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_grid(RunConfig(), ["lpt-sr", "alpt-sr"], [8], [0], vary)


def test_the_command_line_takes_values_apart() -> None:
    assert vary_of("table.step_lr=2e-6,2e-5") == ("table.step_lr", [2e-6, 2e-5])
    assert vary_of("table.init_step=lsq,0.01") == ("table.init_step", ["lsq", 0.01])
    assert vary_of("model.hidden=[64,32],[8]") == ("model.hidden", [[64, 32], [8]])
    assert vary_of("train.patience=none,2") == ("train.patience", [None, 2])
    for text in ("table.step_lr", "table.step_lr=", "=1", "lr=1"):
        with pytest.raises(InputError, match="--vary must look like"):
            vary_of(text)


def test_each_row_is_compared_with_fp32_under_the_same_values(
    config: RunConfig, dataset: ClickDataset, tmp_path: Path, count: list[str]
) -> None:
    grid: dict[str, Any] = {"methods": ["lpt-sr"], "bits": (8,), "seeds": (0, 1), "jobs": 1}
    found = compare(config, dataset, tmp_path / "both", vary={"train.batch_size": [200, 400]}, **grid)
    assert len(count) == 8
    for size in (200, 400):
        alone = compare(config.replace("train", batch_size=size), dataset, tmp_path / str(size), **grid)
        ours = [row for row in found.rows if row.varied == {"train.batch_size": size}]
        assert [row.metric for row in ours] == [row.metric for row in alone.rows]
        assert [row.difference for row in ours] == [row.difference for row in alone.rows]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "both" / "results.csv").read_text())))
    assert [row["train.batch_size"] for row in rows] == ["200", "400", "200", "400"]
    assert as_text(found).splitlines()[0].split()[:3] == ["method", "bits", "batch_size"]
    count.clear()
    compare(config, dataset, tmp_path / "both", vary={"train.batch_size": [400, 800]}, **grid)
    assert len(count) == 4  # those of 400 are kept


def test_the_former_argument_is_taken_with_a_warning(config: RunConfig, dataset: ClickDataset, tmp_path: Path) -> None:
    said: list[str] = []
    grid: dict[str, Any] = {"methods": [], "seeds": (0,), "jobs": 1, "say": said.append}
    with pytest.warns(DeprecationWarning, match="compare: say is now log"):
        compare(config, dataset, tmp_path, **grid)
    assert said == ["0 runs finished before, 1 to go, 1 at a time", "0 cells reused, 1 measured"]
