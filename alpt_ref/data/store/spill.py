"""Parsed pieces of a source on disk, so that memory does not grow with the rows and an interrupted run resumes.

One file a piece: 32 bytes that name what was parsed (`sealed_identity`), 32 bytes of checksum over the rest, a table of
sizes, then labels, weights, times, and per field codes (in as few bytes as they need), ends of the texts, the texts
themselves, values a row and factors, where there are any. A file that a killed process or a lost power supply left torn
has a wrong checksum and is made again.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.files import atomic
from alpt_ref.data.formats.coded import CodedField, CodedRows
from alpt_ref.data.formats.pieces import Bad

_VERSION = 5
"""Of this layout and of what the parsers make of a text; raised when either changes."""
_DIGEST = 32
_CODES = {1: np.uint8, 2: np.uint16, 4: np.int32}
_HEAD, _COLUMNS = 4, 9
"""Numbers of the table before those of the fields, and numbers of each field."""
_FIRST, _PARTS = 3, 5
"""Arrays before those of the fields, and arrays of each field."""


def sealed_identity(identity: bytes) -> bytes:
    """A job's identity, of any length, and the version of this layout: 32 bytes."""
    return hashlib.blake2b(identity, digest_size=_DIGEST, key=f"pieces {_VERSION}".encode()).digest()


@dataclass(frozen=True, eq=False)
class SpilledRows:
    """A parsed piece on disk; its arrays are read when asked for.

    Parameters
    ----------
    path : Path
    sizes : int32 or int64 array (4 + 9 fields,)
        Rows, bytes of the bad rows' JSON, whether there are weights, times (1, and twice their kinds); per field: bytes
        of a code, values, categories, bytes of their texts, whether there are counts, factors; least and most values a
        row, whether every factor is 1.
    """

    path: Path
    sizes: NDArray[Any]

    @functools.cached_property
    def _fields(self) -> NDArray[Any]:
        return self.sizes[_HEAD:].reshape(-1, _COLUMNS)

    @functools.cached_property
    def starts(self) -> NDArray[Any]:
        """Where each part begins in the file, the bad rows last; computed once, not for every field."""
        rows, fields = int(self.sizes[0]), self._fields.astype(np.int64)
        width, values, categories, texts, counts, factors = fields[:, :6].T
        lengths = np.column_stack((values * width, 4 * categories, texts, 4 * rows * counts, 4 * values * factors))
        before = 2 * _DIGEST + 8 * (1 + len(self.sizes))
        head = [before, rows, 4 * rows * int(self.sizes[2]), 8 * rows * (self.sizes[3] > 0)]
        return _short(np.cumsum(np.concatenate((head, lengths.reshape(-1)))))

    @property
    def rows(self) -> int:
        """Good rows."""
        return int(self.sizes[0])

    @property
    def categories_per_field(self) -> NDArray[np.int64]:
        """Distinct categories of each field: int64 array (fields,)."""
        return self._fields[:, 2].astype(np.int64)

    @property
    def extents(self) -> list[tuple[int, int, bool]]:
        """Of each field, see `CodedField.extent`."""
        return [(least, most, bool(plain)) for least, most, plain in self._fields[:, 6:9].tolist()]

    def labels(self) -> NDArray[np.uint8]:
        """Uint8 array (rows,)."""
        return self._read(0, np.uint8)

    def weights(self) -> NDArray[np.float32] | None:
        """Float32 array (rows,), if the source has some."""
        return self._read(1, np.float32) if self.sizes[2] else None

    def times(self) -> NDArray[np.int64] | None:
        """Int64 array (rows,), if the source has some."""
        return self._read(2, np.int64) if self.sizes[3] else None

    @property
    def time_kinds(self) -> int:
        """As of `CodedRows`."""
        return int(self.sizes[3]) >> 1

    def codes(self, field: int) -> NDArray[Any]:
        """Index of each value's category: uint8, uint16 or int32 array (values,)."""
        return self._read(_FIRST + _PARTS * field, _CODES[int(self._fields[field, 0])])

    def categories(self, field: int) -> Any:
        """Texts as an Arrow array of large strings."""
        part = _FIRST + _PARTS * field
        return _texts(self._read(part + 1, np.int32), self._read(part + 2, np.uint8))

    def counts(self, field: int) -> NDArray[np.int32] | None:
        """Values of each row: int32 array (rows,), or None where there is one each."""
        return self._read(_FIRST + _PARTS * field + 3, np.int32) if self._fields[field, 4] else None

    def fields(self, first: int, last: int) -> list[CodedField]:
        """The fields ``first .. last-1`` in one read; codes as `codes`, texts as `categories` has them."""
        edges = self.starts[_FIRST + _PARTS * first : _FIRST + 1 + _PARTS * last]
        with self.path.open("rb", buffering=0) as file:
            data = np.fromfile(file, np.uint8, int(edges[-1] - edges[0]), offset=int(edges[0]))
        parts = iter(np.split(data, edges[1:-1] - edges[0]))
        found = []
        for width, _, _, _, counted, factored, *_ in self._fields[first:last].tolist():
            codes, ends, texts, counts, factors = (next(parts) for _ in range(_PARTS))
            found.append(
                CodedField(
                    _as(codes, _CODES[width]),
                    _texts(_as(ends, np.int32), texts),
                    _as(counts, np.int32) if counted else None,
                    _as(factors, np.float32) if factored else None,
                )
            )
        return found

    def _read(self, part: int, dtype: Any) -> NDArray[Any]:
        begin, end = self.starts[part : part + 2].tolist()
        with self.path.open("rb", buffering=0) as file:
            return np.fromfile(file, dtype, (end - begin) // np.dtype(dtype).itemsize, offset=begin)


def _short(numbers: NDArray[np.int64]) -> NDArray[Any]:
    """A copy in int32 where it fits: there is one for every piece, and a piece may have thousands of fields."""
    return numbers.astype(np.int32 if numbers.max() < 1 << 31 else np.int64)


def _as(data: NDArray[np.uint8], dtype: Any) -> NDArray[Any]:
    """Bytes at any address as numbers."""
    return np.frombuffer(data.tobytes(), dtype)


def _texts(ends: NDArray[np.int32], texts: NDArray[np.uint8]) -> Any:
    import pyarrow as pa

    edges = np.zeros(len(ends) + 1, dtype=np.int64)
    edges[1:] = ends
    return pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(edges), pa.py_buffer(texts))


