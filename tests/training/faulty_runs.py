"""What tests of faults around a run share."""

from __future__ import annotations

import os

import numpy as np
import pytest

from alpt_ref.training import checkpoint
from alpt_ref.training.config import RunConfig

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and locks")
OPTIONS = (
    "--preset=quick", "--set=data.rows=2000", "--set=data.fields=3", "--set=data.features=60", "--set=model.dim=4",
    "--set=model.hidden=[8]", "--set=train.batch_size=40", "--set=train.epochs=200",
)  # fmt: skip


def content(step: int, size: int = 50_000) -> checkpoint.Checkpoint:
    meta = {"step": step, "epoch": 0, "n": 1, "d": 1, "fields": 1, "dataset": "", "fingerprint": ""}
    return checkpoint.Checkpoint(RunConfig(), {"table/weights": np.arange(size, dtype=np.float32)}, meta)
