"""--input, --schema, --train, --valid, --test, --split, --shares, --stratify: what they become, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alpt_ref.cli.data_options import data_changes
from alpt_ref.data.formats.avazu import HEADER
from alpt_ref.errors import InputError
from tests.cli.calls import Caller
from tests.data.files import avazu_line, random_criteo, write

LOG = "click,site,price\n" + "".join(f"{row % 3 == 0:d},s{row % 7},{row % 11}.5\n" for row in range(60))
SCHEMA = 'label = "click"\ncategorical = ["site"]\nnumeric = {price = {binning = "quantile", bins = 4}}\n'


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log, its schema and parts of it in the current folder."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "log.csv", LOG)
    write(tmp_path / "s.toml", SCHEMA)
    write(tmp_path / "bad.toml", 'label = "click"\n')
    for name in ("a", "b", "c"):
        write(tmp_path / f"{name}.libfm", "1 1:1 2:1\n0 1:1 3:1\n")


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        (
            {"input": ("log.csv",), "schema": "s.toml", "split": "order", "shares": "5:1:1"},
            {"source": "files", "schema": "s.toml", "path": "log.csv", "split": "order", "shares": (5, 1, 1)},
        ),
        ({"input": ("a.libfm", "b.libfm"), "schema": "libfm"},
         {"source": "libfm", "schema": None, "path": ("a.libfm", "b.libfm")}),
        (
            {"train": ("a.libfm",), "valid": (), "test": ("b.libfm", "c.libfm"), "schema": "libfm", "stratify": True},
            {"source": "libfm", "schema": None, "train": "a.libfm", "test": ("b.libfm", "c.libfm"), "stratify": True},
        ),
        ({"libfm": ("a.libfm",), "stratify": False}, {"source": "libfm", "path": "a.libfm"}),
    ],
)  # fmt: skip
def test_what_options_become(options: dict[str, Any], changes: dict[str, Any]) -> None:
    assert data_changes(dict(options)) == changes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input": ("log.csv",)}, "--input needs --schema: avazu, criteo, libfm, or a TOML file"),
        ({"input": ("log.csv",), "schema": "critoe"}, "--schema must be avazu, criteo, "),
        ({"input": ("log.csv",), "schema": "absent.toml"}, "schema absent.toml cannot be read"),
        ({"input": ("log.csv",), "schema": "bad.toml"}, "a schema must have at least one field"),
        ({"input": ("log.csv",), "schema": "log.csv"}, "schema log.csv is not valid TOML"),
        ({"input": ("log.csv",), "schema": "."}, "folder . is neither an encoded store nor a finished run"),
        ({"input": ("absent.csv",), "schema": "s.toml"}, "--input absent.csv does not exist"),
        ({"schema": "s.toml"}, "--schema s.toml says how the files of --input (or --train, --valid, --test) are read"),
        ({"libfm": ("a.libfm",), "schema": "s.toml"}, "not those of --libfm; leave it out"),
        ({"input": ("log.csv",), "libfm": ("a.libfm",), "schema": "s.toml"}, "give only one of --libfm, --input"),
        (
            {"train": ("a.libfm",), "schema": "libfm"},
            "names one part of the data; name the files of --test too",
        ),
        ({"valid": ("a.libfm",), "test": ("b.libfm",), "schema": "libfm"}, "name the files of --train too"),
        ({"input": ("log.csv",), "schema": "s.toml", "shares": "8:1"}, "--shares must be three whole numbers such as"),
        (
            {"input": ("log.csv",), "schema": "s.toml", "shares": "a:b:c"},
            "--shares must be three whole numbers such as",
        ),
        ({"dataset": "files"}, "--dataset must name a set, got 'files'; give --input"),
    ],
)
def test_refusals(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        data_changes(dict(options))
    assert message in str(caught.value)


def test_a_log_becomes_a_store_and_a_guess_can_be_edited(run: Caller, tmp_path: Path) -> None:
    done = run("data", "schema", "log.csv", "--output", "guess.toml")
    assert (done.status, "read it through" in done.err) == (0, True)
    done = run("data", "encode", "log.csv", "--schema", "guess.toml", "--output", "store", "--split", "order")
    assert done.status == 0, done.err
    done = run("data", "info", "store", "--json")
    assert json.loads(done.out)["parts"]["train"]["rows"] == 48
    again = run("data", "schema", "log.csv", "--output", "guess.toml")
    assert (again.status, "perhaps with your edits" in again.err) == (2, True)
    write(tmp_path / "two.csv", "a,b,c\n0,1,x\n1,0,y\n0,0,x\n")
    asked = run("data", "schema", "two.csv")
    assert asked.status == 0
    assert "FILL IN" in asked.out
    assert "no column could be guessed to be the label" in asked.err
    missing = run("data", "schema", "absent.csv")
    assert (missing.status, missing.err) == (2, "Error: file absent.csv does not exist; check its name\n")


def test_the_schema_criteo_gives_the_ids_of_the_format(run: Caller, tmp_path: Path) -> None:
    """With and without a header, tabs or commas: ids, labels and vocabulary of --criteo, byte for byte."""
    lines = random_criteo(300)
    names = ["label", *(f"I{k}" for k in range(1, 14)), *(f"C{k}" for k in range(1, 27))]
    write(tmp_path / "train.txt", "\n".join(lines) + "\n")
    headed = [",".join(names), *(line.replace("\t", ",") for line in lines)]
    write(tmp_path / "headed.csv", "\n".join(headed) + "\n")
    assert run("data", "encode", "--criteo", "train.txt", "--output", "format", "--quiet").status == 0
    for file in ("train.txt", "headed.csv"):
        store = f"store-{file.partition('.')[0]}"
        done = run("data", "encode", file, "--schema", "criteo", "--output", store, "--quiet")
        assert done.status == 0, done.err
        for array in ("ids", "labels", "split", "category_bytes", "category_offsets"):
            of_format = (tmp_path / "format" / f"{array}.npy").read_bytes()
            assert (tmp_path / store / f"{array}.npy").read_bytes() == of_format, (file, array)


def test_the_schema_avazu_gives_the_ids_of_the_format(run: Caller, tmp_path: Path) -> None:
    rows = [
        avazu_line(id=row, click=int(row % 4 == 0), hour=f"1410{21 + row % 9}{row % 24:02d}", site_id=f"{row % 5:x}")
        for row in range(120)
    ]
    write(tmp_path / "headed.csv", "\n".join([",".join(HEADER), *rows]) + "\n")
    write(tmp_path / "bare.csv", "\n".join(rows) + "\n")
    assert run("data", "encode", "--avazu", "headed.csv", "--output", "format", "--quiet").status == 0
    for file in ("headed.csv", "bare.csv"):
        store = f"store-{file.partition('.')[0]}"
        done = run("data", "encode", file, "--schema", "avazu", "--output", store, "--quiet")
        assert done.status == 0, done.err
        for array in ("ids", "labels", "split", "category_bytes", "category_offsets"):
            of_format = (tmp_path / "format" / f"{array}.npy").read_bytes()
            assert (tmp_path / store / f"{array}.npy").read_bytes() == of_format, (file, array)
