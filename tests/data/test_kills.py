"""A schema'd source of several containers is encoded by a process that is killed twice, to the same bits."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from alpt_ref.data import ClickDataset, encode_file
from alpt_ref.data.formats.readers import reader_of
from alpt_ref.data.raw import read_raw
from alpt_ref.errors import InputError

from .files import write

SCHEMA = """
label = "click"
weight = "w"
time = "t"
categorical = ["site"]
numeric.price = {binning = "quantile", bins = 5}
multi.tags = {separator = "|", pooling = "sum"}
"""
CHILD = """
import os, signal, sys
from alpt_ref.data import encode_file
from alpt_ref.data.store import ingest
where, calls, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
inner, seen = getattr(ingest, where), 0

def deadly(*args, **options):
    global seen
    seen += 1
    if seen > calls:
        os.kill(os.getpid(), signal.SIGKILL)
    return inner(*args, **options)

setattr(ingest, where, deadly)
source = [folder + "/a.csv", folder + "/b.parquet"]
encode_file(None, source, folder + "/store", schema=folder + "/s.toml", by="time", chunk_bytes=2_000, workers=2)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(2)
    rows = 400
    table = pa.table(
        {
            "click": random.integers(2, size=rows),
            "site": [f"s{value}" for value in random.zipf(1.6, rows) % 30],
            "price": np.round(random.exponential(9, rows), 1),
            "tags": ["|".join(f"t{tag}" for tag in random.integers(9, size=random.integers(4))) for _ in range(rows)],
            "w": random.integers(3, size=rows) / 2,
            "t": random.integers(50, size=rows),
        }
    )
    (tmp_path / "s.toml").write_text(SCHEMA)
    lines = [",".join(map(str, row.values())) for row in table.slice(0, 300).to_pylist()]
    (tmp_path / "a.csv").write_text("\n".join([",".join(table.column_names), *lines]) + "\n")
    parquet.write_table(table.slice(300), tmp_path / "b.parquet", row_group_size=20)
    return tmp_path


def test_killed_and_resumed(folder: Path) -> None:
    sources, schema = [folder / "a.csv", folder / "b.parquet"], folder / "s.toml"
    direct = read_raw(reader_of(sources, schema=schema, times=True)).encode(by="time")
    for where, calls in (("spill", 2), ("write_arrays", 0)):
        command = [sys.executable, "-c", CHILD, where, str(calls), str(folder)]
        done = subprocess.run(command, capture_output=True, check=False, cwd=Path(__file__).parents[2])
        assert done.returncode == -signal.SIGKILL
        assert not (folder / "store").exists()
    encode_file(None, sources, folder / "store", schema=schema, by="time", chunk_bytes=2_000)
    opened = ClickDataset.open(folder / "store", verify=True)
    assert opened.fingerprint == direct.fingerprint
    assert opened.slots is not None
    assert max(opened.slots) == 3
    assert opened.info["schema"] == direct.info["schema"]
    again = encode_file(None, sources, folder / "store", schema=schema, by="time")
    assert again.fingerprint == direct.fingerprint
    other = write(folder / "s.toml", SCHEMA.replace('"sum"', '"mean"'))
    with pytest.raises(InputError, match=r"already holds another store \(its rows were read by another schema"):
        encode_file(None, sources, folder / "store", schema=other, by="time")
    assert sorted(entry.name for entry in folder.iterdir()) == ["a.csv", "b.parquet", "s.toml", "store"]
