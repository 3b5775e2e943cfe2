"""What cannot be resumed, or not to the same bits: one sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.errors import InputError
from alpt_ref.training.checkpoint import read_checkpoint, write_folder
from alpt_ref.training.engine import CpuEngine
from alpt_ref.training.train import train
from alpt_ref.training.versions import versions
from tests.training.stopped_runs import reproducible, stopped, tiny


@pytest.fixture(scope="module")
def dataset() -> ClickDataset:
    return synthetic_clicks(rows=2000, fields=4, features=150, seed=1)


def test_a_damaged_newest_checkpoint_is_said_and_the_one_before_serves(dataset: ClickDataset, tmp_path: Path) -> None:
    train(tiny(), dataset, output=tmp_path / "whole")
    output, said = tmp_path / "run", list[str]()
    stopped(tiny(), dataset, output, 8)
    damaged = output / "checkpoints" / "step-000000008"
    file = damaged / "state.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    train(tiny(), dataset, output=output, resume=True, log=said.append)
    assert len(said) == 2
    assert "step-000000008 is damaged (state.safetensors has" in said[0]
    assert said[0].endswith("; trying the one before")
    assert said[1].endswith("step-000000006: 1 epochs and 6 steps are done")
    assert reproducible(output) == reproducible(tmp_path / "whole")


def test_only_damaged_checkpoints(dataset: ClickDataset, tmp_path: Path) -> None:
    stopped(tiny(), dataset, tmp_path, 8)
    for path in (tmp_path / "checkpoints").iterdir():
        (path / "checkpoint.json").unlink()
    with pytest.raises(
        InputError, match=r"step-000000008 is damaged .*, and no other is whole; delete .* to train again"
    ):
        train(tiny(), dataset, output=tmp_path, resume=True)


@pytest.mark.parametrize(
    ("section", "change", "reason"),
    [
        ("table", {"bits": 4}, r"table\.bits is 8 there and 4 here"),
        ("table", {"rounding": "dr"}, r"table\.rounding is sr there and dr here"),
        ("model", {"lr": 0.5}, r"model\.lr is 0\.02 there and 0\.5 here"),
        ("train", {"seed": 1}, r"train\.seed is 0 there and 1 here"),
        ("train", {"epochs": 2}, r"train\.epochs is 3 there and 2 here"),
    ],
)
def test_another_configuration_is_refused_with_its_difference(
    section: str, change: dict[str, Any], reason: str, dataset: ClickDataset, tmp_path: Path
) -> None:
    stopped(tiny(), dataset, tmp_path, 5)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=rf"another configuration \(config\.toml differs: {reason}\); choose another"):
        train(tiny().replace(section, **change), dataset, output=tmp_path, resume=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_other_data_are_refused(dataset: ClickDataset, tmp_path: Path) -> None:
    stopped(tiny(), dataset, tmp_path, 5)
    other = synthetic_clicks(rows=2000, fields=4, features=150, seed=2)
    with pytest.raises(InputError, match="holds a run with the same configuration on other data"):
        train(tiny(), other, output=tmp_path, resume=True)


def test_a_store_that_was_edited_behind_its_manifest_is_refused(dataset: ClickDataset, tmp_path: Path) -> None:
    """Its manifest, and so its fingerprint, still say what the data were."""
    dataset.save(tmp_path / "store")
    stored = ClickDataset.open(tmp_path / "store")
    stopped(tiny(), stored, tmp_path / "run", 5)
    del stored
    path = tmp_path / "store" / "labels.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not the one that the checkpoint was trained on: its content has changed"):
        train(tiny(), ClickDataset.open(tmp_path / "store"), output=tmp_path / "run", resume=True)
    content[-1] ^= 1
    path.write_bytes(content)
    train(tiny(), ClickDataset.open(tmp_path / "store"), output=tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"versions": {"alpt_ref": "0.0.1"}}, "was written with alpt_ref 0.0.1, this is"),
        ({"versions": versions() | {"numpy": "1.0"}}, "was written with numpy 1.0, this is"),
        ({"versions": versions() | {"scipy": "1.0"}}, "was written with scipy 1.0, this is"),
        ({"versions": versions() | {"blas": "mkl 1"}}, "was written with matrix products by mkl 1, this is"),
        ({"device": "abacus"}, "was written on device 'abacus', got 'cpu'"),
        ({"batch": 6}, "its step, epoch and batch do not belong together"),
        ({"step": 5}, "its step, epoch and batch do not belong together"),
        ({"history": []}, "does not fit this run"),
        ({"history": [{"epoch": "one"}]}, "does not fit this run"),
        ({"loss_sum": "x"}, "does not fit this run"),
    ],
)
def test_a_checkpoint_that_would_not_go_on_to_the_same_bits_is_refused(
    change: dict[str, Any], reason: str, dataset: ClickDataset, tmp_path: Path
) -> None:
    path = stopped(tiny(), dataset, tmp_path, 8).kept
    assert path is not None
    content = read_checkpoint(path)
    write_folder(path.with_name("step-000000009"), dataclasses.replace(content, meta=content.meta | change))
    with pytest.raises(InputError, match=reason):
        train(tiny(), dataset, output=tmp_path, resume=True)


@pytest.mark.parametrize("name", ["table/packed", "model/output.weight", "optimizer/steps", "statistics/counts"])
@pytest.mark.parametrize("wrong", ["absent", "shape", "dtype", "byte order", "more"])
def test_a_state_that_does_not_fit_is_refused(name: str, wrong: str, dataset: ClickDataset) -> None:
    state = CpuEngine(tiny(), dataset).state()
    array = state.pop(name)
    if wrong == "shape":
        state[name] = np.concatenate([np.atleast_1d(array)] * 2)
    elif wrong == "dtype":
        state[name] = array.astype(np.float64)
    elif wrong == "byte order":
        state[name] = array.astype(array.dtype.newbyteorder(">"))
    elif wrong == "more":
        state |= {name: array, f"{name}.more": array}
    engine = CpuEngine(tiny(), dataset)
    with pytest.raises(InputError):
        engine.load_state(state)
