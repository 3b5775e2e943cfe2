"""The readers on genuine files, which the project does not ship (``ALPT_REF_REALDATA`` names their folder)."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from alpt_ref.data import encode_file, read_avazu, read_criteo, read_libfm

pytestmark = pytest.mark.realdata


def _lines(path: Path) -> list[str]:
    with gzip.open(path, "rt", newline="") as file:
        return file.read().replace("\r", "").splitlines()


def test_criteo(realdata: Path, tmp_path: Path) -> None:
    path = realdata / "criteo" / "train-10k.tsv.gz"
    clicks = read_criteo(path)
    assert (clicks.rows, len(clicks.field_names), clicks.bad_rows.count) == (9999, 39, 0)
    rows = [line.split("\t") for line in _lines(path)]
    assert clicks.labels.tolist() == [int(row[0]) for row in rows]
    for number in range(13, 39):
        decoded = np.array(clicks.categories[number], dtype=object)[clicks.codes[:, number]]
        assert decoded.tolist() == [row[1 + number] for row in rows]
    dataset = clicks.encode()
    assert encode_file("criteo", path, tmp_path / "store", chunk_bytes=10_000).fingerprint == dataset.fingerprint
    assert 0.2 < dataset.labels.mean() < 0.26


def test_avazu(realdata: Path) -> None:
    path = realdata / "avazu" / "train-2k.csv.gz"
    clicks = read_avazu(path)
    assert (clicks.rows, len(clicks.field_names), clicks.bad_rows.count) == (2000, 24, 0)
    header, *rows = [line.split(",") for line in _lines(path)]
    assert clicks.labels.tolist() == [int(row[1]) for row in rows]
    for number in range(3, 24):
        column = header.index(clicks.field_names[number])
        decoded = np.array(clicks.categories[number], dtype=object)[clicks.codes[:, number]]
        assert decoded.tolist() == [row[column] for row in rows]


def test_frappe(realdata: Path) -> None:
    path = realdata / "frappe" / "frappe-58k.libfm.gz"
    clicks = read_libfm(path)
    assert (clicks.rows, len(clicks.field_names), clicks.bad_rows.count) == (57722, 10, 0)
    rows = [line.split() for line in _lines(path)]
    assert clicks.labels.tolist() == [int(row[0] == "1") for row in rows]
    for number in range(10):
        decoded = np.array(clicks.categories[number], dtype=object)[clicks.codes[:, number]]
        assert decoded.tolist() == [row[1 + number].removesuffix(":1") for row in rows]
    assert sum(len(texts) for texts in clicks.categories) <= 5382
