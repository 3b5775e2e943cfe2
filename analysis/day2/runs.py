"""`alpt-ref train` on day 3: the run of day 1 as it is, gone on with on day 2, and refitted on both days."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from alpt_ref import ClickDataset, RunConfig, train
from alpt_ref._util.progress import Progress
from alpt_ref.training.checkpoint import Checkpoint, read_checkpoint
from alpt_ref.training.config import DataConfig, ModelConfig, TableConfig, TrainConfig
from alpt_ref.training.init_from import start_from
from alpt_ref.training.sources import load_dataset, load_to_continue
from alpt_ref.training.train import StoppedError

from .logs import SHAPE, Days

TABLES: dict[str, dict[str, Any]] = {"fp32": {"method": "fp32"}, "alpt": {"method": "alpt", "bits": 8}}


def config_of(table: dict[str, Any], seed: int) -> RunConfig:
    """Small DCN, batches of 128, the epoch of the best validation AUC among five."""
    return RunConfig(
        model=ModelConfig(hidden=(64, 32)),
        table=TableConfig(**table),
        train=TrainConfig(batch_size=128, epochs=5, milestones=(), patience=2, seed=seed),
    )


def rows_of(days: Days, *train_on: int, known: bool = False) -> ClickDataset:
    """Rows of days to train on, a ninth of them for validation, and day 3 for the test.

    With `known` every category has an id, as a run that goes on wants it.
    """
    files = tuple(str(days.files[day - 1]) for day in train_on)
    data = DataConfig(source=SHAPE, train=files, test=str(days.files[2]))
    return load_to_continue(data, None) if known else load_dataset(data)


def measure(days: Days, folder: Path, seed: int, method: str) -> dict[str, Any]:
    """Test AUC on day 3 of the three, and what must hold of the run that goes on."""
    config = config_of(TABLES[method], seed)
    new = rows_of(days, 2, known=True)
    paths = [folder / f"{method} {seed} {name}" for name in ("day 1", "day 2", "again")]
    before = train(config, rows_of(days, 1), output=paths[0])
    after = train(config, new, output=paths[1], init_from=paths[0])
    refit = train(config, rows_of(days, 1, 2))
    _stopped_and_resumed(config, new, paths)
    states = [(path / "state" / "state.safetensors").read_bytes() for path in paths[1:]]
    return {
        "no update": before.test_auc,
        "init-from": after.test_auc,
        "refit": refit.test_auc,
        "epochs": [before.tested_epoch, after.tested_epoch, refit.tested_epoch],
        "resumed run has the same bytes": states[0] == states[1],
        **_untouched(paths, new),
    }


def _stopped_and_resumed(config: RunConfig, rows: ClickDataset, paths: list[Path]) -> None:
    """The run of day 2 once more, stopped in its second epoch and resumed."""
    count = itertools.count()
    stop_at = 1 + 3 * len(rows.rows_of("train")) // (2 * config.train.batch_size)
    try:
        train(config, rows, output=paths[2], init_from=paths[0], stop=lambda: next(count) > stop_at)
    except StoppedError:
        train(config, rows, output=paths[2], init_from=paths[0], resume=True, progress=Progress(enabled=False))


def _untouched(paths: list[Path], rows: ClickDataset) -> dict[str, int]:
    """Categories of day 1 that no training row of day 2 holds, and those of them whose rows have other bytes now."""
    before, after = read_checkpoint(paths[0]), read_checkpoint(paths[1])
    held = start_from(paths[0], after.config, rows).dataset
    touched = set(np.unique(held.ids[held.rows_of("train")]).tolist())
    old, new = _places(before), _places(after)
    names = [name for name in old if new[name] not in touched]
    arrays = [name for name, array in before.part("table").items() if len(array) == before.meta["n"]]
    changed = sum(
        any(
            before.arrays[f"table/{one}"][old[name]].tobytes() != after.arrays[f"table/{one}"][new[name]].tobytes()
            for one in arrays
        )
        for name in names
    )
    return {"untouched rows": len(names), "of them changed": changed, "added rows": sum(_added(after))}


def _places(content: Checkpoint) -> dict[tuple[int, str | None], int]:
    """(field, category) -> row of the table."""
    vocabulary = content.vocabulary
    assert vocabulary is not None
    texts = [(field, text) for field in range(content.meta["fields"]) for text in [None, *vocabulary.categories(field)]]
    return {name: row for row, name in enumerate(texts)}


def _added(content: Checkpoint) -> list[int]:
    added: list[int] = content.meta["init_from"]["added"]
    return added
