"""``alpt-ref data sample``: drawn logs that the next verbs read, without a download."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from alpt_ref.data.schema_guess import guess_schema
from alpt_ref.data.synthetic.sample import HEADER, sample_log
from alpt_ref.errors import InputError
from tests.cli.calls import Caller


def test_a_log_has_a_header_gaps_and_clicks() -> None:
    rows = list(csv.DictReader(sample_log(2000, seed=3).decode().splitlines()))
    assert tuple(rows[0]) == HEADER
    assert len(rows) == 2000
    assert 0.05 < sum(row["click"] == "1" for row in rows) / 2000 < 0.4
    assert 0.05 < sum(row["price"] == "" for row in rows) / 2000 < 0.2
    assert [row["shown_at"] for row in rows] == sorted(row["shown_at"] for row in rows)


def test_the_seed_draws_everything() -> None:
    assert sample_log(50, seed=1) == sample_log(50, seed=1)
    assert sample_log(50, seed=1) != sample_log(50, seed=2)


@pytest.mark.parametrize(("rows", "seed"), [(9, 0), (10, -1), (2.5, 0)])
def test_sizes_and_seeds_that_are_none_are_refused(rows: int, seed: int) -> None:
    with pytest.raises(InputError, match="must be"):
        sample_log(rows, seed=seed)


def test_its_schema_is_guessed_without_an_edit(run: Caller, tmp_path: Path) -> None:
    done = run("data", "sample", "csv", "--rows", "1000")
    assert done.status == 0
    assert done.err.splitlines()[-1].endswith("alpt-ref data schema clicks.csv --output clicks.toml")
    guessed = guess_schema(["clicks.csv"])
    assert guessed.label == "click"
    assert 'time = "shown_at"' in guessed.toml


@pytest.mark.parametrize(("kind", "file", "delimiter"), [("criteo", "criteo.txt", "\t"), ("avazu", "avazu.csv", ",")])
def test_text_in_the_format_of_a_public_set(kind: str, file: str, delimiter: str, run: Caller, tmp_path: Path) -> None:
    assert run("data", "sample", kind, "--rows", "20", "--quiet").err == ""
    first = (tmp_path / file).read_text().splitlines()[0]
    assert first.count(delimiter) == {"criteo": 39, "avazu": 23}[kind]


def test_a_file_that_is_there_is_kept(run: Caller, tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text("mine")
    done = run("data", "sample", "csv")
    assert done.status == 2
    assert "exists" in done.err
    assert (tmp_path / "clicks.csv").read_text() == "mine"
