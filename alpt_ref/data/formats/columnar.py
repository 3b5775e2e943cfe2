"""Parquet and Arrow files by a schema: row groups and record batches as pieces, of the needed columns only.

What is compressed as a whole or comes from a network is copied into an unnamed temporary file first: these formats are
read from their end.
"""

from __future__ import annotations

import contextlib
import io
import stat
import tempfile
import threading
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from alpt_ref.data.canonical import is_text
from alpt_ref.data.formats.batches import BatchJob, Held, neighbours, pieces_of_batches, ranges
from alpt_ref.data.formats.inflate import DAMAGED
from alpt_ref.data.formats.lines import LineSource
from alpt_ref.data.formats.schema_rows import RowPlan
from alpt_ref.errors import InputError

NAMES = {"parquet": "a damaged Parquet file", "arrow": "a damaged Arrow file", "stream": "a damaged Arrow stream"}
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
_BLOCK = 1 << 20


class ColumnarFile:
    """A Parquet or Arrow file that is open, and how far it has been read.

    Parameters
    ----------
    number : int
        Of the file, from 0.
    source : LineSource
    container : {"parquet", "arrow", "stream"}
    plans : sequence of RowPlan
        Tried in this order: a file may lack the label.
    """

    def __init__(self, number: int, source: LineSource, container: str, plans: Sequence[RowPlan]) -> None:
        self._number, self._source, self._container, self._plans = number, source, container, plans
        self.share = 0.0
        """Of the rows, that has been handed out."""

    def jobs(self, stream: Any) -> Generator[BatchJob, None, RowPlan]:
        """Pieces of the file, whose bytes `stream` yields from the start, and the plan that fits it.

        Raises
        ------
        InputError
            The file is damaged, changes meanwhile, or lacks a column.
        """
        if self._container == "stream":
            return (yield from self._stream_jobs(stream))
        place = self._seekable(stream)
        jobs = self._parquet_jobs if self._container == "parquet" else self._arrow_jobs
        return (yield from jobs(place))

    def _seekable(self, stream: Any) -> _Place:
        """Where the bytes lie uncompressed; all of them are hashed on the way."""
        path = self._source.path
        own = path if isinstance(path, Path) and stat.S_ISREG(path.stat().st_mode) else None
        place = _Place(None if self._source.compression else own, str(path))
        for block in self._source.blocks_of(stream, _BLOCK):
            place.keep(block)
        return place

    def _naming(self, act: Callable[[], Any]) -> Any:
        """What `act` returns; the errors of a damaged file in one sentence."""
        import pyarrow as pa

        try:
            return act()
        except (
            pa.ArrowException,
            OSError,
            ValueError,
            KeyError,
            IndexError,
            OverflowError,
            MemoryError,
            *DAMAGED,
        ) as error:
            if isinstance(error, InputError):
                raise
            if isinstance(error, pa.ArrowNotImplementedError):
                why = " ".join(str(error).split())[:200]
                raise InputError(
                    f"{self._source.path} holds what pyarrow {pa.__version__} cannot read ({why}); write it with plain "
                    "columns or smaller row groups"
                ) from None
            raise self._damaged(" ".join(str(error).split())[:200] or type(error).__name__) from None

    def _damaged(self, why: str) -> InputError:
        return InputError(f"{self._source.path} is {NAMES[self._container]} ({why}); fetch or write it again")

    def _plan_for(self, names: Sequence[str]) -> RowPlan:
        first: InputError | None = None
        for plan in self._plans:
            try:
                plan.require(names, str(self._source.path))
                return plan
            except InputError as error:
                first = first or error
        assert first is not None
        raise first

    def _job(self, plan: RowPlan, first: int, rows: int, load: Callable[[], Any], key: bytes | None = None) -> BatchJob:
        return BatchJob(self._number, str(self._source.path), plan, first + 1, rows, load, key)

    def _parquet_jobs(self, place: _Place) -> Generator[BatchJob, None, RowPlan]:
        from pyarrow import parquet

        file = self._naming(lambda: parquet.ParquetFile(place.open(), pre_buffer=False))
        with contextlib.closing(file):
            metadata = file.metadata
            plan = self._plan_for(self._naming(lambda: file.schema_arrow.names))
            groups = self._naming(lambda: [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)])
            held = file.schema_arrow
            texts = [name for name in plan.needed if is_text(held.field(name).type)]
            total, first, digest = sum(groups), 0, self._source.digest()
            if min(groups, default=0) < 0 or total != metadata.num_rows:
                raise self._damaged(f"its row groups have {total} rows, its table of contents says {metadata.num_rows}")
            for numbers in neighbours(groups):
                rows = sum(groups[number] for number in numbers)
                group = _Group(place, numbers, rows, plan, metadata, texts, self._naming)
                for start, count in ranges(rows):
                    yield self._job(plan, first + start, count, _Slice(group, start, count), digest)
                    self.share = (first + start + count) / total
                first += rows
            return plan

    def _arrow_jobs(self, place: _Place) -> Generator[BatchJob, None, RowPlan]:
        import pyarrow as pa

        with place.open() as file:
            names = self._naming(lambda: pa.ipc.open_file(file).schema.names)
            plan = self._plan_for(names)
            needed = pa.ipc.IpcReadOptions(included_fields=[names.index(name) for name in plan.needed])
            reader = self._naming(lambda: pa.ipc.open_file(file, options=needed))
            first, digest, count = 0, self._source.digest(), reader.num_record_batches

            def batches() -> Iterator[Any]:
                for number in range(count):
                    yield self._naming(lambda: _checked(reader.get_batch(number)))  # noqa: B023 (called at once)
                    self.share = (number + 1) / count

            for part in pieces_of_batches(batches()):
                yield self._job(plan, first, part.num_rows, Held(part), digest)
                first += part.num_rows
            return plan

    def _stream_jobs(self, stream: Any) -> Generator[BatchJob, None, RowPlan]:
        import pyarrow as pa

        tail = _Tail(stream)
        reader = self._naming(lambda: pa.ipc.open_stream(pa.PythonFile(tail, mode="r")))
        names = self._naming(lambda: reader.schema.names)
        plan = self._plan_for(names)
        first = 0

        def following() -> Any:
            try:
                return _checked(reader.read_next_batch().select(list(plan.needed)))
            except StopIteration:
                return None

        for part in pieces_of_batches(iter(lambda: self._naming(following), None)):
            yield self._job(plan, first, part.num_rows, Held(part))
            first += part.num_rows
        if tail.last != _END_OF_STREAM:
            raise InputError(f"{self._source.path} is an Arrow stream that ends too early; fetch or write it again")
        if self._naming(lambda: tail.read(1)):
            raise InputError(f"{self._source.path} holds more than one Arrow stream; write each to a file of its own")
        return plan


