"""Codes in 32-bit words and back: whole matrices, and a batch's unique rows out of and into a table.

For 8 and 16 bits the packed words are read as int8 and int16 (a little-endian view of the same memory); 4- and 2-bit
codes are put together and sign-extended byte by byte. Rows whose codes do not fill whole bytes go through the slower
``_ragged`` kernels: with both in one kernel the compiler vectorises neither.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.arguments import PackedCodes
from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int, Integers
from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.quantizer import sign_extend


@scalar
def pack_row(codes: Integers, at: Int, d: Int, bits: Int, packed: NDArray[np.uint32], row: Int) -> None:
    """Put ``codes[at : at + d]`` into ``packed[row]``, low bits first; unused bits of the last word are zero.

    Offsets instead of slices: a slice made inside a loop counts references and keeps it from vectorising.
    """
    mask = np.uint32((np.uint64(1) << np.uint64(bits)) - np.uint64(1))
    for k in range(packed.shape[1]):
        packed[row, k] = np.uint32(0)
    for j in range(d):
        bit = j * bits
        field = np.uint32(np.uint32(codes[at + j]) & mask)
        packed[row, bit >> 5] |= np.uint32(field << np.uint32(bit & 31))


@scalar
def unpack_row(packed: NDArray[np.uint32], row: Int, d: Int, bits: Int, codes: Integers, at: Int) -> None:
    """Inverse of `pack_row`: signed codes of one row into ``codes[at : at + d]``."""
    unused = np.uint32(32 - bits)
    for j in range(d):
        bit = j * bits
        shift = np.uint32(unused - np.uint32(bit & 31))
        codes[at + j] = sign_extend(np.uint32(packed[row, bit >> 5] << shift), unused)


@kernel
def pack_rows(lo: Int, hi: Int, codes: Integers, bits: Int, packed: NDArray[np.uint32]) -> None:
    """Pack rows ``lo..hi`` of `codes` (n, d) into `packed` (n, ceil(d * bits / 32))."""
    d = codes.shape[1]
    flat = codes.reshape(-1)
    for i in range(lo, hi):
        pack_row(flat, i * d, d, bits, packed, i)


@kernel
def unpack_rows(lo: Int, hi: Int, packed: NDArray[np.uint32], bits: Int, codes: Integers) -> None:
    """Unpack rows ``lo..hi`` of `packed` into `codes` (n, d)."""
    d = codes.shape[1]
    flat = codes.reshape(-1)
    for i in range(lo, hi):
        unpack_row(packed, i, d, bits, flat, i * d)


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
def unpack_at(lo: Int, hi: Int, rows: NDArray[np.int64], table: PackedCodes, out: NDArray[np.int32]) -> None:
    """Signed codes of the table rows ``rows[lo:hi]`` into `out` (u, d), where a row's codes fill whole bytes."""
    packed, as8, as16, bits = table
    d = out.shape[1]
    flat = out.reshape(-1)
    for i in range(lo, hi):
        if i + AHEAD < hi:
            prefetch(packed, rows[i + AHEAD] * packed.shape[1])
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
def unpack_at_ragged(lo: Int, hi: Int, rows: NDArray[np.int64], table: PackedCodes, out: NDArray[np.int32]) -> None:
    """`unpack_at` for any row length."""
    packed, _, _, bits = table
    d = out.shape[1]
    flat = out.reshape(-1)
    for i in range(lo, hi):
        unpack_row(packed, rows[i], d, bits, flat, i * d)


@kernel
def pack_at(lo: Int, hi: Int, rows: NDArray[np.int64], codes: NDArray[np.int32], table: PackedCodes) -> None:
    """Store `codes` (u, d) in the table rows ``rows[lo:hi]``, where a row's codes fill whole bytes."""
    _, as8, as16, bits = table
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
def pack_at_ragged(lo: Int, hi: Int, rows: NDArray[np.int64], codes: NDArray[np.int32], table: PackedCodes) -> None:
    """`pack_at` for any row length."""
    packed, _, _, bits = table
    d = codes.shape[1]
    flat = codes.reshape(-1)
    for i in range(lo, hi):
        pack_row(flat, i * d, d, bits, packed, rows[i])