def field_groups(pieces: Sequence[SpilledRows], group_bytes: int) -> list[tuple[int, int]]:
    """Neighbouring fields that are at most `group_bytes` in all pieces together (or one field): first, last + 1.

    A file of thousands of fields is thereby read in a few long reads a piece and not in one a field.
    """
    sizes = np.sum([np.diff(piece.starts[_FIRST::_PARTS]) for piece in pieces], axis=0).tolist()
    groups, first, held = [], 0, 0
    for field, size in enumerate(sizes):
        if field > first and held + size > group_bytes:
            groups.append((first, field))
            first, held = field, 0
        held += size
    return [*groups, (first, len(sizes))]


def spill(path: Path, identity: bytes, rows: CodedRows, bad: Bad) -> SpilledRows:
    """Write a parsed piece; it appears under its name when it is whole."""
    remarks = json.dumps([bad.count, bad.examples, bad.runs]).encode()
    times = 0 if rows.times is None else 1 + 2 * rows.time_kinds
    sizes = [len(rows.labels), len(remarks), rows.weights is not None, times]
    parts = [rows.labels.data, *_data(rows.weights, np.float32), *_data(rows.times, np.int64)]
    for field in rows.fields:
        ends, texts = _text_buffers(field.categories)
        width = next(width for width in _CODES if len(ends) <= 1 << 8 * width)
        sizes += [width, len(field.codes), len(ends), len(texts), field.counts is not None, field.factors is not None]
        sizes += field.extent()
        parts += [field.codes.astype(_CODES[width]).data, ends.data, texts.data]
        parts += [*_data(field.counts, np.int32), *_data(field.factors, np.float32)]
    table = np.array(sizes, dtype=np.int64)
    content = b"".join([np.int64(len(table)).tobytes(), table.data, *parts, remarks])
    with atomic(path, synced=False) as out:  # it carries a checksum
        out.write(identity + hashlib.blake2b(content, digest_size=_DIGEST).digest())
        out.write(content)
    return SpilledRows(path, _short(table))


def _data(array: NDArray[Any] | None, dtype: Any) -> list[memoryview]:
    return [] if array is None else [np.ascontiguousarray(array, dtype=dtype).data]


def _text_buffers(categories: Any) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Ends of the texts, counted from the first one's start, and their bytes."""
    import pyarrow as pa

    if categories.type != pa.string():
        categories = categories.cast(pa.string())
    _, offsets, data = categories.buffers()
    if not len(categories):
        return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.uint8)
    edges = np.frombuffer(offsets, dtype=np.int32)[categories.offset :][: len(categories) + 1]
    texts = np.frombuffer(data, dtype=np.uint8)[edges[0] : edges[-1]] if data else np.zeros(0, dtype=np.uint8)
    return np.ascontiguousarray(edges[1:] - edges[0]), texts


def recall(path: Path, identity: bytes) -> tuple[SpilledRows, Bad] | None:
    """The piece that an earlier run left under `path` and its bad rows, if it is of the same text and whole.

    Nothing that is returned keeps the file's contents in memory.
    """
    try:
        with path.open("rb") as file:
            if file.read(_DIGEST) != identity:
                return None
            digest, content = file.read(_DIGEST), file.read()
    except FileNotFoundError:
        return None
    if hashlib.blake2b(content, digest_size=_DIGEST).digest() != digest:
        return None
    table = np.frombuffer(content, np.int64, int(np.frombuffer(content, np.int64, 1)[0]), offset=8)
    count, examples, runs = json.loads(content[len(content) - int(table[1]) :])
    return SpilledRows(path, _short(table)), Bad(count, [(int(line), str(reason)) for line, reason in examples], runs)
