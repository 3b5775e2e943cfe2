"""A folder has one owner at a time, and nobody takes away the lock of another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alpt_ref._util import folders
from alpt_ref._util.folders import folder_lock
from alpt_ref.errors import InputError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="elsewhere an open file keeps its name")


def test_the_lock_of_a_newer_owner_stays(tmp_path: Path) -> None:
    """The file of the first was deleted by hand, so that a second could begin; a third must still find the second."""
    first, second = folder_lock(tmp_path), folder_lock(tmp_path)
    first.__enter__()
    (tmp_path / ".lock").unlink()
    second.__enter__()
    first.__exit__(None, None, None)
    assert (tmp_path / ".lock").exists()
    with pytest.raises(InputError, match="is in use by another process"), folder_lock(tmp_path):
        pass
    second.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


def test_where_there_are_no_locks_the_file_goes_with_its_last_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_try_lock", lambda handle: True)
    with folder_lock(tmp_path):
        with folder_lock(tmp_path):
            (tmp_path / ".lock").rename(tmp_path / "away")
        assert (tmp_path / "away").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["away"]


def test_one_who_waited_with_the_old_file_open_takes_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened before the owner let go, locked after: that file has no name any more, and locking it would be nothing."""
    owner = folder_lock(tmp_path)
    owner.__enter__()
    original, calls = folders._try_lock, 0

    def late(handle: int) -> bool:
        nonlocal calls
        calls += 1
        if calls == 1:
            owner.__exit__(None, None, None)
        return original(handle)

    monkeypatch.setattr(folders, "_try_lock", late)
    with folder_lock(tmp_path):
        assert calls == 2
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"
        with pytest.raises(InputError, match="is in use"), folder_lock(tmp_path):
            pass


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match=r"symbolic links.*\.lock"), folder_lock(tmp_path / "run"):
        pass
    assert (tmp_path / "precious").read_text() == "mine"
