"""The dataset of a seed: its split (of synthetic data, the data; in cross-validation the fold) and its store on disk.

Seed s draws the split and, in training, the initial weights, the order of the rows and the rounding. Every variant sees
the same ones, so differences are taken seed by seed, and their intervals cover both the scatter of training and the
scatter of the test rows.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from alpt_ref.training.config import DataConfig
from alpt_ref.training.sources import check_folds, encode


def dataset_store(data: DataConfig, seed: int, folder: Path) -> Path:
    """Store of the dataset split (or, if synthetic, drawn) by `seed`; a store given by path keeps its own split.

    With `data.folds` the seed chooses the fold that is the test part.
    """
    check_folds(data)
    if data.store is not None:
        return Path(data.store)
    config = msgspec.structs.replace(data, seed=seed % data.folds if data.folds else seed)
    plain = msgspec.to_builtins(config)
    if not config.folds:  # a random split has the name that it had before there were folds
        del plain["folds"]
    if config.max_bad_rows == DataConfig().max_bad_rows:
        del plain["max_bad_rows"]
    name = hashlib.sha256(msgspec.json.encode(plain)).hexdigest()[:16]
    store = folder / "data" / name
    if not (store / "manifest.json").exists():
        encode(config, store)
    return store
