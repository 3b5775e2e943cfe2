"""What is exported: a trained table as codes and step sizes (or float32 weights), without optimiser state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.kernels.types import Codes
from alpt_ref.quantizer import check_grid, dequantize, unpack, words_per_row
from alpt_ref.scalar.code_range import lowest_code
from alpt_ref.tables import checks

ABOUT = ("method", "config", "dataset", "rounding", "granularity")
"""What a table of a run says about its origin, in this order."""
BLOCK_BYTES = 4 << 20
"""Float32 bytes worked on at a time; bounds the memory of every export."""
FLOAT_BITS = 32


@dataclass(frozen=True, eq=False, repr=False)
class ServingTable:
    """A table that only answers lookups.

    Parameters
    ----------
    d : int
        Columns.
    bits : {2, 4, 8, 16, 32}
        Width of a code; 32 for float32 weights.
    data : uint32 array (n, ceil(d * bits / 32)) or float32 array (n, d)
        Packed codes, low bits first, or weights.
    step_size : float32 array (n,), (fields,) or (1,), optional
        Step sizes; absent for float32 weights.
    field_offsets : int64 array (fields + 1,), optional
        First row of each field, and n; needed where step sizes belong to fields.
    about : dict of str
        Its origin: method, rounding and the like.
    bias : float32 array (n,), optional
        What the rows' values begin at (method rowmax): a value is then ``fl(fl(step_size * u) + bias)`` of the unsigned
        code ``u``, the stored code plus ``2**(bits - 1)``. Step sizes are the rows' own then.

    Raises
    ------
    InputError
        If shapes or types do not fit each other, or a step size is not positive or gives a code an infinite value.
    """

    d: int
    bits: int
    data: NDArray[np.uint32] | NDArray[np.float32]
    step_size: NDArray[np.float32] | None = None
    field_offsets: NDArray[np.int64] | None = None
    about: dict[str, str] = field(default_factory=dict)
    bias: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        """Check that the parts belong together."""
        wide = self.bits == FLOAT_BITS
        object.__setattr__(self, "bits", int(self.bits) if wide else _check.bits(self.bits))
        object.__setattr__(self, "d", _check.whole_number("d", self.d, 1))
        columns = self.d if wide else words_per_row(self.bits, self.d)
        dtype = np.float32 if wide else np.uint32
        if self.data.dtype != dtype or self.data.ndim != 2 or self.data.shape[1] != columns or not len(self.data):
            raise InputError(
                f"a {self.bits}-bit table of width {self.d} must be {np.dtype(dtype)} (n, {columns}), "
                f"got {self.data.dtype} {self.data.shape}"
            )
        if wide:
            return
        if self.step_size is None:
            raise InputError(f"a {self.bits}-bit table must have step sizes, got none")
        check_grid("step_size", _check.step_sizes(self.step_size, len(self.step_size)), self.bits)
        if self.step_size.dtype != np.float32 or (self.granularity == "field" and not self._fields_fit()):
            raise InputError(
                f"{len(self.step_size)} step sizes ({self.step_size.dtype}) fit neither {self.n} rows nor the fields "
                "of the table"
            )
        if self.bias is not None and not self._bias_fits():
            raise InputError(
                f"{self.bias.shape} biases ({self.bias.dtype}) fit not {self.n} rows with a step size each, or give a "
                "code an infinite value"
            )

    def __repr__(self) -> str:
        """One line, without the arrays' values."""
        kind = "float32" if self.bits == FLOAT_BITS else f"{self.bits}-bit, step size per {self.granularity}"
        return f"ServingTable({self.n:,} rows of {self.d}, {kind}, {self.nbytes():,} bytes)"

    def _fields_fit(self) -> bool:
        offsets = self.field_offsets
        return (
            offsets is not None
            and self.step_size is not None
            and len(offsets) == len(self.step_size) + 1
            and (int(offsets[0]), int(offsets[-1])) == (0, self.n)
        )

    def _bias_fits(self) -> bool:
        bias, step_size = self.bias, self.step_size
        if bias is None or step_size is None or bias.dtype != np.float32 or bias.shape != (self.n,):
            return False
        if len(step_size) != self.n:
            return False
        ends = bias.astype(np.float64) + np.array([[0.0], [2.0**self.bits - 1]]) * step_size
        return bool((np.abs(ends) <= np.finfo(np.float32).max).all())

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.data)

    @property
    def granularity(self) -> str:
        """What owns a step size: ``"row"``, ``"field"`` or ``"table"``; ``"none"`` for float32 weights."""
        if self.step_size is None:
            return "none"
        return {self.n: "row", 1: "table"}.get(len(self.step_size), "field")

    def nbytes(self) -> int:
        """Bytes of codes (as the export packs them), step sizes and biases."""
        numbers = sum(array.nbytes for array in (self.step_size, self.bias) if array is not None)
        return self.n * row_bytes(self.bits, self.d) + numbers

    def blocks(self) -> Iterator[tuple[int, int]]:
        """(first, last) rows of blocks that bound the memory of whoever goes through the table."""
        return blocks(self.n, self.d)

    def codes(self, first: int, last: int) -> Codes:
        """Codes of rows ``first .. last - 1``: int8 (rows, d) up to 8 bits, else int16."""
        return unpack(np.ascontiguousarray(self.data[first:last]), self.bits, self.d)

    def packed(self, first: int, last: int) -> NDArray[Any]:
        """Rows as exports store them; see `packed_rows`."""
        return packed_rows(self.data[first:last], self.bits, self.d)

    def step_sizes(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Step size of each of `rows`, float32 (len,)."""
        if self.step_size is None:
            raise InputError("a float32 table has no step sizes")
        if self.granularity == "row":
            return np.asarray(self.step_size[rows])
        if self.granularity == "table":
            return np.full(len(rows), self.step_size[0], np.float32)
        assert self.field_offsets is not None
        return np.asarray(self.step_size[np.searchsorted(self.field_offsets, rows, side="right") - 1])

    def lookup(self, ids: Any) -> NDArray[np.float32]:
        """Embeddings of `ids`, float32 (len, d); the bits of `EmbeddingTable.lookup`."""
        rows = checks.id_array(ids, self.n)
        if self.bits == FLOAT_BITS:
            return np.asarray(self.data[rows], np.float32)
        codes = unpack(np.ascontiguousarray(self.data[rows]), self.bits, self.d)
        if self.bias is None:
            return dequantize(codes, self.step_sizes(rows))
        return affine_values(codes, self.bits, self.step_sizes(rows), self.bias[rows])


def in_order(about: Mapping[str, Any]) -> dict[str, str]:
    """The same facts in one order, whatever held them, so that a table written again is the same bytes."""
    names = [*(name for name in ABOUT if name in about), *sorted(set(about) - set(ABOUT))]
    return {name: str(about[name]) for name in names}


def affine_values(
    codes: Codes, bits: int, step_size: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float32]:
    """``fl(fl(step_size * u) + bias)`` with ``u = code - q_min``, rows of codes with a step size and a bias each."""
    unsigned = codes.astype(np.float32) - np.float32(lowest_code(bits))
    return np.asarray(unsigned * step_size[:, None] + bias[:, None])


def packed_type(bits: int) -> type[Any]:
    """Type of the items of a stored row: float32, int16 and int8 hold one code, uint8 several of 4 or 2 bits."""
    return {32: np.float32, 16: np.int16, 8: np.int8}.get(bits, np.uint8)


def packed_columns(bits: int, d: int) -> int:
    """Items of a stored row."""
    return row_bytes(bits, d) // np.dtype(packed_type(bits)).itemsize


def packed_rows(data: NDArray[Any], bits: int, d: int) -> NDArray[Any]:
    """Weights, or words of codes, as exports store them: without the unused bytes of a row's last word."""
    rows: NDArray[Any] = np.ascontiguousarray(data).view(packed_type(bits))
    return rows[:, : packed_columns(bits, d)]


def row_bytes(bits: int, d: int) -> int:
    """Bytes of `d` codes of `bits` bits."""
    return -(-d * bits // 8)


def blocks(n: int, d: int) -> Iterator[tuple[int, int]]:
    """(first, last) of pieces of `n` rows, each of about `BLOCK_BYTES` in float32."""
    rows = max(1, BLOCK_BYTES // (4 * d))
    for first in range(0, n, rows):
        yield first, min(first + rows, n)


def words_of(packed: NDArray[Any], bits: int, d: int) -> NDArray[np.uint32]:
    """The inverse of `packed_rows` for a whole table: uint32 (n, words), unused bits zero; a view where rows fit."""
    if packed.flags.c_contiguous and packed.strides[0] % 4 == 0:
        return packed.view(np.uint32)
    words = np.zeros((len(packed), words_per_row(bits, d)), np.uint32)
    words.view(packed.dtype)[:, : packed.shape[1]] = packed
    return words
