"""Every export holds vocabulary, schema and backbone, or says in one sentence what it lacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from alpt_ref.data.schema import Schema, schema_of
from alpt_ref.errors import InputError
from alpt_ref.serving import export
from alpt_ref.serving.complete import ALL, lacks_of, sentence
from alpt_ref.serving.source import ExportSource
from alpt_ref.serving.vocabulary_file import schema_of_data
from tests.data.files import folder_bytes
from tests.serving.helpers import saved, trained
from tests.serving.test_scorer import make


@pytest.fixture(scope="module")
def made(once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    return once("scorer", make)


@pytest.mark.parametrize("to", ["safetensors", "torch", "fbgemm", "tbe"])
def test_what_an_export_holds(to: str, made: Path) -> None:
    marker = json.loads((made / to / "export.json").read_text())
    assert marker["lacks"] == []
    assert marker["model"] == "dcn"
    assert set(marker["files"]) == {path.name for path in (made / to).iterdir()} - {"export.json"}
    assert set(marker["files"]) >= {"vocabulary.json", "encode.py", "model.safetensors", "README.md"}
    readme = (made / to / "README.md").read_text()
    assert "It holds vocabulary, schema and backbone." in readme
    content = json.loads((made / to / "vocabulary.json").read_text())
    assert Schema.from_dict(content["schema"]) == schema_of("criteo")
    first = 0
    for field, size in zip(content["fields"], marker["field_sizes"], strict=True):
        assert (field["first_id"], 1 + len(field["categories"])) == (first, size)
        first += size
    assert first == marker["n"]


def test_what_it_lacks_is_said(tmp_path: Path) -> None:
    saved(tmp_path / "run")
    for to in ("torch", "safetensors"):
        assert export(tmp_path / "run", to, tmp_path / to)["lacks"] == [
            "a vocabulary and a schema, for made up has ids alone"
        ]
        assert "It lacks a vocabulary and a schema, for made up" in (tmp_path / to / "README.md").read_text()
    facts = export(tmp_path / "safetensors" / "table.safetensors", "torch", tmp_path / "of a table")
    assert facts["lacks"] == ["vocabulary, schema and backbone, for it was made of a table alone"]
    assert sorted(facts["files"]) == ["README.md", "embedding.py", "table.safetensors"]
    own = ExportSource(trained(8, 3)[1], "Own", sizes=(1, 149), lacks=())
    assert sentence(lacks_of(own)) == "it lacks the backbone, for Own models are not exported"


@pytest.mark.parametrize("source", ["torch", "safetensors"])
def test_an_export_goes_on_to_other_formats_with_all_that_it_holds(source: str, made: Path, tmp_path: Path) -> None:
    facts = export(made / source, "fbgemm", tmp_path / "out")
    assert facts["lacks"] == []
    ours, theirs = folder_bytes(tmp_path / "out"), folder_bytes(made / "fbgemm")
    del ours["export.json"], theirs["export.json"]
    assert ours == theirs


def test_rules_of_formats() -> None:
    names = ("a", "b")
    schema, lack = schema_of_data({"source": {"kind": "libfm"}}, names)
    assert [field.type for field in schema.fields] == ["number", "number"]
    assert lack == ""
    assert schema_of_data({"source": {"kind": "movielens"}}, names)[1] == ""
    assert schema_of_data({"source": {"kind": "mine"}}, names)[1].startswith("the rules of format mine")
    own = Schema.from_dict({"label": "y", "categorical": ["b", "a"]})
    assert schema_of_data({"source": {"kind": "schema"}, "schema": own.to_dict()}, ("b", "a")) == (own, "")


def test_a_smaller_export_leaves_nothing_of_the_larger_one(made: Path, tmp_path: Path) -> None:
    saved(tmp_path / "run")
    export(made / "run", "torch", tmp_path / "out")
    facts = export(tmp_path / "run", "torch", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"export.json", *facts["files"]}
    assert "vocabulary.json" not in facts["files"]


@pytest.mark.parametrize("name", ALL)
def test_a_folder_with_a_file_of_that_name_is_not_taken(name: str, tmp_path: Path) -> None:
    saved(tmp_path / "run")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("mine")
    with pytest.raises(InputError, match=f"holds other files \\({name}\\)"):
        export(tmp_path / "run", "torch", tmp_path / "mine")
    assert (tmp_path / "mine" / name).read_text() == "mine"
