"""Tables, batches and comparisons that the table tests share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref import make_table
from alpt_ref.catalog import TABLES
from alpt_ref.tables import EmbeddingTable

OPTIMIZERS = ["sgd", "adagrad", "adam"]
LOW_PRECISION = [("lpt", "sr"), ("lpt", "dr"), ("alpt", "sr"), ("alpt", "dr")]
BASELINES = [("hashing", None), ("pruning", None), ("pact", None), ("lsq", None)]
ALL = [("fp32", None), *LOW_PRECISION, *BASELINES]


def build(method: str, rounding: str | None, n: int = 60, d: int = 6, **options: Any) -> EmbeddingTable:
    bits = options.pop("bits", 8 if "bits" in TABLES[method].settings else None)
    if method == "pruning":  # so early and so often that a test of a few updates sees it
        options = {"prune_every": 2, "prune_updates": 4, **options}
    return make_table(method, n, d, bits=bits, rounding=rounding, **{"seed": 3, **options})


def batches(n: int, d: int, count: int = 6, size: int = 40) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    rng = np.random.default_rng(17)
    return [
        (rng.integers(0, n // 2, size), (rng.standard_normal((size, d)) * 0.01).astype(np.float32))
        for _ in range(count)
    ]


def arrays(table: EmbeddingTable) -> dict[str, NDArray[Any]]:
    return dict(table.state())


def same(first: dict[str, NDArray[Any]], second: dict[str, NDArray[Any]]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)
