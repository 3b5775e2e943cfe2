"""What a notebook shows of results and states: a few lines, never an array's values."""

from __future__ import annotations

import numpy as np

from alpt_ref.serving.source import ExportSource
from alpt_ref.serving.table import ServingTable
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.batches import Batch
from alpt_ref.training.checkpoint import Checkpoint
from alpt_ref.training.config import RunConfig
from alpt_ref.training.results import EpochRecord, RunResult

RECORD = EpochRecord(
    epoch=1, lr={"table": 1e-3}, train_loss=0.51, valid_auc=0.7312345, valid_logloss=0.5, table={}, timing={}
)
RESULT = RunResult(
    label="alpt-sr", bits=8, seed=3, config_hash="0" * 64, dataset="clicks", fingerprint="1" * 64, tested_epoch=1,
    valid_auc=0.73, valid_logloss=0.5, test_auc=0.7212345, test_logloss=0.512345, training_bytes=123456,
    serving_bytes=23456, samples_per_s=98765.4, history=(RECORD, RECORD), table=np.zeros(1000), model=np.zeros(1000),
)  # fmt: skip


def test_results_in_a_few_lines() -> None:
    assert repr(RECORD) == "EpochRecord(epoch 1: train loss 0.51000, valid AUC 0.73123, valid logloss 0.50000)"
    assert repr(RESULT).splitlines() == [
        "RunResult(alpt-sr 8-bit, seed 3, dataset 'clicks', state after epoch 1 of 2",
        "  test AUC 0.72123, test logloss 0.51235",
        "  table 123,456 bytes in training, 23,456 in serving; 98,765 samples/s)",
    ]


def test_configurations_name_what_differs_from_the_defaults() -> None:
    assert repr(RunConfig()) == "RunConfig()"
    changed = RunConfig().replace("table", method="lpt", bits=4).replace("train", seed=2)
    assert repr(changed) == "RunConfig(table=TableConfig(method='lpt', bits=4), train=TrainConfig(seed=2))"


def test_states_without_their_arrays() -> None:
    meta = {"step": 7, "epoch": 2, "dataset": "clicks"}
    content = Checkpoint(RunConfig(), {"table/weights": np.arange(10_000.0)}, meta)
    assert repr(content) == "Checkpoint(alpt-sr, dataset 'clicks', step 7, epoch 2; 1 arrays, 80,000 bytes)"
    table = ServingTable(4, 8, np.zeros((1000, 1), np.uint32), np.ones(1000, np.float32))
    assert repr(table) == "ServingTable(1,000 rows of 4, 8-bit, step size per row, 8,000 bytes)"
    assert repr(ServingTable(4, 32, np.zeros((3, 4), np.float32))) == "ServingTable(3 rows of 4, float32, 48 bytes)"
    assert repr(ExportSource(table, "dcn", {"w": np.zeros(1000)})) == f"ExportSource(table={table!r}, kind='dcn')"
    assert repr(Batch(np.zeros((5, 3), np.uint32), np.zeros(5, np.uint8))) == "Batch(5 rows of 3 ids)"
    assert "rows=" not in repr(BatchRange(1, np.arange(1000), {"table": 1e-3}, 0, 5, 0, 0.0))
