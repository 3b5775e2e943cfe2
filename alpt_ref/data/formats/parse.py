"""Whole lines of delimited text to labels and dictionary-coded categories; rows that are wrong get a reason.

A `TextFormat` says which columns a file has and how each category comes from its column; Criteo, Avazu and libfm
are three such formats. Codes count within a piece of the file; `categories` joins the pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.formats.lines import BOM, Lines


@dataclass(frozen=True)
class FieldRule:
    """A categorical field: its column, and the category of a column's text (None: the text itself).

    `category` returns None for a text that makes the row bad; `wants` then completes "column C: 'text' is not …".
    """

    name: str
    column: str
    category: Callable[[str], str | None] | None = None
    wants: str = ""


@dataclass(frozen=True)
class TextFormat:
    """How a kind of click file is laid out.

    Parameters
    ----------
    kind : str
    delimiter : str
        One character.
    columns : tuple of str
        All columns in file order.
    label : str
        The label's column.
    label_values : mapping
        Accepted label texts -> 0 or 1.
    fields : tuple of FieldRule
    header : bool
        The first line holds names and is no row.
    tidy : callable, optional
        Bytes of whole lines -> the same lines in strict form.
    """

    kind: str
    delimiter: str
    columns: tuple[str, ...]
    label: str
    label_values: Mapping[str, int]
    fields: tuple[FieldRule, ...]
    header: bool = False
    tidy: Callable[[bytes], bytes] | None = None


Column = tuple[NDArray[np.int32], Any]
"""Index of each row's text, and the distinct texts as an Arrow array."""


@dataclass(frozen=True)
class CodedRows:
    """The good rows of a piece of text.

    Parameters
    ----------
    labels : uint8 array (rows,)
    codes : per field, int32 array (rows,)
        Index into the field's `categories`.
    categories : per field, Arrow array of strings
        Distinct, each of them in use, in order of first appearance.
    """

    labels: NDArray[np.uint8]
    codes: tuple[NDArray[np.int32], ...]
    categories: tuple[Any, ...]


def code_lines(layout: TextFormat, lines: Lines) -> tuple[CodedRows, dict[int, str]]:
    """Parse whole lines; the good rows, and the bad ones as line number -> reason.

    A function of its arguments alone, so that pieces may be parsed in any order and by any thread.
    """
    if not lines.data:
        return _no_rows(len(layout.fields)), {}
    data, bad = _clean(lines)
    data = data if layout.tidy is None else layout.tidy(data)
    columns, wrong_width = _parse(layout, data)
    for row, reason in wrong_width.items():
        bad.setdefault(lines.first + row, reason)
    total = data.count(b"\n")
    numbers = np.delete(np.arange(total), list(wrong_width)) + lines.first

    label_indices, label_texts = columns[layout.label]
    label_texts = label_texts.to_pylist()
    values = np.array([layout.label_values.get(text, -1) for text in label_texts], dtype=np.int16)
    labels = values[label_indices] if len(label_texts) else np.zeros(0, dtype=np.int16)
    wants = "label {!r} is not one of " + ", ".join(layout.label_values)
    _report(bad, numbers, labels < 0, lambda row: wants.format(label_texts[label_indices[row]]))

    coded = []
    for rule in layout.fields:
        indices, texts = columns[rule.column]
        if rule.category is not None:
            texts, code_of_text = _apply(rule.category, texts.to_pylist())
            codes = code_of_text[indices] if len(code_of_text) else indices
            _report_field(bad, numbers, codes < 0, rule, columns[rule.column])
            indices = codes
        coded.append((indices, texts))
    if bad:
        good = ~np.isin(numbers, list(bad))
        labels, coded = labels[good], [_only_used(codes[good], texts) for codes, texts in coded]
    codes_of, categories = zip(*coded, strict=True)
    return CodedRows(labels.astype(np.uint8), codes_of, categories), bad


def _no_rows(fields: int) -> CodedRows:
    import pyarrow as pa

    codes = tuple(np.zeros(0, dtype=np.int32) for _ in range(fields))
    return CodedRows(np.zeros(0, dtype=np.uint8), codes, tuple(pa.array([], type=pa.string()) for _ in range(fields)))


def _apply(category_of: Callable[[str], str | None], texts: list[str]) -> tuple[Any, NDArray[np.int32]]:
    """Distinct categories of distinct texts, and the code of each text, -1 for a bad one."""
    import pyarrow as pa

    code_of: dict[str | None, int] = {None: -1}
    codes = [code_of.setdefault(category_of(text), len(code_of) - 1) for text in texts]
    return pa.array(list(code_of)[1:], type=pa.string()), np.array(codes, dtype=np.int32)


