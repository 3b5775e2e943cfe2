"""What goes wrong around a run: full disks, two processes, arrays, arguments. Each time one sentence, and what was
whole stays whole; kills and signals are in `test_kills`."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref._util.folders import folder_lock
from alpt_ref.cli import main
from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.errors import InputError
from alpt_ref.training import checkpoint
from alpt_ref.training.checkpoint import CheckpointError, read_checkpoint, read_folder, write_checkpoint
from alpt_ref.training.train import train
from tests.training.faulty_runs import OPTIONS, POSIX, content

from .stopped_runs import stopped, tiny


@pytest.fixture(scope="module")
def dataset() -> ClickDataset:
    return synthetic_clicks(rows=2000, fields=4, features=150, seed=1)


@POSIX
def test_a_limit_on_the_size_of_files_is_one_sentence(tmp_path: Path) -> None:
    """A real refusal by the operating system, as a full disk would be, in the middle of a file."""
    import resource

    write_checkpoint(tmp_path, content(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(CheckpointError, match=r"step-000000002 cannot be written \(.*File too large.*\); earlier"):
            write_checkpoint(tmp_path, content(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001"]
    assert read_checkpoint(tmp_path / "step-000000001").meta["step"] == 1
    write_checkpoint(tmp_path, content(2))


def full_disk(after: int, patch: pytest.MonkeyPatch) -> None:
    """The disk has room for so many more syncs."""
    left = iter(range(after))
    original = os.fsync

    def fsync(handle: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(handle)

    patch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("room", range(4))
def test_a_full_disk_while_a_checkpoint_is_written(room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path, content(1))
    write_checkpoint(tmp_path, content(2))
    with monkeypatch.context() as patch:
        full_disk(room, patch)
        with pytest.raises(
            CheckpointError, match=r"cannot be written \(No space left on device\); earlier ones are whole"
        ):
            write_checkpoint(tmp_path, content(3))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000001", "step-000000002"]
    assert [read_folder(path).meta["step"] for path in checkpoint.list_checkpoints(tmp_path)] == [2, 1]


def test_a_full_disk_ends_the_command_with_one_sentence_and_it_can_go_on(
    dataset: ClickDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*OPTIONS[:-1], "--set=train.epochs=3", "--quiet", "--output", str(tmp_path / "run")]
    with monkeypatch.context() as patch:
        full_disk(10, patch)
        with pytest.raises(SystemExit) as caught:
            main(["train", *options])
    assert caught.value.code == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "cannot be written (No space left on device)" in said
    assert not list((tmp_path / "run").rglob("*.part"))
    assert read_checkpoint(tmp_path / "run").meta["step"] == 40
    with pytest.raises(SystemExit) as caught:
        main(["train", *options, "--resume"])
    assert caught.value.code == 0
    resumed = capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["train", *options[:-2]])
    assert capsys.readouterr().out == resumed


def test_checkpoints_that_cannot_be_made(dataset: ClickDataset, tmp_path: Path) -> None:
    """A file where the folder of checkpoints belongs, put there in the middle of a run."""
    stopped(tiny(), dataset, tmp_path, 3)
    before = read_checkpoint(tmp_path)

    def swap(folder: Path, given: Any, *, original: Any = write_checkpoint) -> Path:
        (tmp_path / "checkpoints").rename(tmp_path / "away")
        (tmp_path / "checkpoints").write_text("mine")
        return original(folder, given)  # type: ignore[no-any-return]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "write_checkpoint", swap)
        with pytest.raises(CheckpointError, match="step-000000006 cannot be written"):
            train(tiny(), dataset, output=tmp_path, resume=True)
    assert (tmp_path / "checkpoints").read_text() == "mine"
    assert read_folder(tmp_path / "away" / "step-000000003").meta == before.meta


def test_what_a_killed_writer_left_is_cleaned_up_and_nothing_else(dataset: ClickDataset, tmp_path: Path) -> None:
    stopped(tiny(epochs=1), dataset, tmp_path, 3)
    rest = tmp_path / "checkpoints" / ".step-000000004.99-ab.part"
    shutil.copytree(tmp_path / "checkpoints" / "step-000000003", rest)
    (tmp_path / ".result.json.99.part").write_text("{")
    (tmp_path / "notes.txt").write_text("mine")
    train(tiny(epochs=1), dataset, output=tmp_path, resume=True)
    assert not list(tmp_path.rglob("*.part"))
    assert (tmp_path / "notes.txt").read_text() == "mine"


# --- two processes ----------------------------------------------------------------------------------------------------


def hold(folder: Path, channel: Any) -> None:
    """Have the lock of a folder until the other end of the channel is closed (runs in a process of its own)."""
    with folder_lock(folder):
        channel.send("ready")
        with contextlib.suppress(EOFError):
            channel.recv()


@pytest.fixture
def occupied(tmp_path: Path) -> Iterator[tuple[Path, Any]]:
    """A folder whose lock another process has."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=hold, args=(tmp_path, theirs))
    process.start()
    theirs.close()
    assert ours.poll(60)
    yield tmp_path, process
    ours.close()
    process.join(60)


