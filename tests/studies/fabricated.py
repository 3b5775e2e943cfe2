"""A study whose runs were never trained: the test chooses every number, so that what a table says can be checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from alpt_ref._util.progress import Progress
from alpt_ref.studies.reproduce import Stored, Study
from alpt_ref.studies.training_plan import prepare
from alpt_ref.training.config import DataConfig, ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.results import EpochRecord, RunResult

BASE = RunConfig(
    data=DataConfig(rows=400, fields=3, features=30, rank=1),
    model=ModelConfig(dim=4, hidden=(4,), cross_layers=1),
    table=TableConfig(lr=1e-2),
    train=TrainConfig(batch_size=100, epochs=2, milestones=(1,), threads=1),
)
STUDY = Study(
    name="tiny", base=BASE, seeds=(0, 1, 2), few=2, bits=(8, 2), dims=(2, 4), ratios=(0.1, 2.0), checkpoints=(1, 2)
)
VERSIONS = {"alpt_ref": "9.9", "numpy": "2.0", "scipy": "1.0", "numba": "0.60", "blas": "openblas 0.3 Zen"}
Numbers = Callable[[RunConfig], dict[str, Any]]


def result_of(config: RunConfig, **numbers: Any) -> dict[str, Any]:
    """The content of a cell's file; `numbers` replace fields of the result, ``observed`` its arrays."""
    table = {"stalled_share": 0.5, "clipped_share": 0.01, "step_size_mean": 0.01}
    history = tuple(
        EpochRecord(
            epoch, {"table": 0.1}, 0.6 / epoch, 0.7, 0.6 / epoch, {} if config.table.code_bits is None else table,
            {"seconds": 1.0, "evaluation_seconds": 0.1, "samples_per_s": 320.0},
        )
        for epoch in range(1, config.train.epochs + 1)
    )  # fmt: skip
    bits = config.table.code_bits
    observed = {
        "codes": [1] * (1 << (bits or 1)),
        "digests": [config.train.epochs, 7],
        "step_size": {"count": [1, 2], "rows": [3, 4], "quantiles": [[0.1, 0.2, 0.3], [0.2, 0.3, 0.4]]},
    }
    plain = RunResult(
        label=config.table.label, bits=bits, seed=config.train.seed, config_hash="", dataset="", fingerprint="",
        tested_epoch=config.train.epochs, valid_auc=0.7, valid_logloss=0.5, test_auc=numbers.pop("auc", 0.7),
        test_logloss=numbers.pop("logloss", 0.5), training_bytes=numbers.pop("training_bytes", 1000),
        serving_bytes=numbers.pop("serving_bytes", 100 * (bits or 32)), samples_per_s=320.0, history=history,
    ).as_dict()  # fmt: skip
    return {**plain, "observed": observed if bits else {}, "versions": VERSIONS, **numbers}


def fabricate(
    folder: Path, needs: Sequence[Any], numbers: Numbers = lambda config: {}, study: Study = STUDY, *, skip: int = 0
) -> Stored:
    """Store the runs that tables and figures need, as if they had been trained; the first `skip` are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = prepare(study, needs, folder, Progress(enabled=False))
    for task in plan.tasks[skip:]:
        task.file.write_text(json.dumps(result_of(task.config, **numbers(task.config))))
    return Stored(folder)
