"""One array for all that a row of a table on the GPU consists of, so that what an update touches lies together.

A random access costs a memory row, whatever its size: with codes, step size, counter and moments in arrays of their own
an update of a row takes nine of them, from one record it takes a few neighbouring ones. `words` of 32 bits per row are
laid out as codes or weights, then single numbers, then the moments. Where `d` is a multiple of four and moments or
weights move in 128-bit accesses, they begin at multiples of four words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from alpt_ref.kernels.backend import Backend
from alpt_ref.kernels.cuda.team import Layout, Place, code_dtype

SECTOR = 8
"""Words that memory moves at least; rows are padded to it where that costs at most `PADDING`."""
PADDING = 0.125
_KINDS = {
    "sgd": ((), ()),
    "adagrad": (("first",), ()),
    "momentum": ((), ("first",)),
    "adam": (("count",), ("first", "second")),
}


@dataclass(frozen=True)
class RecordShape:
    """Words per row and the word at which each field begins."""

    words: int
    fields: dict[str, int]


def row_shape(d: int, bits: int | None, optimizer: str, *, per_row: bool, learned: bool) -> RecordShape:
    """Fields of a row: codes or weights, ``step_size``, the optimiser's, ``step_size_...`` of its optimiser."""
    quad = 4 if d % 4 == 0 else 1
    numbers, rows = _KINDS[optimizer]
    fields: dict[str, int] = {}
    words = 0

    def place(name: str, size: int, align: int = 1) -> None:
        nonlocal words
        words = -(-words // align) * align
        fields[name] = words
        words += size

    if bits is None:
        place("weights", d)
    else:
        place("codes", -(-d * bits // 32))
    if per_row:
        place("step_size", 1)
    for name in numbers:
        place(name, 1)
    if per_row and learned:
        for name in (*numbers, *rows):
            place(f"step_size_{name}", 1)
    for name in rows:
        place(name, d, quad)
    if rows or bits is None:
        words = -(-words // quad) * quad
    whole = -(-words // SECTOR) * SECTOR
    return RecordShape(whole if whole <= words * (1 + PADDING) else words, fields)


class RecordStore:
    """The record array of a table, its fields as arrays, and what the kernels need to find them.

    Attributes
    ----------
    array : uint32 array (n, words)
    layout : Layout
    """

    def __init__(
        self,
        backend: Backend,
        n: int,
        d: int,
        bits: int | None,
        optimizer: str,
        *,
        per_row: bool,
        learned: bool,
    ) -> None:
        self.shape = row_shape(d, bits, optimizer, per_row=per_row, learned=learned)
        self.d, self.bits = d, bits
        self.array = backend.zeros((n, self.shape.words), np.uint32)
        self.flat = {
            np.dtype(kind): self.array.view(kind).reshape(-1)
            for kind in (np.uint32, np.float32, np.int32, np.uint16, np.uint8)
        }
        words, fields = self.shape.words, self.shape.fields

        def at(name: str, items: int = 1) -> Place:
            return Place(words * items, fields[name] * items) if name in fields else Place()

        per_word = 1 if bits is None else 4 // np.dtype(code_dtype(bits)).itemsize
        self.layout = Layout(
            weights=at("weights"), codes=at("codes", per_word), step_size=at("step_size"), per_row=per_row,
            first=at("first"), second=at("second"), count=at("count"), step_size_first=at("step_size_first"),
            step_size_second=at("step_size_second"), step_size_count=at("step_size_count"),
        )  # fmt: skip

    def field(self, name: str, kind: Any, columns: int | None = None) -> Any:
        """A field as an array (n,) or (n, columns) of the type `kind`: a view with gaps between its rows."""
        begin = self.shape.fields[name]
        array = self.array.view(kind)
        return array[:, begin] if columns is None else array[:, begin : begin + columns]

    def has(self, name: str) -> bool:
        """Whether rows have this field."""
        return name in self.shape.fields
