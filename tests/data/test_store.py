"""A store is written whole or not at all, and anything that was altered is refused."""

from __future__ import annotations

import errno
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.data import ClickDataset, describe, describe_text, load, synthetic_clicks
from alpt_ref.data.splits import random_split, split_counts
from alpt_ref.data.store.writer import StoreWriter, writing_to
from alpt_ref.errors import InputError

from .files import folder_bytes


def test_round_trip(clicks: ClickDataset, store: Path) -> None:
    opened = ClickDataset.open(store, verify=True)
    for name in ("ids", "labels", "split"):
        np.testing.assert_array_equal(getattr(opened, name), getattr(clicks, name))
    assert opened.fingerprint == clicks.fingerprint
    assert (opened.name, opened.field_names, opened.field_sizes) == (
        clicks.name,
        clicks.field_names,
        clicks.field_sizes,
    )
    assert opened.info == clicks.info
    assert not opened.ids.flags.writeable
    assert opened.n == sum(opened.field_sizes) == opened.field_offsets[-1] == 40


def test_arrays_are_ordinary_npy_files(clicks: ClickDataset, store: Path) -> None:
    np.testing.assert_array_equal(np.load(store / "ids.npy", allow_pickle=False), clicks.ids)


def test_rows_of_partition_the_rows(clicks: ClickDataset) -> None:
    rows = [clicks.rows_of(part) for part in ("train", "valid", "test")]
    assert [len(part) for part in rows] == [240, 30, 30]
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(300))
    with pytest.raises(InputError, match="train, valid or test"):
        clicks.rows_of("dev")  # type: ignore[arg-type]


def test_saving_again_changes_nothing(clicks: ClickDataset, store: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in store.iterdir()}
    clicks.save(store)
    assert {path.name: path.stat().st_mtime_ns for path in store.iterdir()} == before
    assert [path.name for path in store.parent.iterdir()] == ["store"]


def test_another_store_is_never_overwritten(store: Path) -> None:
    before = folder_bytes(store)
    with pytest.raises(InputError, match="already holds another store"):
        synthetic_clicks(300, fields=3, features=40, seed=8).save(store)
    assert folder_bytes(store) == before


def test_a_folder_with_other_files_is_left_alone(clicks: ClickDataset, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="holds other files"):
        clicks.save(tmp_path / "mine")
    assert folder_bytes(tmp_path / "mine") == {"thesis.tex": b"x"}
    with pytest.raises(InputError, match="is no folder"):
        clicks.save(tmp_path / "mine" / "thesis.tex")


