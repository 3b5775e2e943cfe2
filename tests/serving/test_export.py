"""From a run's folder to an export's: every method, whole folders, one sentence for every mistake."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from alpt_ref._util.files import claim_folder
from alpt_ref.catalog import TABLES
from alpt_ref.errors import InputError
from alpt_ref.serving import FORMATS, export, source
from tests.serving.helpers import N, same_bits, saved


@pytest.mark.parametrize("granularity", ["row", "field", "table"])
@pytest.mark.parametrize("method", list(TABLES))
def test_every_method_leaves_with_the_bits_of_its_lookup(method: str, granularity: str, tmp_path: Path) -> None:
    table, _ = saved(tmp_path / "run", method=method, bits=4, granularity=granularity)
    facts = export(tmp_path / "run", "safetensors", tmp_path / "out")
    back = source.load(tmp_path / "out").table
    assert same_bits(back.lookup(np.arange(N)), table.lookup(np.arange(N)))
    assert facts["bits"] == back.bits == (32 if table.codes() is None else 4)
    assert back.about["method"] == method


def test_an_export_says_what_it_holds_and_is_the_same_again(tmp_path: Path) -> None:
    saved(tmp_path / "run")
    facts = export(tmp_path / "run", "safetensors", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "export.json").read_text()) == facts
    data = (tmp_path / "out" / "table.safetensors").read_bytes()
    entry = facts["files"]["table.safetensors"]
    assert entry == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert export(tmp_path / "run", "safetensors", tmp_path / "out") == facts
    assert (tmp_path / "out" / "table.safetensors").read_bytes() == data


def test_a_quantised_table_goes_on_to_other_formats(tmp_path: Path) -> None:
    table, _ = saved(tmp_path / "run", bits=2)
    export(tmp_path / "run", "safetensors", tmp_path / "plain")
    for path in (tmp_path / "plain", tmp_path / "plain" / "table.safetensors"):
        facts = export(path, "fbgemm", tmp_path / "fused", wide=True)
        assert (facts["n"], facts["d"], facts["bits"], facts["fused_bits"]) == (N, table.d, 2, 8)


def test_what_an_interrupted_export_left_is_replaced_and_other_folders_are_not(tmp_path: Path) -> None:
    saved(tmp_path / "run")
    out = tmp_path / "out"
    out.mkdir()
    (out / "table.safetensors").write_bytes(b"half")
    export(tmp_path / "run", "torch", out)
    with pytest.raises(InputError, match="holds an export to torch; choose another"):
        export(tmp_path / "run", "fbgemm", out)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(InputError, match=r"holds other files \(checkpoint.json\)"):
        export(tmp_path / "run", "safetensors", tmp_path / "run")
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        export(tmp_path / "run", "torch", tmp_path / "file")


def test_an_altered_export_is_not_read(tmp_path: Path) -> None:
    saved(tmp_path / "run")
    export(tmp_path / "run", "safetensors", tmp_path / "out")
    path = tmp_path / "out" / "table.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\7")
    with pytest.raises(InputError, match="does not have the checksum"):
        export(tmp_path / "out", "torch", tmp_path / "torch")


@pytest.mark.parametrize(
    ("to", "wide", "message"),
    [
        ("tensorflow", False, "to must be safetensors, torch, fbgemm, tbe or onnx, got 'tensorflow'"),
        ("onnx", True, "--wide belongs to --to fbgemm"),
        ("fbgemm", False, "takes tables of 8, 4 or 2 bits, this one has 16"),
    ],
)
def test_what_cannot_be_exported_leaves_nothing(to: str, wide: bool, message: str, tmp_path: Path) -> None:
    saved(tmp_path / "run", bits=16)
    with pytest.raises(InputError, match=message):
        export(tmp_path / "run", to, tmp_path / "out", wide=wide)
    assert not (tmp_path / "out").exists()


def test_without_onnx_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "run")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match="needs the package onnx: pip install 'onnx>="):
        export(tmp_path / "run", "onnx", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", FORMATS)
def test_sources_that_are_none(to: str, tmp_path: Path) -> None:
    if to == "onnx":
        pytest.importorskip("onnx")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("x")
    for path, message in (
        ("absent", "does not exist"),
        ("empty", "no checkpoint"),
        ("text", "no readable safetensors"),
    ):
        with pytest.raises(InputError, match=message):
            export(tmp_path / path, to, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_verbs_leave_the_folder_of_an_export_alone(tmp_path: Path) -> None:
    saved(tmp_path / "run")
    export(tmp_path / "run", "safetensors", tmp_path / "out")
    with pytest.raises(InputError, match=r"holds an exported table \(export.json\)"):
        claim_folder(tmp_path / "out", "config.toml", lambda marker: None, ())
