"""The reader for what a user names: rows by a schema from any container, or a text format by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alpt_ref.data.formats.lines import CHUNK_BYTES, Progress
from alpt_ref.data.formats.pieces import MAX_BAD_ROWS, OnBadRow, PieceReader
from alpt_ref.data.formats.schema_reader import SchemaReader, items_of
from alpt_ref.data.formats.tables import is_table
from alpt_ref.data.formats.text import TextReader
from alpt_ref.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from alpt_ref.data.schema import Schema


def reader_of(
    source: Any,
    *,
    schema: Schema | str | Path | None = None,
    kind: str | None = None,
    on_bad_row: OnBadRow = "error",
    max_bad_rows: float = MAX_BAD_ROWS,
    chunk_bytes: int = CHUNK_BYTES,
    workers: int | None = None,
    progress: Progress | None = None,
    times: bool = False,
    labelled: bool | None = True,
    ids: bool = False,
) -> PieceReader:
    """A reader that has not begun, for `read_raw` or `encode_reader`.

    Parameters
    ----------
    source : path, table, sequence of these, or mapping of parts to these
        See `SchemaReader`; with a `kind` files only.
    schema : Schema, its name or its file, optional
    kind : str, optional
        In place of a schema: a text format's name, see `registry.format_of`.
    on_bad_row, max_bad_rows, chunk_bytes, workers, progress, times, labelled, ids
        See `SchemaReader`; the last three with a schema only.

    Raises
    ------
    InputError
        Neither or both of `schema` and `kind` are given, or as the readers raise at once.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from alpt_ref.data.raw import read_raw
    >>> from alpt_ref.data.schema import Schema
    >>> schema = Schema.from_dict({"label": "click", "categorical": ["site"]})
    >>> parts = {part: pa.table({"click": [1, 0], "site": ["a", part]}) for part in ("train", "test")}
    >>> reader = reader_of(parts, schema=schema)
    >>> read_raw(reader).categories, reader.parts, reader.rows_of_sources
    ((['a', 'train', 'test'],), ('train', 'test'), [2, 2])
    """
    common: dict[str, Any] = {
        "on_bad_row": on_bad_row, "max_bad_rows": max_bad_rows, "chunk_bytes": chunk_bytes, "workers": workers,
        "progress": progress,
    }  # fmt: skip
    if (schema is None) == (kind is None):
        raise InputError("rows are read by a schema or as a text format by its name; give one of schema and kind")
    if schema is not None:
        from alpt_ref.data.schema import schema_of

        return SchemaReader(source, schema_of(schema), times=times, labelled=labelled, ids=ids, **common)
    from alpt_ref.data.encoding import DEFAULT_MIN_COUNT
    from alpt_ref.data.registry import format_of

    assert kind is not None
    if times:
        raise InputError(f"files of {kind} clicks have no column of times; name a schema that has one")
    files, parts = items_of(source) if isinstance(source, Mapping) or is_table(source) else (source, None)
    if (parts is not None and any(is_table(file) for file in files)) or is_table(source):
        raise InputError(f"a table in memory needs a schema, not the text format {kind}")
    reader = TextReader(files, format_of(kind), **common)
    reader.parts, reader.format_name, reader.min_count = parts, kind, DEFAULT_MIN_COUNT.get(kind)
    return reader
