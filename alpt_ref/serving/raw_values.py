"""Rows as a program has them (dicts, frames) to ids, by the encoder that exports carry (`alpt_ref.serving.encode`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.formats.frames import columns_of
from alpt_ref.errors import InputError
from alpt_ref.serving.encode import Encoder
from alpt_ref.serving.vocabulary_file import content_of

if TYPE_CHECKING:
    from alpt_ref.data.schema import Schema
    from alpt_ref.data.vocabulary import Vocabulary

Ids = NDArray[np.int64]


class RowEncoder:
    """Ids of raw rows. Keeps the vocabulary as dictionaries, some hundred bytes a category."""

    def __init__(self, schema: Schema, vocabulary: Vocabulary) -> None:
        """Read the vocabulary once."""
        content = content_of(schema, vocabulary)
        self._encoder = Encoder(content)
        self._columns = tuple(dict.fromkeys(field.column for field in schema.fields))

    def of_dicts(self, rows: Sequence[Mapping[str, Any]]) -> Ids:
        """Ids of rows that are mappings from column to value: int64 (rows, fields).

        Raises
        ------
        InputError
            A row lacks a column, or a value cannot be read as its field asks.
        """
        ids = self._encoder.ids
        number = 0
        try:
            coded = []
            for number, row in enumerate(rows):
                coded.append(ids(row))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(self._sentence(number, rows[number], error)) from None
        return np.array(coded, np.int64)

    def of_frame(self, frame: Any) -> Ids:
        """Ids of the rows of a pandas or polars frame, an Arrow table or the like, by the names of its columns."""
        names = _names(frame)
        for name in self._columns:
            if names.count(name) != 1:
                what = "lacks column" if name not in names else "names twice the column"
                raise InputError(f"the frame {what} {name!r}; it has {', '.join(map(repr, names[:8]))}")
        arrays = columns_of(frame) or []
        columns = {name: arrays[names.index(name)].tolist() for name in self._columns}
        rows = len(next(iter(columns.values())))
        if not rows:
            raise InputError("the frame has no rows; nothing is to be scored")
        ids = np.empty((rows, len(self._encoder.fields)), np.int64)
        for place, (field, index) in enumerate(self._encoder.fields):
            first, known = field["first_id"], {}
            values = columns[field["column"]]
            out = []
            for number, value in enumerate(values):
                key = (value, value.__class__)
                try:
                    found = known.get(key)
                    if found is None:
                        found = known[key] = index.get(self._encoder.category(field, value), first)
                except (TypeError, ValueError, OverflowError) as error:
                    raise InputError(f"row {number}, column {field['column']!r}: {_reason(error)}") from None
                out.append(found)
            ids[:, place] = out
        return ids

    def _sentence(self, number: int, row: Any, error: Exception) -> str:
        if not isinstance(row, Mapping):
            return f"row {number} must be a mapping from column to value, got {type(row).__name__}"
        lacking = [name for name in self._columns if name not in row]
        if lacking:
            return f"row {number} lacks column {lacking[0]!r}; give None where a value is missing"
        for field, _ in self._encoder.fields:
            try:
                self._encoder.category(field, row[field["column"]])
            except (TypeError, ValueError, OverflowError) as own:
                return f"row {number}, column {field['column']!r}: {_reason(own)}"
        return f"row {number}: {_reason(error)}"


def _reason(error: Exception) -> str:
    return " ".join(f"{error}".split())[:200] or type(error).__name__


def is_frame(rows: Any) -> bool:
    """Whether `rows` is a table with named columns."""
    named = hasattr(rows, "__arrow_c_stream__") or hasattr(rows, "__dataframe__")
    return named or (hasattr(rows, "iloc") and getattr(rows, "ndim", 0) == 2)


def _names(frame: Any) -> list[str]:
    names = getattr(frame, "column_names", None)
    if names is None:
        names = getattr(frame, "columns", None)
    if names is None or callable(names):
        import pyarrow as pa

        names = pa.table(frame).column_names
    return [str(name) for name in names]
