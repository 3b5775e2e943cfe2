"""Rows held as Arrow record batches, whatever they come from, in pieces of bounded length."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alpt_ref.data.formats.coded import CodedRows
from alpt_ref.data.formats.faulty import FaultyLines
from alpt_ref.data.formats.schema_rows import RowPlan, code_rows
from alpt_ref.errors import InputError

PIECE_ROWS = 1 << 16
"""Most rows of a piece."""
LEAST_ROWS = 1 << 13
"""Smaller batches and row groups are put together: a piece costs a file of its own while a store is made."""


@dataclass(frozen=True)
class BatchJob:
    """Some rows of a table.

    Parameters
    ----------
    source : int
        Index of the table among those of a reader.
    name : str
        Of the table, for messages.
    plan : RowPlan
    first : int
        1-based number of the first row.
    rows : int
    load : callable
        The rows as an Arrow record batch or table that has the needed columns; called in any thread.
    key : bytes, optional
        Names the rows; None: their contents do.
    """

    source: int
    name: str
    plan: RowPlan
    first: int
    rows: int
    load: Callable[[], Any]
    key: bytes | None = None

    def identity(self) -> bytes:
        """Digest of the plan and the rows."""
        digest = hashlib.blake2b(self.plan.key, digest_size=32)
        digest.update(np.array([self.first, self.rows], np.int64).tobytes())
        digest.update(_contents(self.load(), self.plan) if self.key is None else self.key)
        return digest.digest()

    def parse(self) -> tuple[CodedRows, FaultyLines]:
        """The good rows, and the others with their reasons."""
        batch, faulty = self.load(), FaultyLines(self.first, self.rows)
        try:
            columns = {name: whole_array(batch.column(name)) for name in self.plan.needed}
            return code_rows(self.plan, columns, faulty, np.arange(self.rows)), faulty
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from None


@dataclass(frozen=True)
class Held:
    """Rows that are in memory already."""

    batch: Any

    def __call__(self) -> Any:
        """Them."""
        return self.batch


def whole_array(column: Any) -> Any:
    """A column as one Arrow array."""
    import pyarrow as pa

    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # texts of over 2 GiB
        raise InputError(f"{column.nbytes:,} bytes in {len(column):,} rows, more than can be read at once")
    return whole


def _contents(batch: Any, plan: RowPlan) -> bytes:
    """The needed columns in Arrow's own form, so that equal rows give equal bytes wherever they lie in memory."""
    import pyarrow as pa

    table = pa.table({name: batch.column(name) for name in plan.needed})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    return hashlib.blake2b(sink.getvalue(), digest_size=32).digest()


def ranges(rows: int) -> Iterator[tuple[int, int]]:
    """First row and number of rows of each piece."""
    for first in range(0, rows, PIECE_ROWS):
        yield first, min(PIECE_ROWS, rows - first)


def pieces_of_batches(batches: Iterable[Any]) -> Iterator[Any]:
    """Record batches of any length as pieces of about `LEAST_ROWS` to `PIECE_ROWS` rows, tables or batches."""
    import pyarrow as pa

    held: list[Any] = []
    rows = 0
    for batch in itertools.chain(batches, [None]):
        if batch is not None:
            held.append(batch)
            rows += batch.num_rows
        if rows >= LEAST_ROWS or (batch is None and rows):
            whole = held[0] if len(held) == 1 else pa.Table.from_batches(held)
            for first, count in ranges(rows):
                yield whole if count == rows else whole.slice(first, count)
            held, rows = [], 0


def neighbours(rows: Sequence[int]) -> Iterator[list[int]]:
    """Places of neighbouring row groups that have about `LEAST_ROWS` rows together, or one that has more."""
    held: list[int] = []
    for place, count in enumerate(rows):
        if held and sum(rows[one] for one in held) + count > LEAST_ROWS:
            yield held
            held = []
        held.append(place)
    if held:
        yield held