def test_a_folder_in_use_is_refused_until_its_process_dies(occupied: tuple[Path, Any], dataset: ClickDataset) -> None:
    folder, process = occupied
    message = rf"output folder .* is in use by another process \({process.pid}\); wait until it ends, or choose another"
    for options in ({}, {"resume": True}):
        with pytest.raises(InputError, match=message):
            train(tiny(), dataset, output=folder, **options)
    assert [path.name for path in folder.iterdir()] == [".lock"]
    process.kill()
    process.join(60)
    assert [path.name for path in folder.iterdir()] == [".lock"]  # left behind, and locks nothing
    train(tiny(epochs=1), dataset, output=folder)
    assert not (folder / ".lock").exists()


def test_the_same_process_cannot_be_in_a_folder_twice(tmp_path: Path) -> None:
    with folder_lock(tmp_path):
        with pytest.raises(InputError, match="is in use by another process"), folder_lock(tmp_path):
            pass
        assert (tmp_path / ".lock").exists()
    with folder_lock(tmp_path):
        pass


# --- arrays ----------------------------------------------------------------------------------------------------------


def test_a_run_does_not_depend_on_how_its_data_lie_in_memory(dataset: ClickDataset) -> None:
    expected = train(tiny(epochs=1), dataset)
    frozen = dataset.labels.copy()
    frozen.flags.writeable = False
    for ids in (np.asfortranarray(dataset.ids), np.repeat(dataset.ids, 2, axis=0)[::2]):
        ids.flags.writeable = False
        other = dataclasses.replace(dataset, ids=ids, labels=frozen, split=dataset.split[::-1][::-1])
        result = train(tiny(epochs=1), other)
        assert result.history[0].reproducible() == expected.history[0].reproducible()
        assert (result.test_auc, result.fingerprint) == (expected.test_auc, expected.fingerprint)


@pytest.mark.parametrize("dtype", [">u4", "i4", "u8", "f4"])
def test_ids_of_another_type_or_byte_order_are_refused(dtype: str, dataset: ClickDataset) -> None:
    with pytest.raises(InputError, match=r"ids must be uint32 of shape \(rows, 4\), got"):
        dataclasses.replace(dataset, ids=dataset.ids.astype(dtype))


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resume"], "--resume needs an output folder; name it with --output"),
        (["--checkpoint-every", "3"], "--checkpoint-every needs an output folder; name it with --output"),
        (["--checkpoint-every", "0", "--output", "x"], "Invalid value for '--checkpoint-every'"),
        (
            ["--output", "run", "--quiet"],
            "holds an unfinished run, its newest checkpoint step-000000003; continue from it",
        ),
        (["--output", "run", "--resume", "--set=table.bits=4", "--quiet"], "table.bits is 8 there and 4 here"),
        (["--output", "run/checkpoints/step-000000003", "--quiet"], "holds a checkpoint (checkpoint.json)"),
    ],
)
def test_bad_input_is_one_sentence(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    from alpt_ref.training.config import PRESETS
    from alpt_ref.training.config_io import apply_overrides

    config = apply_overrides(PRESETS["quick"], [option.removeprefix("--set=") for option in OPTIONS[1:]])
    data = synthetic_clicks(rows=2000, fields=3, features=60, rank=2)
    stopped(config, data, tmp_path / "run", 3)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit) as caught:
        main(["train", *OPTIONS, *options])
    said = capsys.readouterr()
    assert (caught.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert message in said.err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_resuming_by_the_command_says_where_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*OPTIONS[:-1], "--set=train.epochs=2", "--output", str(tmp_path / "run"), "--resume"]
    with pytest.raises(SystemExit):
        main(["train", *options])
    said = capsys.readouterr()
    assert f"{tmp_path / 'run'} holds no checkpoint: training starts at the beginning" in said.err
    (tmp_path / "run" / "result.json").unlink()
    with pytest.raises(SystemExit):
        main(["train", *options, "--threads", "2"])
    again = capsys.readouterr()
    assert "step-000000080: 2 epochs and 80 steps are done" in again.err
    assert again.out == said.out  # epochs, speeds and figures included
    assert json.loads((tmp_path / "run" / "result.json").read_text())["history"][1]["epoch"] == 2
