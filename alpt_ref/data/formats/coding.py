"""Columns of a piece, as Arrow arrays of any type, to coded fields, labels, weights and times.

Work is done once for each distinct value: a column is dictionary-coded first, and what a value means is asked of the
dictionary. A value that means nothing gets the code -1, and a reason when one is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.canonical import is_bytes, is_text, log_of, refusal, texts_of
from alpt_ref.data.formats.coded import CodedField
from alpt_ref.data.formats.moments import calendar_texts, times_of
from alpt_ref.data.schema import Schema
from alpt_ref.data.schema_fields import FieldSpec
from alpt_ref.errors import InputError

Codes = NDArray[np.int32]


class Column(NamedTuple):
    """A dictionary-coded column: which of `values` each row has; `values` are distinct in order of first appearance."""

    indices: Codes
    values: Any

    def example(self, row: int) -> str:
        """The value of a row as a reason shows it."""
        import pyarrow as pa

        value = self.values[int(self.indices[row])]
        if is_text(value.type) and value.is_valid:  # it may be no UTF-8
            return f"{value.cast(pa.large_binary()).as_py().decode('utf-8', 'replace')!r:.60}"
        return f"{value.as_py()!r:.60}"


def column_of(array: Any, missing: Sequence[str] = ()) -> Column:
    """A column's distinct values.

    Parameters
    ----------
    array : Arrow array
        Of any type that has values; also one that is dictionary-coded, in any order, with values twice or unused.
    missing : sequence of str
        Texts that stand for a missing value.

    Examples
    --------
    >>> import pyarrow as pa
    >>> column = column_of(pa.array(["b", "NA", "b", None]), ["NA"])
    >>> column.indices.tolist(), column.values.to_pylist()
    ([0, 1, 0, 2], ['b', None, None])
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    held = array.type
    if pa.types.is_nested(held) or isinstance(held, pa.BaseExtensionType):
        raise InputError(refusal(str(held), "text", False))
    if pa.types.is_dictionary(held):
        used = array.indices.dictionary_encode(null_encoding="encode")
        held = array.dictionary
        indices, values = used.indices, (large_texts(held) if is_text(held.type) else held).take(used.dictionary)
        once = values.dictionary_encode(null_encoding="encode")  # Arrow allows a value twice
        if len(once.dictionary) < len(values):
            indices, values = once.indices.take(indices), once.dictionary
    elif pa.types.is_null(held):
        indices, values = pa.array(np.zeros(len(array), np.int32)), array[:1]
    else:
        if held == pa.float16():
            shortest = array.to_numpy(zero_copy_only=False).astype(str)  # decimals that give it, as of other floats
            array = pa.array(shortest.astype(np.float64), pa.float64(), mask=~array.is_valid().to_numpy(False))
        elif is_text(held) and held not in (pa.string(), pa.large_string()):
            array = large_texts(array)
        coded = array.dictionary_encode(null_encoding="encode")
        indices, values = coded.indices, coded.dictionary
    if missing and is_text(values.type):
        absent = pc.is_in(values, value_set=pa.array(missing, values.type))
        if pc.any(absent).as_py():
            values = pc.if_else(absent, pa.scalar(None, values.type), values)
    return Column(indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False), values)


def large_texts(array: Any) -> Any:
    """An array of texts as one of large strings; older Arrows know string views but do not cast them."""
    import pyarrow as pa

    try:
        return array.cast(pa.large_string())
    except pa.ArrowNotImplementedError:
        return pa.array(array.to_pylist(), pa.large_string())


Meaning = Callable[[Any], Sequence[str | None]]
"""Distinct values -> their categories, None where there is none."""


def meaning_of(spec: FieldSpec, time_format: str | None) -> Meaning:
    """How a field's values become categories."""
    if spec.kind == "calendar":
        return lambda values: calendar_texts(values, time_format, spec.part)
    if spec.kind == "numeric" and spec.binning == "log":
        return _log_texts
    return lambda values: texts_of(values, spec.type)


def _log_texts(values: Any) -> list[str | None]:
    if is_text(values.type):
        return [log_of(text or "") for text in values.to_pylist()]
    return [None if text is None else log_of(text) for text in texts_of(values, "number")]


