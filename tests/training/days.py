"""Days of clicks with names, the later ones with new ids, and a run on one."""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref import RunConfig
from alpt_ref.data import ClickDataset
from alpt_ref.data.raw import RawClicks
from alpt_ref.training.config import ModelConfig, TableConfig, TrainConfig

NAMES = ("os", "site", "app")


def tiny(table: dict[str, Any] | None = None, **training: Any) -> RunConfig:
    settings: dict[str, Any] = {"batch_size": 200, "epochs": 1, "milestones": (), "threads": 1}
    return RunConfig(
        model=ModelConfig(dim=4, hidden=(8,), cross_layers=1, lr=0.02),
        table=TableConfig(**({"lr": 0.05, "step_lr": 1e-3} | (table or {}))),
        train=TrainConfig(**(settings | training)),
    )


def raw_day(day: int, rows: int = 800) -> RawClicks:
    """Rows of three fields; most sites of a day are new, and some of its apps."""
    rng = np.random.default_rng((7, day))
    codes = rng.integers(0, (4, 30, 12), (rows, 3)).astype(np.int32)
    sites = [f"site {number if number < 6 else f'{number} of day {day}'}" for number in range(30)]
    apps = [f"app {number + day}" for number in range(12)]
    labels = (rng.random(rows) < 0.2 + 0.1 * codes[:, 0] + 0.2 * (codes[:, 1] < 6)).astype(np.uint8)
    return RawClicks(labels, codes, (["a", "b", "c", "d"], sites, apps), NAMES)


def day(number: int, **options: Any) -> ClickDataset:
    return raw_day(number).encode(**{"min_count": 1, "vocabulary": "all", "name": f"day {number}"} | options)
