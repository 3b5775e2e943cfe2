"""How the dense kernels split a matrix and add things up: always in an order that the shape alone fixes.

*Column kernels*: a block takes 128 columns, four neighbouring ones a thread, and `span` consecutive rows,
a warp every eighth of them. A column's sum is formed by every thread over its rows, over the block's warps in
ascending order (`fold`), and over the blocks in float64 (`fold_parts`). *Row kernels*: a warp takes a row, and its
lanes' sums meet in a fixed tree (`warp_sum`). No atomics, so results are bit-for-bit reproducible.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from alpt_ref.kernels.cuda.target import SIMULATED, cuda, device, load4, store4

THREADS = 64 if SIMULATED else 256
"""Threads of a block in these kernels (the simulator's are slow)."""
LANES = 32
ROW_LANES = THREADS // LANES
WIDTH = 4 * LANES
"""Columns of a block."""
_FOLD = 4 * THREADS
_HALF = THREADS // 2
BLOCKS = 1024
"""Blocks of a column kernel at most: they fill the device once, and partial sums stay few."""


def row_span(rows: int, columns: int) -> tuple[int, int]:
    """(rows per block, number of row blocks) of a column kernel: a function of the shape alone."""
    groups = -(-columns // WIDTH)
    parts = max(1, min(BLOCKS // groups, -(-rows // 32)))
    span = -(-rows // (parts * ROW_LANES)) * ROW_LANES
    return span, -(-rows // span)


@device
def take4(array, index, left, whole):
    """Four elements from `index`: one load if `whole`, else element by element, zeros beyond `left`."""
    if whole:
        return load4(array, index)
    zero = np.float32(0)
    a = array[index]
    b = array[index + 1] if left > 1 else zero
    c = array[index + 2] if left > 2 else zero
    d = array[index + 3] if left > 3 else zero
    return a, b, c, d


@device
def put4(array, index, left, whole, a, b, c, d):
    """Store what `take4` would read."""
    if whole:
        store4(array, index, a, b, c, d)
        return
    array[index] = a
    if left > 1:
        array[index + 1] = b
    if left > 2:
        array[index + 2] = c
    if left > 3:
        array[index + 3] = d


@device
def fold(a, b, c, d, columns, group, out, place):
    """Add the row lanes' sums of the block's columns in ascending order; `out[place + column]` receives them."""
    shared = cuda.shared.array(_FOLD, np.float32)
    slot = 4 * cuda.threadIdx.x
    cuda.syncthreads()  # the fold before may still be reading
    shared[slot] = a
    shared[slot + 1] = b
    shared[slot + 2] = c
    shared[slot + 3] = d
    cuda.syncthreads()
    for inside in range(cuda.threadIdx.x, WIDTH, THREADS):
        column = WIDTH * group + inside
        if column < columns:
            total = shared[inside]
            for k in range(1, ROW_LANES):
                total += shared[WIDTH * k + inside]
            out[place + column] = total


@device
def fold_parts(parts, first, count, columns, column):
    """Sum over ``parts[first + p * columns + column]`` for p < count, in float64; for row lane 0 of a block of columns.

    A block takes 32 columns here, one a lane, and its row lanes take the parts in turn.
    """
    shared = cuda.shared.array(THREADS, np.float64)
    thread = cuda.threadIdx.x
    total = np.float64(0.0)
    if column < columns:
        for p in range(thread // LANES, count, ROW_LANES):
            total += np.float64(parts[first + p * columns + column])
    cuda.syncthreads()
    shared[thread] = total
    cuda.syncthreads()
    if thread < LANES:
        for k in range(1, ROW_LANES):
            total += shared[LANES * k + thread]
    return total


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

else:

    @device
    def warp_sum(value):
        """Sum of a float32 over a warp in the order of the butterfly; every lane gets it. Reached block-uniformly."""
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, 16)
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, 8)
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, 4)
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, 2)
        value += cuda.shfl_xor_sync(0xFFFFFFFF, value, 1)
        return value
