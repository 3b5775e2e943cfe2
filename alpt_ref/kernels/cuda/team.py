"""How a team of threads reads and writes one table row: a thread holds four neighbouring columns, one Philox block.

A row of `d` columns is the business of ``ceil(d / 4)`` threads, padded to a power of two: the team. Four codes of 2, 4,
8 or 16 bits are 8, 16, 32 or 64 bits, so no two threads share a byte, whatever `d`. Where `d` is a multiple of four,
float rows move in 128-bit accesses. The functions are made for one (d, bits), which the compiler then sees as
constants.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.bf16 import load_numbers, number, put_number, store_numbers
from alpt_ref.kernels.cuda.target import SIMULATED, cuda, device
from alpt_ref.kernels.cuda.warp import sync_warp
from alpt_ref.scalar.quantizer import sign_extend
from alpt_ref.scalar.units import unit_of

MAX_DIM = 1024
"""Largest embedding dimension on CUDA: a team of 256 threads, one block."""
_ZERO = np.float32(0.0)


@dataclass(frozen=True)
class Place:
    """Where a field of a row lies in a flat array: element ``row * stride + offset`` and those after it."""

    stride: int = 1
    offset: int = 0


@dataclass(frozen=True)
class Layout:
    """Places of a table's fields. What one update touches lies together: memory answers by neighbourhood.

    `codes` counts in items of `code_dtype`; `step_size` and its optimiser's state belong to a row or, if not `per_row`,
    to a unit of rows. `first` is the accumulator under Adagrad. With `keyed`, of rows that are spread over ranks, the
    second word of a row's record is its number in the whole table, which random words and units go by.
    """

    weights: Place = Place()
    codes: Place = Place()
    step_size: Place = Place()
    per_row: bool = True
    first: Place = Place()
    second: Place = Place()
    count: Place = Place()
    step_size_first: Place = Place()
    step_size_second: Place = Place()
    step_size_count: Place = Place()
    keyed: bool = False


@dataclass(frozen=True)
class Team:
    """Threads that work on one row.

    Attributes
    ----------
    lanes : int
        Threads with columns of their own, ``ceil(d / 4)``.
    size : int
        Threads of the team, a power of two.
    block : int
        Threads of a block, a multiple of `size`.
    sync : device function
        Barrier that covers at least the team.
    """

    lanes: int
    size: int
    block: int
    sync: Any


@device
def _sync_block():
    cuda.syncthreads()


@functools.cache
def team_of(d: int, block: int = 32 if SIMULATED else 256) -> Team:
    """The team for rows of `d` columns."""
    lanes = -(-d // 4)
    size = 1
    while size < lanes:
        size *= 2
    return Team(lanes, size, max(block, size), sync_warp if size <= 32 else _sync_block)


@functools.cache
def float_access(d: int) -> tuple[Any, Any]:
    """``load(array, base, column)`` and ``store(array, base, column, a, b, c, e)`` of four float32 of a flat array.

    Both also take an array of bfloat16 bits (`bf16`): `load` widens them, `store` rounds.
    """
    if d % 4 == 0:

        @device
        def load(array, base, column):
            return load_numbers(array, base + column)

        @device
        def store(array, base, column, a, b, c, e):
            store_numbers(array, base + column, a, b, c, e)

    else:

        @device
        def load(array, base, column):
            at = base + column
            a = number(array[at])
            b = number(array[at + 1]) if column + 1 < d else _ZERO
            c = number(array[at + 2]) if column + 2 < d else _ZERO
            e = number(array[at + 3]) if column + 3 < d else _ZERO
            return a, b, c, e

        @device
        def store(array, base, column, a, b, c, e):
            at = base + column
            put_number(array, at, a)
            if column + 1 < d:
                put_number(array, at + 1, b)
            if column + 2 < d:
                put_number(array, at + 2, c)
            if column + 3 < d:
                put_number(array, at + 3, e)

    return load, store


def code_dtype(bits: int) -> type[np.unsignedinteger[Any]]:
    """Type under which the kernels see the packed words: four codes fill one item (two items at 16 bits)."""
    return {2: np.uint8, 4: np.uint16, 8: np.uint32, 16: np.uint32}[bits]  # type: ignore[return-value]


@functools.cache
def code_access(d: int, bits: int, place: Place) -> tuple[Any, Any]:
    """``load(items, row, lane)`` -> four int32 codes and ``store(items, row, lane, a, b, c, e)``.

    `items` is the flat table of words seen as `code_dtype`; codes beyond column `d` read and write as zero.
    """
    item = code_dtype(bits)
    row_items, offset = place.stride, place.offset
    mask = np.uint32((1 << bits) - 1)
    unused = np.uint32(32 - bits)
    s0, s1, s2, s3 = (np.uint32(max(32 - bits * (k + 1), 0)) for k in range(4))
    p1, p2, p3 = (np.uint32(bits * k % 32) for k in range(1, 4))
    half = np.uint32(16)
    nothing = np.uint32(0)
    last = d - 1

    if bits == 16:

        @device
        def load(items, row, lane):
            at = np.int64(row) * row_items + offset + 2 * lane
            low = np.uint32(items[at])
            high = np.uint32(items[at + 1]) if 4 * lane + 2 <= last else nothing
            return (
                sign_extend(np.uint32(low << half), half),
                sign_extend(low, half),
                sign_extend(np.uint32(high << half), half),
                sign_extend(high, half),
            )

        @device
        def store(items, row, lane, a, b, c, e):
            at = np.int64(row) * row_items + offset + 2 * lane
            second = b if 4 * lane + 1 <= last else np.int32(0)
            items[at] = np.uint32(np.uint32(np.uint32(a) & mask) | np.uint32(np.uint32(second) << half))
            if 4 * lane + 2 <= last:
                fourth = e if 4 * lane + 3 <= last else np.int32(0)
                items[at + 1] = np.uint32(np.uint32(np.uint32(c) & mask) | np.uint32(np.uint32(fourth) << half))

    else:

        @device
        def load(items, row, lane):
            word = np.uint32(items[np.int64(row) * row_items + offset + lane])
            return (
                sign_extend(np.uint32(word << s0), unused),
                sign_extend(np.uint32(word << s1), unused),
                sign_extend(np.uint32(word << s2), unused),
                sign_extend(np.uint32(word << s3), unused),
            )

        @device
        def store(items, row, lane, a, b, c, e):
            word = np.uint32(np.uint32(a) & mask)
            if 4 * lane + 1 <= last:
                word = np.uint32(word | np.uint32(np.uint32(np.uint32(b) & mask) << p1))
            if 4 * lane + 2 <= last:
                word = np.uint32(word | np.uint32(np.uint32(np.uint32(c) & mask) << p2))
            if 4 * lane + 3 <= last:
                word = np.uint32(word | np.uint32(np.uint32(np.uint32(e) & mask) << p3))
            items[np.int64(row) * row_items + offset + lane] = item(word)

    return load, store


@functools.cache
def step_size_index(layout: Layout) -> Any:
    """Where the step size of a table row lies in the array of step sizes."""
    stride, offset = layout.step_size.stride, layout.step_size.offset

    if layout.per_row:

        @device
        def index(row, offsets, units):
            return row * stride + offset

    else:

        @device
        def index(row, offsets, units):
            return np.int64(unit_of(row, offsets, units))

    return index


@functools.cache
def row_total(d: int) -> Any:
    """``total(shared, first)`` = sum of a row's `d` values in the CPU's order (`kernels.cpu.quantize.row_sum`).

    The team's values lie in `shared` (float32) from `first`, four a thread, zero beyond column `d`.
    """
    lanes = -(-d // 4)

    @device
    def total(shared, first):
        s0 = _ZERO
        s1 = _ZERO
        s2 = _ZERO
        s3 = _ZERO
        for lane in range(lanes):
            at = first + 4 * lane
            s0 = np.float32(s0 + shared[at])
            s1 = np.float32(s1 + shared[at + 1])
            s2 = np.float32(s2 + shared[at + 2])
            s3 = np.float32(s3 + shared[at + 3])
        return np.float32(np.float32(s0 + s1) + np.float32(s2 + s3))

    return total
