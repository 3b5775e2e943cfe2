"""A run's output folder: whole or not there, a finished run is not repeated, those of others are left alone."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from alpt_ref._util.progress import Progress
from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.errors import InputError
from alpt_ref.training import engine
from alpt_ref.training import train as train_module
from alpt_ref.training.checkpoint import read_checkpoint, write_folder
from alpt_ref.training.results import read_result
from alpt_ref.training.train import train
from alpt_ref.training.trainer import Trainer
from tests.training.runs import fingerprint_of, small


@pytest.fixture(scope="module")
def dataset() -> ClickDataset:
    return synthetic_clicks(rows=4000, fields=4, features=200, seed=1)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_output_folder_is_whole_and_a_finished_run_is_not_repeated(
    dataset: ClickDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small()
    result = train(config, dataset, output=tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted(train_module.FILES)
    lines = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert set(lines[0]["timing"]) == {"seconds", "evaluation_seconds", "samples_per_s"}
    monkeypatch.setattr(Trainer, "run", lambda *_: pytest.fail("trained again"))
    again = train(config.replace("train", threads=1), dataset, output=tmp_path / "run")
    assert again == result
    assert fingerprint_of(again) == fingerprint_of(result)


def test_a_folder_without_a_checkpoint_is_started_over(dataset: ClickDataset, tmp_path: Path) -> None:
    class Stopped(Progress):
        def advance(self, amount: int, note: str = "") -> None:
            if note.startswith("epoch 1"):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small(), dataset, output=tmp_path / "run", progress=Stopped(enabled=False))
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["config.toml"]
    assert fingerprint_of(train(small(), dataset, output=tmp_path / "run")) == fingerprint_of(train(small(), dataset))


def test_folders_of_others_are_refused_untouched(dataset: ClickDataset, tmp_path: Path) -> None:
    train(small(epochs=1), dataset, output=tmp_path / "run")
    before = contents(tmp_path / "run")
    with pytest.raises(InputError, match=r"another configuration .*train\.epochs is 1 there and 2 here\).*--output"):
        train(small(epochs=2), dataset, output=tmp_path / "run")
    other = synthetic_clicks(rows=4000, fields=4, features=200, seed=2)
    with pytest.raises(InputError, match="the same configuration on other data"):
        train(small(epochs=1), other, output=tmp_path / "run")
    assert contents(tmp_path / "run") == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "result.json").write_text("{}")
    with pytest.raises(InputError, match=r"holds a result\.json of unknown origin"):
        train(small(epochs=1), dataset, output=tmp_path / "mine")


def test_an_unwritable_folder_is_refused_before_any_work(
    dataset: ClickDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "build", lambda *_: pytest.fail("work was done"))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="file is a file; choose another with --output"):
        train(small(), dataset, output=tmp_path / "file")
    with pytest.raises(InputError, match="cannot be written"):
        train(small(), dataset, output=tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "mine"


def test_an_empty_part_is_refused(dataset: ClickDataset) -> None:
    split = np.where(dataset.split == 1, 0, dataset.split).astype(np.uint8)
    empty = ClickDataset(
        "odd", dataset.ids, dataset.labels, split, dataset.field_names, dataset.field_sizes, dict(dataset.info)
    )
    with pytest.raises(InputError, match="'odd' has no rows in its valid part"):
        train(small(), empty)


@pytest.mark.parametrize("part", [1, 2])
def test_a_part_with_one_label_is_refused_before_anything_is_written(part: int, tmp_path: Path) -> None:
    clicks = synthetic_clicks(rows=400, fields=3, features=30, seed=1)
    labels = np.where(clicks.split == part, 0, clicks.labels).astype(np.uint8)
    labels[:2] = clicks.labels[:2]
    labels[clicks.split == part] = 0
    wrong = dataclasses.replace(clicks, labels=labels)
    with pytest.raises(InputError, match=f"only the label 0 in its {('train', 'valid', 'test')[part]} part"):
        train(small(), wrong, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_setting_that_the_table_refuses_does_not_claim_the_folder(dataset: ClickDataset, tmp_path: Path) -> None:
    config = small(epochs=1)
    with pytest.raises(InputError, match="min_step must not exceed"):
        train(config.replace("table", min_step=1.0), dataset, output=tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []
    train(config, dataset, output=tmp_path / "run")


@pytest.mark.parametrize("damage", ["empty", "absent", "foreign", "list"])
def test_every_damage_of_a_stored_run_is_one_sentence(damage: str, dataset: ClickDataset, tmp_path: Path) -> None:
    config = small(epochs=1)
    train(config, dataset, output=tmp_path)
    if damage == "empty":
        (tmp_path / "state" / "state.safetensors").write_bytes(b"")
    elif damage == "absent":
        (tmp_path / "state" / "state.safetensors").unlink()
    elif damage == "foreign":  # a whole checkpoint, of another table
        content = read_checkpoint(tmp_path)
        content.arrays["table/packed"] = content.arrays["table/packed"][1:]
        write_folder(tmp_path / "state", content)
    else:
        (tmp_path / "result.json").write_text("[]")
    with pytest.raises(InputError, match="is damaged"):
        train(config, dataset, output=tmp_path)


@pytest.mark.parametrize("marker", ["manifest.json", "comparison.json", "verify.json"])
def test_a_folder_of_another_kind_is_refused(marker: str, dataset: ClickDataset, tmp_path: Path) -> None:
    (tmp_path / marker).write_text("{}")
    with pytest.raises(InputError, match=f"holds .* \\({marker}\\); choose another"):
        train(small(), dataset, output=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [marker]


def test_a_result_carries_versions_and_a_checksum(dataset: ClickDataset, tmp_path: Path) -> None:
    result = train(small(epochs=1, milestones=()), dataset, output=tmp_path)
    plain = json.loads((tmp_path / "result.json").read_text())
    assert {"numpy", "scipy", "numba", "blas"} <= set(plain["versions"])
    assert read_result(tmp_path / "result.json").test_auc == result.test_auc
    plain["test_auc"] += 1e-6
    (tmp_path / "result.json").write_text(json.dumps(plain))
    with pytest.raises(InputError, match="does not have its checksum"):
        train(small(epochs=1, milestones=()), dataset, output=tmp_path)
