"""Codes of one table row: reading and writing packed words, and which step size belongs to a row.

For 8 and 16 bits the packed words are read as int8 and int16 (a little-endian view of the same memory); 4- and 2-bit
codes are sign-extended out of bytes by two shifts. The other cases go through `unpack_row` and `pack_row`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._jit import scalar
from ..._types import Int, Integers
from .quantize import pack_row, unpack_row


@scalar
def unit_of(row: Int, offsets: NDArray[np.int64], units: Int) -> Int:
    """Index of the step size of a table row: the row itself if `units` < 0, else its field, by bisection."""
    if units < 0:
        return row
    low = 0
    high = units
    while high - low > 1:
        middle = (low + high) // 2
        if offsets[middle] <= row:
            low = middle
        else:
            high = middle
    return low


@scalar
def read_4(row: Int, as8: NDArray[np.int8], d: Int, codes: Integers, at: Int) -> None:
    """4-bit codes of one row, `d` even."""
    for j in range(d // 2):
        byte = np.int32(as8[row, j])
        codes[at + 2 * j] = np.int32(np.int32(byte << np.int32(28)) >> np.int32(28))
        codes[at + 2 * j + 1] = np.int32(byte >> np.int32(4))


@scalar
def read_2(row: Int, as8: NDArray[np.int8], d: Int, codes: Integers, at: Int) -> None:
    """2-bit codes of one row, `d` a multiple of 4."""
    for j in range(d // 4):
        byte = np.int32(as8[row, j])
        codes[at + 4 * j] = np.int32(np.int32(byte << np.int32(30)) >> np.int32(30))
        codes[at + 4 * j + 1] = np.int32(np.int32(byte << np.int32(28)) >> np.int32(30))
        codes[at + 4 * j + 2] = np.int32(np.int32(byte << np.int32(26)) >> np.int32(30))
        codes[at + 4 * j + 3] = np.int32(byte >> np.int32(6))


@scalar
def read_codes(
    row: Int,
    words: NDArray[np.uint32],
    as8: NDArray[np.int8],
    as16: NDArray[np.int16],
    bits: Int,
    d: Int,
    codes: Integers,
    at: Int,
) -> None:
    """Signed codes of one table row into ``codes[at : at + d]``."""
    if bits == 8:
        for j in range(d):
            codes[at + j] = as8[row, j]
    elif bits == 16:
        for j in range(d):
            codes[at + j] = as16[row, j]
    elif bits == 4 and d % 2 == 0:
        read_4(row, as8, d, codes, at)
    elif bits == 2 and d % 4 == 0:
        read_2(row, as8, d, codes, at)
    else:
        unpack_row(words, row, d, bits, codes, at)


@scalar
def write_codes(
    row: Int,
    words: NDArray[np.uint32],
    as8: NDArray[np.int8],
    as16: NDArray[np.int16],
    bits: Int,
    d: Int,
    codes: Integers,
    at: Int,
) -> None:
    """Store ``codes[at : at + d]`` in one table row."""
    if bits == 8:
        for j in range(d):
            as8[row, j] = np.int8(codes[at + j])
    elif bits == 16:
        for j in range(d):
            as16[row, j] = np.int16(codes[at + j])
    else:
        pack_row(codes, at, d, bits, words, row)
