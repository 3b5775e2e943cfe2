"""The first rows of a log, column by column, as texts with the type that holds them: what a schema is guessed from."""

from __future__ import annotations

import contextlib
import csv
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from alpt_ref.data.formats.lines import LineSource
from alpt_ref.data.formats.sources import Sources, container_of, list_files
from alpt_ref.data.schema_layout import DELIMITERS, cells
from alpt_ref.errors import InputError

HEAD_ROWS = 10_000
_HEAD_BYTES = 8 << 20
_LIBFM = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([ \t]+[0-9]+(:[0-9]+)?:[^ \t]+)+[ \t]*\Z")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z", re.ASCII)


@dataclass(frozen=True)
class Sample:
    """One column's first values.

    Parameters
    ----------
    name : str
    kind : str
        text, int, float, bool, time, list (values joined with a line feed), other, or unnamed where the header names
        none or several columns so.
    values : list of str
        One a row; empty where it is missing.
    typed : str
        The type in the file, where it has types; else empty.
    """

    name: str
    kind: str
    values: list[str]
    typed: str = ""


@dataclass(frozen=True)
class Head:
    """The first rows of a log.

    Parameters
    ----------
    source : str
        What they came from, for a comment.
    columns : list of Sample
    text : dict
        Settings of `TextLayout` that the file shows; empty for what has types.
    why : dict
        For some of them the reason.
    """

    source: str
    columns: list[Sample]
    text: dict[str, Any] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.columns[0].values) if self.columns else 0


def head_of(source: Any) -> Head:
    """The first rows of text files, Parquet, Arrow or a frame.

    Raises
    ------
    InputError
        It cannot be read, has no rows, or is of a kind that needs no schema.
    """
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "iloc"):
        return _of_batches(type(source).__name__, [_table(source)])
    return _of_file(source)


def _of_file(sources: Sources) -> Head:
    import pyarrow as pa

    source = LineSource(list_files(sources)[0], chunk_bytes=1 << 20)
    path = source.path
    with source.opened(binary=True) as stream:
        container = container_of(stream.peek(8)[:8])
        if container == "text":
            lines = first_lines(source, stream)
        else:
            readers = {"parquet": _parquet, "arrow": _arrow_file, "stream": _arrow_stream}
            try:
                with tempfile.SpooledTemporaryFile(max_size=64 << 20) as place:  # these are read from their end
                    shutil.copyfileobj(stream, place, 1 << 20)
                    place.seek(0)
                    return _of_batches(path.name, readers[container](place))
            except (pa.ArrowException, OSError, ValueError) as error:
                if isinstance(error, InputError):
                    raise
                raise InputError(f"{path} cannot be read ({' '.join(str(error).split())[:200]})") from None
    if sum(_LIBFM.match(line) is not None for line in lines[:100]) > len(lines[:100]) / 2:
        raise InputError(f"{path} holds libfm rows `label id:value …`, which need no schema; read it with --libfm")
    if sum(line.startswith("{") and line.endswith("}") for line in lines) > len(lines) / 2:
        raise InputError(
            f"{path} holds lines of JSON, which are not read; write them as Parquet or delimited text first "
            "(pandas.read_json(FILE, lines=True).to_parquet(OTHER))"
        )
    return _of_lines(path, lines)


def first_lines(source: LineSource, stream: Any) -> list[str]:
    """The first lines of a text file, without their ends."""
    data = b""
    pieces: Any = source.blocks_of(stream)
    with contextlib.closing(pieces) as blocks:
        for block in blocks:
            data += block
            if data.count(b"\n") > HEAD_ROWS or len(data) >= _HEAD_BYTES:
                data = data[: data.rfind(b"\n") + 1] or data
                break
    lines = [one.removesuffix("\r") for one in data.decode("utf-8-sig", "replace").split("\n")]
    lines = [line for line in lines[: HEAD_ROWS + 1] if line]
    if not lines:
        raise InputError(f"{source.path} holds no rows; name a file with some")
    return lines


def _of_lines(path: Any, lines: Sequence[str]) -> Head:
    delimiter = _delimiter(path, lines)
    rows = _rows(lines, delimiter)
    width = Counter(map(len, rows)).most_common(1)[0][0]
    header, why = _header(rows, width)
    names = rows[0] if header else [f"column_{number}" for number in range(1, width + 1)]
    body = [row for row in rows[int(header) :] if len(row) == width]
    if not body:
        raise InputError(f"{path} holds a header and no rows; name a file with some")
    kinds = ["text" if name and names.count(name) == 1 else "unnamed" for name in names]
    columns = [Sample(name, kinds[at], [row[at] for row in body]) for at, name in enumerate(names)]
    text: dict[str, Any] = {"delimiter": delimiter, "header": header}
    if not header:
        text["columns"] = names
    return Head(path.name, columns, text, {"header": why})


