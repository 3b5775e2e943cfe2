"""A comparison small enough to run in a second, and a count of the runs that it trains."""

from __future__ import annotations

from typing import Any

import pytest

from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.studies import cell as cell_module
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.train import train


@pytest.fixture(scope="session")
def dataset() -> ClickDataset:
    return synthetic_clicks(rows=2000, fields=3, features=60, seed=1)


@pytest.fixture(scope="session")
def config() -> RunConfig:
    return RunConfig(
        model=ModelConfig(dim=4, hidden=(8,), cross_layers=1),
        table=TableConfig(lr=1e-2, step_lr=1e-4),
        train=TrainConfig(batch_size=400, epochs=1, milestones=()),
    )


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Labels of the runs that were really trained."""
    trained: list[str] = []
    original = train

    def counting(config: RunConfig, *rest: Any, **options: Any) -> Any:
        trained.append(f"{config.table.label} {config.table.bits} {config.train.seed}")
        return original(config, *rest, **options)

    monkeypatch.setattr(cell_module, "train", counting)
    return trained
