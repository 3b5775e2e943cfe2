"""The command line called in an empty folder, and a folder with small files and results to call it on."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alpt_ref.cli import main
from tests.cli.calls import SMALL, Call, Caller
from tests.data.files import random_criteo


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """Call the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> Call:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main(args)
        captured = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return Call(caught.value.code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def made(once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """Click files good and bad, arrays, and what the verbs make of them: a store, a run, an export."""
    return once("made-by-verbs", _make)


def _make(folder: Path) -> None:
    criteo = "\n".join(random_criteo(300)) + "\n"
    libfm = "".join(f"{row % 2} {row % 7}:1 {10 + row % 5}:1\n" for row in range(300))
    texts = {
        "criteo.txt": criteo,
        "libfm.txt": libfm,
        "empty.txt": "",
        "short.txt": f"{criteo}1\t2\t3\n",
        "label2.txt": f"{libfm}2 1:1 10:1\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    packed = gzip.compress(criteo.encode(), mtime=0)
    (folder / "criteo.txt.gz").write_bytes(packed)
    (folder / "cut.txt.gz").write_bytes(packed[: len(packed) // 2])
    np.save(folder / "w.npy", np.linspace(-1, 1, 64, dtype=np.float32).reshape(16, 4))
    np.save(folder / "objects.npy", np.array([{}], dtype=object))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for arguments in (
            ("data", "encode", "--criteo", "criteo.txt", "--min-count", "2", "--output", "store"),
            ("train", "--data", "store", *SMALL, "--set=table.bits=4", "--output", "run"),
            ("export", "run", "--to", "torch", "--output", "export-torch"),
        ):
            with pytest.raises(SystemExit) as caught:
                main((*arguments, "--quiet"))
            assert caught.value.code == 0, arguments


@pytest.fixture
def workshop(made: Path, tmp_path: Path) -> Path:
    """A copy of `made` in the folder in which `run` calls."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path
