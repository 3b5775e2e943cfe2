"""A comparison small enough to run in a second."""

from __future__ import annotations

import pytest

from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig


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
