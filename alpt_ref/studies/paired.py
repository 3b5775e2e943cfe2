"""Paired runs over splits: the dataset of a seed, and differences of two variants with their intervals.

Seed s draws the split (of synthetic data, the data; in cross-validation it chooses the fold) and, in training, the
initial weights, the order of the rows and the rounding. Every variant sees the same ones, so differences are taken seed
by seed, and their intervals cover both the scatter of training and the scatter of the test rows.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from alpt_ref._util.statistics import paired_p_value, t_interval
from alpt_ref.training.config import DataConfig
from alpt_ref.training.results import RunResult
from alpt_ref.training.sources import check_folds, encode
from alpt_ref.verification.stats import holm

METRICS = ("auc", "logloss")
TEST_TO_TRAIN = 1 / 8
"""Test rows per training row of the 8:1:1 split."""
Runs = Mapping[str, Mapping[int, RunResult]]
"""Variant -> seed -> result; a run that diverged is absent."""


def dataset_store(data: DataConfig, seed: int, folder: Path) -> Path:
    """Store of the dataset split (or, if synthetic, drawn) by `seed`; a store given by path keeps its own split.

    With `data.folds` the seed chooses the fold that is the test part.
    """
    check_folds(data)
    if data.source == "store":
        return Path(data.path)
    config = msgspec.structs.replace(data, seed=seed % data.folds if data.folds else seed)
    plain = msgspec.to_builtins(config)
    if not config.folds:  # a random split has the name that it had before there were folds
        del plain["folds"]
    name = hashlib.sha256(msgspec.json.encode(plain)).hexdigest()[:16]
    store = folder / "data" / name
    if not (store / "manifest.json").exists():
        encode(config, store)
    return store


class Difference(NamedTuple):
    """Two variants to compare, seed by seed: `first` - `second`."""

    first: str
    second: str


def overlap(pairs: int, folds: int = 0) -> float:
    """How much wider an interval over seeds is for new rows, since the seeds' splits share rows (Nadeau, Bengio 2003).

    ``sqrt(1 + pairs * TEST_TO_TRAIN)``, with `folds` ``sqrt(1 + pairs / (folds - 2))``: pairs times test rows over
    training rows.
    """
    return math.sqrt(1 + pairs * (1 / (folds - 2) if folds else TEST_TO_TRAIN))


def differences(runs: Runs, pairs: Iterable[Difference], *, folds: int = 0) -> list[dict[str, Any]]:
    """One line a pair and metric: paired difference, 95 % half-width, p-value of "no difference" (raw and Holm's).

    ``half_width_new_rows`` allows for the overlap of the splits (`overlap`). ``equivalent_within`` is the larger end,
    in absolute value, of the 90 % interval: two one-sided t-tests at the 5 % level (TOST) find the two variants
    equivalent for every margin above it; ``..._new_rows`` again allows for overlap.
    """
    lines: list[dict[str, Any]] = []
    for pair in dict.fromkeys(pairs):
        first, second = runs[pair.first], runs[pair.second]
        for metric in METRICS:
            values = [
                getattr(first[seed], f"test_{metric}") - getattr(second[seed], f"test_{metric}")
                for seed in first
                if seed in second
            ]
            if len(values) < 2:
                continue
            wide, narrow = t_interval(values).half_width or 0.0, t_interval(values, 0.90).half_width or 0.0
            wider, middle = overlap(len(values), folds), sum(values) / len(values)
            lines.append(
                {
                    "first": pair.first,
                    "second": pair.second,
                    "metric": metric,
                    "pairs": len(values),
                    "difference": middle,
                    "half_width": wide,
                    "half_width_new_rows": wide * wider,
                    "p_value": paired_p_value(values),
                    "equivalent_within": abs(middle) + narrow,
                    "equivalent_within_new_rows": abs(middle) + narrow * wider,
                }
            )
    for metric in METRICS:
        ours = [line for line in lines if line["metric"] == metric]
        for line, adjusted in zip(ours, holm([line["p_value"] for line in ours]).tolist(), strict=True):
            line["p_holm"] = adjusted
    return lines
