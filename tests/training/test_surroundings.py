"""Training where a notebook or a server calls it: inside a running event loop, and outside the main thread."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.training.train import train

from .stopped_runs import reproducible, tiny


@pytest.fixture(scope="module")
def clicks() -> ClickDataset:
    return synthetic_clicks(rows=2000, fields=4, features=150, seed=1)


def test_the_same_run_in_an_event_loop_and_in_a_thread(clicks: ClickDataset, tmp_path: Path) -> None:
    train(tiny(), clicks, output=tmp_path / "plain")

    async def cell() -> None:
        train(tiny(), clicks, output=tmp_path / "loop")

    asyncio.run(cell())
    failures: list[BaseException] = []

    def work() -> None:
        try:
            train(tiny(), clicks, output=tmp_path / "thread")
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []
    expected = reproducible(tmp_path / "plain")
    assert reproducible(tmp_path / "loop") == expected
    assert reproducible(tmp_path / "thread") == expected
