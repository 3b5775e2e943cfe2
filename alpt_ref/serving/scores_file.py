"""The file of scores, CSV (gzip too) or Parquet by its name: row, ids carried along, label if known, probability."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.outputs import open_output
from alpt_ref.serving.pieces import Piece

ENDINGS = (".csv", ".csv.gz", ".txt", ".parquet")
OWN = ("row", "label", "probability")


def holds_scores(path: Path) -> bool:
    """Whether a file is one that `scores_file` wrote, by its columns."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        with path.open("rb") as file:
            head = file.read(4)
        if head == b"PAR1":
            names = parquet.read_schema(path).names
        else:
            with gzip.open(path) if head[:2] == b"\x1f\x8b" else path.open("rb") as stream:
                first = stream.read(1 << 16).partition(b"\n")[0]
            names = csv.read_csv(pa.BufferReader(first + b"\n")).column_names
    except (OSError, EOFError, zlib.error, pa.ArrowException):
        return False
    return bool(names[:1] == ["row"] and names[-1] == "probability")


def names_of_carried(names: Sequence[str]) -> tuple[str, ...]:
    """Names in the file of the columns that are carried along: their own, behind ``id_`` where a score has that one.

    Examples
    --------
    >>> names_of_carried(["request", "row", "id_row"])
    ('request', 'id_id_row', 'id_row')
    """
    found = []
    for name in names:
        shown = name
        while shown in OWN or (shown != name and shown in names):
            shown = f"id_{shown}"
        found.append(shown)
    return tuple(found)


@contextmanager
def scores_file(output: Path, carried: Sequence[str] = ()) -> Iterator[Any]:
    """A function that appends a piece and its logits to the file, which appears only when all is written."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    with open_output(output) as file, ExitStack() as stack:
        writer: list[Any] = []
        stream: Any = file
        if output.suffix.lower() == ".gz":  # without time and name, so that the same scores are the same bytes
            stream = stack.enter_context(gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0))

        def write(piece: Piece, logits: NDArray[np.float32]) -> None:
            columns: dict[str, Any] = {"row": piece.rows, **dict(zip(carried, piece.carried, strict=True))}
            if piece.labels is not None:
                columns["label"] = piece.labels
            with np.errstate(over="ignore"):
                columns["probability"] = (1.0 / (1.0 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
            table = pa.table(columns)
            if not writer and output.suffix.lower() == ".parquet":
                writer.append(parquet.ParquetWriter(pa.PythonFile(stream, "w"), table.schema))
            elif not writer:  # the header by hand: Arrow's has quotes
                stream.write((",".join(map(_plain, columns)) + "\n").encode())
                writer.append(csv.CSVWriter(stream, table.schema, write_options=csv.WriteOptions(include_header=False)))
            writer[0].write_table(table)

        yield write
        if writer:
            writer[0].close()


def _plain(name: str) -> str:
    """A column's name as a value of CSV."""
    if not set(name) & set(',"\r\n'):
        return name
    return '"' + name.replace('"', '""') + '"'
