"""Codes in 32-bit words and back: whole matrices, and a batch's unique rows out of and into a table.

For 8 and 16 bits the packed words are read as int8 and int16 (a little-endian view of the same memory); 4- and 2-bit
codes are put together and sign-extended byte by byte. Rows whose codes do not fill whole bytes go through slower loops.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.arguments import PackedCodes
from alpt_ref.kernels.cpu.inline import outline
from alpt_ref.kernels.cpu.prefetch import AHEAD, prefetch
from alpt_ref.kernels.cpu.rooms import new_words
from alpt_ref.kernels.cpu.vectors import WIDTHS, move_row, narrow_row, widen_row
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int, Integers
from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.quantizer import sign_extend

_NO_WORD, _I0, _I8 = np.uint32(0), np.int32(0), np.int8(0)
TILE = 64
"""Rows that are read or stored together."""


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


class Room(NamedTuple):
    """Room for the packed codes of a tile of rows, as they lie in the table, in three views of the same memory."""

    words: NDArray[np.uint32]
    as8: NDArray[np.int8]
    as16: NDArray[np.int16]


@scalar
def new_room(rows: Int, table: PackedCodes) -> Room:
    """Room for `rows` rows."""
    words = new_words(rows * table.packed.shape[1])
    return Room(words, words.view(np.int8), words.view(np.int16))


@outline
def read_codes(
    start: Int, end: Int, last: Int, rows: NDArray[np.int64], table: PackedCodes, d: Int, room: Room,
    out: NDArray[np.int32],
) -> None:  # fmt: skip
    """Signed codes of the table rows ``rows[start:end]`` into the flat `out`; rows up to `last` are fetched ahead.

    Rows of 8 or 16 bits that fill words come over as words, and are spread all together: one loop over the elements of
    a tile takes half the time of one a row.
    """
    packed, as8, _, bits = table
    count = packed.shape[1]
    if bits == 8 and d == 16:
        for i in range(start, end):
            if i + AHEAD < last:
                prefetch(packed, rows[i + AHEAD] * count)
            widen_row(out, (i - start) * 16, as8, rows[i] * 16, _I0, 16)
        return
    if bits == 8 and d in WIDTHS:
        for i in range(start, end):
            if i + AHEAD < last:
                prefetch(packed, rows[i + AHEAD] * count)
            widen_row(out, (i - start) * d, as8, rows[i] * d, _I0, d)
        return
    if bits >= 8 and d * bits % 32 == 0:
        words = room.words
        for i in range(start, end):
            if i + AHEAD < last:
                prefetch(packed, rows[i + AHEAD] * count)
            move_row(words, (i - start) * count, packed, rows[i] * count, _NO_WORD, count)
        if bits == 8:
            for t in range((end - start) * d):
                out[t] = room.as8[t]
        else:
            for t in range((end - start) * d):
                out[t] = room.as16[t]
        return
    whole_bytes = d * bits % 8 == 0
    for i in range(start, end):
        if i + AHEAD < last:
            prefetch(packed, rows[i + AHEAD] * count)
        row, at = rows[i], (i - start) * d
        if bits == 4 and whole_bytes:
            read_4(row, as8, d, out, at)
        elif bits == 2 and whole_bytes:
            read_2(row, as8, d, out, at)
        elif bits == 8:
            for j in range(d):
                out[at + j] = as8[row, j]
        else:
            unpack_row(packed, row, d, bits, out, at)


@outline
def write_codes(
    start: Int, end: Int, rows: NDArray[np.int64], codes: NDArray[np.int32], d: Int, room: Room, table: PackedCodes
) -> None:
    """Store the flat `codes` in the table rows ``rows[start:end]``."""
    packed, as8, _, bits = table
    count = packed.shape[1]
    if bits == 8 and d == 16:
        for i in range(start, end):
            narrow_row(as8, rows[i] * 16, codes, (i - start) * 16, _I8, 16)
        return
    if bits == 8 and d in WIDTHS:
        for i in range(start, end):
            narrow_row(as8, rows[i] * d, codes, (i - start) * d, _I8, d)
        return
    if bits >= 8 and d * bits % 32 == 0:
        words = room.words
        if bits == 8:
            for t in range((end - start) * d):
                room.as8[t] = np.int8(codes[t])
        else:
            for t in range((end - start) * d):
                room.as16[t] = np.int16(codes[t])
        for i in range(start, end):
            move_row(packed, rows[i] * count, words, (i - start) * count, _NO_WORD, count)
        return
    whole_bytes = d * bits % 8 == 0
    for i in range(start, end):
        row, at = rows[i], (i - start) * d
        if bits == 4 and whole_bytes:
            for j in range(d // 2):
                as8[row, j] = np.int8((codes[at + 2 * j] & 15) | (codes[at + 2 * j + 1] << 4))
        elif bits == 2 and whole_bytes:
            for j in range(d // 4):
                k = at + 4 * j
                low = (codes[k] & 3) | ((codes[k + 1] & 3) << 2)
                as8[row, j] = np.int8(low | ((codes[k + 2] & 3) << 4) | (codes[k + 3] << 6))
        elif bits == 8:
            for j in range(d):
                as8[row, j] = np.int8(codes[at + j])
        else:
            pack_row(codes, at, d, bits, packed, row)


@kernel
def unpack_at(lo: Int, hi: Int, rows: NDArray[np.int64], table: PackedCodes, out: NDArray[np.int32]) -> None:
    """Signed codes of the table rows ``rows[lo:hi]`` into `out` (u, d)."""
    room = new_room(TILE, table)
    for start in range(lo, hi, TILE):
        end = min(start + TILE, hi)
        read_codes(start, end, hi, rows, table, out.shape[1], room, out[start:end].reshape(-1))


@kernel
def pack_at(lo: Int, hi: Int, rows: NDArray[np.int64], codes: NDArray[np.int32], table: PackedCodes) -> None:
    """Store `codes` (u, d) in the table rows ``rows[lo:hi]``."""
    room = new_room(TILE, table)
    for start in range(lo, hi, TILE):
        end = min(start + TILE, hi)
        write_codes(start, end, rows, codes[start:end].reshape(-1), codes.shape[1], room, table)
