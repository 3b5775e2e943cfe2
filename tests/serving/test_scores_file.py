"""The file of scores by its name: CSV, CSV in gzip, Parquet, the same rows in each."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import parquet

from alpt_ref.errors import InputError
from alpt_ref.serving.predict import predict
from tests.serving.test_scorer import ROWS, make


@pytest.fixture(scope="module")
def made(once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    return once("scorer", make)


@pytest.mark.parametrize("name", ["s.parquet", "s.PARQUET", "s.csv.gz", "s.CSV", "s.txt", "s"])
def test_every_name(name: str, made: Path, tmp_path: Path) -> None:
    out = tmp_path / name
    for _ in range(2):
        predict(made / "packed", out, kind="criteo", file=made / "clicks.txt")
    text = (made / "p.csv").read_text()
    if name.lower().endswith("parquet"):
        table = parquet.read_table(out)
        assert [str(field.type) for field in table.schema] == ["int64", "uint8", "float"]
        with (made / "p.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == ROWS
        assert [str(row) for row in table["row"].to_pylist()] == [row["row"] for row in rows]
        assert table["probability"].to_pylist() == pytest.approx([float(row["probability"]) for row in rows], rel=1e-7)
    elif name.endswith(".gz"):
        assert gzip.decompress(out.read_bytes()) == text.encode()
        assert out.read_bytes()[4:8] == bytes(4)
    else:
        assert out.read_text() == text


@pytest.mark.parametrize("name", ["s.gz", "s.json", "s.parquet.gz", "s.xlsx"])
def test_another_ending_is_refused(name: str, made: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.csv"):
        predict(made / "packed", tmp_path / name, kind="criteo", file=made / "clicks.txt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["s.csv", "s.csv.gz", "s.parquet"])
def test_a_file_of_the_users_is_not_written_over(name: str, made: Path, tmp_path: Path) -> None:
    out = tmp_path / name
    with gzip.open(out, "wt") if name.endswith(".gz") else out.open("w") as stream:
        stream.write("click,site\n1,a\n")
    before = out.read_bytes()
    with pytest.raises(InputError, match=r"exists and holds no scores; choose another name or delete it"):
        predict(made / "packed", out, kind="criteo", file=made / "clicks.txt")
    assert out.read_bytes() == before
