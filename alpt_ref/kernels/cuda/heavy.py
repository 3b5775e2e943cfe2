"""Sums of the gradients of rows that a batch names more than `unique.HEAVY` times, cut into chunks of positions.

In `heavy_first` a block reads a chunk once: a row of one chunk is done then, of the others it finds the peak. In
`heavy_rest` the blocks add the integers of those, relative to the peak of the row (see `sums`).
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.sums import NOTHING, four_of
from alpt_ref.kernels.cuda.target import cuda, device, kernel, load4
from alpt_ref.kernels.cuda.team import team_of
from alpt_ref.kernels.cuda.unique import CHUNK, heavy_pieces, heavy_rows
from alpt_ref.kernels.cuda.warp import warp_max, warp_sum_apart
from alpt_ref.scalar.fixed_point import fixed_scale

REGISTERS = 40
"""Of a thread of `heavy_first`: six blocks a multiprocessor in place of four, since each waits for memory thrice."""


@kernel
def clear_heavy(totals: Any, d: int, peaks: Any, sums: Any) -> None:
    """Peaks and sums of the heavy rows become zero."""
    count = heavy_rows(totals)
    for i in range(cuda.grid(1), count * d, cuda.gridsize(1)):
        sums[i] = np.int64(0)
        if i < count:
            peaks[i] = np.int32(0)


@functools.cache
def _block_sum(d: int) -> tuple[Any, int]:
    """``fold(parts, ta, tb, tc, te)``: a block's integer sums into shared memory, and how many numbers that takes.

    The sum of column ``j`` is then that of ``parts[width * k + j]`` over k (`column_sum`).
    """
    team = team_of(d)
    size = team.size
    wide = max(size, 32)

    @device
    def fold(parts, ta, tb, tc, te):
        tid = cuda.threadIdx.x
        if size < 32:
            ta, tb = warp_sum_apart(ta, size), warp_sum_apart(tb, size)
            tc, te = warp_sum_apart(tc, size), warp_sum_apart(te, size)
        if tid % wide < size:
            at = 4 * (size * (tid // wide) + tid % size)
            parts[at] = ta
            parts[at + 1] = tb
            parts[at + 2] = tc
            parts[at + 3] = te
        cuda.syncthreads()

    return fold, team.block // wide * 4 * size


@device
def column_sum(parts, width, column):
    """Sum over ``parts[column], parts[width + column], ...``."""
    total = np.int64(0)
    for k in range(column, parts.size, width):
        total += parts[k]
    return total


@functools.cache
def heavy_first(d: int) -> Any:
    """Kernel: of each heavy row the largest magnitude (as float32 bits) and, if it has one chunk, the integer sums.

    One block per chunk, which is read once; the sums (heavy rows * d) are relative to the peak.
    """
    team = team_of(d)
    size, lanes, block = team.size, team.lanes, team.block
    teams = block // size
    at_once = 4 * teams >= CHUNK
    (fold, room), four = _block_sum(d), four_of(d)
    gather, peak_of, total_of, peaks_of, totals_of = four.gather, four.peak, four.total, four.peaks, four.totals
    width = 4 * size

    @kernel(registers=REGISTERS)
    def run(totals, chunks, order, grads, peaks, sums):
        parts = cuda.shared.array(room, np.int64)
        shared = cuda.shared.array(1, np.int32)
        pieces = heavy_pieces(totals)
        tid = cuda.threadIdx.x
        lane = tid % size
        column = 4 * lane
        for chunk in range(cuda.blockIdx.x, pieces, cuda.gridDim.x):
            h, first, last, positions = load4(chunks, 4 * chunk)
            k, peak, held = first + tid // size, np.int32(0), NOTHING
            if tid == 0:
                shared[0] = np.int32(0)
            if lane < lanes and k < last:
                if at_once:
                    held = gather(order, grads, k, last, teams, column)
                    peak = peak_of(held)
                else:
                    peak = peaks_of(order, grads, k, last, teams, column)
            cuda.syncthreads()
            peak = warp_max(peak)
            if tid % 32 == 0:
                cuda.atomic.max(shared, 0, peak)
            cuda.syncthreads()
            peak = shared[0]
            if positions <= CHUNK:
                ta, tb, tc, te = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
                if lane < lanes and k < last:
                    scale = fixed_scale(peak, positions)
                    if at_once:
                        ta, tb, tc, te = total_of(held, k, last, teams, scale)
                    else:
                        ta, tb, tc, te = totals_of(order, grads, k, last, teams, column, scale)
                fold(parts, ta, tb, tc, te)
                for j in range(tid, d, block):
                    sums[np.int64(h) * d + j] = column_sum(parts, width, j)
                if tid == 0:
                    peaks[h] = peak
            elif tid == 0:
                cuda.atomic.max(peaks, h, peak)
            cuda.syncthreads()

    return run


@functools.cache
def heavy_rest(d: int) -> Any:
    """Kernel: the integer sums of the heavy rows with several chunks, whose peaks are known; one block per chunk."""
    team = team_of(d)
    size, lanes, block = team.size, team.lanes, team.block
    teams = block // size
    (fold, room), totals_of = _block_sum(d), four_of(d).totals
    width = 4 * size

    @kernel
    def run(totals, chunks, order, grads, peaks, sums):
        parts = cuda.shared.array(room, np.int64)
        pieces = heavy_pieces(totals)
        tid = cuda.threadIdx.x
        lane = tid % size
        for done in range(cuda.blockIdx.x, pieces, cuda.gridDim.x):
            chunk = pieces - 1 - done  # what `heavy_first` read last is still in the cache
            h, first, last, positions = load4(chunks, 4 * chunk)
            if positions > CHUNK:
                ta, tb, tc, te = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
                if lane < lanes:
                    scale = fixed_scale(peaks[h], positions)
                    ta, tb, tc, te = totals_of(order, grads, first + tid // size, last, teams, 4 * lane, scale)
                fold(parts, ta, tb, tc, te)
                for j in range(tid, d, block):
                    cuda.atomic.add(sums, np.int64(h) * d + j, column_sum(parts, width, j))
                cuda.syncthreads()

    return run
