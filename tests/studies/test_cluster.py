"""Studies, claims and any cells on a Dask cluster: what comes out is as here, whoever is killed on the way.

Scheduler and workers are processes of the command ``dask``, as a user starts them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alpt_ref._util import cluster
from alpt_ref._util.cluster import run_on_cluster
from alpt_ref._util.dispatch import Where, run_cells
from alpt_ref._util.progress import Progress
from alpt_ref.errors import InputError, TrainingError
from alpt_ref.studies.cell import measure_cell, run_tasks
from alpt_ref.studies.cell_code import code_of_package as code_hash
from alpt_ref.studies.reproduce import choose, draw, open_folder
from alpt_ref.studies.training_plan import prepare, run
from alpt_ref.verification.verify import verify
from tests.dask_processes import ROOT, Processes, until
from tests.studies.fabricated import STUDY
from tests.studies.test_training_plan import TABLES, contents
from tests.util.test_dispatch import cells, made

distributed = pytest.importorskip("distributed")
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.slow]  # warnings of the library: ports, lost workers


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Processes]:
    """A scheduler without workers; each test starts those that it needs."""
    there = Processes(tmp_path / "scheduler.json")
    there.scheduler()
    yield there
    there.end()


class Killing(Progress):
    """Calls a function as soon as the first run is there."""

    def __init__(self, kill: Any) -> None:
        super().__init__(enabled=False)
        self.kill, self.done = kill, 0

    def advance(self, amount: int, note: str = "") -> None:
        self.done += 1
        if self.done == 1:
            self.kill()


def test_a_study_is_the_same_there_though_a_worker_is_killed(dask: Processes, tmp_path: Path) -> None:
    chosen = choose(TABLES, ())
    first, _ = dask.worker(), dask.worker()
    for name, where in (("here", Where()), ("there", Where(1, dask.address))):
        folder = open_folder(tmp_path / name)
        plan = prepare(STUDY, chosen.needs, folder, Progress(enabled=False))
        kill = first.kill if name == "there" else lambda: None
        assert run(plan, where, progress=Killing(kill), log=lambda text: None) == {}
        draw(folder, chosen)
    assert first.wait() == -signal.SIGKILL
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert run(plan, Where(1, dask.address), progress=Progress(enabled=False), log=lambda text: None) == {}


def client(folder: Path, address: str) -> subprocess.Popen[str]:
    """A process that measures eight cells of half a second each on the cluster."""
    code = (
        "from pathlib import Path; from tests.util import test_dispatch as t\n"
        f"folder, where = Path({str(folder)!r}), t.Where(1, {address!r})\n"
        "print(sorted(t.run_cells(t.cells(folder, 0.5), range(8), where)))"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def files(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in (folder / "cells").glob("[0-9]*.txt"))


def test_a_client_that_is_killed_loses_nothing_that_the_workers_had_begun(dask: Processes, tmp_path: Path) -> None:
    dask.worker(), dask.worker()
    (tmp_path / "cells").mkdir()
    killed = client(tmp_path, dask.address)
    until(lambda: len(files(tmp_path)) >= 2)
    killed.kill()
    killed.communicate()
    begun = made(tmp_path)
    until(lambda: files(tmp_path) == made(tmp_path))
    assert set(begun) <= set(files(tmp_path))
    assert len(begun) < 8
    rest = [task for task in range(8) if task not in files(tmp_path)]
    found = run_cells(cells(tmp_path), rest, Where(1, dask.address))
    assert sorted(found) == [10 * task for task in rest]
    assert made(tmp_path) == files(tmp_path) == [*range(8)]


def test_a_scheduler_that_is_killed_is_one_sentence_and_another_one_goes_on(
    dask: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dask.worker()
    (tmp_path / "cells").mkdir()
    found = run_cells(cells(tmp_path, 0.3), range(8), Where(1, dask.address))
    next(found), next(found)
    dask.running[0].kill()
    with pytest.raises(TrainingError, match="connection to the cluster was lost; finished runs are kept, start again"):
        list(found)
    kept = files(tmp_path)
    assert 2 <= len(kept) < 8
    dask.scheduler(), dask.worker()
    rest = [task for task in range(8) if task not in kept]
    assert sorted(run_cells(cells(tmp_path), rest, Where(1, dask.address))) == [10 * task for task in rest]
    assert files(tmp_path) == [*range(8)]


def test_two_clients_share_the_cells_of_one_cluster(dask: Processes, tmp_path: Path) -> None:
    dask.worker(), dask.worker()
    (tmp_path / "cells").mkdir()
    found: list[list[int]] = []

    def other() -> None:
        found.append(sorted(run_cells(cells(tmp_path, 0.2), range(8), Where(1, dask.address, join=True))))

    thread = threading.Thread(target=other)
    thread.start()
    other()
    thread.join()
    assert found == [[10 * task for task in range(8)]] * 2
    assert made(tmp_path) == [*range(8)]


def test_a_scheduler_without_workers_says_so(dask: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 2)
    monkeypatch.setattr(cluster, "WATCH_S", 0.1)
    (tmp_path / "cells").mkdir()
    with pytest.raises(InputError, match=r"at --scheduler tcp:.* has no workers; start some: dask worker tcp:"):
        list(run_cells(cells(tmp_path), range(2), Where(1, dask.address)))
    first, said = dask.worker(), []

    def log(text: str) -> None:
        said.append(text)
        dask.worker()

    found = run_cells(cells(tmp_path, 1.0), range(3), Where(1, dask.address), log=log)
    results = [next(found)]
    time.sleep(0.5)  # so that the watch has seen a worker
    first.kill()
    assert sorted([*results, *found]) == [0, 10, 20]
    assert len(said) == 1
    assert "has no workers left; waiting for one (dask worker tcp:" in said[0]


def stored(folder: Path) -> dict[str, Any]:
    """The content of every cell but for the seconds that it took."""
    found = {}
    for path in sorted((folder / "cells").glob("*/*.json")):
        content = json.loads(path.read_text())
        content["record"].pop("seconds")
        content.pop("checksum")
        found[path.name] = content
    return found


def test_claims_are_judged_there_as_here(dask: Processes, tmp_path: Path) -> None:
    dask.worker()
    here = verify(["r2"], output=tmp_path / "here", jobs=1)
    there = verify(["r2"], output=tmp_path / "there", jobs=1, scheduler=dask.address, join=True)
    assert {name: (one.outcome, one.p) for name, one in here.items()} == {
        name: (one.outcome, one.p) for name, one in there.items()
    }
    assert stored(tmp_path / "there") == stored(tmp_path / "here") != {}


def test_a_worker_that_cannot_do_the_work_says_why(dask: Processes, tmp_path: Path) -> None:
    dask.worker()
    plan = prepare(STUDY, TABLES, tmp_path / "out", Progress(enabled=False))
    lost = [plan.tasks[0]._replace(store=tmp_path / "nowhere")]
    with pytest.raises(InputError, match=r"does not see .*nowhere.*; put it and --output on a file system that all of"):
        list(run_tasks(lost, Where(1, dask.address)))
    with pytest.raises(InputError, match="another version of alpt_ref"):
        list(run_on_cluster(measure_cell, plan.tasks[:1], dask.address, code_hash=own_hash))
    assert dict(run_on_cluster(abs, [-3, 2], dask.address, code_hash=code_hash)) == {-3: 3, 2: 2}


def own_hash() -> str:
    """Differs in every process, as if each had its own sources."""
    return f"{code_hash()} {os.getpid()}"


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 0.3)
    with pytest.raises(InputError, match=r"no Dask scheduler answers at --scheduler tcp:"):
        list(run_on_cluster(abs, [], "tcp://127.0.0.1:9", code_hash=code_hash))
