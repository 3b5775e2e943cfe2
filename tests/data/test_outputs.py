"""What ``alpt-ref data`` and ``predict`` may write to: nothing of the user's is destroyed, decided before any work."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from alpt_ref.cli import run
from alpt_ref.data import ClickDataset, read_criteo

from .files import random_criteo, write

SYNTH = ("data", "synth", "--rows=200", "--fields=2", "--features=20", "--quiet", "--output")
GENERATE = ("data", "generate", "--shape=criteo", "--rows=20", "--quiet", "--output")


def contents(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file, a link to nothing, a link to a folder and a store."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "clicks", "\n".join(random_criteo(30)))
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "real").mkdir()
    (tmp_path / "to_real").symlink_to(tmp_path / "real")
    assert run([*SYNTH, "store"]) == 0
    return tmp_path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*SYNTH, "/"), "is the root of a file system"),
        ((*SYNTH, "."), "is the current folder"),
        ((*SYNTH, "clicks"), "is a file"),
        ((*SYNTH, "store/inner"), "lies in .*store, which belongs to alpt-ref"),
        (("data", "encode", "--criteo", "clicks", "--output", "clicks"), "is a file"),
        (("data", "encode", "--criteo", "clicks", "--output", "/"), "is the root of a file system"),
        ((*GENERATE, "clicks"), "exists; choose another name"),
        ((*GENERATE, "dangling"), "exists; choose another name"),
        ((*GENERATE, "real"), "is a folder"),
        ((*GENERATE, "store/raw.txt"), "lies in .*store, which belongs to alpt-ref"),
        ((*GENERATE, "raw.parquet"), "must end in .txt or .csv or .tsv or .gz"),
    ],
)
def test_what_would_be_destroyed_is_refused(
    words: tuple[str, ...], message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    before = contents(place)
    assert run(words) == 2
    assert re.search(message, capsys.readouterr().err)
    assert contents(place) == before


def test_a_link_to_a_folder_is_followed(place: Path) -> None:
    assert run([*SYNTH, "to_real"]) == 0
    assert (place / "to_real").is_symlink()
    assert ClickDataset.open(place / "real").rows == 200


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_and_a_device_are_written_through(place: Path) -> None:
    os.mkfifo(place / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((place / "pipe").read_bytes()))
    reader.start()
    assert run([*GENERATE, "pipe"]) == 0
    reader.join()
    assert (place / "pipe").is_fifo()
    assert read_criteo(write(place / "got", got[0])).rows == 20
    assert run([*GENERATE, os.devnull]) == 0
    assert not Path(os.devnull).is_file()
