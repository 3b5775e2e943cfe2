"""Rows of a serving table as float32, in NumPy: what a lookup of a few rows costs least."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.scalar.code_range import lowest_code
from alpt_ref.serving.table import FLOAT_BITS, ServingTable, row_bytes

Lookup = Callable[[NDArray[np.int64]], NDArray[np.float32]]


def lookup_of(table: ServingTable) -> Lookup:
    """``ids (rows, fields) -> float32 (rows, fields, d)``: the bits of `ServingTable.lookup`; ids are not checked."""
    codes_of, step_size = _codes(table), table.step_size
    if step_size is None:
        return codes_of
    if table.bias is not None:
        bias, zero = table.bias, np.float32(lowest_code(table.bits))
        return lambda ids: (codes_of(ids) - zero) * step_size[ids][..., None] + bias[ids][..., None]
    if table.granularity == "row":
        return lambda ids: codes_of(ids) * step_size[ids][..., None]
    if table.granularity == "table":
        return lambda ids: codes_of(ids) * step_size[0]
    return lambda ids: codes_of(ids) * table.step_sizes(ids.reshape(-1)).reshape(*ids.shape, 1)


def _codes(table: ServingTable) -> Lookup:
    """Codes (or weights) of rows as float32."""
    bits, d, data = table.bits, table.d, table.data
    if bits == FLOAT_BITS:
        return lambda ids: data[ids]  # type: ignore[return-value]
    if bits >= 8:
        whole = data.view(np.int8 if bits == 8 else np.int16)
        return lambda ids: whole[ids][..., :d].astype(np.float32)
    used, of_byte = row_bytes(bits, d), codes_of_bytes(bits)
    packed = data.view(np.uint8)
    return lambda ids: of_byte[packed[ids][..., :used]].reshape(*ids.shape, -1)[..., :d]


def codes_of_bytes(bits: int) -> NDArray[np.float32]:
    """The codes in each byte, low bits first: float32 (256, 8 // bits)."""
    shifts = np.arange(0, 8, bits)
    unsigned = (np.arange(256)[:, None] >> shifts) & ((1 << bits) - 1)
    half: Any = 1 << (bits - 1)
    codes: NDArray[np.float32] = ((unsigned ^ half) - half).astype(np.float32)
    return codes
