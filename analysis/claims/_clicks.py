"""Click data that a claim trains logistic regression on: synthetic ones, or a store that the caller names."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.synthetic.clicks import synthetic_clicks

STORES: dict[str, Path] = {}
"""Stores that the caller named, by what a cell says of them: their fingerprint."""
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Clicks:
    """Rows renumbered so that every id occurs: ids int64 (rows, fields), labels of -1 and 1 (rows,)."""

    ids: NDArray[np.int64]
    labels: FloatArray
    n: int

    def loss(self, w: FloatArray, rows: Any = slice(None)) -> FloatArray:
        """Log-loss of each row."""
        return np.asarray(np.logaddexp(0.0, -self.labels[rows] * w[self.ids[rows]].sum(axis=1)))

    def slopes(self, w: FloatArray, rows: Any = slice(None)) -> FloatArray:
        """Derivative of each row's loss by its logit."""
        y = self.labels[rows]
        return np.asarray(-y * special.expit(-y * w[self.ids[rows]].sum(axis=1)))


def named_store(folder: Path) -> str:
    """What a cell says of this store."""
    source = f"store {ClickDataset.open(folder).fingerprint[:16]}"
    STORES[source] = folder
    return source


def rows_used(source: str, budget: str) -> int:
    """Training rows taken: all of the synthetic ones, the first of a store's."""
    if source == "synthetic":
        return 4_000
    return min(200_000 if budget == "full" else 20_000, len(ClickDataset.open(STORES[source]).rows_of("train")))


@functools.cache
def clicks(source: str, rows: int) -> Clicks:
    """Training rows of the synthetic model, or the first of a store's."""
    if source == "synthetic":
        data = synthetic_clicks(rows, fields=4, features=32, seed=11)
        chosen = np.arange(rows)
    else:
        data = ClickDataset.open(STORES[source])
        chosen = data.rows_of("train")[:rows]
    known, ids = np.unique(np.asarray(data.ids[chosen]), return_inverse=True)
    labels = 2.0 * np.asarray(data.labels[chosen], dtype=np.float64) - 1.0
    return Clicks(ids.reshape(len(chosen), -1).astype(np.int64), labels, len(known))


@functools.cache
def best_point(source: str, rows: int, low: float, high: float) -> FloatArray:
    """The point of the box ``[low, high]`` with the least mean loss, as far as L-BFGS-B finds it: float64 (n,)."""
    data = clicks(source, rows)

    def objective(w: FloatArray) -> tuple[float, FloatArray]:
        pull = np.repeat(data.slopes(w), data.ids.shape[1]) / rows
        return float(data.loss(w).mean()), np.asarray(np.bincount(data.ids.ravel(), pull, data.n))

    found = optimize.minimize(
        objective, np.zeros(data.n), jac=True, method="L-BFGS-B", bounds=[(low, high)] * data.n,
        options={"ftol": 1e-12, "gtol": 1e-8},
    )  # fmt: skip
    return np.asarray(np.clip(found.x, low, high))
