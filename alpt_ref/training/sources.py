"""From a `DataConfig` to a dataset: draw it, open it, or read and encode it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from alpt_ref._util.progress import Progress
from alpt_ref.errors import InputError
from alpt_ref.training.config import DataConfig

if TYPE_CHECKING:
    from alpt_ref.data import ClickDataset
    from alpt_ref.data.formats.pieces import PieceReader
    from alpt_ref.data.formats.sources import Sources
    from alpt_ref.data.schema import Schema
    from alpt_ref.data.store.ingest import Step

SYNTHETIC = ("rows", "fields", "features", "exponent", "rank", "linear_std", "interaction_std", "positive_rate", "seed")
ENCODING = ("min_count", "vocabulary", "seed", "folds")


def _options(config: DataConfig, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(config, name) for name in names}


def check_folds(config: DataConfig) -> None:
    """InputError where a split is asked of data that have one already or are drawn anew for every seed."""
    if config.is_format or config.source not in ("synthetic", "store"):
        return
    usual = DataConfig()
    asked = {name: getattr(config, name) for name in ("folds", "split", "shares", "stratify")}
    for name, value in asked.items():
        if value != getattr(usual, name):
            has = "is drawn anew for every seed" if config.source == "synthetic" else "has its split already"
            raise InputError(
                f"data.{name} must be {_plain(getattr(usual, name))} for data.source {config.source!r}, which {has}, "
                f"got {_plain(value)}; {name} {'are' if name in ('folds', 'shares') else 'is'} for raw files: --input, "
                "--criteo, --avazu, --libfm, --format or --dataset movielens"
            )


def _plain(value: object) -> str:
    return (
        f"{list(value)}" if isinstance(value, tuple) else f"{value}".lower() if isinstance(value, bool) else f"{value}"
    )


def load_dataset(config: DataConfig, *, progress: Progress | None = None) -> ClickDataset:
    """The dataset that `config` describes, in RAM (a store: memory-mapped).

    Raises
    ------
    InputError
        A file is absent or breaks its format's rules; the message names file, line and reason.
    """
    from alpt_ref import data

    check_folds(config)
    if config.source == "store":
        from alpt_ref.data.store.checked import open_checked

        store = Path(str(config.path))
        if not (store / "manifest.json").is_file():
            return data.load(store)  # which says what is wrong with it
        return open_checked(store, progress=_bytes_read(progress, f"checking {config.path}"))
    if config.source == "synthetic":
        drawn: ClickDataset = data.synthetic_clicks(**_options(config, SYNTHETIC))
        return drawn
    if not config.is_format:
        return data.load(config.source, **_encoding(config))
    from alpt_ref.data.raw import read_raw

    reader = reader_for(config)
    reader.progress = reading(reader.names, progress)
    return read_raw(reader).encode(**_encoding(config))


def load_to_continue(config: DataConfig, schema: Schema | None, *, progress: Progress | None = None) -> ClickDataset:
    """The rows of `load_dataset` for a run that goes on: an id for every category and number, none cut into bins.

    Which of them are known, and which earn a row, is for `init_from.start_from`. `schema` is the run's, where files are
    read by one.
    """
    if config.source in ("store", "synthetic"):
        return load_dataset(config, progress=progress)
    every: dict[str, Any] = {"min_count": 1, "vocabulary": "all"}
    if not config.is_format:
        return load_dataset(msgspec.structs.replace(config, **every), progress=progress)
    from alpt_ref.data.raw import read_raw

    reader = reader_for(config, schema)
    reader.progress = reading(reader.names, progress)
    raw = read_raw(reader)
    plans = tuple(replace(plan, bins=0, min_count=None) for plan in raw.plans or ())
    return replace(raw, plans=plans or None).encode(**_encoding(config) | every)


def encode(config: DataConfig, folder: str | Path, *, progress: Progress | None = None) -> ClickDataset:
    """Write the dataset that `config` describes as a store and open it; files are streamed, memory is bounded."""
    from alpt_ref import data

    check_folds(config)
    if config.source == "synthetic":
        return data.write_synthetic(folder, **_options(config, SYNTHETIC))
    if config.is_format:
        from alpt_ref.data.store.ingest import encode_reader

        return encode_reader(reader_for(config), folder, progress=_steps(progress), **_encoding(config))
    load_dataset(config).save(folder)
    return data.ClickDataset.open(folder)


def reader_for(config: DataConfig, schema: Schema | None = None) -> PieceReader:
    """The reader of the raw files that `config` names, as its schema or the one given says."""
    from alpt_ref.data.formats.readers import reader_of
    from alpt_ref.data.raw import DEFAULT_MIN_COUNT

    parts = {name: files for name in ("train", "valid", "test") if (files := getattr(config, name))}
    kind = config.source if config.schema is None and schema is None else None
    reader = reader_of(
        parts or config.path,
        kind=kind,
        schema=config.schema if schema is None else schema,
        times=config.split == "time",
        on_bad_row=config.on_bad_row,
        max_bad_rows=config.max_bad_rows,
    )
    if kind is not None:
        reader.min_count = DEFAULT_MIN_COUNT.get(kind)
    return reader


def raw_sources(config: DataConfig) -> list[str]:
    """Every name of raw files in `config`, in the order in which they are read."""
    named = (config.path or (), config.train, config.valid, config.test)
    return [name for one in named for name in ([one] if isinstance(one, str) else one)]


def _encoding(config: DataConfig) -> dict[str, Any]:
    """Arguments of `RawClicks.encode`; those of later releases only where they are asked for."""
    usual = DataConfig()
    more: dict[str, Any] = {"split": config.shares} if config.shares != usual.shares else {}
    more |= {"by": config.split} if config.split != usual.split else {}
    more |= {"stratify": True} if config.stratify else {}
    return {**_options(config, ENCODING), **more}


def _steps(progress: Progress | None) -> Callable[[Step], None]:
    """Turn the steps of `encode_file` into progress, one bar each."""
    label, done = "", 0

    def report(step: Step) -> None:
        nonlocal label, done
        if progress is None:
            return
        if step.label != label:
            label, done = step.label, 0
            progress.begin(step.total, label, unit=step.unit)
        progress.advance(step.done - done, step.note)
        done = step.done
        if done >= step.total:
            progress.close()

    return report


def reading(path: Sources, progress: Progress | None) -> Callable[[int, int, int], None]:
    """Turn the reader's (bytes read, bytes of the file, rows) into progress."""
    named = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    label = f"reading {Path(named[0]).name}" + (f" and {len(named) - 1} more" if named[1:] else "")
    step = _bytes_read(progress, label)
    return lambda read, total, rows: step(read, total, f"{rows:,} rows")


def _bytes_read(progress: Progress | None, label: str) -> Callable[..., None]:
    """A bar over (bytes read, bytes in all, note), begun with the first and closed with the last of them."""
    done = 0

    def report(read: int, total: int, note: str = "") -> None:
        nonlocal done
        if progress is None:
            return
        if done == 0:
            progress.begin(total, label, unit="bytes")
        progress.advance(read - done, note)
        done = read
        if read >= total:
            progress.close()

    return report
