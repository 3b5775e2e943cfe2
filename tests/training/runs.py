"""A run small enough for tests, and what of its result must not change."""

from __future__ import annotations

from typing import Any

from alpt_ref.training.build import snapshot
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.results import RunResult


def small(method: str = "alpt", two_pass: bool = True, **training: Any) -> RunConfig:
    settings: dict[str, Any] = {"batch_size": 300, "epochs": 3, "milestones": (2,)}
    return RunConfig(
        model=ModelConfig(dim=4, hidden=(16, 8), cross_layers=2),
        table=TableConfig(method=method, bits=8, lr=1e-2, two_pass=two_pass, step_lr=1e-4),
        train=TrainConfig(**(settings | training)),
    )


def fingerprint_of(result: RunResult) -> tuple[Any, ...]:
    """Everything of a run but its times: history, codes, weights."""
    state = snapshot(result.table, result.model)
    return (
        [record.reproducible() for record in result.history],
        result.test_auc,
        result.test_logloss,
        {name: array.tobytes() for name, array in state.items()},
        None if result.table.codes() is None else result.table.codes().tobytes(),
    )