def test_an_empty_folder_may_be_filled(clicks: ClickDataset, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    clicks.save(tmp_path / "empty")
    assert ClickDataset.open(tmp_path / "empty").rows == 300


def test_unwritable_folder(clicks: ClickDataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot write to folder"):
        clicks.save(tmp_path / "file" / "store")
    if os.name == "posix" and os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(InputError, match="cannot write to folder"):
            clicks.save(tmp_path / "locked" / "store")


def test_a_failure_half_way_leaves_nothing(
    clicks: ClickDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        clicks.save(tmp_path / "store")
    assert list(tmp_path.iterdir()) == []


def test_two_writers_of_the_same_store(clicks: ClickDataset, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        for number in range(5):
            list(pool.map(clicks.save, [tmp_path / str(number)] * 4))
            assert ClickDataset.open(tmp_path / str(number), verify=True).fingerprint == clicks.fingerprint
    assert sorted(path.name for path in tmp_path.iterdir()) == list("01234")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": np.zeros((300, 3), dtype=np.int64)}, "ids must be uint32"),
        ({"ids": np.zeros((300, 2), dtype=np.uint32)}, "ids must be uint32"),
        ({"labels": np.zeros(299, dtype=np.uint8)}, "labels must be uint8"),
        ({"split": np.zeros(300, dtype=np.int64)}, "split must be uint8"),
        ({"field_sizes": (1, 2, 0)}, "field_sizes must be at least 1"),
        ({"field_names": ("a", "a", "b")}, "distinct"),
    ],
)
def test_types_and_shapes_are_checked(clicks: ClickDataset, change: dict[str, Any], message: str) -> None:
    good = {key: getattr(clicks, key) for key in ("name", "ids", "labels", "split", "field_names", "field_sizes")}
    with pytest.raises(InputError, match=message):
        ClickDataset(**{**good, **change})


def test_labels_and_split_values_are_checked_on_saving(clicks: ClickDataset, tmp_path: Path) -> None:
    for change in ({"labels": clicks.labels + np.uint8(1)}, {"split": clicks.split + np.uint8(1)}):
        good = {key: getattr(clicks, key) for key in ("name", "ids", "labels", "split", "field_names", "field_sizes")}
        with pytest.raises(InputError, match="must be 0"):
            ClickDataset(**{**good, **change}).save(tmp_path / "store")


def test_info_must_be_json(clicks: ClickDataset, tmp_path: Path) -> None:
    wrong = ClickDataset(
        "x", clicks.ids, clicks.labels, clicks.split, clicks.field_names, clicks.field_sizes, {"auc": float("nan")}
    )
    with pytest.raises(InputError, match="plain JSON"):
        wrong.save(tmp_path / "store")


def test_describe(store: Path) -> None:
    opened = ClickDataset.open(store)
    summary = json.loads(json.dumps(describe(opened)))
    assert (summary["rows"], summary["fields"], summary["n"]) == (300, 3, 40)
    assert [row["size"] for row in summary["vocabulary"]] == list(opened.field_sizes)
    test = opened.labels[opened.rows_of("test")]
    assert summary["parts"]["test"] == {"rows": 30, "label_rate": float(test.mean())}
    assert set(summary["checksums"]) == {"ids.npy", "labels.npy", "split.npy"}
    text = describe_text(opened)
    assert opened.fingerprint in text
    assert "300 rows, 3 fields, 40 ids" in text


def test_load_by_name_and_by_folder(clicks: ClickDataset, store: Path, tmp_path: Path) -> None:
    assert load(store, verify=True).fingerprint == clicks.fingerprint
    assert load("synthetic", rows=300, fields=3, features=40, seed=7).fingerprint == clicks.fingerprint
    with pytest.raises(InputError, match="synthetic, movielens or a store folder"):
        load("criteo-kaggle")
    with pytest.raises(InputError, match="is no store"):
        load(tmp_path)
    with pytest.raises(InputError, match="no option but verify"):
        load(store, rows=3)
    with pytest.raises(InputError, match="unknown option"):
        load("synthetic", colour="blue")
    with pytest.raises(InputError, match="got colour"):
        load("movielens", colour="blue")


def test_largest_seed() -> None:
    assert (random_split(1000, seed=2**64 - 1) != random_split(1000, seed=2**63)).any()
    assert synthetic_clicks(100, fields=2, features=20, seed=2**64 - 1).info["parameters"]["seed"] == 2**64 - 1


def test_split_is_exact_seeded_and_spread() -> None:
    parts = random_split(100_003, seed=3)
    assert tuple(np.bincount(parts)) == split_counts(100_003, (8, 1, 1)) == (80_003, 10_000, 10_000)
    np.testing.assert_array_equal(parts, random_split(100_003, seed=3))
    assert (parts != random_split(100_003, seed=4)).any()
    assert len(set(parts[:100])) == 3


@pytest.mark.parametrize("split", [(8, 1), (0, 1, 1), (8, -1, 1), (0.8, 0.1, 0.1), (True, 1, 1)])
def test_bad_split(split: Any) -> None:
    with pytest.raises(InputError, match="split must"):
        random_split(10, split)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, True])
def test_bad_seed(seed: Any) -> None:
    with pytest.raises(InputError, match="seed must"):
        random_split(10, seed=seed)


def test_a_disk_that_is_full_to_the_end_leaves_nothing(tmp_path: Path) -> None:
    """What a refused write leaves in a buffer is refused again when the file is closed."""

    class Full(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def fill() -> None:
        with StoreWriter(tmp_path / "store") as writer:
            labels, split = writer.array("labels.npy", (3,)), writer.array("split.npy", (3,))
            for array in (labels, split):
                array._file.close()
                array._file = io.BufferedWriter(Full())
            with writing_to(tmp_path / "store"):
                labels.append(np.zeros(3, np.uint8))
                labels.close()

    with pytest.raises(InputError, match="No space left on device"):
        fill()
    assert list(tmp_path.iterdir()) == []
