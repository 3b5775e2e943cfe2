"""Codes of a batch's unique rows, out of and back into the packed table, and which step size belongs to a row.

For 8 and 16 bits the packed words are read as int8 and int16 (a little-endian view of the same memory); 4- and 2-bit
codes are put together and sign-extended byte by byte. Rows whose codes do not fill whole bytes go through the slower
``_ragged`` kernels: with both in one kernel the compiler vectorises neither.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.cpu.quantize import pack_row, unpack_row
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int, Integers
from alpt_ref.scalar.jit import scalar


@scalar
def unit_of(row: Int, offsets: NDArray[np.int64], units: Int) -> Int:
    """Index of the step size of a table row: the row itself if `units` < 0, else its field, by bisection."""
    if units < 0:
        return row
    low = 0
    high = int(units)
    while high - low > 1:
        middle = (low + high) // 2
        if offsets[middle] <= row:
            low = middle
        else:
            high = middle
    return low


@kernel
def gather_steps(
    lo: Int,
    hi: Int,
    rows: NDArray[np.int64],
    step: NDArray[np.float32],
    offsets: NDArray[np.int64],
    units: Int,
    out: NDArray[np.float32],
) -> None:
    """``out[i]`` = step size of table row ``rows[i]``."""
    for i in range(lo, hi):
        if units < 0 and i + AHEAD < hi:
            prefetch(step, rows[i + AHEAD])
        out[i] = step[unit_of(rows[i], offsets, units)]


@scalar
def read_4(row: Int, as8: NDArray[np.int8], d: Int, codes: Integers, at: Int) -> None:
    """4-bit codes of one row into ``codes[at:]``, `d` even."""
    for j in range(d // 2):
        byte = np.int32(as8[row, j])
        codes[at + 2 * j] = np.int32(np.int32(byte << np.int32(28)) >> np.int32(28))
        codes[at + 2 * j + 1] = np.int32(byte >> np.int32(4))


@scalar
def read_2(row: Int, as8: NDArray[np.int8], d: Int, codes: Integers, at: Int) -> None:
    """2-bit codes of one row into ``codes[at:]``, `d` a multiple of 4."""
    for j in range(d // 4):
        byte = np.int32(as8[row, j])
        codes[at + 4 * j] = np.int32(np.int32(byte << np.int32(30)) >> np.int32(30))
        codes[at + 4 * j + 1] = np.int32(np.int32(byte << np.int32(28)) >> np.int32(30))
        codes[at + 4 * j + 2] = np.int32(np.int32(byte << np.int32(26)) >> np.int32(30))
        codes[at + 4 * j + 3] = np.int32(byte >> np.int32(6))


@kernel
def gather_codes(
    lo: Int,
    hi: Int,
    rows: NDArray[np.int64],
    words: NDArray[np.uint32],
    as8: NDArray[np.int8],
    as16: NDArray[np.int16],
    bits: Int,
    out: NDArray[np.int32],
) -> None:
    """Signed codes of ``rows[lo:hi]`` into `out` (u, d), where a row's codes fill whole bytes."""
    d = out.shape[1]
    flat = out.reshape(-1)
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(words, rows[i + AHEAD] * words.shape[1])
        row = rows[i]
        at = i * d
        if bits == 8:
            for j in range(d):
                flat[at + j] = as8[row, j]
        elif bits == 16:
            for j in range(d):
                flat[at + j] = as16[row, j]
        elif bits == 4:
            read_4(row, as8, d, flat, at)
        else:
            read_2(row, as8, d, flat, at)


@kernel
def gather_codes_ragged(
    lo: Int,
    hi: Int,
    rows: NDArray[np.int64],
    words: NDArray[np.uint32],
    as8: NDArray[np.int8],
    as16: NDArray[np.int16],
    bits: Int,
    out: NDArray[np.int32],
) -> None:
    """`gather_codes` for any row length."""
    d = out.shape[1]
    flat = out.reshape(-1)
    for i in range(lo, hi):
        unpack_row(words, rows[i], d, bits, flat, i * d)


@kernel
def scatter_codes(
    lo: Int,
    hi: Int,
    rows: NDArray[np.int64],
    codes: NDArray[np.int32],
    bits: Int,
    words: NDArray[np.uint32],
    as8: NDArray[np.int8],
    as16: NDArray[np.int16],
) -> None:
    """Store `codes` (u, d) in the table rows ``rows[lo:hi]``, where a row's codes fill whole bytes."""
    d = codes.shape[1]
    for i in range(lo, hi):
        row = rows[i]
        if bits == 8:
            for j in range(d):
                as8[row, j] = np.int8(codes[i, j])
        elif bits == 16:
            for j in range(d):
                as16[row, j] = np.int16(codes[i, j])
        elif bits == 4:
            for j in range(d // 2):
                as8[row, j] = np.int8((codes[i, 2 * j] & 15) | (codes[i, 2 * j + 1] << 4))
        else:
            for j in range(d // 4):
                low = (codes[i, 4 * j] & 3) | ((codes[i, 4 * j + 1] & 3) << 2)
                as8[row, j] = np.int8(low | ((codes[i, 4 * j + 2] & 3) << 4) | (codes[i, 4 * j + 3] << 6))


@kernel
def scatter_codes_ragged(
    lo: Int,
    hi: Int,
    rows: NDArray[np.int64],
    codes: NDArray[np.int32],
    bits: Int,
    words: NDArray[np.uint32],
    as8: NDArray[np.int8],
    as16: NDArray[np.int16],
) -> None:
    """`scatter_codes` for any row length."""
    d = codes.shape[1]
    flat = codes.reshape(-1)
    for i in range(lo, hi):
        pack_row(flat, i * d, d, bits, words, rows[i])
