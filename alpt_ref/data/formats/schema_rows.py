"""What a schema makes of the columns of a piece, from whatever container: good rows coded, bad ones with a reason."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.fields import FieldPlan
from alpt_ref.data.formats.coded import DATES, WHOLE_TIMES, CodedField, CodedRows
from alpt_ref.data.formats.coding import (
    Column,
    carried,
    code_column,
    column_of,
    labels_of,
    meaning_of,
    only_used,
    single,
    split_lists,
    times_of_rows,
    weights_of,
)  # fmt: skip
from alpt_ref.data.formats.faulty import FaultyLines
from alpt_ref.data.formats.moments import wants
from alpt_ref.data.schema import Schema
from alpt_ref.data.schema_fields import FieldSpec
from alpt_ref.errors import InputError


@dataclass(frozen=True)
class RowPlan:
    """What is read of the rows.

    Parameters
    ----------
    schema : Schema
    labelled : bool
        Whether there is a label, and the weight with it; without, every label is 0.
    times : bool
        Whether the column of times is read.
    ids : bool
        Whether the id columns are carried along.
    """

    schema: Schema
    labelled: bool = True
    times: bool = False
    ids: bool = False

    def __post_init__(self) -> None:
        """InputError where times are asked for and the schema names none."""
        if self.times and self.schema.time is None:
            raise InputError('the schema names no column of times; add time = "COLUMN" to it')

    @functools.cached_property
    def needed(self) -> tuple[str, ...]:
        """Columns without which rows cannot be read, each once."""
        schema = self.schema
        named = (
            *((schema.label, schema.weight) if self.labelled else ()),
            *((schema.time,) if self.times else ()),
            *(schema.id if self.ids else ()),
            *(spec.column for spec in schema.fields),
        )
        return tuple(dict.fromkeys(name for name in named if name is not None))

    @functools.cached_property
    def fields(self) -> tuple[FieldPlan, ...]:
        """What becomes of each field behind the readers."""
        return tuple(FieldPlan.of(spec) for spec in self.schema.fields)

    @functools.cached_property
    def key(self) -> bytes:
        """Digest of all that the coded form of a piece depends on, beside its rows."""
        plain = [self.schema.to_dict(), self.labelled, self.times, self.ids]
        return hashlib.blake2b(json.dumps(plain).encode(), digest_size=32).digest()

    def require(self, names: Sequence[str], where: str) -> None:
        """InputError unless every needed column stands there once; `where` is what holds them, in words."""
        lacks = [name for name in self.needed if name not in names]
        twice = [name for name in self.needed if list(names).count(name) > 1]
        if lacks:
            shown = ", ".join(map(str, names[:8]))[:200] + (", …" if len(names) > 8 else "")
            has = "".join(character if character.isprintable() else "?" for character in shown)
            raise InputError(
                f"{where} lacks column{'' if len(lacks) == 1 else 's'} {', '.join(map(repr, lacks[:5]))}, "
                f"it has {has}; mend the schema, or name a file of that kind"
            )
        if twice:
            raise InputError(f"{where} has column {twice[0]!r} twice; rename one of them")


def code_rows(
    plan: RowPlan,
    columns: Mapping[str, Any],
    faulty: FaultyLines,
    rows: NDArray[np.int64],
    missing: Sequence[str] = (),
) -> CodedRows:
    """Good rows of a piece.

    Parameters
    ----------
    plan : RowPlan
    columns : mapping of str to Arrow array
        The needed columns, of the `rows` only.
    faulty : FaultyLines
        Of the piece; what is found here is added.
    rows : int64 array
        Where the columns' rows stand in the piece.
    missing : sequence of str
        Texts that stand for a missing value.

    Raises
    ------
    InputError
        A column's type cannot be what the schema says.
    """
    schema = plan.schema
    lists_only = {spec.column for spec in schema.fields if spec.kind == "multi"} - {
        schema.label, schema.weight, schema.time, *schema.id,
    }  # fmt: skip
    coded = {
        name: _naming(name, functools.partial(column_of, columns[name], missing))
        for name in plan.needed
        if name not in lists_only
    }
    mark = functools.partial(_mark, faulty, rows)
    labels, weights, times, whole = np.zeros(len(rows), np.int8), None, None, np.zeros(0, bool)
    if plan.labelled:
        column = coded[schema.label]
        labels = _naming(schema.label, lambda: labels_of(column, schema))
        mark(labels < 0, column, "label", f"is not one of {', '.join((*schema.positive, *schema.negative))}")
        if schema.weight is not None:
            column = coded[schema.weight]
            weights = _naming(schema.weight, lambda: weights_of(column))
            mark(
                weights < 0,
                column,
                f"column {schema.weight}:",
                "is no weight, 0 or a number above it in float32",
            )
    if plan.times and schema.time is not None:
        column = coded[schema.time]
        times, whole, known = _naming(schema.time, lambda: times_of_rows(column, schema.time_format))
        mark(~known, column, f"column {schema.time}:", f"is not {wants(schema.time_format)}")
    fields = [
        _single(schema, spec, coded[spec.column], faulty, rows) if spec.kind != "multi" else None
        for spec in schema.fields
    ]
    lists = {
        place: _Lists(spec, columns[spec.column], missing, faulty, rows)
        for place, spec in enumerate(schema.fields)
        if spec.kind == "multi"
    }
    good = ~faulty.mask[rows]
    everything = bool(good.all())
    if not everything:
        labels, rows = labels[good], rows[good]
        weights = weights if weights is None else weights[good]
        times, whole = (times, whole) if times is None else (times[good], whole[good])
    kept = tuple(
        lists[place].kept(good)
        if field is None
        else CodedField(*field)
        if everything
        else single(field[0][good], field[1])
        for place, field in enumerate(fields)
    )
    along = None
    if plan.ids:
        import pyarrow as pa

        texts = [_naming(name, functools.partial(carried, coded[name])) for name in schema.id]
        along = tuple(one.filter(pa.array(good)) for one in texts)
    kinds = WHOLE_TIMES * bool(whole.any()) | DATES * (not whole.all())
    return CodedRows(labels.astype(np.uint8), kept, rows, weights, times, along, kinds)


def _single(
    schema: Schema, spec: FieldSpec, column: Column, faulty: FaultyLines, rows: NDArray[np.int64]
) -> tuple[Any, Any]:
    codes, texts = _naming(spec.column, lambda: code_column(column, spec, meaning_of(spec, schema.time_format)))
    if codes.size and codes.min() < 0:
        _mark(faulty, rows, codes < 0, column, f"column {spec.column}:", f"is not {_wants(schema, spec)}")
    return codes, texts


class _Lists:
    """A multi-valued field of all rows of a piece; then of the good ones."""

    def __init__(
        self, spec: FieldSpec, array: Any, missing: Sequence[str], faulty: FaultyLines, rows: NDArray[np.int64]
    ) -> None:
        counts, values = _naming(spec.column, lambda: split_lists(array, spec.separator))
        column = _naming(spec.column, lambda: column_of(values, missing))
        codes, texts = _naming(spec.column, lambda: code_column(column, spec, meaning_of(spec, None)))
        row_of = np.repeat(np.arange(len(counts)), counts)
        absent = _code_of(texts, "")
        if absent is not None:  # a missing value is no category here
            there = codes != absent
            column, codes, row_of = Column(column.indices[there], column.values), codes[there], row_of[there]
        counts = np.bincount(row_of, minlength=len(counts))
        bad = np.flatnonzero(codes < 0)
        wrong, first = np.unique(row_of[bad], return_index=True)
        faulty.add(
            rows[wrong],
            lambda line: (
                f"column {spec.column}: {column.example(bad[first[np.searchsorted(rows[wrong], line)]])} is not "
                f"{_wants(None, spec)}"
            ),
        )
        many = np.flatnonzero(counts > spec.max_values)
        faulty.add(
            rows[many],
            lambda line: (
                f"column {spec.column}: {counts[np.searchsorted(rows, line)]} values, the schema allows "
                f"{spec.max_values} (max_values)"
            ),
        )
        self._counts, self._codes, self._texts, self._row_of = counts, codes, texts, row_of

    def kept(self, good: NDArray[np.bool_]) -> CodedField:
        """Of the rows for which `good` holds."""
        codes, texts = only_used(self._codes[good[self._row_of]], self._texts)
        return CodedField(codes, texts, self._counts[good].astype(np.int32))


def _code_of(texts: Any, text: str) -> int | None:
    import pyarrow.compute as pc

    place = pc.index(texts, text).as_py()
    return None if place < 0 else int(place)


def _wants(schema: Schema | None, spec: FieldSpec) -> str:
    if spec.kind == "calendar":
        words = wants(None if schema is None else schema.time_format)
        return words.replace("a whole number", "seconds since 1970 (no milliseconds)")
    return "a finite number" if spec.type == "number" else "text in UTF-8"


def _mark(
    faulty: FaultyLines, rows: NDArray[np.int64], bad: NDArray[np.bool_], column: Column, before: str, after: str
) -> None:
    if bad.any():
        faulty.add(rows[bad], lambda line: f"{before} {column.example(int(np.searchsorted(rows, line)))} {after}")


def _naming(name: str, act: Callable[[], Any]) -> Any:
    """What `act` returns; its InputError names the column."""
    import pyarrow as pa

    try:
        return act()
    except InputError as error:
        raise InputError(f"column {name!r} holds {error}") from None
    except pa.ArrowException as error:
        raise InputError(
            f"column {name!r} cannot be read ({str(error).splitlines()[0]:.200}); convert it to text or to numbers"
        ) from None
