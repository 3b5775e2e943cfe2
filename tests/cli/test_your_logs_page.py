"""docs/your-logs.md: its commands run one after the other, and what it says of schemas is what the code says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from alpt_ref.data import Schema
from alpt_ref.data.schema_reference import reference
from tests.cli.calls import Caller

PAGE = (Path(__file__).parents[2] / "docs" / "your-logs.md").read_text(encoding="utf-8")


FASTER = {"train": ("--set", "train.epochs=1"), "compare": ("--jobs", "1")}
"""One epoch is enough here, and another process would begin with its imports."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_commands_run_from_top_to_bottom(run: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) == 9
    for command in commands:
        program, *args = shlex.split(command)
        assert program == "alpt-ref"
        done = run(*args, *FASTER.get(args[0], ()))
        assert done.status == 0, (command, done.err)
    assert pq.read_table("scores.parquet").column_names == ["row", "id", "label", "probability"]
    assert Path("runs/compare/results.csv").is_file()


def test_the_schema_of_the_page_can_be_read(tmp_path: Path) -> None:
    (only,) = blocks("toml")
    (tmp_path / "log.toml").write_text(only)
    schema = Schema.read(tmp_path / "log.toml")
    assert len(schema.fields) == 7
    assert schema.label_of("yes") == 1


def test_the_reference_is_made_from_the_declarations() -> None:
    begin, end = "<!-- reference:begin (python -m alpt_ref.data.schema_reference) -->\n", "<!-- reference:end -->"
    assert PAGE.partition(begin)[2].partition(end)[0] == reference(), "python -m alpt_ref.data.schema_reference"
