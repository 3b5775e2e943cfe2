"""A run on Criteo's format with its store, and the rows of a file of scores."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from alpt_ref.data import encode_file
from alpt_ref.training.config import DataConfig, ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.train import train
from tests.data.files import random_criteo, write

LINES = random_criteo(400)


class Trained:
    """A store, a run on it, and what the run measured."""

    def __init__(self, folder: Path) -> None:
        self.file = write(folder / "clicks.txt", "\n".join(LINES) + "\n")
        self.store = folder / "store"
        self.dataset = encode_file("criteo", self.file, self.store, min_count=2)
        self.config = RunConfig(
            data=DataConfig(source="store", path=str(self.store)),
            model=ModelConfig(kind="dcn", dim=2, hidden=(4,), cross_layers=1),
            table=TableConfig(init_std=0.1),
            train=TrainConfig(batch_size=50, eval_batch_size=17, epochs=2),
        )
        self.run = folder / "run"
        self.result = train(self.config, self.dataset, output=self.run)


def rows_of(path: Path) -> Any:
    with path.open() as stream:
        return list(csv.DictReader(stream))
