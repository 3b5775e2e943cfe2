"""Runs that are stopped after some steps, and what of their folders must be the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alpt_ref._util.progress import Progress
from alpt_ref.data import ClickDataset
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.results import RunResult
from alpt_ref.training.train import StoppedError, train


def tiny(table: dict[str, Any] | None = None, **training: Any) -> RunConfig:
    settings: dict[str, Any] = {"batch_size": 280, "epochs": 3, "milestones": (2,), "threads": 1}
    return RunConfig(
        model=ModelConfig(dim=4, hidden=(8,), cross_layers=1, lr=0.02),
        table=TableConfig(**({"lr": 0.05, "step_lr": 1e-3} | (table or {}))),
        train=TrainConfig(**(settings | training)),
    )


class Counter(Progress):
    """Counts the batches of this process."""

    batches = 0

    def advance(self, amount: int, note: str = "") -> None:
        self.batches += note != ""


def stopped(config: RunConfig, dataset: ClickDataset, output: Path, steps: int, **options: Any) -> StoppedError:
    """Train `steps` batches and stop."""
    counter = Counter(enabled=False)
    with pytest.raises(StoppedError) as caught:
        train(config, dataset, output=output, progress=counter, stop=lambda: counter.batches >= steps, **options)
    return caught.value


def reproducible(output: Path) -> dict[str, Any]:
    """Every byte in a folder but wall-clock times and the setting of the threads."""
    found: dict[str, Any] = {
        str(path.relative_to(output)): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file() and path.name not in ("timing.json", "config.toml", "history.jsonl", "result.json")
    }
    lines = (output / "history.jsonl").read_text().splitlines()
    found["history.jsonl"] = [{k: v for k, v in json.loads(line).items() if k != "timing"} for line in lines]
    result = RunResult.from_dict(json.loads((output / "result.json").read_text())).as_dict()
    found["result.json"] = result | {"samples_per_s": 0, "history": found["history.jsonl"]}
    return found
