"""Tables, checkpoints and click files that the export tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref import make_table
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.fields import offsets_of
from alpt_ref.serving.table import ServingTable
from alpt_ref.tables import EmbeddingTable
from alpt_ref.training.build import build, snapshot
from alpt_ref.training.checkpoint import Checkpoint, write_folder
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig

BITS = [2, 4, 8, 16, 32]
WIDTHS = [1, 3, 8, 17]
FIELD_SIZES = (7, 50, 1, 92)
N = sum(FIELD_SIZES)


def trained(bits: int, d: int, granularity: str = "row", *, seed: int = 0) -> tuple[EmbeddingTable, ServingTable]:
    """A table with steps of all sizes, and what an export makes of it."""
    rng = np.random.default_rng(seed)
    weights = (rng.standard_normal((N, d)) * 0.01).astype(np.float32)
    if bits == 32:
        full = make_table("fp32", N, d, weights=weights)
        return full, ServingTable(d, 32, full.state()["weights"])  # type: ignore[arg-type]
    offsets = offsets_of(FIELD_SIZES)
    table = make_table(
        "lpt", N, d, bits=bits, rounding="dr", weights=weights, granularity=granularity, field_offsets=offsets
    )
    state: dict[str, Any] = table.state()
    spread = np.exp(rng.uniform(-2, 2, len(state["step_size"]))).astype(np.float32)
    state["step_size"] = state["step_size"] * spread
    table.load_state(state)
    return table, ServingTable(
        d, bits, state["packed"], state["step_size"], offsets if granularity == "field" else None
    )


def same_bits(a: Any, b: Any) -> bool:
    """Equal as bit patterns: -0.0 differs from 0.0."""
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype == np.float32 and a.shape == b.shape and np.array_equal(a.view("i4"), b.view("i4"))


def dataset() -> ClickDataset:
    """Five rows: table and model take their shapes from it."""
    blank = np.zeros(5, np.uint8)
    return ClickDataset("made up", random_ids(5).astype(np.uint32), blank, blank, tuple("abcd"), FIELD_SIZES)


def saved(
    path: Path, kind: str = "dcn", *, method: str = "alpt", fingerprint: str = "0", **table: Any
) -> tuple[EmbeddingTable, Any]:
    """Write a checkpoint of an untrained run with random batch norm statistics; its table and model."""
    dim = 1 if kind == "logistic" else 3
    config = RunConfig(
        model=ModelConfig(kind=kind, dim=dim, hidden=(6, 5), cross_layers=2),
        table=TableConfig(method=method, init_std=0.3, **table),
        train=TrainConfig(batch_size=10, eval_batch_size=64),
    )
    made, model = build(config, dataset())
    rng = np.random.default_rng(1)
    state = model.state()
    for name, array in state.items():
        if name.endswith("running_var"):  # so small that what batch norm adds to it counts
            array[...] = 2e-5
        else:
            state[name] = (array + rng.uniform(0.1, 0.4, array.shape)).astype(array.dtype)
    model.load_state(state)
    meta = {
        "step": 1, "epoch": 1, "n": N, "d": made.d, "fields": len(FIELD_SIZES), "dataset": "made up",
        "fingerprint": fingerprint, "field_names": list("abcd"), "field_sizes": list(FIELD_SIZES), "encoder": None,
    }  # fmt: skip
    write_folder(path, Checkpoint(config, snapshot(made, model), meta))
    return made, model


def random_ids(rows: int, seed: int = 0) -> NDArray[np.int64]:
    """One id a field."""
    offsets = offsets_of(FIELD_SIZES)
    return np.random.default_rng(seed).integers(offsets[:-1], offsets[1:], (rows, len(FIELD_SIZES)))
