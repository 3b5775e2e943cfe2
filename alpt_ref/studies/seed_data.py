"""The dataset of a seed: its split (of synthetic data, the data; in cross-validation the fold) and its store on disk.

Seed s draws the split and, in training, the initial weights, the order of the rows and the rounding. Every variant sees
the same ones, so differences are taken seed by seed, and their intervals cover both the scatter of training and the
scatter of the test rows.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import msgspec

from alpt_ref._util.files import read_json, write_json
from alpt_ref._util.folders import alone_with
from alpt_ref.data.formats.remote import RemoteFile
from alpt_ref.data.formats.sources import list_files
from alpt_ref.data.schema import schema_of
from alpt_ref.training.config import DataConfig
from alpt_ref.training.sources import check_folds, encode, raw_sources

_USUAL = DataConfig()
MADE_FROM = "made_from.json"
"""In a store: name, size and time of the files that it was made from."""


def dataset_store(data: DataConfig, seed: int, folder: Path) -> Path:
    """Store of the dataset split (or, if synthetic, drawn) by `seed`; a store given by path keeps its own split.

    With `data.folds` the seed chooses the fold that is the test part.
    """
    check_folds(data)
    if data.store is not None:
        return Path(data.store)
    config = msgspec.structs.replace(data, seed=(seed % data.folds if data.folds else seed) if data.seeded else 0)
    plain = msgspec.to_builtins(config)
    for key in ("schema", "train", "valid", "test", "split", "shares", "stratify"):
        if getattr(config, key) == getattr(_USUAL, key):  # stores of earlier releases keep their names
            del plain[key]
    if config.schema is not None:
        plain["schema"] = schema_of(config.schema).to_dict()
    if not config.folds:  # a random split has the name that it had before there were folds
        del plain["folds"]
    if config.max_bad_rows == DataConfig().max_bad_rows:
        del plain["max_bad_rows"]
    name = hashlib.sha256(msgspec.json.encode(plain)).hexdigest()[:16]
    store = folder / "data" / name
    files = _files(config)
    manifest = store / "manifest.json"
    with alone_with(store):
        if manifest.exists() and not _is_current(manifest, store / MADE_FROM, files):
            shutil.rmtree(store)
        if not manifest.exists():
            encode(config, store)
            if files:
                write_json(store / MADE_FROM, {"files": files})
    return store


def _files(config: DataConfig) -> list[list[Any]]:
    """Name, size and time of every file that the dataset is read from; none where it is drawn."""
    if not config.is_format:
        return []
    paths = list_files(raw_sources(config))
    return [[str(path), *_state(path)] for path in paths]


def _state(path: Path | RemoteFile) -> tuple[int, int]:
    """Size and time of a file."""
    if isinstance(path, RemoteFile):
        return path.state()
    known = path.stat()
    return known.st_size, known.st_mtime_ns


def _is_current(manifest: Path, made_from: Path, files: list[list[Any]]) -> bool:
    """Whether a store was made from these very files; of one that an earlier release made the time alone is known.

    One that was made again from files of the same content has the same fingerprint, so that its runs stay valid.
    """
    known = read_json(made_from)
    if known is None:
        made = manifest.stat().st_mtime_ns
        return all(time <= made for _, _, time in files)
    return bool(known.get("files") == files)
