"""A store is read whole once before it is trained on; what was exchanged since is read again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from alpt_ref.data import synthetic_clicks
from alpt_ref.data.store import checked
from alpt_ref.data.store.checked import open_checked
from alpt_ref.errors import InputError
from alpt_ref.training.config import DataConfig
from alpt_ref.training.sources import load_dataset


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(checked, "cache_directory", lambda: tmp_path / "cache" / "kernels")
    monkeypatch.setattr(checked, "_here", set())
    (tmp_path / "cache" / "kernels").mkdir(parents=True)
    synthetic_clicks(300, fields=3, features=40, seed=7).save(tmp_path / "store")
    return tmp_path / "store"


def flip(path: Path) -> None:
    """Change one label in place, and set the times back as a failing disk would."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def bytes_read(store: Path) -> int:
    read = [0]
    open_checked(store, progress=lambda done, total: read.append(done))
    return read[-1]


def test_damage_stops_training(store: Path) -> None:
    flip(store / "labels.npy")
    with pytest.raises(InputError, match=r"labels.npy does not have the checksum"):
        load_dataset(DataConfig(source="store", path=str(store)))


def test_a_store_is_read_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sum(path.stat().st_size for path in store.glob("*.npy"))
    assert bytes_read(store) == whole
    assert bytes_read(store) == 0
    monkeypatch.setattr(checked, "_here", set())  # another process
    assert bytes_read(store) == 0
    copy = store.with_name("copy")
    shutil.copytree(store, copy)
    assert bytes_read(copy) == whole


def test_what_was_changed_is_read_again(store: Path) -> None:
    first = open_checked(store)
    flip(store / "labels.npy")
    with pytest.raises(InputError, match="checksum"):
        open_checked(store)
    flip(store / "labels.npy")
    np.testing.assert_array_equal(open_checked(store).labels, first.labels)


def test_without_a_cache_folder(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked, "cache_directory", lambda: None)
    assert bytes_read(store) > 0
    assert bytes_read(store) == 0  # this process remembers
    monkeypatch.setattr(checked, "_here", set())
    assert bytes_read(store) > 0
