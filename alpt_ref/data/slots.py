"""Several values of a field in one row: the places (slots) beside each other in `ids`, and what each counts.

A field has as many slots as its fullest row has values. A value counts its factor (1 where there is none), under
``pooling="mean"`` divided by the number of the row's values; an empty slot has the field's first id and counts 0. A row
without any value has the zero vector there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.fields import FieldPlan
from alpt_ref.data.formats.coded import CodedField
from alpt_ref.errors import InputError

EMPTY = -1
"""Code of an empty slot."""


class Laid(NamedTuple):
    """Rows of a dataset: global ids (rows, slots), what each counts, slots of each field (both None: one each)."""

    ids: NDArray[np.uint32]
    values: NDArray[np.float32] | None
    slots: tuple[int, ...] | None


class CodedClicks(Protocol):
    """Rows whose categories are numbered, as a reader gives them (`alpt_ref.data.raw.RawClicks`)."""

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of the fields."""
        ...

    @property
    def codes(self) -> NDArray[np.int32]:
        """Index into the field's categories (rows, fields)."""
        ...

    @property
    def categories(self) -> Sequence[Sequence[str]]:
        """Distinct texts of each field."""
        ...

    def blocks(self) -> list[NDArray[np.int32]]:
        """The columns of `codes` of each field."""
        ...


def slots_of(extents: Iterable[Sequence[tuple[int, int, bool]]], fields: int) -> tuple[int, ...] | None:
    """Slots of each field over all pieces; None where every row has one value of each field, of factor 1.

    Parameters
    ----------
    extents : per piece, per field (least values a row, most, whether each factor is 1)
        See `CodedField.extent`.
    fields : int
    """
    least, most, plain = [1] * fields, [1] * fields, True
    for piece in extents:
        for field, (low, high, ones) in enumerate(piece):
            least[field], most[field] = min(least[field], low), max(most[field], high)
            plain = plain and bool(ones)
    return None if plain and set(least) | set(most) <= {1} else tuple(most)


def edges_of(slots: tuple[int, ...]) -> list[int]:
    """First slot of each field, and the number of slots at the end."""
    return [0, *np.cumsum(slots, dtype=np.int64).tolist()]


def lay_codes(field: CodedField, slots: int, codes: NDArray[Any] | None = None) -> NDArray[np.int32]:
    """Codes (or others in their place) of each row beside each other, `EMPTY` where a slot is: int32 (rows, slots)."""
    flat = field.codes if codes is None else codes
    out = np.full((field.rows, slots), EMPTY, dtype=np.int32)
    if field.counts is None:
        out[:, 0] = flat
    else:
        out[_taken(field.counts, slots)] = flat
    return out


def lay_factors(field: CodedField, slots: int) -> NDArray[np.float32]:
    """Factors of each row beside each other, 0 where a slot is empty: float32 (rows, slots)."""
    out = np.zeros((field.rows, slots), dtype=np.float32)
    if field.counts is None:
        out[:, 0] = 1 if field.factors is None else field.factors
    else:
        out[_taken(field.counts, slots)] = 1 if field.factors is None else field.factors
    return out


def _taken(counts: NDArray[np.int32], slots: int) -> NDArray[np.bool_]:
    return np.arange(slots)[None, :] < counts[:, None]


def pooled(factors: NDArray[np.float32], counts: NDArray[Any], pooling: str) -> NDArray[np.float32]:
    """What each slot counts: float32 (rows, slots), from factors with 0 in empty slots and the values of each row."""
    if pooling == "sum":
        return factors
    shares: NDArray[np.float32] = factors / np.maximum(counts, 1).astype(np.float32)[:, None]
    return shares


def lay_out(
    fields: Sequence[CodedField],
    ids_of: Sequence[NDArray[np.uint32]],
    first_ids: NDArray[np.uint32],
    plans: Sequence[FieldPlan],
    slots: tuple[int, ...] | None,
) -> Laid:
    """Ids and values of coded rows.

    Parameters
    ----------
    fields : sequence of CodedField
    ids_of : per field, uint32 array (categories,)
        Global id of each of the field's categories.
    first_ids : uint32 array (fields,)
        Global id of each field's local id 0.
    plans : sequence of FieldPlan
    slots : tuple of int or None
        At least as many as a row has values; None: one value each, of factor 1.
    """
    rows = fields[0].rows
    if slots is None:
        ids = np.empty((rows, len(fields)), dtype=np.uint32)
        for number, (field, known) in enumerate(zip(fields, ids_of, strict=True)):
            ids[:, number] = known[field.codes]
        return Laid(ids, None, None)
    edges = edges_of(slots)
    ids, values = np.empty((rows, edges[-1]), dtype=np.uint32), np.empty((rows, edges[-1]), dtype=np.float32)
    for number, (field, known) in enumerate(zip(fields, ids_of, strict=True)):
        place = slice(edges[number], edges[number + 1])
        ids[:, place] = np.append(known, first_ids[number])[lay_codes(field, slots[number])]  # EMPTY takes the last
        counts = np.ones(rows, np.int32) if field.counts is None else field.counts
        values[:, place] = pooled(lay_factors(field, slots[number]), counts, plans[number].pooling)
    return Laid(ids, values, slots)


def slots_needed(fields: Sequence[CodedField], count: int, slots: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """`slots`, or as many as the rows need; InputError unless there are `count` fields of one length that fit."""
    if len(fields) != count:
        raise InputError(f"fields must be {count}, one for each of the data's, got {len(fields)}")
    if len({field.rows for field in fields}) > 1:
        raise InputError("fields must all have the same number of rows")
    needed = slots_of([[field.extent() for field in fields]], count)
    most = needed or (1,) * count
    if slots is not None and (len(slots) != count or any(a < b for a, b in zip(slots, most, strict=True))):
        raise InputError(f"slots must be at least {most}, one for each field, got {slots!r}")
    return needed if slots is None else slots
