"""Whole lines of delimited text to labels and dictionary-coded categories; rows that are wrong get a reason.

A `TextFormat` says which columns a file has and how each category comes from its column; Criteo, Avazu and libfm
are three such formats. Codes are given in the order in which categories first appear in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .lines import BOM, Lines


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


class FieldEncoder:
    """Codes of one field: column text -> category -> code, in order of first appearance; -1 for a bad text."""

    def __init__(self, rule: FieldRule) -> None:
        """Begin without categories."""
        self.rule = rule
        self.categories: list[str] = []
        self._code_of_text: dict[str, int] = {}
        self._code_of_category: dict[str, int] = {}

    def codes(self, texts: list[str]) -> NDArray[np.int32]:
        """Codes of distinct texts, in order of first appearance."""
        known = self._code_of_text
        codes = np.array([known.get(text, -2) for text in texts], dtype=np.int32)
        fresh = np.flatnonzero(codes == -2)
        new = [texts[position] for position in fresh.tolist()]
        if self.rule.category is None:  # every new text is a new category
            first = len(self.categories)
            codes[fresh] = np.arange(first, first + len(new), dtype=np.int32)
            known.update(zip(new, range(first, first + len(new)), strict=True))
            self.categories += new
        else:
            codes[fresh] = [self._new(text, self.rule.category) for text in new]
        return codes

    def _new(self, text: str, category_of: Callable[[str], str | None]) -> int:
        category, code = category_of(text), -1
        if category is not None:
            code = self._code_of_category.setdefault(category, len(self.categories))
            if code == len(self.categories):
                self.categories.append(category)
        self._code_of_text[text] = code
        return code


@dataclass(frozen=True)
class CodedRows:
    """Good rows of a piece: labels uint8 (rows,), codes int32 (fields, rows), one contiguous row a field."""

    labels: NDArray[np.uint8]
    codes: NDArray[np.int32]


def code_lines(
    layout: TextFormat, encoders: tuple[FieldEncoder, ...], lines: Lines
) -> tuple[CodedRows, dict[int, str]]:
    """Parse whole lines; the good rows, and the bad ones as line number -> reason."""
    if not lines.data:
        return CodedRows(np.zeros(0, dtype=np.uint8), np.zeros((len(encoders), 0), dtype=np.int32)), {}
    data, bad = _clean(lines)
    data = data if layout.tidy is None else layout.tidy(data)
    columns, wrong_width = _parse(layout, data)
    for row, reason in wrong_width.items():
        bad.setdefault(lines.first + row, reason)
    total = data.count(b"\n")
    numbers = np.delete(np.arange(total), list(wrong_width)) + lines.first

    label_indices, label_texts = columns[layout.label]
    values = np.array([layout.label_values.get(text, -1) for text in label_texts], dtype=np.int16)
    labels = values[label_indices] if len(label_texts) else np.zeros(0, dtype=np.int16)
    wants = "label {!r} is not one of " + ", ".join(layout.label_values)
    _report(bad, numbers, labels < 0, lambda row: wants.format(label_texts[label_indices[row]]))

    codes = np.empty((len(encoders), len(labels)), dtype=np.int32)
    for out, encoder in zip(codes, encoders, strict=True):
        indices, texts = columns[encoder.rule.column]
        if len(texts):
            np.take(encoder.codes(texts), indices, out=out)
        if encoder.rule.category is not None:
            _report_field(bad, numbers, out < 0, encoder.rule, indices, texts)
    if bad:
        good = ~np.isin(numbers, list(bad))
        labels, codes = labels[good], np.compress(good, codes, axis=1)
    return CodedRows(labels.astype(np.uint8), codes), bad


def _report(bad: dict[int, str], numbers: NDArray[Any], wrong: NDArray[Any], reason: Callable[[int], str]) -> None:
    for row in np.flatnonzero(wrong).tolist():
        bad.setdefault(int(numbers[row]), reason(row))


def _report_field(
    bad: dict[int, str],
    numbers: NDArray[Any],
    wrong: NDArray[Any],
    rule: FieldRule,
    indices: NDArray[Any],
    texts: list[str],
) -> None:
    _report(bad, numbers, wrong, lambda row: f"column {rule.column}: {texts[indices[row]][:60]!r} is not {rule.wants}")


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
        fixed = piece.decode("utf-8", "replace").encode().replace(BOM, b"?")
        if fixed != piece:
            bad.setdefault(first + row, "bytes that are not UTF-8, or a byte order mark inside the file")
            pieces[row] = fixed
    return b"\n".join(pieces)


def _rows_with(data: bytes, byte: bytes) -> list[int]:
    text = np.frombuffer(data, dtype=np.uint8)
    ends, hits = np.flatnonzero(text == 10), np.flatnonzero(text == byte[0])
    rows: list[int] = np.unique(np.searchsorted(ends, hits)).tolist()
    return rows


Column = tuple[NDArray[np.int32], list[str]]


def _parse(layout: TextFormat, data: bytes) -> tuple[dict[str, Column], dict[int, str]]:
    """Each needed column as (index of each row's text, distinct texts), and the rows of another width."""
    import pyarrow as pa
    from pyarrow import csv

    wrong: dict[int, str] = {}
    expected = len(layout.columns)

    def invalid(row: Any) -> str:
        wrong[row.number - 1] = f"{row.actual_columns} columns instead of {expected}"
        return "skip"

    needed = list(dict.fromkeys([layout.label, *(rule.column for rule in layout.fields)]))
    text = pa.dictionary(pa.int32(), pa.string())
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
            column_types=dict.fromkeys(needed, text),
            include_columns=needed,
            null_values=[],
            strings_can_be_null=False,
        ),
    )
    columns = {}
    for name in needed:
        chunked = table.column(name)
        if chunked.num_chunks > 1:
            chunked = chunked.unify_dictionaries()
        if len(chunked):
            array = chunked.combine_chunks()
            array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
            columns[name] = (array.indices.to_numpy(zero_copy_only=False), array.dictionary.to_pylist())
        else:
            columns[name] = (np.zeros(0, dtype=np.int32), [])
    return columns, wrong
