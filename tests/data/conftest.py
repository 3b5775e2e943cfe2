"""A small store of clicks; a file whose tests need another one has its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpt_ref.data import ClickDataset, synthetic_clicks


@pytest.fixture(scope="module")
def clicks() -> ClickDataset:
    return synthetic_clicks(300, fields=3, features=40, seed=7)


@pytest.fixture
def store(clicks: ClickDataset, tmp_path: Path) -> Path:
    clicks.save(tmp_path / "store")
    return tmp_path / "store"
