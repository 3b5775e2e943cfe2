"""Kills and signals during a run: what was whole stays whole, and the run can go on.

A kill is tested twice: for real, at a few moments, and by a copy of the folder at every moment at which its names or
its synced contents change, which is what a kill at that moment leaves behind.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import alpt_ref
from alpt_ref._util import sealed
from alpt_ref._util.folders import folder_lock
from alpt_ref.cli import main
from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.training import checkpoint
from alpt_ref.training.checkpoint import read_checkpoint, read_folder
from alpt_ref.training.train import train
from tests.training.faulty_runs import OPTIONS, POSIX

from .stopped_runs import reproducible, tiny


@pytest.fixture(scope="module")
def dataset() -> ClickDataset:
    return synthetic_clicks(rows=2000, fields=4, features=150, seed=1)


def at_every_change(act: Callable[[str], None], patch: pytest.MonkeyPatch) -> None:
    """Call `act` before and after everything that makes a name or a content lasting."""
    for owner, name in ((os, "fsync"), (Path, "rename"), (Path, "replace"), (Path, "unlink"), (shutil, "rmtree")):
        patch.setattr(owner, name, _around(getattr(owner, name), name, act))


def _around(original: Any, name: str, act: Callable[[str], None]) -> Any:
    def around(*args: Any, **options: Any) -> Any:
        act(f"before {name}")
        result = original(*args, **options)
        act(f"after {name}")
        return result

    return around


@pytest.mark.slow
@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.nightly)])
def test_a_kill_at_any_moment_costs_no_bit(every: int, dataset: ClickDataset, tmp_path: Path) -> None:
    config = tiny(epochs=2)
    train(config, dataset, output=tmp_path / "whole", checkpoint_every=5)
    expected = reproducible(tmp_path / "whole")
    output, copies = tmp_path / "run", list[Path]()

    def copy(moment: str) -> None:
        target = tmp_path / "copies" / f"{len(copies):03d} {moment}"
        with pytest.MonkeyPatch.context() as plain:
            plain.setattr(os, "fsync", lambda handle: None)
            shutil.copytree(output, target)
        copies.append(target)

    with pytest.MonkeyPatch.context() as patch:
        at_every_change(copy, patch)
        train(config, dataset, output=output, checkpoint_every=5)
    assert len(copies) > 60
    unfinished = 0
    for number, left in enumerate(copies):
        for path in checkpoint.list_checkpoints(left / "checkpoints"):
            read_folder(path)  # whole or not there
        if (left / "state").exists():
            read_folder(left / "state")
        unfinished += not (left / "result.json").exists()
        if number % every == 0:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(os, "fsync", lambda handle: None)
                train(config, dataset, output=left, checkpoint_every=5, resume=True)
            assert reproducible(left) == expected, left.name
            assert not list(left.rglob("*.part")), left.name
    assert unfinished > 50


def command(*options: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(alpt_ref.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-m", "alpt_ref", "train", *OPTIONS, *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def wait_for_checkpoint(output: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300  # a cold start compiles
    while not checkpoint.list_checkpoints(output / "checkpoints") and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@POSIX
def test_sigkill_leaves_a_checkpoint_and_an_open_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "run"
    process = command("--output", str(output), "--checkpoint-every", "1")  # nearly always writing
    wait_for_checkpoint(output, process)
    process.kill()
    process.communicate(timeout=300)
    assert (output / ".lock").exists()
    step = read_checkpoint(output).meta["step"]
    for path in checkpoint.list_checkpoints(output / "checkpoints"):
        read_folder(path)
    with folder_lock(output):
        assert (output / ".lock").read_text() == f"{os.getpid()}\n"
    assert step >= 1
    assert not (output / ".lock").exists()


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_the_state_and_says_how_to_go_on(number: int, tmp_path: Path) -> None:
    output = tmp_path / "run"
    process = command("--output", str(output))
    wait_for_checkpoint(output, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert out == ""
    newest = checkpoint.list_checkpoints(output / "checkpoints")[0]
    content = read_folder(newest)
    assert err.splitlines()[-1] == (
        f"Error: stopped after step {content.meta['step']} (epoch {err.rsplit('(epoch ')[-1].split(')')[0]}); "
        f"{newest} holds its state; run the same command with --resume to continue"
    )
    assert not (output / ".lock").exists()
    assert not list(output.rglob("*.part"))


@POSIX
def test_a_second_signal_ends_at_once_and_what_was_whole_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both in the middle of writing a checkpoint."""
    original = sealed.write_arrays

    def interrupted(path: Path, arrays: Any) -> Any:
        if "step-000000080" in path.parent.name:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
        return original(path, arrays)

    monkeypatch.setattr(sealed, "write_arrays", interrupted)
    with pytest.raises(SystemExit) as caught:
        main(["train", *OPTIONS, "--output", str(tmp_path / "run")])
    assert caught.value.code == 143
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"Error: interrupted; the state after step 40 is in {tmp_path / 'run'}; run the same command "
        "with --resume to continue"
    )
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-000000040"]
    assert read_checkpoint(tmp_path / "run").meta["step"] == 40


@POSIX
def test_a_signal_without_a_folder_keeps_nothing_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from alpt_ref.training.engine import CpuEngine

    monkeypatch.setattr(CpuEngine, "train", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        main(["train", *OPTIONS])
    assert caught.value.code == 143
    message = "Error: interrupted; nothing was kept; run the same command to train again from the start"
    assert capsys.readouterr().err.splitlines()[-1] == message
    assert signal.getsignal(signal.SIGTERM) is before
