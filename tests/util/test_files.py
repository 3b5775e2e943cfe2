"""A file is absent or whole, and what a writer needs meanwhile is its own: no link is followed, no other's is taken."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alpt_ref._util import files
from alpt_ref._util.files import (
    STALE_S,
    atomic,
    checksum,
    hidden,
    read_json,
    remove_parts,
    writable_folder,
    write_json,
    write_text,
)
from alpt_ref._util.folders import new_folder
from alpt_ref.errors import InputError

POSIX = pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")


def test_a_file_appears_when_its_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with atomic(path) as stream:
        stream.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert checksum(path)["bytes"] == 3
    with pytest.raises(TypeError), atomic(path) as stream:
        stream.write(b"half" + "way")  # type: ignore[operator]
    assert path.read_bytes() == b"new"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


def test_temporary_names_are_random_and_belong_to_one_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hidden(tmp_path / "a") != hidden(tmp_path / "a")
    taken = tmp_path / ".a.1-00.part"
    taken.write_bytes(b"another writer's")
    monkeypatch.setattr(files, "hidden", lambda path: taken)
    with pytest.raises(FileExistsError), atomic(tmp_path / "a"):
        pass
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"another writer's"]


@POSIX
def test_a_temporary_name_that_is_a_link_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    link = tmp_path / ".a.1-00.part"
    link.symlink_to(victim)
    monkeypatch.setattr(files, "hidden", lambda path: link)
    with pytest.raises(FileExistsError), atomic(tmp_path / "a") as stream:
        stream.write(b"through the link")
    with pytest.raises(InputError, match="cannot be written"):
        writable_folder(tmp_path)
    assert victim.read_bytes() == b"precious"


@POSIX
def test_a_link_under_the_final_name_is_replaced_and_its_target_stays(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "a").symlink_to(tmp_path / "victim")
    write_json(tmp_path / "a", {"x": 1})
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "a").is_symlink()
    assert read_json(tmp_path / "a") == {"x": 1}


def test_a_folder_appears_when_its_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder"
    with pytest.raises(FileNotFoundError), new_folder(path) as scratch:
        shutil.copytree(tmp_path / "absent", scratch / "half")
    assert list((tmp_path / "deep").iterdir()) == []
    with new_folder(path) as scratch:
        (scratch / "one").touch()
    with new_folder(path) as scratch:
        (scratch / "two").touch()
    assert [one.name for one in path.iterdir()] == ["two"]
    assert list(path.parent.iterdir()) == [path]


@POSIX
def test_what_killed_writers_left_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    old, new = tmp_path / ".a.7-00.part", tmp_path / ".a.8-00.part"
    folder, link = tmp_path / ".b.7-00.part", tmp_path / ".c.7-00.part"
    old.touch()
    new.touch()
    folder.mkdir()
    (folder / "half").touch()
    link.symlink_to(tmp_path / "kept")
    past = (time.time() - 2 * STALE_S,) * 2
    os.utime(old, past)
    remove_parts(tmp_path, tmp_path / "absent", older_s=STALE_S)
    assert (old.exists(), new.exists(), folder.exists()) == (False, True, True)
    remove_parts(tmp_path, pid=7)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.8-00.part", "kept"]
    remove_parts(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path: Path) -> None:
    """Only a writer of this place that is no more; what may be somebody else's stays."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine, theirs = hidden(tmp_path / "a").name, []
    for name in (
        mine.replace(f".{os.getpid()}-", f".{dead.pid}-"),
        re.sub(r"\.\d+-[0-9a-f]{8}", f".{dead.pid}-00000000", mine),  # another host's
        mine,  # alive
        ".a.7-00.part",  # of a former version
    ):
        (tmp_path / name).write_text("half")
        theirs.append(name)
    write_text(tmp_path / "a", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a", *theirs[1:]])


def test_an_output_that_is_no_path_is_refused() -> None:
    for wrong in (None, 3, ""):
        with pytest.raises(InputError, match="output must be a path"):
            files.claim_folder(wrong, "config.toml", lambda marker: None, ())  # type: ignore[arg-type]
