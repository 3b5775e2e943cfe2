"""Processes: what a dead worker, a machine without semaphores and a signal to the whole group end in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alpt_ref._util import processes, signals
from alpt_ref.errors import InputError, TrainingError


def double(x: int) -> int:
    return 2 * x


def die(x: int) -> int:
    os._exit(9)


def variable(name: str) -> str | None:
    return os.environ.get(name)


def test_every_task_comes_back_once() -> None:
    assert sorted(processes.run_in_processes(double, [1, 2, 3], jobs=2)) == [2, 4, 6]


def test_workers_see_the_environment_given() -> None:
    found = processes.run_in_processes(variable, ["ALPT_REF_TEST"], jobs=1, environment={"ALPT_REF_TEST": "x"})
    assert list(found) == ["x"]
    assert "ALPT_REF_TEST" not in os.environ


def test_a_dead_worker_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"a worker process died .* is kept in .*--jobs"):
        list(processes.run_in_processes(die, [1, 2], jobs=2, folder=tmp_path))


def test_a_signal_to_the_whole_group_is_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "terminated", lambda: True)
    with pytest.raises(KeyboardInterrupt):
        list(processes.run_in_processes(die, [1, 2], jobs=2))
    assert not signals.terminated()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), NotImplementedError("no sem_open")])
def test_no_semaphores_is_one_sentence_with_the_way_out(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(*args: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(processes, "ProcessPoolExecutor", refuse)
    with pytest.raises(InputError, match=r"processes cannot be started here .*/dev/shm.*--jobs 1"):
        list(processes.run_in_processes(double, [1, 2], jobs=2))


SCRIPT = """
import operator
from alpt_ref._util.processes import run_in_processes
print("started")
print(sorted(run_in_processes(operator.neg, [1, 2], jobs=2)))
"""


@pytest.mark.parametrize("how", ["file", "standard input", "command"])
def test_a_users_script_runs_once(how: str, tmp_path: Path) -> None:
    """Also without ``if __name__ == "__main__"``, as in a notebook's cell or a here-document."""
    (tmp_path / "script.py").write_text(SCRIPT)
    arguments = {"file": ["script.py"], "standard input": ["-"], "command": ["-c", SCRIPT]}[how]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, *arguments], input=SCRIPT, cwd=tmp_path, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("started\n[-2, -1]\n", "")
