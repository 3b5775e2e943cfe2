"""One function for every source of raw clicks: files of any kind, folders, patterns, frames and tables.

A schema, or the name of a text format, says what they hold. `encode_file` writes a store of files in bounded memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alpt_ref.data.formats.pieces import MAX_BAD_ROWS, OnBadRow, PieceProgress
from alpt_ref.data.formats.readers import reader_of
from alpt_ref.data.raw import RawClicks, read_raw
from alpt_ref.data.schema import Schema, schema_of, shipped_schemas


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
    kind, of_schema = (found, None) if isinstance(found, str) else (None, found)
    reader = reader_of(
        source, kind=kind, schema=of_schema, on_bad_row=on_bad_row, max_bad_rows=max_bad_rows, times=times,
        progress=progress,
    )  # fmt: skip
    return read_raw(reader)


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
