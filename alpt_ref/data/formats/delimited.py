"""Whole rows of delimited text to columns of strings; rows that cannot be parsed get a reason.

Without a quote in the text a row is a line. With some, rows are what `records` found, and only these texts pay for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.formats.faulty import FaultyLines, keep_lines, line_widths, mark_inner_marks, mark_unreadable
from alpt_ref.data.formats.lines import BOM
from alpt_ref.data.formats.records import Records, cells_outside

BROKEN_QUOTE = "a quote that begins a value has no partner before a delimiter or the line's end"


@dataclass(frozen=True)
class Delimited:
    """How the rows of a file are written.

    Parameters
    ----------
    delimiter : str
        One character.
    columns : tuple of str
        Of the file, in its order.
    quote : str
        Empty: none.
    """

    delimiter: str
    columns: tuple[str, ...]
    quote: str = '"'


def parse_lines(
    layout: Delimited, data: bytes, faulty: FaultyLines, needed: Sequence[str]
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Columns of whole lines in which no quote has a meaning.

    Returns
    -------
    dict of Arrow string arrays
        The needed columns of the lines that could be parsed.
    int64 array
        Which lines these are; the others are marked in `faulty`.
    """
    import pyarrow as pa

    data = mark_inner_marks(mark_unreadable(data, faulty, nul=True), faulty)
    if faulty.mask.any():
        data = keep_lines(data, ~faulty.mask)
    kept = np.flatnonzero(~faulty.mask)
    try:
        return _read(layout, data, needed, "", None), kept
    except pa.ArrowInvalid:  # the parser names one line of another width at a time; there may be millions
        widths, wanted = line_widths(data, layout.delimiter), len(layout.columns)
        wrong = widths != wanted
        if not wrong.any():
            raise
        faulty.add(kept[wrong], lambda line: _width(int(widths[np.searchsorted(kept, line)]), wanted))
        return _read(layout, keep_lines(data, ~wrong), needed, "", None), kept[~wrong]


def parse_records(
    layout: Delimited, data: bytes, records: Records, faulty: FaultyLines, needed: Sequence[str]
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """The same where values may stand in quotes: columns of the rows that `records` found in the text."""
    faulty.add(records.broken, BROKEN_QUOTE)
    starts = np.concatenate(([0], records.ends[:-1])) if len(records.ends) else records.ends
    lengths = records.ends - starts
    text = np.frombuffer(data, np.uint8)
    empty = (lengths == 1) | ((lengths == 2) & (text[starts] == 13))
    faulty.add(np.flatnonzero(empty), "an empty line")

    def suspects(places: NDArray[Any]) -> list[int]:
        return [int(row) for row in np.unique(np.searchsorted(records.ends, places, "right"))]

    def marked(rows: list[int], test: Any) -> NDArray[np.int64]:
        return np.array([row for row in rows if test(data[starts[row] : records.ends[row]])], np.int64)

    if b"\r" in data:
        returns = np.flatnonzero(text == 13)
        lone = returns[text[np.minimum(returns + 1, len(text) - 1)] != 10]
        bare = marked(suspects(lone), lambda row: b"\r" in cells_outside(row, layout.delimiter, layout.quote)[:-2])
        faulty.add(bare, "a carriage return inside the line")
    if not data.isascii():
        faulty.add(_not_utf8(data, starts, records.ends), "bytes that are not UTF-8")
    if BOM in data:
        faulty.add(
            marked(list(range(len(starts))), lambda row: row.startswith(BOM)), "a byte order mark inside the file"
        )
    keep = ~faulty.mask
    kept = np.flatnonzero(keep)
    if not keep.all():
        data = text[np.repeat(keep, lengths)].tobytes()
    wrong: list[int] = []
    widths: list[int] = []

    def skip(row: Any) -> str:
        wrong.append(row.number - 1)
        widths.append(row.actual_columns)
        return "skip"

    columns = _read(layout, data, needed, layout.quote, skip)
    bad = kept[wrong]
    faulty.add(bad, lambda line: _width(widths[int(np.searchsorted(bad, line))], len(layout.columns)))
    rows = np.delete(kept, wrong)
    for column in columns.values():
        if len(column) != len(rows):  # then a value would stand in another row's place
            raise RuntimeError(f"{len(rows)} rows were found in a text, but {len(column)} were parsed")
    return columns, rows


def _width(found: int, wanted: int) -> str:
    return f"{found} columns instead of {wanted}"


def _not_utf8(data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows with bytes that are no UTF-8."""
    bad: list[int] = []
    at = 0
    while True:
        try:
            data[at:].decode() if at else data.decode()
            return np.array(bad, np.int64)
        except UnicodeDecodeError as error:
            row = int(np.searchsorted(ends, at + error.start, "right"))
            rest = range(row, len(starts)) if len(bad) > 20 else [row]
            for place in rest:
                try:
                    data[starts[place] : ends[place]].decode()
                except UnicodeDecodeError:
                    bad.append(place)
            at = int(ends[rest[-1]])


def _read(layout: Delimited, data: bytes, needed: Sequence[str], quote: str, skip: Any) -> dict[str, Any]:
    """The needed columns by name."""
    import pyarrow as pa
    from pyarrow import csv

    if not data:
        return {name: pa.array([], type=pa.string()) for name in needed}
    if len(layout.columns) > 1 and skip is None and (data.startswith(b"\n") or b"\n\n" in data):
        raise pa.ArrowInvalid("an empty line")  # to the parser a row without values
    names = [f"{place}" for place in range(len(layout.columns))]  # a file may have one name twice
    places = [str(layout.columns.index(name)) for name in needed]
    table = csv.read_csv(
        pa.BufferReader(data),
        csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
        csv.ParseOptions(
            delimiter=layout.delimiter,
            quote_char=quote or False,
            double_quote=bool(quote),
            newlines_in_values=bool(quote),
            ignore_empty_lines=False,
            invalid_row_handler=skip,
        ),
        csv.ConvertOptions(
            check_utf8=False,  # checked before, where the row is known
            column_types=dict.fromkeys(places, pa.string()),
            include_columns=places,
            null_values=[],
            strings_can_be_null=False,
        ),
    )
    return {name: _whole(column) for name, column in zip(needed, table.columns, strict=True)}


def _whole(column: Any) -> Any:
    import pyarrow as pa

    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], pa.string())])
