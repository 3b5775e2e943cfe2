"""Parsed pieces of a raw file on disk, so that memory does not grow with the rows and an interrupted run resumes.

One file a piece: 32 bytes that name what was parsed (`identity_of`), 32 bytes of checksum over the rest, a table of
sizes, then labels, and per field codes (in as few bytes as they need), ends of the texts and the texts themselves. A
file that a killed process or a lost power supply left torn has a wrong checksum and is made again.
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
from alpt_ref.data.formats.lines import Lines
from alpt_ref.data.formats.parse import CodedRows, TextFormat
from alpt_ref.data.formats.text import Bad

_VERSION = 3
"""Of this layout and of what the parsers make of a text; raised when either changes."""
_DIGEST = 32
_CODES = {1: np.uint8, 2: np.uint16, 4: np.int32}


def identity_of(layout: TextFormat, lines: Lines) -> bytes:
    """Names a piece by everything that its parsed form depends on: 32 bytes."""
    what = [
        _VERSION,
        layout.kind,
        layout.delimiter,
        layout.columns,
        layout.label,
        [rule.name for rule in layout.fields],
    ]
    key = hashlib.blake2b(json.dumps([*what, lines.first]).encode(), digest_size=_DIGEST).digest()
    return hashlib.blake2b(lines.data, digest_size=_DIGEST, key=key).digest()


@dataclass(frozen=True, eq=False)
class SpilledRows:
    """A parsed piece on disk; its arrays are read when asked for.

    Parameters
    ----------
    path : Path
    sizes : int64 array (2 + 3 fields,)
        Rows, bytes of the bad rows' JSON; per field: bytes of a code, categories, bytes of their texts.
    """

    path: Path
    sizes: NDArray[np.int64]

    @functools.cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where each part begins in the file, the bad rows last; computed once, not for every field."""
        rows, fields = self.sizes[0], self.sizes[2:].reshape(-1, 3)
        lengths = np.column_stack((rows * fields[:, 0], 4 * fields[:, 1], fields[:, 2])).reshape(-1)
        before = 2 * _DIGEST + 8 * (1 + len(self.sizes))
        return np.cumsum(np.concatenate(([before, rows], lengths)))

    @property
    def rows(self) -> int:
        """Good rows."""
        return int(self.sizes[0])

    @property
    def categories_per_field(self) -> NDArray[np.int64]:
        """Distinct categories of each field: int64 array (fields,)."""
        return self.sizes[3::3]

    def labels(self) -> NDArray[np.uint8]:
        """Uint8 array (rows,)."""
        return self._read(0, np.uint8)

    def codes(self, field: int) -> NDArray[Any]:
        """Index of each row's category: uint8, uint16 or int32 array (rows,)."""
        return self._read(1 + 3 * field, _CODES[int(self.sizes[2 + 3 * field])])

    def categories(self, field: int) -> Any:
        """Texts as an Arrow array of large strings."""
        return _texts(self._read(2 + 3 * field, np.int32), self._read(3 + 3 * field, np.uint8))

    def fields(self, first: int, last: int) -> list[tuple[NDArray[Any], Any]]:
        """Codes and categories of the fields ``first .. last-1``, in one read."""
        edges = self.starts[1 + 3 * first : 2 + 3 * last]
        with self.path.open("rb", buffering=0) as file:
            data = np.fromfile(file, np.uint8, int(edges[-1] - edges[0]), offset=int(edges[0]))
        parts = np.split(data, edges[1:-1] - edges[0])
        return [
            (_as(codes, _CODES[width]), _texts(_as(ends, np.int32), texts))
            for codes, ends, texts, width in zip(
                parts[::3], parts[1::3], parts[2::3], self.sizes[2 + 3 * first : 2 + 3 * last : 3].tolist(), strict=True
            )
        ]

    def _read(self, part: int, dtype: Any) -> NDArray[Any]:
        begin, end = self.starts[part : part + 2].tolist()
        with self.path.open("rb", buffering=0) as file:
            return np.fromfile(file, dtype, (end - begin) // np.dtype(dtype).itemsize, offset=begin)


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
    sizes = np.sum([np.diff(piece.starts[1::3]) for piece in pieces], axis=0).tolist()
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
    sizes, parts = [len(rows.labels), len(remarks)], [rows.labels.data]
    for codes, categories in zip(rows.codes, rows.categories, strict=True):
        ends, texts = _text_buffers(categories)
        width = next(width for width in _CODES if len(ends) <= 1 << 8 * width)
        sizes += [width, len(ends), len(texts)]
        parts += [codes.astype(_CODES[width]).data, ends.data, texts.data]
    table = np.array(sizes, dtype=np.int64)
    content = b"".join([np.int64(len(table)).tobytes(), table.data, *parts, remarks])
    with atomic(path, synced=False) as out:  # it carries a checksum
        out.write(identity + hashlib.blake2b(content, digest_size=_DIGEST).digest())
        out.write(content)
    return SpilledRows(path, table)


def _text_buffers(categories: Any) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Ends of the texts, counted from the first one's start, and their bytes."""
    _, offsets, data = categories.buffers()
    if not len(categories):
        return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.uint8)
    edges = np.frombuffer(offsets, dtype=np.int32)[categories.offset :][: len(categories) + 1]
    texts = np.frombuffer(data, dtype=np.uint8)[edges[0] : edges[-1]] if data else np.zeros(0, dtype=np.uint8)
    return np.ascontiguousarray(edges[1:] - edges[0]), texts


def recall(path: Path, identity: bytes) -> tuple[SpilledRows, Bad] | None:
    """The piece that an earlier run left under `path` and its bad rows, if it is of the same text and whole."""
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
    return SpilledRows(path, table), Bad(count, [(int(line), str(reason)) for line, reason in examples], runs)
