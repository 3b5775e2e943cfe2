"""Cells that are files: each is made once, also by clients that work together, and a killed one blocks nobody."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from alpt_ref._util import dispatch
from alpt_ref._util.dispatch import Cells, Where, run_cells
from alpt_ref._util.folders import LOCK, alone_with, claim_file, remove_locks
from alpt_ref.errors import TrainingError

TASKS = range(6)
ROOT = Path(__file__).resolve().parents[2]


def file_of(task: int, folder: Path) -> Path:
    return folder / "cells" / f"{task}.txt"


def measure(task: int, folder: Path, wait_s: float = 0.0) -> int:
    """Ten times the task, after a line in a list of who measured what; task 99 fails."""
    if task == 99:
        raise TrainingError("no 99")
    with (folder / "made.txt").open("a") as made:
        made.write(f"{task} {os.getpid()}\n")
    time.sleep(wait_s)
    file_of(task, folder).parent.mkdir(exist_ok=True)
    file_of(task, folder).write_text(str(10 * task))
    return 10 * task


def cells(folder: Path, wait_s: float = 0.0) -> Cells[int, int]:
    return Cells(
        run=functools.partial(measure, folder=folder, wait_s=wait_s),
        file_of=functools.partial(file_of, folder=folder),
        read=lambda task: int(file_of(task, folder).read_text()),
        code_hash=str,
        seen=lambda task: (),
        folder=folder,
    )


def made(folder: Path) -> list[int]:
    return sorted(int(line.split()[0]) for line in (folder / "made.txt").read_text().splitlines())


@pytest.mark.parametrize("where", [Where(1), Where(2), Where(1, join=True), Where(2, join=True)], ids=str)
def test_every_cell_is_made_once_wherever_it_is(where: Where, tmp_path: Path) -> None:
    assert sorted(run_cells(cells(tmp_path), TASKS, where)) == [0, 10, 20, 30, 40, 50]
    assert made(tmp_path) == [0, 1, 2, 3, 4, 5]
    assert [path.name for path in (tmp_path / "cells").glob(".*")] == []


def test_a_cell_of_another_client_is_waited_for_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "WAIT_S", 0.01)
    other, held = 3, threading.Event()
    said: list[str] = []

    def elsewhere() -> None:
        with claim_file(file_of(other, tmp_path)) as ours:
            assert ours
            held.set()
            while not said:
                time.sleep(0.01)
            file_of(other, tmp_path).write_text("7")

    thread = threading.Thread(target=elsewhere)
    thread.start()
    held.wait(10)
    found = sorted(run_cells(cells(tmp_path), TASKS, Where(join=True), log=said.append))
    thread.join()
    assert found == [0, 7, 10, 20, 40, 50]
    assert made(tmp_path) == [0, 1, 2, 4, 5]
    assert said == ["1 cells are being measured by other clients; waiting for them"]


def test_a_cell_that_another_client_gives_up_is_made_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "WAIT_S", 0.01)
    said: list[str] = []
    held = threading.Event()

    def elsewhere() -> None:
        with claim_file(file_of(3, tmp_path)):
            held.set()
            while not said:
                time.sleep(0.01)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    held.wait(10)
    assert len(list(run_cells(cells(tmp_path), TASKS, Where(join=True), log=said.append))) == len(TASKS)
    thread.join()
    assert made(tmp_path) == [0, 1, 2, 3, 4, 5]


def test_a_failure_leaves_no_file_and_no_lock(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no 99"):
        list(run_cells(cells(tmp_path), [99], Where(join=True)))
    assert list((tmp_path / "cells").iterdir()) == []


def client(folder: Path, tasks: Sequence[int], wait_s: float) -> subprocess.Popen[str]:
    code = (
        "from pathlib import Path; from tests.util import test_dispatch as t\n"
        f"folder = Path({str(folder)!r})\n"
        f"found = list(t.run_cells(t.cells(folder, {wait_s}), {list(tasks)}, t.Where(join=True)))\n"
        "print(sorted(found))"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_two_clients_share_the_cells_and_one_that_is_killed_leaves_its_own_to_the_other(tmp_path: Path) -> None:
    both = [client(tmp_path, TASKS, 0.1), client(tmp_path, [*reversed(TASKS)], 0.1)]
    assert [one.communicate()[0] for one in both] == ["[0, 10, 20, 30, 40, 50]\n"] * 2
    assert made(tmp_path) == [0, 1, 2, 3, 4, 5]
    killed = client(tmp_path, [6], 100.0)
    while made(tmp_path)[-1] != 6:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert [path.name for path in (tmp_path / "cells").glob(".*")] == [f".6.txt{LOCK}"]
    assert list(run_cells(cells(tmp_path), [6], Where(join=True))) == [60]
    assert [path.name for path in (tmp_path / "cells").glob(".*")] == []


def test_locks_of_the_living_stay_and_those_of_the_dead_go(tmp_path: Path) -> None:
    (tmp_path / f".old{LOCK}").write_bytes(b"")
    with claim_file(tmp_path / "new") as ours:
        assert ours
        remove_locks(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [f".new{LOCK}"]
        with claim_file(tmp_path / "new") as theirs:
            assert not theirs


def test_one_after_the_other(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with alone_with(tmp_path / "x"):
            order.append("second")

    with alone_with(tmp_path / "x"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
