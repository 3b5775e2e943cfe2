"""Tables in memory column by column, whatever holds them, so that no value changes on its way to a category.

Each column keeps a type of its own: one array for all columns would turn whole numbers beside fractions into fractions,
of which those beyond 2**53 cannot tell neighbours apart. One rule for every container:

- whole numbers, fractions and booleans are numbers; texts are texts; bytes are bytes;
- None, NaN, NA and masked or null values are missing;
- a categorical (dictionary) column holds its categories' values;
- everything else (dates, lists, …) is no category.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from alpt_ref.data.formats.columns import CategoryError, Column
from alpt_ref.errors import InputError


def columns_of(table: Any) -> list[Column] | None:
    """The columns of a table.

    Parameters
    ----------
    table : object
        pandas DataFrame; polars DataFrame, Arrow table or whatever offers the Arrow C stream
        (``__arrow_c_stream__``) or the dataframe interchange (``__dataframe__``); list or tuple of rows that are
        lists, tuples or vectors; masked array (rows, columns).

    Returns
    -------
    list of arrays (rows,) or None
        None for anything else, a plain array for example, which has one type for all columns.

    Raises
    ------
    CategoryError
        A column's type is no category.
    InputError
        The rows have different lengths.
    """
    if hasattr(table, "iloc") and getattr(table, "ndim", 0) == 2:
        return [_of_series(table.iloc[:, place]) for place in range(table.shape[1])]
    if hasattr(table, "__arrow_c_stream__") or hasattr(table, "__dataframe__"):
        return _of_arrow_table(table)
    if isinstance(table, np.ma.MaskedArray) and table.ndim == 2:
        return [_of_masked(column) for column in table.T]
    if isinstance(table, (list, tuple)) and table and all(_is_row(row) for row in table):
        return _of_rows(table)
    return None


def objects_of(values: Iterable[Any], count: int) -> Column:
    """Values as they are, in an array (count,) of objects."""
    return np.fromiter(values, dtype=object, count=count)


def _is_row(row: Any) -> bool:
    return isinstance(row, (list, tuple)) or (isinstance(row, np.ndarray) and row.ndim == 1)


def _of_rows(rows: Any) -> list[Column]:
    if len({len(row) for row in rows}) > 1:
        raise InputError("X must be rows of one length, got nested sequences of different lengths")
    return [objects_of(column, len(rows)) for column in zip(*rows, strict=True)]


def _of_masked(column: Any) -> Column:
    if not np.ma.is_masked(column):
        return np.asarray(column)
    values: Column = np.asarray(column).astype(object)
    values[np.ma.getmaskarray(column)] = None
    return values


def _of_series(series: Any) -> Column:
    """A pandas column; its own types as Python objects, so that no value changes its type beside a missing one."""
    if isinstance(series.dtype, np.dtype):
        return np.asarray(series)
    if hasattr(series, "cat") and hasattr(series.dtype, "categories"):
        categories = _of_series(series.cat.categories.to_series())
        values: Column = np.append(
            objects_of(categories.tolist(), len(categories)), [None]
        )  # code -1 takes the last one
        return np.asarray(values[series.cat.codes.to_numpy()])
    column: Column = series.to_numpy(dtype=object, na_value=None)
    return column


def _of_arrow_table(table: Any) -> list[Column]:
    import pyarrow as pa

    try:
        if hasattr(table, "__arrow_c_stream__"):
            arrow = pa.table(table)
        else:
            from pyarrow.interchange import from_dataframe

            arrow = from_dataframe(table)
    except (pa.ArrowException, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"X cannot be read as an Arrow table ({error}); give it as a pandas DataFrame") from None
    return [_of_arrow(name, column) for name, column in zip(arrow.column_names, arrow.columns, strict=True)]


def _of_dictionary(chunk: Any) -> Column:
    values: Column = np.append(objects_of(chunk.dictionary.to_pylist(), len(chunk.dictionary)), [None])
    column: Column = values[chunk.indices.cast("int64").fill_null(-1).to_numpy(zero_copy_only=False)]
    return column


def _of_arrow(name: str, column: Any) -> Column:
    """An Arrow column; whole numbers beside nulls as Python objects."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return np.concatenate([objects_of([], 0), *map(_of_dictionary, column.chunks)])
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if is_number and (not column.null_count or pa.types.is_floating(kind)):
        array: Column = column.to_numpy()
        return array
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    others = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    if is_number or any(test(kind) for test in (*texts, *others, pa.types.is_decimal, pa.types.is_null)):
        return objects_of(column.to_pylist(), len(column))
    raise CategoryError(
        f"column {name!r} of X holds {kind} values; each argument must be a string or a number: convert it"
    )
