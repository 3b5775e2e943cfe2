"""One function for every source of raw clicks: files of any kind, folders, patterns, frames and tables.

A schema, or the name of a text format, says what they hold. `reader_of` gives the reader, `read` its rows in RAM;
`encode_reader` writes a store in bounded memory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpt_ref.data.fields import PARTS, Part
from alpt_ref.data.formats.pieces import MAX_BAD_ROWS, OnBadRow, PieceProgress, PieceReader
from alpt_ref.data.formats.sources import list_files
from alpt_ref.data.raw import DEFAULT_MIN_COUNT, RawClicks, read_raw
from alpt_ref.data.schema import Schema, schema_of, shipped_schemas
from alpt_ref.errors import InputError

if TYPE_CHECKING:
    from alpt_ref.data.formats.text import TextReader


def read(
    source: Any,
    schema: str | Path | Schema,
    *,
    on_bad_row: OnBadRow = "error",
    max_bad_rows: float = MAX_BAD_ROWS,
    times: bool | None = None,
    progress: PieceProgress | None = None,
) -> RawClicks:
    """Read raw clicks of any source into RAM.

    Parameters
    ----------
    source : path, sequence of paths, table, or mapping
        Files (text, Parquet, Arrow, compressed or not), folders or patterns; a pandas or polars frame, an Arrow table
        or a reader of record batches; or ``{"train": ..., "valid": ..., "test": ...}`` of these, which is the split
        then (``valid`` may be missing).
    schema : Schema, str or path
        A schema, the name of a shipped one ("criteo", "avazu"), a TOML file, or the name of a text format ("libfm").
    on_bad_row : {"error", "skip"}
        Stop at the first bad row, or leave bad rows out and count them.
    max_bad_rows : float
        With "skip": the largest share of the rows that may be left out.
    times : bool, optional
        Whether the schema's column of times is read, for a split by time; default: if the schema names one.
    progress : callable, optional
        Called with (units of the source read, all of them, rows so far).

    Returns
    -------
    RawClicks
        Its `encode` gives the dataset that `alpt_ref.train` takes.

    Raises
    ------
    InputError
        The source or the schema cannot be read, do not fit together, there is no good row, or there is a bad one.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "log.csv"
    >>> _ = file.write_text("click,site\\n1,a\\n0,b\\n0,a\\n")
    >>> clicks = read(file, Schema.from_dict({"label": "click", "categorical": ["site"]}))
    >>> clicks.labels.tolist(), clicks.categories
    ([1, 0, 0], (['a', 'b'],))
    """
    found = schema_or_format(schema)
    if times is None:
        times = isinstance(found, Schema) and found.time is not None
    return read_raw(
        reader_of(
            source, found, on_bad_row=on_bad_row, max_bad_rows=max_bad_rows, times=times, progress=progress
        )
    )  # fmt: skip


def schema_or_format(named: str | Path | Schema) -> str | Schema:
    """A schema (see `schema_of`), or the name of a text format as it is, where no schema has it.

    Raises
    ------
    InputError
        It is neither.
    """
    from alpt_ref._util.parts import is_object_name, names

    if (
        isinstance(named, str)
        and named not in shipped_schemas()
        and (named in names("format") or is_object_name(named))
    ):
        return named
    return schema_of(named)


def reader_of(source: Any, schema: str | Schema, *, times: bool = False, **options: Any) -> PieceReader:
    """The reader of a source; `schema` is a schema, or the name of a text format.

    Parameters
    ----------
    source, schema
        As in `read`, the schema read already.
    times : bool
        Whether the schema's column of times is read.
    **options
        Of `PieceReader`.

    Raises
    ------
    InputError
        The source is not there, or of no kind that the schema is for.
    """
    parts: tuple[Part, ...] | None = None
    if isinstance(source, Mapping):
        source, parts = _in_order(source)
    if isinstance(schema, str):
        reader: PieceReader = _text_reader(source, schema, options)
    else:
        reader = _schema_reader(source, schema, times, options)
    if parts is not None:
        reader.parts = parts
    return reader


def _text_reader(source: Any, kind: str, options: dict[str, Any]) -> TextReader:
    from alpt_ref.data.formats.text import TextReader
    from alpt_ref.data.registry import format_of

    if not isinstance(source, (str, os.PathLike, tuple, list)):
        raise InputError(f"text format {kind!r} reads files, got a {type(source).__name__}; give a schema for a table")
    reader = TextReader(source, format_of(kind), **options)
    reader.min_count = DEFAULT_MIN_COUNT.get(kind)
    return reader


def _schema_reader(source: Any, schema: Schema, times: bool, options: dict[str, Any]) -> PieceReader:
    raise NotImplementedError


def _in_order(source: Mapping[str, Any]) -> tuple[list[Path], tuple[Part, ...]]:
    """The files of all parts, training rows first, and the part of each."""
    unknown = [name for name in source if name not in PARTS]
    if unknown:
        raise InputError(f"a source in parts takes {', '.join(PARTS)}, got {unknown[0]!r}")
    files: list[Path] = []
    parts: list[Part] = []
    for name in PARTS:
        if source.get(name):
            found = list_files(source[name])
            files += found
            parts += [name] * len(found)  # type: ignore[list-item]
    list_files(files)  # one named under two parts
    return files, tuple(parts)