def code_column(column: Column, spec: FieldSpec, meaning: Meaning) -> tuple[Codes, Any]:
    """Codes of a column's rows, -1 for a value without a category, and the categories as an Arrow array of strings."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = column.values
    plain = spec.type == "text" and spec.kind in ("categorical", "multi") and is_text(values.type)
    if plain and _is_utf8(values):
        if values.null_count == 1 and pc.index(values, pa.scalar("", values.type)).as_py() < 0:
            values = values.fill_null("")
        if not values.null_count:
            return column.indices, values.cast(pa.string())
    texts = meaning(values) if not is_text(values.type) or _is_utf8(values) else _each(values, meaning)
    place: dict[str | None, int] = {None: -1}
    codes = np.array([place.setdefault(text, len(place) - 1) for text in texts], np.int32)
    found = pa.array(list(place)[1:], pa.string())
    return (codes[column.indices] if len(codes) else column.indices), found


def _is_utf8(values: Any) -> bool:
    import pyarrow as pa

    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _each(values: Any, meaning: Meaning) -> list[str | None]:
    """Categories of texts of which some are no UTF-8, which have none."""
    import pyarrow as pa

    raw = [None if one is None else bytes(one) for one in values.cast(pa.large_binary()).to_pylist()]
    texts = [one if one is None else one.decode("utf-8", "replace") for one in raw]
    broken = [one is not None and text != one.decode("utf-8", "ignore") for one, text in zip(raw, texts, strict=True)]
    meant = meaning(pa.array(texts, pa.large_string()))
    return [None if bad else text for bad, text in zip(broken, meant, strict=True)]


def split_lists(array: Any, separator: str) -> tuple[NDArray[np.int64], Any]:
    """The values of a multi-valued column: how many stand in each row, and all of them, row after row.

    Parameters
    ----------
    array : Arrow array
        Of lists, or of texts in which `separator` stands between the values.
    separator : str
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    types = pa.types
    if types.is_dictionary(array.type):
        held = array.dictionary
        array = (large_texts(held) if is_text(held.type) else held).take(array.indices)
    if types.is_fixed_size_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
    view = getattr(types, "is_list_view", lambda held: False), getattr(types, "is_large_list_view", lambda held: False)
    if any(test(array.type) for test in view):
        return _of_views(array)
    if types.is_list(array.type) or types.is_large_list(array.type):
        lists = array
    elif is_text(array.type):
        lists = pc.split_pattern(large_texts(array), separator)
    elif is_bytes(array.type):  # texts of writers that do not say so
        lists = pc.split_pattern(array.cast(pa.large_binary()), separator)
    else:  # one value a row
        return np.ones(len(array), np.int64), array
    return pc.list_value_length(lists).fill_null(0).to_numpy().astype(np.int64), pc.list_flatten(lists)


def _of_views(array: Any) -> tuple[NDArray[np.int64], Any]:
    """`split_lists` of list views, gathered here: Arrow's cast of them to lists loses values."""
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    counts = np.where(valid, array.sizes.to_numpy().astype(np.int64), 0)
    first = array.offsets.to_numpy().astype(np.int64) - (np.cumsum(counts) - counts)
    return counts, array.values.take(np.repeat(first, counts) + np.arange(counts.sum()))


def labels_of(column: Column, schema: Schema) -> NDArray[np.int8]:
    """1, 0, or -1 where a label is neither."""
    import pyarrow as pa

    values = column.values
    if pa.types.is_boolean(values.type):
        texts: Sequence[str | None] = [{True: "true", False: "false"}.get(value) for value in values.to_pylist()]
    elif is_text(values.type):
        texts = [text or "" for text in values.to_pylist()]
    else:
        texts = texts_of(values, "number")
    found = np.array([_label(schema, text or "") for text in texts], np.int8)
    return found[column.indices] if len(found) else np.zeros(0, np.int8)


def _label(schema: Schema, text: str) -> int:
    from alpt_ref.data.canonical import number_text

    label = schema.label_of(text)
    return label if label >= 0 else schema.label_of(number_text(text) or "")


def weights_of(column: Column) -> NDArray[np.float32]:
    """Weights, -1 where there is none that is finite and not negative, or that float32 makes infinity or 0."""
    texts = texts_of(column.values, "number")
    numbers = np.array([float(text) if text else -1 for text in texts], np.float64)
    with np.errstate(over="ignore", under="ignore"):
        weights = numbers.astype(np.float32)
    weights[~np.isfinite(weights) | (numbers < 0) | ((weights == 0) & (numbers > 0))] = -1  # weight 0 is no row
    return weights[column.indices] if len(weights) else np.zeros(0, np.float32)


def times_of_rows(
    column: Column, time_format: str | None
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Times, which of them are whole numbers as they stood, and which could be read."""
    numbers, whole, known = times_of(column.values, time_format)
    if not len(numbers):
        return np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0, bool)
    return numbers[column.indices], whole[column.indices], known[column.indices]


def carried(column: Column) -> Any:
    """The texts of a column that goes to the scores, as an Arrow array of strings."""
    import pyarrow as pa

    try:
        texts = texts_of(column.values, "text")
    except InputError:  # fractions or truth values
        texts = texts_of(column.values, "number")
    return pa.array([text or "" for text in texts], pa.string()).take(pa.array(column.indices))


def only_used(codes: Codes, texts: Any) -> tuple[Codes, Any]:
    """Leave out categories that no code names, and number the others by first appearance."""
    import pyarrow as pa

    used = pa.array(codes).dictionary_encode()
    return used.indices.to_numpy(zero_copy_only=False), texts.take(used.dictionary)


def single(codes: Codes, texts: Any) -> CodedField:
    """A field of one value a row."""
    return CodedField(*only_used(codes, texts))
