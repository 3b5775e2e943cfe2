"""How the dense kernels split a matrix and add things up: always in an order that the shape alone fixes.

*Column kernels*: a block takes 128 columns, four neighbouring ones a thread, and `span` consecutive rows, a warp every
eighth of them; two or four of its rows are asked for before the first is used, since memory answers late. A column's
sum is formed by every thread over its rows, over the block's warps in ascending order (`fold`), and over the blocks in
float64 (`fold_parts`). *Row kernels*: a warp takes a row, and its lanes' sums meet in a fixed tree (`warp_sum`). No
atomics, so results are bit-for-bit reproducible.

Matrices are float32 or bfloat16 bits (`bf16`); what is summed is float32.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from alpt_ref.kernels.cuda.bf16 import load_numbers, number, put_number, store_numbers
from alpt_ref.kernels.cuda.target import SIMULATED, cuda, device

THREADS = 64 if SIMULATED else 256
"""Threads of a block in these kernels (the simulator's are slow)."""
LANES = 32
ROW_LANES = THREADS // LANES
WIDTH = 4 * LANES
"""Columns of a block."""
_FOUR, _TWO = 4 * THREADS, 2 * THREADS
_HALF = THREADS // 2
FOLD = 8
"""Columns of a block that combines partial sums, one sector of memory."""
TURNS = THREADS // FOLD
BLOCKS = 528
"""Blocks of a column kernel at most: four for each multiprocessor of an H100, all at once; partial sums stay few."""
NONE4 = (np.float32(0),) * 4
"""Four sums before anything was added."""


def row_span(rows: int, columns: int) -> tuple[int, int]:
    """(rows per block, number of row blocks) of a column kernel: a function of the shape alone."""
    groups = -(-columns // WIDTH)
    parts = max(1, min(BLOCKS // groups, -(-rows // 32)))
    span = -(-rows // (parts * ROW_LANES)) * ROW_LANES
    return span, -(-rows // span)


@device
def of_block(columns):
    """Of a block and thread of a column kernel: group of columns, block of rows, first column, columns from it on."""
    groups = (columns + WIDTH - 1) // WIDTH
    group, part = cuda.blockIdx.x % groups, cuda.blockIdx.x // groups
    column = WIDTH * group + 4 * (cuda.threadIdx.x % LANES)
    return group, part, column, columns - column


@device
def last_row(begin, last):
    """Last row below `last` of this thread's warp in a block whose rows begin at `begin`; less than that if none.

    A pass that adds nothing up goes through its rows backwards: what the pass before read last is still in the cache.
    """
    warp = cuda.threadIdx.x // LANES
    return begin + warp + (last - 1 - begin - warp + ROW_LANES) // ROW_LANES * ROW_LANES - ROW_LANES


@device
def take4(array, index, left, whole):
    """Four numbers from `index` as float32: one load if `whole`, else element by element, zeros beyond `left`."""
    if whole:
        return load_numbers(array, index)
    zero = np.float32(0)
    a = number(array[index])
    b = number(array[index + 1]) if left > 1 else zero
    c = number(array[index + 2]) if left > 2 else zero
    d = number(array[index + 3]) if left > 3 else zero
    return a, b, c, d


@device
def put4(array, index, left, whole, a, b, c, d):
    """Store what `take4` would read."""
    if whole:
        store_numbers(array, index, a, b, c, d)
        return
    put_number(array, index, a)
    if left > 1:
        put_number(array, index + 1, b)
    if left > 2:
        put_number(array, index + 2, c)
    if left > 3:
        put_number(array, index + 3, d)


@device
def add4(s, x):
    """``s + x``, four numbers each."""
    return s[0] + x[0], s[1] + x[1], s[2] + x[2], s[3] + x[3]


@device
def minus4(x, y):
    """``x - y``, four numbers each."""
    return x[0] - y[0], x[1] - y[1], x[2] - y[2], x[3] - y[3]


@device
def add_products4(s, x, y):
    """``s + x * y``, four numbers each."""
    return s[0] + x[0] * y[0], s[1] + x[1] * y[1], s[2] + x[2] * y[2], s[3] + x[3] * y[3]


@device
def add_times4(s, factor, x):
    """``s + factor * x`` with one factor for all four."""
    return s[0] + factor * x[0], s[1] + factor * x[1], s[2] + factor * x[2], s[3] + factor * x[3]


@device
def times4(factor, x):
    """``factor * x`` with one factor for all four."""
    return factor * x[0], factor * x[1], factor * x[2], factor * x[3]


@device
def not_finite(a, b, c, d):
    """Whether one of four numbers is NaN or infinite."""
    zero = np.float32(0)
    return not (a - a == zero and b - b == zero and c - c == zero and d - d == zero)


@device
def fold(four, columns, group, out, place):
    """Add the row lanes' sums of the block's columns in ascending order; `out[place + column]` receives them."""
    shared = cuda.shared.array(_FOUR, np.float32)
    slot = 4 * cuda.threadIdx.x
    cuda.syncthreads()  # the fold before may still be reading
    shared[slot] = four[0]
    shared[slot + 1] = four[1]
    shared[slot + 2] = four[2]
    shared[slot + 3] = four[3]
    cuda.syncthreads()
    for inside in range(cuda.threadIdx.x, WIDTH, THREADS):
        column = WIDTH * group + inside
        if column < columns:
            total = shared[inside]
            for k in range(1, ROW_LANES):
                total += shared[WIDTH * k + inside]
            out[place + column] = total


@device
def part4(parts, p, count, place, step):
    """Four partial sums, ``place + k * step``, asked for at once; zero from part `count` on."""
    zero = np.float32(0)
    a = parts[place] if p < count else zero
    b = parts[place + step] if p + TURNS < count else zero
    c = parts[place + 2 * step] if p + 2 * TURNS < count else zero
    d = parts[place + 3 * step] if p + 3 * TURNS < count else zero
    return a, b, c, d


@device
def add_wide4(total, x):
    """``total`` plus four float32, in float64."""
    return total + np.float64(x[0]) + np.float64(x[1]) + np.float64(x[2]) + np.float64(x[3])


@device
def fold_parts(parts, first, count, columns, column):
    """Sum over ``parts[first + p * columns + column]`` for p < count, in float64; for a block's first `FOLD` threads.

    A block takes `FOLD` columns here, and its other threads the parts in turn.
    """
    shared = cuda.shared.array(THREADS, np.float64)
    thread, total = cuda.threadIdx.x, np.float64(0.0)
    p = thread // FOLD if column < columns else count
    place, step = first + p * columns + column, TURNS * columns
    while p < count:
        total = add_wide4(total, part4(parts, p, count, place, step))
        p, place = p + 4 * TURNS, place + 4 * step
    cuda.syncthreads()
    shared[thread] = total
    cuda.syncthreads()
    half = _HALF
    while half >= FOLD:
        if thread < half:
            shared[thread] += shared[thread + half]
        cuda.syncthreads()
        half //= 2
    return shared[thread]


@device
def fold_two(parts, others, count, columns, column):
    """`fold_parts` of two arrays at once, from their beginnings."""
    shared = cuda.shared.array(_TWO, np.float64)
    thread, total, other = cuda.threadIdx.x, np.float64(0.0), np.float64(0.0)
    p = thread // FOLD if column < columns else count
    place, step = p * columns + column, TURNS * columns
    while p < count:
        x, y = part4(parts, p, count, place, step), part4(others, p, count, place, step)
        total, other = add_wide4(total, x), add_wide4(other, y)
        p, place = p + 4 * TURNS, place + 4 * step
    cuda.syncthreads()
    shared[thread] = total
    shared[THREADS + thread] = other
    cuda.syncthreads()
    half = _HALF
    while half >= FOLD:
        if thread < half:
            shared[thread] += shared[thread + half]
            shared[THREADS + thread] += shared[THREADS + thread + half]
        cuda.syncthreads()
        half //= 2
    return shared[thread], shared[THREADS + thread]


@device
def block_sum(value):
    """Sum of a float64 over the block's threads, in a fixed tree; every thread gets it."""
    shared = cuda.shared.array(THREADS, np.float64)
    thread = cuda.threadIdx.x
    cuda.syncthreads()
    shared[thread] = value
    cuda.syncthreads()
    half = _HALF
    while half > 0:
        if thread < half:
            shared[thread] += shared[thread + half]
        cuda.syncthreads()
        half //= 2
    return shared[0]


if SIMULATED:

    @device
    def warp_sum(value):
        """Sum of a float32 over a warp in the order of the butterfly; every lane gets it. Reached block-uniformly."""
        shared = cuda.shared.array(THREADS, np.float32)
        thread = cuda.threadIdx.x
        for distance in (16, 8, 4, 2, 1):
            cuda.syncthreads()
            shared[thread] = value
            cuda.syncthreads()
            value = value + shared[thread ^ distance]
        return value

    @device
    def eight_sum(value):
        """`warp_sum` over groups of eight lanes."""
        shared = cuda.shared.array(THREADS, np.float32)
        thread = cuda.threadIdx.x
        for distance in (4, 2, 1):
            cuda.syncthreads()
            shared[thread] = value
            cuda.syncthreads()
            value = value + shared[thread ^ distance]
        return value

else:

    @device
    def eight_sum(value):
        """`warp_sum` over groups of eight lanes."""
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, 4)
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, 2)
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, 1)
        return value

    @device
    def warp_sum(value):
        """Sum of a float32 over a warp in the order of the butterfly; every lane gets it. Reached block-uniformly."""
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, 16)
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, 8)
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, 4)
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, 2)
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, 1)
        return value
