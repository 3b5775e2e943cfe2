"""Whole lines of delimited text to labels and dictionary-coded categories; lines that are no rows get a reason.

A `TextFormat` says which columns a file has and how each category comes from its column; Criteo, Avazu and libfm
are three such formats. Codes count within a piece of the file; `categories` joins the pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.fields import FieldPlan
from alpt_ref.data.formats.coded import CodedField as CodedField
from alpt_ref.data.formats.coded import CodedRows as CodedRows
from alpt_ref.data.formats.faulty import FaultyLines, keep_lines, line_widths, mark_inner_marks, mark_unreadable
from alpt_ref.data.formats.lines import Lines


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
        Accepted labels -> 0 or 1; a label may be written as a decimal fraction too, ``1.0``.
    fields : tuple of FieldRule
    header : bool
        The first line holds names and is no row.
    tidy : callable, optional
        Bytes of whole lines -> the same lines in strict form.
    unordered : bool
        A row is a set of categories by the format's own definition, so that one in two fields is worth a warning.
    """

    kind: str
    delimiter: str
    columns: tuple[str, ...]
    label: str
    label_values: Mapping[str, int]
    fields: tuple[FieldRule, ...]
    header: bool = False
    tidy: Callable[[bytes], bytes] | None = None
    unordered: bool = False
    of_first: ClassVar[bool] = False

    @property
    def plans(self) -> tuple[FieldPlan, ...]:
        """One category a row in each field."""
        return tuple(FieldPlan(rule.name) for rule in self.fields)

    def key(self) -> list[Any]:
        """What the coded form depends on, beside the text."""
        return [self.kind, self.delimiter, self.columns, self.label, [rule.name for rule in self.fields]]

    def code(self, lines: Lines) -> tuple[CodedRows, FaultyLines]:
        """See `code_lines`."""
        return code_lines(self, lines)


Column = tuple[NDArray[np.int32], Any]
"""Index of each row's text, and the distinct texts as an Arrow array."""


def code_lines(layout: TextFormat, lines: Lines) -> tuple[CodedRows, FaultyLines]:
    """Parse whole lines: the good rows, and what is wrong with the others.

    A function of its arguments alone, so that pieces may be parsed in any order and by any thread. Time and memory are
    proportional to the text, however many of its lines are wrong.
    """
    faulty = FaultyLines(lines.first, lines.data.count(b"\n"))
    data = mark_unreadable(lines.data, faulty)
    data = mark_inner_marks(data if layout.tidy is None else layout.tidy(data), faulty)
    columns = _columns_of(layout, data, faulty)
    rows = np.flatnonzero(~faulty.mask)

    label_indices, label_texts = columns[layout.label]
    texts = label_texts.to_pylist()
    values = np.array([layout.label_values.get(plain_label(text), -1) for text in texts], dtype=np.int16)
    labels = values[label_indices] if len(texts) else np.zeros(0, dtype=np.int16)
    wants = "label {!r} is not one of " + ", ".join(layout.label_values)
    faulty.add(rows[labels < 0], lambda line: wants.format(texts[label_indices[np.searchsorted(rows, line)]][:60]))

    coded = []
    for rule in layout.fields:
        indices, distinct = columns[rule.column]
        if rule.category is not None:
            distinct, code_of_text = _apply(rule.category, distinct.to_pylist())
            codes = code_of_text[indices] if len(code_of_text) else indices
            if codes.size and codes.min() < 0:
                faulty.add(rows[codes < 0], _reason(rule, columns[rule.column], rows))
            indices = codes
        coded.append((indices, distinct))
    good = ~faulty.mask[rows]
    if not good.all():
        labels, rows = labels[good], rows[good]
        coded = [_only_used(codes[good], distinct) for codes, distinct in coded]
    return CodedRows(labels.astype(np.uint8), tuple(CodedField(*field) for field in coded), rows), faulty


_LABEL = re.compile(r"([+-]?[01])(?:\.0*)?(?:[eE][+-]?0+)?\Z", re.ASCII)


def plain_label(text: str) -> str:
    """A label without a fraction of zeros: ``"1.0"`` -> ``"1"``, ``"-1.00e+00"`` -> ``"-1"``; else as it stands."""
    match = _LABEL.match(text)
    return text if match is None else match[1]


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


def _reason(rule: FieldRule, column: Column, rows: NDArray[np.int64]) -> Callable[[int], str]:
    indices, texts = column

    def reason(line: int) -> str:
        text = texts[int(indices[np.searchsorted(rows, line)])].as_py()
        return f"column {rule.column}: {text[:60]!r} is not {rule.wants}"

    return reason


def _columns_of(layout: TextFormat, data: bytes, faulty: FaultyLines) -> dict[str, Column]:
    """The needed columns of all lines that have the right width; the others are added to `faulty`."""
    import pyarrow as pa

    if faulty.mask.any():
        data = keep_lines(data, ~faulty.mask)
    try:
        if len(layout.columns) > 1 and (
            data.startswith(b"\n") or b"\n\n" in data
        ):  # to the parser a row without values
            raise pa.ArrowInvalid("an empty line")
        return _parse(layout, data)
    except pa.ArrowInvalid:  # the parser names one line of another width at a time; there may be millions
        kept = np.flatnonzero(~faulty.mask)
        widths, wanted = line_widths(data, layout.delimiter), len(layout.columns)
        wrong = widths != wanted
        if not wrong.any():
            raise
        faulty.add(kept[wrong], lambda line: f"{widths[np.searchsorted(kept, line)]} columns instead of {wanted}")
        return _parse(layout, keep_lines(data, ~wrong))


def _parse(layout: TextFormat, data: bytes) -> dict[str, Column]:
    """The needed columns by name."""
    import pyarrow as pa
    from pyarrow import csv

    needed = list(dict.fromkeys([layout.label, *(rule.column for rule in layout.fields)]))
    if not data:
        return {name: (np.zeros(0, dtype=np.int32), pa.array([], type=pa.string())) for name in needed}
    table = csv.read_csv(
        pa.BufferReader(data),
        csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=list(layout.columns)),
        csv.ParseOptions(delimiter=layout.delimiter, quote_char=False, double_quote=False, ignore_empty_lines=False),
        csv.ConvertOptions(
            check_utf8=False,  # checked in `mark_unreadable`, where the line is known
            column_types=dict.fromkeys(needed, pa.string()),
            include_columns=needed,
            null_values=[],
            strings_can_be_null=False,
        ),
    )
    columns = {}
    for name, column in zip(needed, table.columns, strict=True):
        coded = pa.concat_arrays(column.chunks).dictionary_encode()  # faster than letting the reader make them
        columns[name] = (coded.indices.to_numpy(zero_copy_only=False), coded.dictionary)
    return columns
