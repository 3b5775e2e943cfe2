"""Batches gathered many at a time are the batches gathered one by one; stores that the address space cannot hold."""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.data.store import gather
from alpt_ref.data.store.gather import gather_batches
from alpt_ref.errors import InputError


@pytest.fixture(scope="module")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> ClickDataset:
    folder = tmp_path_factory.mktemp("gather") / "store"
    synthetic_clicks(700, fields=3, features=40, seed=7).save(folder)
    return ClickDataset.open(folder)


@given(rows=st.integers(0, 700), batch=st.integers(1, 300), group=st.integers(1, 6_000), seed=st.integers(0, 99))
def test_groups_do_not_change_the_batches(clicks: ClickDataset, rows: int, batch: int, group: int, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(700)[:rows]
    expected = [np.sort(order[start : start + batch]) for start in range(0, rows, batch)]
    found = list(gather_batches(clicks, order, batch, group_bytes=group))
    assert len(found) == len(expected)
    for (ids, labels, *_), at in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ids, clicks.ids[at])
        np.testing.assert_array_equal(labels, clicks.labels[at])
        assert ids.dtype == np.uint32


def test_leaving_early_ends_the_reader_and_reads_no_more(clicks: ClickDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """One group is in use and one ahead of it; the thread that reads is gone when the generator is closed."""
    read: list[int] = []

    def counted(dataset: ClickDataset, order: NDArray[np.int64], batch_size: int) -> gather.Rows:
        read.append(len(order))
        return group(dataset, order, batch_size)

    group = gather._gather_group
    monkeypatch.setattr(gather, "_gather_group", counted)
    before = set(threading.enumerate())
    batches = gather_batches(clicks, np.arange(700), 10, group_bytes=500)
    next(batches)
    batches.close()
    assert set(threading.enumerate()) == before
    assert len(read) == 2
    assert sum(read) < 100


def test_a_store_larger_than_the_address_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapping counts in full against ``ulimit -v``: said so, not mistaken for a damaged file."""

    def refuse(*args: Any, **options: Any) -> Any:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    synthetic_clicks(700, fields=3, features=40, seed=7).save(tmp_path / "store")
    monkeypatch.setattr(np, "load", refuse)
    with pytest.raises(InputError, match=r"ids\.npy cannot be mapped: its 8,528 bytes exceed the address space"):
        ClickDataset.open(tmp_path / "store")
