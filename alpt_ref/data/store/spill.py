"""Parsed pieces of a raw file on disk, so that memory does not grow with the rows and an interrupted run can go on.

One file a piece: 32 bytes that name what was parsed (`identity_of`), 32 bytes of checksum over the rest, a table of
sizes, then labels, and per field codes (in as few bytes as they need), ends of the texts and the texts themselves. A
file that a killed process or a lost power supply left torn has a wrong checksum and is made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.files import atomic
from alpt_ref.data.formats.lines import Lines
from alpt_ref.data.formats.parse import CodedRows, TextFormat

_VERSION = 1
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
        return self._read(0, np.uint8, self.rows)

    def codes(self, field: int) -> NDArray[Any]:
        """Index of each row's category: uint8, uint16 or int32 array (rows,)."""
        return self._read(1 + 3 * field, _CODES[int(self.sizes[2 + 3 * field])], self.rows)

    def categories(self, field: int) -> Any:
        """Texts as an Arrow array of large strings."""
        import pyarrow as pa

        _, count, size = self.sizes[2 + 3 * field : 5 + 3 * field].tolist()
        ends = np.zeros(count + 1, dtype=np.int64)
        ends[1:] = self._read(2 + 3 * field, np.int32, count)
        texts = self._read(3 + 3 * field, np.uint8, size)
        return pa.LargeStringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(texts))

    def _read(self, part: int, dtype: Any, count: int) -> NDArray[Any]:
        with self.path.open("rb", buffering=0) as file:
            return np.fromfile(file, dtype, count, offset=int(_starts(self.sizes)[part]))


def _starts(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each part begins in the file, the bad rows last."""
    rows, fields = sizes[0], sizes[2:].reshape(-1, 3)
    lengths = np.column_stack((rows * fields[:, 0], 4 * fields[:, 1], fields[:, 2])).reshape(-1)
    before = 2 * _DIGEST + 8 * (1 + len(sizes))
    return np.cumsum(np.concatenate(([before, rows], lengths)))


def spill(path: Path, identity: bytes, rows: CodedRows, bad: Mapping[int, str]) -> SpilledRows:
    """Write a parsed piece; it appears under its name when it is whole."""
    remarks = json.dumps(sorted(bad.items())).encode()
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


def recall(path: Path, identity: bytes) -> tuple[SpilledRows, dict[int, str]] | None:
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
    count = int(np.frombuffer(content, np.int64, 1)[0])
    table = np.frombuffer(content, np.int64, count, offset=8)
    bad = dict(json.loads(content[len(content) - int(table[1]) :]))
    return SpilledRows(path, table), bad
