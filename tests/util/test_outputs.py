"""Outputs: the input, our own folders and wrong endings are refused, devices, pipes and links stay what they are."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref import verify
from alpt_ref._util.files import atomic, claim_folder
from alpt_ref._util.outputs import check_output_file, check_output_folder, check_results_folder, open_output, shows
from alpt_ref.data import synthetic_clicks
from alpt_ref.errors import InputError
from alpt_ref.serving.import_table import quantize_file

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")


def write(path: Path, content: bytes = b"new") -> None:
    with open_output(check_output_file(path)) as stream:
        stream.write(content)


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    path = tmp_path / "clicks.libfm"
    path.write_text("1 1:1\n")
    return path


def test_the_input_by_any_spelling_is_refused(clicks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(clicks)
    os.link(clicks, tmp_path / "hard.csv")
    (tmp_path / "sub").mkdir()
    for name in ("clicks.libfm", "./sub/../clicks.libfm", str(clicks), "link", "hard.csv"):
        with pytest.raises(InputError, match="is the input"):
            check_output_file(name, inputs=[clicks])
    assert check_output_file("scores.csv", inputs=[clicks]) == Path("scores.csv")


@pytest.mark.parametrize(
    "marker", ["manifest.json", "comparison.json", "checkpoint.json", "result.json", "verify.json"]
)
def test_a_file_inside_our_folders_is_refused(tmp_path: Path, marker: str) -> None:
    (tmp_path / "run" / "state").mkdir(parents=True)
    (tmp_path / "run" / marker).write_text("{}")
    for place in ("run", "run/state"):
        with pytest.raises(InputError, match=f"belongs to alpt-ref \\({marker}\\)"):
            check_output_file(tmp_path / place / "scores.csv")


def test_a_result_that_is_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--output - would be standard output, but the result is a folder"):
        check_results_folder("-")
    for name in ("model.onnx", "Q.NPZ", "scores.csv"):
        with pytest.raises(InputError, match=r"must be a folder, got .*; leave the ending"):
            check_results_folder(tmp_path / name)
    (tmp_path / "old.csv").mkdir()
    for name in ("old.csv", "runs.2024", "v0.3"):
        assert check_results_folder(tmp_path / name) == tmp_path / name


def test_a_name_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    path = tmp_path / f"{'é' * 120}.csv"
    write(path)
    assert path.read_bytes() == b"new"


def test_a_file_that_is_not_of_the_verb_is_not_written_over(tmp_path: Path) -> None:
    path, ours = tmp_path / "notes.md", ("report", lambda file: shows(file, "| property |"))
    check_output_file(path, ours=ours)
    path.write_text("my notes\n")
    with pytest.raises(InputError, match=r"notes\.md exists and holds no report; choose another name or delete it"):
        check_output_file(path, ours=ours)
    path.write_text("## mine\n\n| property | |\n")
    assert check_output_file(path, ours=ours) == path


@pytest.mark.parametrize("check", [check_output_file, check_output_folder, check_results_folder])
def test_what_is_no_path_is_refused(check: Callable[[Any], Path]) -> None:
    for wrong in (None, 7, "", b"x", ["x"], "a\0b"):
        with pytest.raises(InputError, match="--output must be a path"):
            check(wrong)


@posix
def test_the_file_that_could_not_be_written_is_named_and_not_its_temporary_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, atomic(tmp_path / "absent" / "scores.csv"):
        pass
    assert caught.value.filename == str(tmp_path / "absent" / "scores.csv")


def test_folders_and_absent_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        check_output_file(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        check_output_file(tmp_path / "absent" / "scores.csv")


def test_an_ending_that_is_not_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.csv, got 'p\.parquet'"):
        check_output_file(tmp_path / "p.parquet", endings=[".csv"])
    assert check_output_file(tmp_path / "P.CSV", endings=[".csv"])


@posix
def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


@posix
def test_a_link_to_nothing_makes_its_target(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("absent")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "absent").read_text() == "new"


@posix
def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write(pipe)
    reader.join(10)
    assert got == [b"new"]
    assert pipe.is_fifo()


@posix
def test_a_device_is_written_through() -> None:
    write(Path(os.devnull))
    assert Path(os.devnull).is_char_device()


def test_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write(Path("-"), b"a,b\n")
    assert capfdbinary.readouterr().out == b"a,b\n"


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("old")

    def fail() -> None:
        with open_output(path) as stream:
            stream.write(b"half")
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["scores.csv"]


def test_output_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="root of a file system"):
        check_output_folder("/")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        check_output_folder(tmp_path / "file")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert check_output_folder(tmp_path / "link") == (tmp_path / "real").resolve()


def test_folders_for_results(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="root of the file system"):
        check_results_folder("/")
    (tmp_path / "file").write_text("")
    for name, message in (("file", "is a file"), ("file/run", "lies below a file")):
        with pytest.raises(InputError, match=message):
            check_results_folder(tmp_path / name)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "result.json").write_text("{}")
    with pytest.raises(InputError, match=r"belongs to alpt-ref \(result.json\)"):
        check_results_folder(tmp_path / "run" / "checkpoints" / "mine")
    assert check_results_folder(tmp_path / "run") == tmp_path / "run"  # whose it is, the verb itself finds out
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "reproduce.json").write_text("{}")
    with pytest.raises(InputError, match="belongs to"):
        check_results_folder(tmp_path / "study" / "verify")
    check_results_folder(tmp_path / "study" / "verify", within=["reproduce.json"])
    before = sorted(tmp_path.rglob("*"))
    check_results_folder(tmp_path / "new" / "below")
    assert sorted(tmp_path.rglob("*")) == before


def test_no_folder_of_ours_is_made_within_another(tmp_path: Path) -> None:
    """Whoever makes it: the verbs, and functions called from Python."""
    clicks = synthetic_clicks(rows=60, fields=2, features=10)
    clicks.save(tmp_path / "store")
    makers: list[Callable[[Path], object]] = [
        lambda path: claim_folder(path, "config.toml", lambda marker: None, ("result.json",)),
        lambda path: verify("r2", output=path),
        lambda path: quantize_file(tmp_path / "w.npy", path, bits=4),
        clicks.save,
    ]
    np.save(tmp_path / "w.npy", np.ones((4, 2), np.float32))
    for make in makers:
        with pytest.raises(InputError, match=r"store, which belongs to alpt-ref \(manifest\.json\)"):
            make(tmp_path / "store" / "deeper" / "new")
    assert not (tmp_path / "store" / "deeper").exists()