class _Place:
    """Where a file's bytes can be read in any order: the file itself, or an unnamed copy that goes with this object."""

    def __init__(self, path: Path | None, name: str) -> None:
        self._path, self._name = path, name
        self._state = None if path is None else _state(path)
        self._copy: Any = None
        if path is None:
            self._copy = tempfile.TemporaryFile()  # noqa: SIM115 (outlives the block: pieces read it)
            weakref.finalize(self, self._copy.close)

    def keep(self, block: bytes) -> None:
        """Add bytes to the copy, if there is one."""
        if self._copy is None:
            return
        try:
            self._copy.write(block)
            self._copy.flush()
        except OSError as error:
            raise InputError(
                f"{self._name} cannot be copied to a temporary file ({error.strerror}); make room or set TMPDIR"
            ) from None

    def open(self) -> Any:
        """A handle of its own."""
        import pyarrow as pa

        return pa.OSFile(f"/dev/fd/{self._copy.fileno()}" if self._path is None else str(self._path))

    def check(self) -> None:
        """InputError where the file has been written to since its bytes were hashed."""
        if self._path is not None and _state(self._path) != self._state:
            raise InputError(f"{self._name} changed while it was read; wait until it is complete and start again")


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


class _Group:
    """Row groups, decoded once, when the first of their pieces is asked for."""

    def __init__(
        self, place: _Place, numbers: list[int], rows: int, plan: RowPlan, metadata: Any, texts: Sequence[str],
        naming: Callable[[Callable[[], Any]], Any],
    ) -> None:  # fmt: skip
        self._place, self._numbers, self._rows, self._plan, self._metadata = place, numbers, rows, plan, metadata
        self._texts = list(texts)  # read as dictionaries, as they lie in the file
        self._naming, self._lock = naming, threading.Lock()
        self._table: Any = None

    def part(self, start: int, count: int) -> Any:
        """Some of its rows."""
        with self._lock:
            if self._table is None:
                self._table = self._naming(self._decode)
            return self._table.slice(start, count)

    def _decode(self) -> Any:
        import pyarrow as pa
        from pyarrow import parquet

        needed = list(self._plan.needed)
        with self._place.open() as handle:
            file = parquet.ParquetFile(
                handle,
                metadata=self._metadata,
                read_dictionary=self._texts,
                pre_buffer=False,
                page_checksum_verification=True,
            )
            try:
                table = file.read_row_groups(self._numbers, columns=needed)
            except pa.ArrowNotImplementedError:  # some nested columns are read one row group at a time only
                table = pa.concat_tables([file.read_row_group(number, columns=needed) for number in self._numbers])
        self._place.check()
        if table.num_rows != self._rows:
            raise ValueError(f"row groups hold {table.num_rows} rows, the table of contents says {self._rows}")
        return table


class _Slice:
    """Rows of a row group that are decoded when they are asked for."""

    def __init__(self, group: _Group, start: int, count: int) -> None:
        self._group, self._start, self._count = group, start, count

    def __call__(self) -> Any:
        return self._group.part(self._start, self._count)


def _checked(batch: Any) -> Any:
    """A batch whose offsets and indices do not point outside of it: Arrow trusts a file with them."""
    import pyarrow as pa

    try:
        batch.validate(full=True)
    except pa.ArrowInvalid as error:
        if "UTF8" not in str(error) and "UTF-8" not in str(error):
            raise
        for column in batch.columns:  # texts that are no UTF-8 are bad rows, but what else is there must be sound
            held = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}.get(column.type, column.type)
            column.view(held).validate(full=True)
    return batch


class _Tail(io.RawIOBase):
    """Passes a stream on and remembers its last eight bytes."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream
        self.last = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = bytes(self._stream.read(size))
        if data:
            self.last = (self.last + data[-8:])[-8:]
        return data
