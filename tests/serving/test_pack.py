"""A packed run: small, sealed, taken by predict, export and Scorer, and nothing to train on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref import RunConfig, Scorer, synthetic_clicks, train
from alpt_ref.cli import run as command
from alpt_ref.errors import InputError
from alpt_ref.serving import export, pack
from alpt_ref.serving.predict import predict
from alpt_ref.serving.source import load
from alpt_ref.training.checkpoint import read_checkpoint
from alpt_ref.training.evaluation import predict_logits
from tests.data.files import folder_bytes
from tests.serving.helpers import dataset, random_ids, same_bits, saved
from tests.serving.test_scorer import make


@pytest.fixture(scope="module")
def made(once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    return once("scorer", make)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("alpt", {"bits": 4}),
        ("lpt", {"bits": 8, "granularity": "field"}),
        ("lpt", {"bits": 2, "granularity": "table"}),
        ("fp32", {}),
        ("rowmax", {"bits": 8}),
        ("pruning", {}),
        ("lsq", {"bits": 8}),
    ],
)
def test_every_method_is_served_as_before(method: str, options: Any, tmp_path: Path) -> None:
    saved(tmp_path / "run", method=method, **options)
    pack(tmp_path / "run", tmp_path / "packed")
    ours, theirs = load(tmp_path / "packed"), load(tmp_path / "run")
    ids = random_ids(80)
    assert same_bits(ours.table.lookup(ids.reshape(-1)), theirs.table.lookup(ids.reshape(-1)))
    assert (ours.kind, ours.sizes, ours.table.bits) == (theirs.kind, theirs.sizes, theirs.table.bits)
    assert same_bits(Scorer(tmp_path / "packed").score(ids), Scorer(tmp_path / "run").score(ids))


def test_it_holds_what_serving_reads_and_nothing_else(made: Path) -> None:
    files = folder_bytes(made / "packed")
    assert sorted(files) == ["model.safetensors", "packed.json", "table.safetensors", "vocabulary.safetensors"]
    run = read_checkpoint(made / "run")
    stored = json.loads(files["packed.json"])
    assert set(stored["meta"]) & {"history", "versions", "encoder"} == {"versions", "encoder"}
    held = sum(array.nbytes for name, array in run.arrays.items() if "optimizer" not in name)
    assert sum(map(len, files.values())) - len(files["packed.json"]) < held + 4096
    packed = load(made / "packed")
    assert packed.vocabulary is not None
    assert run.vocabulary is not None
    assert np.array_equal(packed.vocabulary.category_bytes, run.vocabulary.category_bytes)
    assert np.array_equal(packed.vocabulary.category_offsets, run.vocabulary.category_offsets)


def test_predict_and_export_take_it(made: Path, tmp_path: Path) -> None:
    scores = predict(made / "packed", tmp_path / "p.csv", kind="criteo", file=made / "clicks.txt")
    assert (tmp_path / "p.csv").read_bytes() == (made / "p.csv").read_bytes()
    assert predict(made / "packed", tmp_path / "s.csv", store=made / "store") == scores
    export(made / "packed", "torch", tmp_path / "torch")
    ours, theirs = folder_bytes(tmp_path / "torch"), folder_bytes(made / "torch")
    assert ours == theirs


def test_packing_again_replaces_and_other_folders_are_refused(made: Path, tmp_path: Path) -> None:
    for _ in range(2):
        pack(made / "run", tmp_path / "packed")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files; choose another with --output"):
        pack(made / "run", tmp_path / "mine")
    with pytest.raises(InputError, match="is a packed run already; copy its folder"):
        pack(tmp_path / "packed", tmp_path / "again")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "packed"]


@pytest.mark.parametrize(
    "damage", ["table.safetensors", "vocabulary.safetensors", "packed.json", "meta", "version", "gone"]
)
def test_damage_is_one_sentence(damage: str, made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "packed"
    shutil.copytree(made / "packed", folder)
    content = json.loads((folder / "packed.json").read_text())
    if damage == "meta":
        (folder / "packed.json").write_text(json.dumps({**content, "meta": {**content["meta"], "n": 7}}))
    elif damage == "version":
        (folder / "packed.json").write_text(json.dumps({**content, "version": 99}))
    elif damage == "gone":
        (folder / "model.safetensors").unlink()
    else:
        data = bytearray((folder / damage).read_bytes())
        data[len(data) // 2] ^= 0x55
        (folder / damage).write_bytes(data)
    with pytest.raises(InputError, match=r"pack the run again") as caught:
        Scorer(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "args",
    [
        "train --data store --output packed --resume --quiet",
        "train --data store --output packed --quiet",
        "train --data store --init-from packed --output again --quiet",
        "pack absent --output out",
        "pack run --output packed.csv",
        "pack store --output out",
        "pack run",
        "export packed --to torch --output packed",
        "predict packed --data store --output packed/p.csv",
    ],
)
def test_refusals(
    args: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("run", "packed", "store"):
        (tmp_path / name).symlink_to(made / name)
    monkeypatch.chdir(tmp_path)
    before = folder_bytes(made / "packed")
    assert command(args.split()) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    if args.startswith("train"):
        assert "a packed run, which holds no state to train on" in captured.err
    assert folder_bytes(made / "packed") == before


def test_the_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path / "run", bits=4, fingerprint=dataset().fingerprint)
    monkeypatch.chdir(tmp_path)
    assert command(["pack", "run", "--output", "packed"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "table: 150 rows of 3, 4-bit, step size per row, 900 bytes"
    assert out[1] == "it lacks a vocabulary, for the run was trained on ids alone"
    assert " bytes of " in out[2]
    assert out[3] == "wrote packed"
    assert command(["pack", "run", "--output", "packed", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    with pytest.raises(InputError, match="is a packed run, which holds no state to train on; name the run"):
        read_checkpoint(tmp_path / "packed")


def test_a_run_on_synthetic_clicks(tmp_path: Path) -> None:
    data = synthetic_clicks(rows=600, fields=3, features=60, seed=1)
    config = RunConfig().replace("model", dim=4, hidden=(8,)).replace("train", epochs=1, batch_size=200)
    result = train(config, data, output=tmp_path / "run")
    assert pack(tmp_path / "run", tmp_path / "packed")["lacks"].startswith(
        "a vocabulary, for the run was trained on ids"
    )
    logits = predict_logits(result.table, result.model, data, np.arange(600))
    found = Scorer(tmp_path / "packed").score(data.ids)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits.astype(np.float64))), rtol=0, atol=1e-6)
