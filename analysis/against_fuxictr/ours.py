"""This package's side: its DCN on the same splits, one variant of the settings at a time.

``python -m analysis.against_fuxictr.ours FILE OUTPUT [VARIANT …]`` trains what OUTPUT does not hold yet, a file a cell.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import splits

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.config import RunConfig

Changes = dict[str, dict[str, Any]]

SAME: Changes = {
    "model": {"kind": "dcn", "dim": 16, "hidden": (256, 128, 64), "cross_layers": 3, "lr": 1e-3},
    "table": {"method": "fp32", "lr": 1e-3},
    "train": {"batch_size": 1024, "epochs": 100, "patience": 2, "schedule": "constant"},
}
"""What both sides have in common; the rest is this package's default (lazy Adam, N(0, .003 squared))."""

DENSE: Changes = {"table": {"optimizer": "dense_adam"}}
PLATEAU: Changes = {"train": {"schedule": "plateau"}}
CLIP: Changes = {"train": {"max_gradient_norm": 10.0}}
ALPT: Changes = {"table": {"method": "alpt", "bits": 8, "rounding": "sr"}}


def both(*parts: Changes) -> Changes:
    """The changes of all parts, later ones over earlier ones."""
    sections = {name for part in parts for name in part}
    return {name: {key: value for part in parts for key, value in part.get(name, {}).items()} for name in sections}


VARIANTS: dict[str, Changes] = {
    "lazy": {},
    "dense": DENSE,
    "plateau": PLATEAU,
    "initial std 1e-4": {"table": {"init_std": 1e-4}},
    "initial std .01": {"table": {"init_std": 1e-2}},
    "normal dense weights": {},
    "another seed": {},
    "dense, plateau": both(DENSE, PLATEAU),
    "dense, plateau, initial std 1e-4": both(DENSE, PLATEAU, {"table": {"init_std": 1e-4}}),
    "dense, plateau, initial std .01": both(DENSE, PLATEAU, {"table": {"init_std": 1e-2}}),
    "as FuxiCTR": both(DENSE, PLATEAU, CLIP, {"table": {"init_std": 1e-4}}),
    "dense, plateau, norm 10": both(DENSE, PLATEAU, CLIP),
    "ALPT 8 bits, lazy": ALPT,
    "ALPT 8 bits, dense, plateau": both(ALPT, DENSE, PLATEAU),
    "ALPT 8 bits, dense, plateau, norm 10": both(ALPT, DENSE, PLATEAU, CLIP),
    "recipe": {},
    "recipe, ALPT 8 bits": ALPT,
}
"""Name -> what it changes in `SAME`; "normal dense weights" and "as FuxiCTR" draw those as FuxiCTR does."""


def config(name: str, seed: int, rows: int) -> RunConfig:
    """The run of a variant on so many training rows; "recipe" is what ``alpt-ref train`` takes for them by itself."""
    from alpt_ref.training.config import RunConfig
    from alpt_ref.training.recipe import fitted

    found, own = RunConfig(), name.startswith("recipe")
    for part in ({"table": {"method": "fp32"}} if own else SAME, VARIANTS[name]):
        for section, values in part.items():
            found = found.replace(section, **values)
    return (fitted(found, rows, alone=True) if own else found).replace("train", seed=seed)


@contextmanager
def dense_weights(normal: bool) -> Iterator[None]:
    """Inside the block dense layers begin as FuxiCTR's: Glorot's variance, but a normal law."""
    from alpt_ref.models import cross, dnn, layers

    rooms: tuple[Any, ...] = (cross, dnn, layers)
    before = layers.glorot

    def glorot(rng: np.random.Generator, inputs: int, outputs: int, shape: tuple[int, ...]) -> Any:
        return rng.standard_normal(shape) * np.sqrt(2.0 / (inputs + outputs))

    try:
        for room in rooms if normal else ():
            room.glorot = glorot
        yield
    finally:
        for room in rooms:
            room.glorot = before


def measure(name: str, data: ClickDataset, split: int, seed: int) -> dict[str, Any]:
    """One cell."""
    from alpt_ref import train
    from alpt_ref.training.config import config_hash

    settings = config(name, seed, len(data.rows_of("train")))
    started, cpu = time.perf_counter(), time.process_time()
    with dense_weights(name in ("normal dense weights", "as FuxiCTR")):
        result = train(settings, data)
    epochs = len(result.history)
    return {
        "variant": name,
        "split": split,
        "seed": seed,
        "valid_auc": result.valid_auc,
        "valid_logloss": result.valid_logloss,
        "test_auc": result.test_auc,
        "test_logloss": result.test_logloss,
        "epochs": epochs,
        "seconds_an_epoch": (time.perf_counter() - started) / epochs,
        "cpu_seconds_an_epoch": (time.process_time() - cpu) / epochs,
        "fingerprint": data.fingerprint,
        "config_hash": config_hash(settings),
        "changes": VARIANTS[name],
    }


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description="Train this package's DCN on ten splits of a libfm file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("variants", nargs="*")
    parser.add_argument("--splits", type=int, default=splits.SPLITS)
    parser.add_argument("--seeds", type=int, default=1, help="runs of each split, seeds split, split + 100, …")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    clicks = splits.read(given.file)
    for split in range(given.splits):
        data = splits.dataset(clicks, split)
        for name in given.variants or VARIANTS:
            for run in range(given.seeds):
                seed = split + 100 * run + (1000 if name == "another seed" else 0)
                to = given.output / f"{name.replace(' ', '_').replace(',', '')}.{split}.{seed}.json"
                if to.exists():
                    continue
                cell = measure(name, data, split, seed)
                part = to.with_suffix(".part")
                part.write_text(json.dumps(cell) + "\n")
                part.replace(to)
                print(f"{name}, split {split}: test AUC {cell['test_auc']:.4f}, {cell['epochs']} epochs", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
