"""Kernels compiled ahead by other processes: begun once for a configuration, waited for, and found by the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alpt_ref.kernels import cache
from alpt_ref.training import compile_ahead
from alpt_ref.training.config import ModelConfig, RunConfig, TrainConfig
from alpt_ref.training.config_io import dump_toml

ROOT = Path(__file__).parents[2]
CONFIG = RunConfig(model=ModelConfig(hidden=(64, 32)), train=TrainConfig(device="cuda", epochs=1))


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that were begun; each does nothing for a moment."""
    commands: list[list[str]] = []
    popen = subprocess.Popen

    def begin(command: list[str], **options: Any) -> Any:
        commands.append(command)
        assert Path(command[3]).read_text() == dump_toml(CONFIG)
        return popen(["true"], **options)

    monkeypatch.setattr(cache, "cache_directory", lambda: tmp_path)
    monkeypatch.setattr(subprocess, "Popen", begin)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    return commands


def test_processes_share_the_kernels_and_are_begun_once(begun: list[list[str]], tmp_path: Path) -> None:
    compile_ahead.start(CONFIG)
    assert [command[4:] for command in begun] == [["0", "3"], ["1", "3"], ["2", "3"]]
    settings = Path(begun[0][3])
    compile_ahead.wait()
    assert not settings.exists()
    compile_ahead.start(CONFIG.replace("train", seed=1, epochs=7).replace("model", hidden=(8,)))
    compile_ahead.wait()
    assert len(begun) == 3, "the same kernels"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_run_that_ends_early_ends_them_and_they_are_begun_again(begun: list[list[str]], tmp_path: Path) -> None:
    compile_ahead.start(CONFIG)
    compile_ahead._stop()
    assert list(tmp_path.iterdir()) == []
    compile_ahead.start(CONFIG)
    compile_ahead.wait()
    assert len(begun) == 6


def test_two_processors_are_left_to_the_run(begun: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    compile_ahead.start(CONFIG)
    compile_ahead.wait()
    assert begun == []


SCRIPT = """
import sys
from pathlib import Path
from numba.cuda import dispatcher
made, begin = [], dispatcher._Kernel.__init__
def counted(kernel, function, *args, **options):
    made.append(function.__qualname__)
    begin(kernel, function, *args, **options)
dispatcher._Kernel.__init__ = counted
from alpt_ref.data.synthetic.clicks import synthetic_clicks
from alpt_ref.training.config_io import load_own_toml
from alpt_ref.training.train import train
train(load_own_toml(Path(sys.argv[1])), synthetic_clicks(rows=2000, fields=3, features=60, seed=0))
print(made)
"""


@pytest.mark.gpu
def test_a_run_finds_every_kernel_that_was_compiled_ahead(tmp_path: Path) -> None:
    settings = tmp_path / "config.toml"
    settings.write_text(dump_toml(CONFIG.replace("train", batch_size=100)))
    environment = {**os.environ, "ALPT_REF_CACHE_DIR": str(tmp_path / "cache")}
    parts = [
        subprocess.Popen(
            [sys.executable, "-m", "alpt_ref.training.compile_ahead", str(settings), str(part), "3"],
            cwd=ROOT, env=environment,
        )
        for part in range(3)
    ]  # fmt: skip
    assert [process.wait() for process in parts] == [0, 0, 0]
    command = [sys.executable, "-c", SCRIPT, str(settings)]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout == "[]\n"
