"""Files that release 0.1.0 wrote (`tests/written_by_0_1`): read as they are, under the names that they had then."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from alpt_ref import QuantSpec, quantize
from alpt_ref.serving import export, source
from alpt_ref.training.checkpoint import CHECKPOINTS, list_checkpoints, read_checkpoint
from alpt_ref.training.config import RunConfig, config_hash
from alpt_ref.training.config_io import load_toml
from alpt_ref.training.results import RunResult
from tests.serving.helpers import same_bits

FORMER = Path(__file__).parents[1] / "written_by_0_1"


def test_a_quantised_table() -> None:
    weights = np.load(FORMER / "w.npy")
    assert json.loads((FORMER / "quantised" / "export.json").read_text())["version"] == "0.1.0"
    table = source.load(FORMER / "quantised").table
    assert table.step_size is not None
    codes = quantize(weights, table.step_size, QuantSpec(4, "dr"))
    assert np.array_equal(table.codes(0, table.n), codes)
    assert same_bits(table.lookup(np.arange(5)), codes * table.step_size[:, None])


def test_an_export_with_step_sizes_of_fields() -> None:
    table = source.load(FORMER / "export-lsq").table
    assert table.granularity == "field"
    assert same_bits(table.lookup(np.arange(table.n)), np.load(FORMER / "run-lsq" / "lookup.npy"))


@pytest.mark.parametrize("method", ["alpt", "lsq"])
def test_a_finished_run(method: str, tmp_path: Path) -> None:
    run = FORMER / f"run-{method}"
    stored = read_checkpoint(run)
    assert config_hash(load_toml(run / "config.toml")) == config_hash(stored.config)
    result = RunResult.from_dict(json.loads((run / "result.json").read_text()))
    assert result.config_hash == config_hash(stored.config)
    assert result.tested_epoch == stored.meta["epoch"]
    facts = export(run, "safetensors", tmp_path / "out")
    assert facts["values"] == "step_size * code in float32 equals table.lookup bit for bit"
    again = source.load(tmp_path / "out").table
    assert same_bits(again.lookup(np.arange(again.n)), np.load(run / "lookup.npy"))


def test_a_checkpoint_of_a_run_on_the_way() -> None:
    newest = list_checkpoints(FORMER / "run-alpt" / CHECKPOINTS)[0]
    content = read_checkpoint(newest)
    assert isinstance(content.config, RunConfig)
    assert content.meta["step"] == 6
    assert source.load(newest).table.n == content.meta["n"]


def test_an_export_of_the_former_release_is_replaced(tmp_path: Path) -> None:
    shutil.copytree(FORMER / "export-lsq", tmp_path / "out")
    export(FORMER / "run-lsq", "safetensors", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "export.json").read_text())["format_version"] == 2
