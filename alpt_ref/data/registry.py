"""Datasets by name: the built-in kinds, and store folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.store.reader import MANIFEST
from alpt_ref.errors import InputError


def _synthetic(**options: Any) -> ClickDataset:
    from alpt_ref.data.synthetic.clicks import synthetic_clicks

    return cast(ClickDataset, synthetic_clicks(**options))


def _movielens(**options: Any) -> ClickDataset:
    from alpt_ref.data.formats.movielens import read_movielens
    from alpt_ref.data.raw import DEFAULT_SPLIT, check_encoding

    defaults: dict[str, Any] = {
        "min_count": None, "vocabulary": "train", "split": DEFAULT_SPLIT, "seed": 0, "folds": 0,
    }  # fmt: skip
    unknown = sorted(set(options) - {*defaults, "name"})
    if unknown:
        raise InputError(f"dataset movielens takes {', '.join(defaults)} and name, got {', '.join(unknown)}")
    options = {**defaults, "name": "movielens", **options}
    check_encoding(*(options[key] for key in defaults))
    return read_movielens().encode(**options)


DATASETS: Mapping[str, Callable[..., ClickDataset]] = {"synthetic": _synthetic, "movielens": _movielens}
"""Built-in kinds; a new one is one file and one line here."""


def load(source: str | Path = "synthetic", **options: Any) -> ClickDataset:
    """A dataset by name or by folder.

    Parameters
    ----------
    source : str or path
        A built-in kind ("synthetic", "movielens") or a store folder.
    **options
        Of `synthetic_clicks`, of `RawClicks.encode` for "movielens", or ``verify`` for a folder.

    Raises
    ------
    InputError
        `source` is neither a kind nor a store, or an option is unknown or outside its range.
    """
    if isinstance(source, str) and source in DATASETS:
        return DATASETS[source](**options)
    folder = Path(source)
    kinds = ", ".join(DATASETS)
    if not folder.exists():
        raise InputError(f"dataset must be one of {kinds} or a store folder, got {str(source)!r}, which does not exist")
    if not (folder / MANIFEST).is_file():
        raise InputError(
            f"dataset must be one of {kinds} or a store folder, but {folder} is no store; "
            "write one with `alpt-ref data encode`"
        )
    unknown = sorted(set(options) - {"verify"})
    if unknown:
        raise InputError(f"a store folder takes no option but verify, got {', '.join(unknown)}")
    return ClickDataset.open(folder, **options)
