"""Random words for the elements of a block of rows, planar in the layout that the rounding loops read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.arguments import RandomStream
from alpt_ref.kernels.cpu.inline import inline
from alpt_ref.kernels.cpu.rooms import new_floats, new_words
from alpt_ref.kernels.cpu.vectors import fill_row
from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int
from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.philox import counter_1, counter_2, counter_3, philox4x32

CHUNK_LANES = 128
"""Philox calls made in one go: words, step sizes and weights of a chunk stay in the first-level cache together."""


@inline
def fill_words(
    lanes: Int,
    c0: NDArray[np.uint32],
    c1: NDArray[np.uint32],
    step: Int,
    purpose: Int,
    k0: np.uint32,
    k1: np.uint32,
    random_bits: NDArray[np.uint32],
) -> None:
    """``random_bits[4*i .. 4*i+3]`` become the output for counter ``(c0[i], c1[i], step, purpose)``, ``i < lanes``."""
    c2 = counter_2(step)
    c3 = counter_3(step, purpose)
    for i in range(lanes):
        r0, r1, r2, r3 = philox4x32(c0[i], c1[i], c2, c3, k0, k1)
        random_bits[4 * i] = r0
        random_bits[4 * i + 1] = r1
        random_bits[4 * i + 2] = r2
        random_bits[4 * i + 3] = r3


@kernel
def philox_rows(
    lo: Int, hi: Int, counters: NDArray[np.uint32], keys: NDArray[np.uint32], out: NDArray[np.uint32]
) -> None:
    """Philox4x32-10 of each row of `counters` (n, 4) with the key of the same row of `keys` (n, 2)."""
    for i in range(lo, hi):
        r0, r1, r2, r3 = philox4x32(
            counters[i, 0], counters[i, 1], counters[i, 2], counters[i, 3], keys[i, 0], keys[i, 1]
        )
        out[i, 0] = r0
        out[i, 1] = r1
        out[i, 2] = r2
        out[i, 3] = r3


class Chunk(NamedTuple):
    """Rows whose random bits are drawn together, and room for the drawing; see `new_chunk`.

    Attributes
    ----------
    rows : int
        At most so many rows a chunk.
    blocks : int
        Philox blocks a row, ``ceil(d / 4)``.
    lane_row, lane_block : uint32 arrays (lanes,)
        Row (within the chunk) and column block of each lane, that is of each Philox call.
    c0, c1 : uint32 arrays (lanes,)
        The two counter words that differ between lanes.
    random_bits : uint32 array (4 * lanes,)
    spare : float32 array (rows * d,)
        Room for a number of each element.
    """

    rows: int
    blocks: int
    lane_row: NDArray[np.uint32]
    lane_block: NDArray[np.uint32]
    c0: NDArray[np.uint32]
    c1: NDArray[np.uint32]
    random_bits: NDArray[np.uint32]
    spare: NDArray[np.float32]


@scalar
def new_chunk(d: Int, calls: Int) -> Chunk:
    """Room for chunks of rows with `d` columns: `calls` Philox calls, at least one row."""
    blocks = (d + 3) // 4
    rows = max(1, calls // blocks)
    lanes = rows * blocks
    lane_row, lane_block = new_words(lanes), new_words(lanes)
    for i in range(rows):
        for block in range(blocks):
            lane_row[i * blocks + block] = np.uint32(i)
            lane_block[i * blocks + block] = np.uint32(block)
    c0, c1, spare = new_words(lanes), new_words(lanes), new_floats(rows * d)
    random_bits = new_words(4 * lanes)
    random_bits[:] = np.uint32(0)
    return Chunk(int(rows), blocks, lane_row, lane_block, c0, c1, random_bits, spare)


@inline
def set_counters(lanes: Int, rows: NDArray[np.int64], start: Int, chunk: Chunk) -> None:
    """Counters of the chunk that begins at ``rows[start]``, for any rows."""
    blocks, lane_row, lane_block, c0, c1 = chunk.blocks, chunk.lane_row, chunk.lane_block, chunk.c0, chunk.c1
    high = np.uint64(0)
    for i in range(lanes // blocks):
        row = np.uint64(rows[start + i])
        high |= row >> np.uint64(32)
        fill_row(c0, i * blocks, c0, 0, np.uint32(row & np.uint64(0xFFFFFFFF)), blocks)
    if high == np.uint64(0):
        for lane in range(lanes):
            c1[lane] = lane_block[lane]
    else:
        for lane in range(lanes):
            c1[lane] = counter_1(rows[int(start) + int(np.int64(lane_row[lane]))], lane_block[lane])


@inline
def set_counters_range(lanes: Int, first: Int, chunk: Chunk) -> None:
    """Counters of the chunk of consecutive rows that begins at row `first`."""
    lane_row, lane_block, c0, c1 = chunk.lane_row, chunk.lane_block, chunk.c0, chunk.c1
    low = np.uint32(np.uint64(first) & np.uint64(0xFFFFFFFF))
    for lane in range(lanes):
        c0[lane] = np.uint32(low + lane_row[lane])  # casts keep the loop at 32 bits, a vector of 16
    if (np.uint64(first) + np.uint64(lanes)) >> np.uint64(32) == np.uint64(0):
        for lane in range(lanes):
            c1[lane] = lane_block[lane]
    else:
        for lane in range(lanes):
            c1[lane] = counter_1(first + np.int64(lane_row[lane]), lane_block[lane])


@inline
def draw_chunk(lanes: Int, stream: RandomStream, chunk: Chunk) -> None:
    """Fill the chunk's `random_bits` for the counters that are set."""
    fill_words(lanes, chunk.c0, chunk.c1, stream.counter, stream.purpose, stream.k0, stream.k1, chunk.random_bits)


@inline
def compact_rows(random_bits: NDArray[np.uint32], rows: Int, d: Int, stride: Int) -> None:
    """Move the words of each row, drawn in whole blocks of four, up against those of the row before, in place."""
    if stride != d:
        for i in range(1, rows):
            for j in range(d):
                random_bits[i * d + j] = random_bits[i * stride + j]
