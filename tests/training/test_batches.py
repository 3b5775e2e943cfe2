"""Batches of a store on disk are those of the same rows in memory, and their reading ends with the training."""

from __future__ import annotations

import dataclasses
import gc
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.data.store import gather
from alpt_ref.training import batches
from alpt_ref.training.engine import CpuEngine
from alpt_ref.training.train import DivergedError, train

from .stopped_runs import reproducible, stopped, tiny


@pytest.fixture(scope="module")
def clicks() -> ClickDataset:
    return synthetic_clicks(rows=2000, fields=4, features=150, seed=1)


@pytest.fixture(scope="module")
def store(clicks: ClickDataset, tmp_path_factory: pytest.TempPathFactory) -> ClickDataset:
    folder = tmp_path_factory.mktemp("batches") / "store"
    clicks.save(folder)
    return ClickDataset.open(folder)


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each group that is read, of about two batches in place of many."""
    sizes: list[int] = []
    original = gather._gather_group

    def counted(dataset: Any, order: Any, batch_size: int) -> Any:
        sizes.append(len(order))
        return original(dataset, order, batch_size)

    monkeypatch.setattr(gather, "_gather_group", counted)
    monkeypatch.setitem(gather.gather_batches.__kwdefaults__, "group_bytes", 2 * 280 * 17)
    return sizes


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("alpt_ref_gather")]


@pytest.mark.parametrize(("first", "last"), [(0, None), (0, 3), (2, 5), (5, None), (6, 6), (0, 99)])
def test_the_batches_are_the_same(
    first: int, last: int | None, clicks: ClickDataset, store: ClickDataset, groups: list[int]
) -> None:
    options: dict[str, Any] = {"seed": 3, "epoch": 2, "first": first, "last": last}
    rows = clicks.rows_of("train")
    expected = list(batches.training_batches(clicks, rows, 280, **options))
    assert groups == []
    found = list(batches.training_batches(store, rows, 280, **options))
    assert sum(groups) == sum(len(batch.labels) for batch in expected)
    assert len(found) == len(expected) == max(0, min(last or 6, 6) - first)
    for one, other in zip(found, expected, strict=True):
        assert (one.ids.dtype, one.ids.tobytes()) == (other.ids.dtype, other.ids.tobytes())
        assert (one.labels.dtype, one.labels.tobytes()) == (other.labels.dtype, other.labels.tobytes())


def test_a_store_and_memory_train_to_the_same_bytes_also_when_resumed(
    clicks: ClickDataset, store: ClickDataset, groups: list[int], tmp_path: Path
) -> None:
    config = tiny(epochs=2)
    train(config, clicks, output=tmp_path / "memory")
    assert groups == []
    train(config, store, output=tmp_path / "store")
    assert groups == [560, 560, 480] * 2
    assert reproducible(tmp_path / "store") == reproducible(tmp_path / "memory")
    stopped(config, store, tmp_path / "run", 9)  # in the middle of an epoch and of a group
    train(config, store, output=tmp_path / "run", resume=True)
    found, expected = reproducible(tmp_path / "run"), reproducible(tmp_path / "memory")
    assert {name: found[name] for name in found if "step-000000009" not in name}.items() <= expected.items()
    assert found["state/state.safetensors"] == expected["state/state.safetensors"]
    assert readers() == []


def test_a_caller_that_stops_early_leaves_no_thread(store: ClickDataset, groups: list[int], tmp_path: Path) -> None:
    parts = batches.training_batches(store, store.rows_of("train"), 280, seed=0, epoch=1)
    next(parts)
    assert len(readers()) == 1
    parts.close()
    assert readers() == []
    stopped(tiny(), store, tmp_path / "run", 2)
    assert readers() == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, DivergedError])
def test_an_exception_in_a_step_leaves_no_thread(
    kind: type[BaseException], store: ClickDataset, groups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = CpuEngine._step, 0

    def failing(self: CpuEngine, batch: Any, rates: Any) -> float:
        nonlocal calls
        calls += 1
        if calls == 3 and kind is KeyboardInterrupt:
            raise KeyboardInterrupt
        if calls == 3:
            next(iter(self.model.params.values())).fill(np.nan)
        return original(self, batch, rates)

    monkeypatch.setattr(CpuEngine, "_step", failing)
    with pytest.raises(kind):
        train(tiny(), store)
    gc.collect()  # the exception held the frames
    assert calls == 3
    assert readers() == []


def test_a_failure_to_read_is_the_callers(store: ClickDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(gather, "_gather_group", failing)
    with pytest.raises(OSError, match="Input/output error"):
        train(tiny(), store)
    gc.collect()
    assert readers() == []


def test_a_copy_in_memory_of_a_store_is_gathered_batch_by_batch(store: ClickDataset, groups: list[int]) -> None:
    copied = dataclasses.replace(store, files=None)
    list(batches.training_batches(copied, store.rows_of("train"), 280, seed=0, epoch=1))
    assert groups == []
