"""Rows as a program has them to ids: dicts by the encoder that exports carry, frames as the readers code them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.slots import slots_of
from alpt_ref.errors import InputError
from alpt_ref.serving.encode import Encoder
from alpt_ref.serving.encode_several import SeveralEncoder
from alpt_ref.serving.vocabulary_file import content_of

if TYPE_CHECKING:
    from alpt_ref.data.schema import Schema
    from alpt_ref.data.vocabulary import Vocabulary


class Rows(NamedTuple):
    """Encoded rows: ids (rows, slots); where fields hold several values what each counts, and slots of each field."""

    ids: NDArray[np.int64]
    values: NDArray[np.float32] | None = None
    slots: tuple[int, ...] | None = None

    def widened(self, slots: tuple[int, ...]) -> Rows:
        """The same rows in `slots` places a field; InputError where a row has more values."""
        if self.values is None or self.slots is None or self.slots == slots:
            return self
        wide = sum(slots)
        ids, values = np.empty((len(self.ids), wide), np.int64), np.zeros((len(self.ids), wide), np.float32)
        at = start = 0
        for field, (have, places) in enumerate(zip(self.slots, slots, strict=True)):
            beyond = (self.values[:, at + places : at + have] != 0).any(axis=1)
            if beyond.any():
                raise InputError(
                    f"row {int(np.argmax(beyond))}: more values in field {field} than the {places} places that the "
                    "export has; score it by the run or the packed run"
                )
            kept = min(have, places)
            ids[:, start : start + places] = self.ids[:, at : at + 1]  # an empty place holds any id of the field
            ids[:, start : start + kept] = self.ids[:, at : at + kept]
            values[:, start : start + kept] = self.values[:, at : at + kept]
            at, start = at + have, start + places
        return Rows(ids, values, slots)


_UNREADABLE = (TypeError, ValueError, OverflowError)


class RowEncoder:
    """Ids of raw rows; for dicts it keeps the vocabulary as dictionaries, some hundred bytes a category.

    With `pooled`, fields may hold several values; they get as many slots as the rows need.
    """

    def __init__(self, schema: Schema, vocabulary: Vocabulary, *, pooled: bool = False) -> None:
        """Nothing is read before it is needed."""
        self._schema, self._vocabulary, self._pooled = schema, vocabulary, pooled
        self._encoder: SeveralEncoder | None = None
        self._columns = tuple(dict.fromkeys(field.column for field in schema.fields))

    def of_dicts(self, rows: Sequence[Mapping[str, Any]]) -> Rows:
        """Ids of rows that are mappings from column to value.

        Raises
        ------
        InputError
            A row lacks a column, or a value cannot be read as its field asks.
        """
        if self._encoder is None:  # two threads may both make one, which does no harm
            self._encoder = SeveralEncoder(content_of(self._schema, self._vocabulary))
        encoder = self._encoder
        coded: list[Any] = []
        try:
            for row in rows:
                coded.append(encoder.several(row) if self._pooled else encoder.ids(row))
        except (KeyError, *_UNREADABLE) as error:
            raise InputError(self._sentence(encoder, len(coded), rows[len(coded)], error)) from None
        return _laid(coded, encoder) if self._pooled else Rows(np.array(coded, np.int64))

    def of_frame(self, frame: Any) -> Rows:
        """Ids of the rows of a pandas or polars frame, an Arrow table or the like, by the names of its columns."""
        from alpt_ref.data.formats.schema_rows import RowPlan
        from alpt_ref.data.formats.tables import TableSource, table_name

        names = getattr(frame, "column_names", getattr(frame, "columns", None))
        if names is not None and not callable(names):
            lacks = [name for name in self._columns if name not in set(map(str, names))]
            if lacks:
                what = ", ".join(map(repr, lacks[:5]))
                raise InputError(
                    f"{table_name(frame)} lacks column{'s' * (len(lacks) > 1)} {what}, which the model reads"
                )

        plan, pieces, count = RowPlan(self._schema, labelled=False), [], 0
        for job in TableSource(0, frame, [plan]).jobs():
            coded, faulty = job.parse()
            if faulty.count:
                line, reason = faulty.examples[0]
                raise InputError(f"row {line - 1}: {reason}")
            count += len(coded.labels)
            pieces.append(coded.fields)
        if not count:
            raise InputError("the frame has no rows; nothing is to be scored")
        extents = [[field.extent() for field in fields] for fields in pieces]
        slots = slots_of(extents, len(plan.fields)) or (1,) * len(plan.fields) if self._pooled else None
        laid = [self._vocabulary.encode_fields(fields, plan.fields, slots) for fields in pieces]
        ids = np.concatenate([one.ids for one in laid]).astype(np.int64)
        if slots is None:
            return Rows(ids)
        values = [np.ones(one.ids.shape, np.float32) if one.values is None else one.values for one in laid]
        return Rows(ids, np.concatenate(values), slots)

    def _sentence(self, encoder: SeveralEncoder, number: int, row: Any, error: Exception) -> str:
        if not isinstance(row, Mapping):
            return f"row {number} must be a mapping from column to value, got {type(row).__name__}"
        lacking = [name for name in self._columns if name not in row]
        if lacking:
            return f"row {number} lacks column {lacking[0]!r}; give None where a value is missing"
        for field, _, edges in encoder.fields:
            held = row[field["column"]]
            if field["kind"] != "multi" and hasattr(held, "__len__") and not isinstance(held, (str, bytes)):
                what = f"holds a {type(held).__name__} where its field has one value"
                return f"row {number}, column {field['column']!r} {what}; several rows are a list of dicts or a frame"
            try:
                parts = encoder.parts(field, held)
                texts = [encoder.category(field, edges, value) for value in parts]
                if (count := sum(map(bool, texts))) > field["max_values"]:
                    raise ValueError(f"{count} values, the schema allows {field['max_values']} (max_values)")
            except TypeError:
                return f"row {number}, column {field['column']!r}: {row[field['column']]!r:.60} is no single value"
            except _UNREADABLE as own:
                return f"row {number}, column {field['column']!r}: {_reason(own)}"
        return f"row {number}: {_reason(error)}"


def _laid(coded: Sequence[Sequence[tuple[list[int], float]]], encoder: Encoder) -> Rows:
    """Ids of each field beside each other, as many as the fullest of these rows has."""
    slots = tuple(max(1, *(len(ids) for ids, _ in column)) for column in zip(*coded, strict=True))
    ids, values = np.empty((len(coded), sum(slots)), np.int64), np.zeros((len(coded), sum(slots)), np.float32)
    for number, row in enumerate(coded):
        at = 0
        for (field, _, _), (known, value), width in zip(encoder.fields, row, slots, strict=True):
            ids[number, at : at + width] = field["first_id"]
            ids[number, at : at + len(known)] = known
            values[number, at : at + len(known)] = value
            at += width
    return Rows(ids, values, slots)


def _reason(error: Exception) -> str:
    return " ".join(f"{error}".split())[:200] or type(error).__name__