def _only_used(codes: NDArray[np.int32], texts: Any) -> tuple[NDArray[np.int32], Any]:
    """Leave out categories that only bad rows have, and number the others by first appearance again."""
    used, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(used), dtype=np.int32)
    rank[order] = np.arange(len(used), dtype=np.int32)
    return rank[inverse], texts.take(used[order])


def _report(bad: dict[int, str], numbers: NDArray[Any], wrong: NDArray[Any], reason: Callable[[int], str]) -> None:
    for row in np.flatnonzero(wrong).tolist():
        bad.setdefault(int(numbers[row]), reason(row))


def _report_field(
    bad: dict[int, str],
    numbers: NDArray[Any],
    wrong: NDArray[Any],
    rule: FieldRule,
    column: Column,
) -> None:
    indices, texts = column

    def reason(row: int) -> str:
        return f"column {rule.column}: {texts[int(indices[row])].as_py()[:60]!r} is not {rule.wants}"

    _report(bad, numbers, wrong, reason)


def _clean(lines: Lines) -> tuple[bytes, dict[int, str]]:
    """Drop carriage returns before line feeds; name the lines that are empty, hold control bytes or broken UTF-8.

    The parser must never see a lone carriage return: it would take it for a line's end, and the numbers would be off.
    """
    data, bad = lines.data, dict[int, str]()
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    for byte, name in ((b"\r", "a carriage return inside the line"), (b"\0", "a NUL byte")):
        if byte in data:
            bad.update((lines.first + row, name) for row in _rows_with(data, byte) if lines.first + row not in bad)
            data = data.replace(byte, b"?")
    if data.startswith(b"\n") or b"\n\n" in data:
        ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 10)
        bad.update(
            (lines.first + row, "an empty line") for row in np.flatnonzero(np.diff(ends, prepend=-1) == 1).tolist()
        )
    return (data if data.isascii() else _strict_utf8(data, lines.first, bad)), bad


def _strict_utf8(data: bytes, first: int, bad: dict[int, str]) -> bytes:
    """Replace what is not UTF-8, and a byte order mark at a line's start, which the parser would drop in silence."""
    try:
        data.decode("utf-8")
        if not data.startswith(BOM) and b"\n" + BOM not in data:
            return data
    except UnicodeDecodeError:
        pass
    pieces = data.split(b"\n")
    for row, piece in enumerate(pieces):
        fixed = piece.decode("utf-8", "replace").encode()
        fixed = b"?" + fixed[len(BOM) :] if fixed.startswith(BOM) else fixed
        if fixed != piece:
            bad.setdefault(first + row, "bytes that are not UTF-8, or a byte order mark inside the file")
            pieces[row] = fixed
    return b"\n".join(pieces)


def _rows_with(data: bytes, byte: bytes) -> list[int]:
    text = np.frombuffer(data, dtype=np.uint8)
    ends, hits = np.flatnonzero(text == 10), np.flatnonzero(text == byte[0])
    rows: list[int] = np.unique(np.searchsorted(ends, hits)).tolist()
    return rows


def _parse(layout: TextFormat, data: bytes) -> tuple[dict[str, Column], dict[int, str]]:
    """The needed columns by name, and the rows of another width."""
    import pyarrow as pa
    from pyarrow import csv

    wrong: dict[int, str] = {}
    expected = len(layout.columns)

    def invalid(row: Any) -> str:
        wrong[row.number - 1] = f"{row.actual_columns} columns instead of {expected}"
        return "skip"

    needed = list(dict.fromkeys([layout.label, *(rule.column for rule in layout.fields)]))
    table = csv.read_csv(
        pa.BufferReader(data),
        csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=list(layout.columns)),
        csv.ParseOptions(
            delimiter=layout.delimiter,
            quote_char=False,
            double_quote=False,
            ignore_empty_lines=False,
            invalid_row_handler=invalid,
        ),
        csv.ConvertOptions(
            check_utf8=False,  # checked in `_clean`, where the line is known
            column_types=dict.fromkeys(needed, pa.string()),
            include_columns=needed,
            null_values=[],
            strings_can_be_null=False,
        ),
    )
    columns = {}
    for name in needed:
        texts = pa.concat_arrays(table.column(name).chunks) if len(table) else pa.array([], type=pa.string())
        coded = texts.dictionary_encode()  # faster than letting the reader make the dictionaries
        columns[name] = (coded.indices.to_numpy(zero_copy_only=False), coded.dictionary)
    return columns, wrong
