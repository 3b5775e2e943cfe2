"""The same study on a Dask cluster: same tables as here, also when a worker is lost on the way."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alpt_ref._util import cluster
from alpt_ref._util.cluster import run_on_cluster
from alpt_ref._util.progress import Progress
from alpt_ref.errors import InputError
from alpt_ref.studies import cell as cell_module
from alpt_ref.studies.cell import measure_cell, run_tasks
from alpt_ref.studies.cell_code import code_of_package as code_hash
from alpt_ref.studies.reproduce import choose, draw, open_folder, train_missing
from alpt_ref.studies.training_plan import prepare
from tests.studies.fabricated import STUDY
from tests.studies.test_training_plan import TABLES, contents

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("default")  # the library's own: ports, restarts, lost connections


@pytest.fixture(scope="module")
def workers() -> Iterator[Any]:
    """Two worker processes and their scheduler."""
    options = {"processes": True, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(n_workers=2, **options) as made:
        yield made


@pytest.mark.slow
def test_a_lost_worker_changes_nothing(workers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = choose(TABLES, ())
    train_missing(STUDY, chosen, open_folder(tmp_path / "here"), jobs=1)
    draw(tmp_path / "here", chosen)
    with distributed.Client(workers.scheduler_address, set_as_default=False) as client:
        before = sorted(client.run(os.getpid).values())
    kept: list[str] = []
    original = cell_module.__dict__["keep_cell"]

    def keep(task: Any, *rest: Any) -> Any:
        if not kept:
            os.kill(before[0], signal.SIGKILL)
        kept.append(task.name)
        return original(task, *rest)

    monkeypatch.setattr(cell_module, "keep_cell", keep)
    folder, address = open_folder(tmp_path / "there"), workers.scheduler_address
    assert train_missing(STUDY, chosen, folder, jobs=1, scheduler=address) == {}
    draw(folder, chosen)
    assert len(kept) == len(set(kept)) == 9
    assert contents(folder) == contents(tmp_path / "here")
    with distributed.Client(address, set_as_default=False) as client:
        assert before[0] not in client.run(os.getpid).values()
    assert train_missing(STUDY, chosen, folder, jobs=1, scheduler=address) == {}  # nothing is left to do
    assert len(kept) == 9


@pytest.mark.slow
def test_an_interrupted_study_resumes(workers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, folder = choose(TABLES, ()), open_folder(tmp_path)
    kept: list[str] = []
    original = cell_module.__dict__["keep_cell"]

    def keep(task: Any, *rest: Any) -> Any:
        if len(kept) == 3:
            kept.append("")
            raise KeyboardInterrupt
        kept.append(task.name)
        return original(task, *rest)

    monkeypatch.setattr(cell_module, "keep_cell", keep)
    with pytest.raises(KeyboardInterrupt):
        train_missing(STUDY, chosen, folder, jobs=1, scheduler=workers.scheduler_address)
    assert len(list((folder / "cells").glob("*.json"))) == 3
    train_missing(STUDY, chosen, folder, jobs=1, scheduler=workers.scheduler_address)
    assert len(kept) == 10
    assert len(list((folder / "cells").glob("*.json"))) == 9


@pytest.mark.slow
def test_a_worker_that_cannot_do_the_work_says_why(workers: Any, tmp_path: Path) -> None:
    plan = prepare(STUDY, TABLES, tmp_path, Progress(enabled=False))
    lost = [plan.tasks[0]._replace(store=tmp_path / "nowhere")]
    with pytest.raises(InputError, match=r"does not see .*nowhere.*; put --output on a file system that all of them"):
        list(run_tasks(lost, jobs=1, scheduler=workers.scheduler_address))
    with pytest.raises(InputError, match="another version of alpt_ref"):
        list(run_on_cluster(measure_cell, plan.tasks[:1], workers.scheduler_address, code_hash=own_hash))


def own_hash() -> str:
    """Differs in every process, as if each had its own sources."""
    return f"{code_hash()} {os.getpid()}"


@pytest.mark.slow
def test_any_function_runs_there(workers: Any) -> None:
    """The client knows nothing of a study's cells: results come with their tasks, whatever these are."""
    found = dict(run_on_cluster(abs, [-3, 2], workers.scheduler_address, code_hash=code_hash))
    assert found == {-3: 3, 2: 2}


def test_a_scheduler_that_does_not_answer_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 0.3)
    with pytest.raises(InputError, match=r"no Dask scheduler answers at --scheduler tcp:"):
        list(run_on_cluster(abs, [], "tcp://127.0.0.1:9", code_hash=code_hash))
