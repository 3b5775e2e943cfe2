"""A cold start shares its compilation between two processes, and does so only where that is short and of use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alpt_ref.data import ClickDataset
from alpt_ref.errors import TrainingError
from alpt_ref.studies import warm_up
from alpt_ref.studies.cell import TrainingTask
from alpt_ref.training.config import RunConfig
from tests.studies.fabricated import STUDY


def tasks(*labels: str, store: Path = Path("a")) -> list[TrainingTask]:
    return [TrainingTask(label, STUDY.run(label, 8), store, Path(f"{label}.json")) for label in labels]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What would be given to processes; the cache of kernels is an empty folder."""
    given: list[Any] = []

    def run(function: Any, work: list[Any], jobs: int) -> Iterator[None]:
        given.extend(work)
        return iter(())

    monkeypatch.setattr(warm_up, "run_in_processes", run)
    monkeypatch.setattr(warm_up, "cache_directory", lambda: tmp_path)
    return given


def test_one_process_has_the_dense_part_and_the_other_the_tables(started: list[Any]) -> None:
    said: list[str] = []
    warm_up.warm_up(tasks("lpt-sr", "fp32", "lpt-sr", "alpt-dr"), 1000, said.append)
    dense, table = started
    assert [one.table.label for one in dense.configs] == ["fp32"]
    assert dense.configs[0].model.kind == STUDY.base.model.kind
    assert [one.table.label for one in table.configs] == ["lpt-sr", "alpt-dr"]
    assert {one.model.kind for one in table.configs} == {"logistic"}
    assert {one.train.epochs for part in started for one in part.configs} == {1}
    assert said == ["compiling kernels, once for this installation: 10 to 20 s"]


def test_what_is_compiled_large_or_alone_is_not_warmed_up(started: list[Any], tmp_path: Path) -> None:
    warm_up.warm_up(tasks("fp32", "lpt-sr"), warm_up.MOST_ROWS + 1, print)
    warm_up.warm_up(tasks("lpt-sr"), 1000, print)
    warm_up.warm_up([], 1000, print)
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "one.nbi").touch()
    warm_up.warm_up(tasks("fp32", "lpt-sr"), 1000, print)
    assert started == []


def test_there_is_nothing_to_warm_up_without_a_cache(started: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_up, "cache_directory", lambda: None)
    warm_up.warm_up(tasks("fp32", "lpt-sr"), 1000, print)
    assert started == []


def test_a_long_compilation_is_not_silent(started: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    spoke = threading.Event()

    def log(text: str) -> None:
        said.append(text)
        if len(said) == 3:
            spoke.set()

    def work(function: Any, given: Any, jobs: int) -> Iterator[None]:
        assert spoke.wait(60)
        yield

    monkeypatch.setattr(warm_up, "SILENCE_S", 0.01)
    monkeypatch.setattr(warm_up, "run_in_processes", work)
    warm_up.warm_up(tasks("fp32", "lpt-sr"), 1000, log)
    assert [text.partition(",")[0] for text in said[:3]] == ["compiling kernels"] * 3


def test_a_run_that_fails_leaves_the_rest_to_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[str] = []

    def train(config: RunConfig, dataset: Any) -> None:
        trained.append(config.table.label)
        raise TrainingError("it diverged")

    monkeypatch.setattr(warm_up, "train", train)
    monkeypatch.setattr(ClickDataset, "open", staticmethod(lambda store: None))
    warm_up._train(warm_up.parts(tasks("fp32", "lpt-sr", "lpt-dr"))[1])
    assert trained == ["lpt-sr", "lpt-dr"]
