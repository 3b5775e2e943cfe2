"""Tables in memory by a schema: pandas, polars, Arrow tables and record-batch readers, in pieces.

What offers the Arrow C stream (polars, Arrow, DuckDB, …) is taken as it is. A pandas column becomes an Arrow one; where
its Python objects are of several types, each value's canonical text does.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np

from alpt_ref.data.canonical import refusal, value_text
from alpt_ref.data.formats.batches import BatchJob, Held, pieces_of_batches, ranges
from alpt_ref.data.formats.schema_rows import RowPlan
from alpt_ref.errors import InputError


def is_table(source: Any) -> bool:
    """Whether a source is a table in memory and no name of files."""
    return _is_frame(source) or any(
        hasattr(source, name) for name in ("__arrow_c_stream__", "__arrow_c_array__", "__dataframe__")
    )


def _is_frame(source: Any) -> bool:
    return hasattr(source, "iloc") and getattr(source, "ndim", 0) == 2


def table_name(source: Any) -> str:
    """What a table is called in messages: its class and the package that it is of."""
    return f"{type(source).__name__} ({type(source).__module__.partition('.')[0]})"


def table_rows(source: Any) -> int:
    """Rows of a table, 0 where only reading tells."""
    shape = getattr(source, "shape", None)
    return int(shape[0]) if isinstance(shape, tuple) and shape else int(getattr(source, "num_rows", 0))


class TableSource:
    """A table in memory; a record-batch reader can be read once."""

    def __init__(self, number: int, table: Any, plans: Sequence[RowPlan]) -> None:
        self._number, self._table, self._plans = number, table, plans
        self.name = table_name(table)
        self.rows = 0
        """That have been handed out."""

    def jobs(self) -> Generator[BatchJob, None, RowPlan]:
        """Pieces of the table, and the plan that fits it.

        Raises
        ------
        InputError
            A column is missing or cannot be read.
        """
        if _is_frame(self._table):
            return (yield from self._frame_jobs())
        if _is_polars(self._table):
            plan = self._plan_for(self._table.columns)
            reader = _stream_of(_without_others(self._table, plan), self.name)
        else:
            reader = _stream_of(self._table, self.name)
            plan = self._plan_for(reader.schema.names)
        for part in pieces_of_batches(_batches(reader, self.name)):
            yield self._job(plan, part.num_rows, part)
        return plan

    def _job(self, plan: RowPlan, rows: int, part: Any) -> BatchJob:
        first, self.rows = self.rows + 1, self.rows + rows
        return BatchJob(self._number, self.name, plan, first, rows, Held(part))

    def _plan_for(self, names: Sequence[str]) -> RowPlan:
        first: InputError | None = None
        for plan in self._plans:
            try:
                plan.require(names, self.name)
                return plan
            except InputError as error:
                first = first or error
        assert first is not None
        raise first

    def _frame_jobs(self) -> Generator[BatchJob, None, RowPlan]:
        frame = self._table
        names = [str(name) for name in frame.columns]
        plan = self._plan_for(names)
        places = {name: names.index(name) for name in plan.needed}
        for start, count in ranges(len(frame)):

            def load(start: int = start, count: int = count) -> Any:
                return _frame_batch(frame.iloc[start : start + count], places, plan, self.name)

            yield BatchJob(self._number, self.name, plan, start + 1, count, load)
            self.rows = start + count
        return plan


def _is_polars(table: Any) -> bool:
    return type(table).__module__.partition(".")[0] == "polars" and hasattr(table, "with_columns")


def _without_others(frame: Any, plan: RowPlan) -> Any:
    """The needed columns of a polars frame; those that have no Arrow type of their own as texts.

    The others may be of types that Arrow does not know, and need not be looked at.
    """
    import polars

    frame = frame.select(list(plan.needed))
    wide = {dtype for name in ("Int128", "UInt128") if (dtype := getattr(polars, name, None)) is not None}
    for name, dtype in frame.schema.items():
        if dtype == polars.Object:
            raise InputError(f"{table_name(frame)}: column {name!r} holds {refusal('object', 'text', False)}")
        if dtype in wide:
            frame = frame.with_columns(polars.col(name).cast(polars.String))
    return frame


def _stream_of(table: Any, name: str) -> Any:
    import pyarrow as pa

    try:
        if isinstance(table, (pa.Table, pa.RecordBatch)):
            return (
                pa.Table.from_batches([table]).to_reader() if isinstance(table, pa.RecordBatch) else table.to_reader()
            )
        if isinstance(table, pa.RecordBatchReader):
            return table
        if hasattr(table, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(table)
        if hasattr(table, "__arrow_c_array__"):
            return pa.Table.from_batches([pa.record_batch(table)]).to_reader()
        from pyarrow.interchange import from_dataframe

        return from_dataframe(table).to_reader()
    except (pa.ArrowException, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise _unreadable(name, error) from None


def _batches(reader: Any, name: str) -> Iterator[Any]:
    import pyarrow as pa

    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(name, error) from None
        yield batch


def _unreadable(name: str, error: Exception) -> InputError:
    text = " ".join(str(error).split())[:200]
    return InputError(f"{name} cannot be read as Arrow data ({text}); give it as a pandas DataFrame or an Arrow table")


def _frame_batch(frame: Any, places: dict[str, int], plan: RowPlan, name: str) -> Any:
    """The needed columns of a pandas frame as an Arrow table."""
    import pyarrow as pa

    texts = {
        spec.column for spec in plan.schema.fields if spec.kind in ("categorical", "multi") and spec.type == "text"
    }
    columns = {}
    for column, place in places.items():
        try:
            columns[column] = _array_of(frame.iloc[:, place], "text" if column in texts else "number")
        except InputError as error:
            raise InputError(f"{name}: column {column!r} holds {error}") from None
    return pa.table(columns)


def _array_of(series: Any, kind: str) -> Any:
    import pyarrow as pa

    try:
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):  # objects of several types, or beyond Arrow's
        values = series.tolist()
        return _lists_of(values, kind) if any(_is_list(value) for value in values) else _texts_of(values, kind)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, np.ndarray, set, frozenset))


def _lists_of(values: Sequence[Any], kind: str) -> Any:
    import pyarrow as pa

    rows = [list(value) if _is_list(value) else [] if value_text(value, kind) == "" else [value] for value in values]
    flat = _texts_of(list(itertools.chain.from_iterable(rows)), kind)
    ends = np.cumsum([0, *(len(row) for row in rows)])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), flat)


def _texts_of(values: Sequence[Any], kind: str) -> Any:
    """Python values as texts, which numbers that stand beside texts are under either type; no UTF-8 stays none."""
    import pyarrow as pa

    def text_of(value: Any) -> bytes:
        if isinstance(value, str):
            return value.encode("utf-8", "surrogatepass")
        if isinstance(value, bytes):
            return value
        text = value_text(value, kind)
        return b"inf" if text is None else text.encode()  # None: an infinite number, which has no canonical text

    return pa.array([text_of(value) for value in values], pa.binary()).view(pa.string())
