"""Datasets and text formats by name: the built-in ones, installed ones, and store folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from alpt_ref._util.parts import check_shadows, find, is_object_name, names
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.formats.avazu import avazu_format
from alpt_ref.data.formats.criteo import criteo_format
from alpt_ref.data.formats.libfm import libfm_format
from alpt_ref.data.formats.libsvm import libffm_format, libsvm_format
from alpt_ref.data.formats.lines import Progress
from alpt_ref.data.formats.parse import TextFormat
from alpt_ref.data.formats.sources import Sources
from alpt_ref.data.formats.text import MAX_BAD_ROWS, FormatOf, OnBadRow, TextReader
from alpt_ref.data.raw import RawClicks, read_raw
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
"""Built-in kinds; a new one is one file and one line here, and its name in `catalog.DATASETS`."""

FILE_KINDS: Mapping[str, FormatOf] = {
    "criteo": criteo_format,
    "avazu": avazu_format,
    "libfm": libfm_format,
    "libsvm": libsvm_format,
    "libffm": libffm_format,
}
"""Built-in kinds of raw click files; a new one is one file and one line here, and its name in `catalog.FORMATS`."""


def format_of(name: str) -> FormatOf:
    """The text format of this name: built-in, installed (``alpt_ref.formats``) or ``module:NAME``.

    Parameters
    ----------
    name : str
        What it stands for in another distribution is a `TextFormat`, or a function of a file's first lines (a sequence
        of str) that returns one, as `libfm_format`.

    Returns
    -------
    callable
        The first lines of a file -> its `TextFormat`, whose `kind` is `name`.

    Raises
    ------
    InputError
        There is none of this name, it cannot be imported, or it is something else.
    """
    if name in FILE_KINDS:
        check_shadows("format", name)
        return FILE_KINDS[name]
    part = find("format", name, "kind").load()
    if not isinstance(part, TextFormat) and not callable(part):
        raise InputError(f"text format {name!r} must be a TextFormat or a function that returns one, got {part!r}")

    def named(head: Sequence[str]) -> TextFormat:
        layout = part if isinstance(part, TextFormat) else part(head)
        if not isinstance(layout, TextFormat):
            raise InputError(f"text format {name!r} must return a TextFormat, got {layout!r}")
        return replace(layout, kind=name)

    return named


def read_text(
    kind: str,
    path: Sources,
    *,
    on_bad_row: OnBadRow = "error",
    max_bad_rows: float = MAX_BAD_ROWS,
    progress: Progress | None = None,
) -> RawClicks:
    """Read raw click files of any text format.

    Parameters
    ----------
    kind : str
        See `format_of`.
    path, on_bad_row, max_bad_rows, progress
        As in `read_criteo`.

    Raises
    ------
    InputError
        There is no such format, or the file cannot be read, has no good row, or has a bad one.
    """
    return read_raw(
        TextReader(path, format_of(kind), on_bad_row=on_bad_row, max_bad_rows=max_bad_rows, progress=progress)
    )


def installed_dataset(name: str, encoding: Mapping[str, Any]) -> ClickDataset:
    """The dataset that an installed function (``alpt_ref.datasets``) or ``module:function`` returns.

    Parameters
    ----------
    name : str
        Of a function without arguments that returns a `ClickDataset`, or `RawClicks`, which are encoded.
    encoding : mapping
        Arguments of `RawClicks.encode`.
    """
    found = find("dataset", name, "dataset").load()()
    if isinstance(found, RawClicks):
        return found.encode(**encoding)
    if not isinstance(found, ClickDataset):
        raise InputError(f"dataset {name!r} must return a ClickDataset or RawClicks, got {type(found).__name__}")
    return found


def load(source: str | Path = "synthetic", **options: Any) -> ClickDataset:
    """A dataset by name or by folder.

    Parameters
    ----------
    source : str or path
        A built-in kind ("synthetic", "movielens"), an installed one's name, ``module:function``, or a store folder.
    **options
        Of `synthetic_clicks`, of `RawClicks.encode` for "movielens", or ``verify`` for a folder.

    Raises
    ------
    InputError
        `source` is neither a kind nor a store, or an option is unknown or outside its range.
    """
    if isinstance(source, str) and source in DATASETS:
        check_shadows("dataset", source)
        return DATASETS[source](**options)
    known = names("dataset")
    if isinstance(source, str) and (source in known or is_object_name(source)) and not Path(source).exists():
        return installed_dataset(source, options)
    folder = Path(source)
    kinds = ", ".join(known)
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