def _rows(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The values of each row: a quoted value may hold line ends, a stray quote must not swallow the rest."""
    if any('"' in line for line in lines):
        with contextlib.suppress(csv.Error):
            rows = [row for row in csv.reader((f"{line}\n" for line in lines), delimiter=delimiter) if row]
            if 2 * len(rows) > len(lines):
                return rows
    return [cells(line, delimiter) for line in lines]


def _delimiter(path: Any, lines: Sequence[str]) -> str:
    """The candidate that cuts the lines into the same number of columns, above one; of several the most columns."""
    found = []
    for delimiter in (*DELIMITERS, " "):
        rows = _rows(lines[:1000], delimiter)
        width, times = Counter(map(len, rows)).most_common(1)[0]
        if width > 1 and times >= 0.9 * len(rows):
            found.append((round(times / len(rows), 2), delimiter != " ", width, delimiter))
    if not found:
        raise InputError(
            f"{path} shows no delimiter: neither tab, comma, semicolon, bar nor blank cuts its lines into the same "
            "number of columns; write the schema by hand, with delimiter under [text]"
        )
    return max(found, key=lambda one: one[:3])[3]


def _header(rows: Sequence[Sequence[str]], width: int) -> tuple[bool, str]:
    """Whether the first line names the columns, and why."""
    first = rows[0]
    numbers = [text for text in first if NUMBER.match(text)]
    if numbers:
        return False, f"the first line holds a number, {numbers[0]}"
    body = rows[1:]
    if len(first) != width or "" in first or len(set(first)) < len(first):
        over = _over_numbers(first, body)
        if over is None:
            return False, "the first line has an empty or repeated value"
        return True, f"the first line holds no number, and {over!r} stands over numbers"
    again = [text for at, text in enumerate(first) if any(len(row) == width and row[at] == text for row in body)]
    if len(again) > len(first) / 2:
        return False, f"values of the first line come again, such as {again[0]!r}"
    return True, "the first line holds no number, and each of its values once"


def _over_numbers(first: Sequence[str], body: Sequence[Sequence[str]]) -> str | None:
    """A text of the first line, and no missing value, below which there are numbers alone."""
    for at, text in enumerate(first):
        below = [row[at] for row in body if len(row) == len(first)]
        word = text.isidentifier() and text.casefold() not in ("na", "nan", "null", "none")
        if word and below and all(NUMBER.match(value) for value in below):
            return text
    return None


# --- what has types ---------------------------------------------------------------------------------------------------


def _parquet(place: Any) -> list[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(place) as file:
        return [next(file.iter_batches(HEAD_ROWS), file.schema_arrow.empty_table())]


def _arrow_file(place: Any) -> list[Any]:
    import pyarrow as pa

    with pa.ipc.open_file(place) as reader:
        return _enough((reader.get_batch(number) for number in range(reader.num_record_batches)), reader.schema)


def _arrow_stream(place: Any) -> list[Any]:
    import pyarrow as pa

    with pa.ipc.open_stream(place) as reader:
        return _enough(reader, reader.schema)


def _enough(batches: Iterable[Any], schema: Any) -> list[Any]:
    """Batches until there are rows enough."""
    found, rows = [], 0
    for batch in batches:
        found.append(batch)
        rows += batch.num_rows
        if rows >= HEAD_ROWS:
            break
    return found or [schema.empty_table()]


def _table(frame: Any) -> Any:
    import pyarrow as pa

    rows = frame.head(HEAD_ROWS) if hasattr(frame, "head") else frame
    if hasattr(rows, "iloc"):
        return pa.Table.from_pandas(rows, preserve_index=False)
    if isinstance(rows, pa.Table):
        return rows.slice(0, HEAD_ROWS)
    return pa.table(rows)


def _of_batches(source: str, batches: Sequence[Any]) -> Head:
    import pyarrow as pa

    tables = [batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch]) for batch in batches]
    table = pa.concat_tables(tables).slice(0, HEAD_ROWS)
    if not table.num_rows:
        raise InputError(f"{source} holds no rows; name a source with some")
    return Head(source, [_typed(name, column) for name, column in zip(table.column_names, table.columns, strict=True)])


def _typed(name: str, column: Any) -> Sample:
    import pyarrow as pa

    type_ = column.type
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    lists = pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)
    kinds = (
        (pa.types.is_boolean(type_), "bool"),
        (pa.types.is_integer(type_), "int"),
        (pa.types.is_floating(type_) or pa.types.is_decimal(type_), "float"),
        (pa.types.is_temporal(type_) and not pa.types.is_duration(type_) and not pa.types.is_time(type_), "time"),
        (lists, "list"),
        (pa.types.is_null(type_) or pa.types.is_string(type_) or pa.types.is_large_string(type_), "text"),
        (str(type_) == "string_view", "text"),
    )
    kind = next((kind for fits, kind in kinds if fits), "other")
    text: Callable[[Any], str] = {"bool": _truth, "list": _list}.get(kind, str)
    values = ["" if value is None or value != value else text(value) for value in column.to_pylist()]
    return Sample(name, kind, values, str(column.type))


def _truth(value: Any) -> str:
    return "1" if value else "0"


def _list(value: Any) -> str:
    return "\n".join(map(str, value))
