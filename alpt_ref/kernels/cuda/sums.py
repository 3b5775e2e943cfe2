"""The summed gradient of each unique row on the GPU, in integers where there are more than two: no order matters.

A row with one or two positions is added where it is updated (`row_gradient`); one with up to `plan.HEAVY` (a *medium*
row) by one warp in `sum_medium`; a *heavy* one is cut into chunks that many blocks add (`heavy_peaks`, `heavy_sums`).
The integers are those of the CPU (see `alpt_ref.kernels.cpu.unique`).
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...scalar.fixed_point import fixed_scale, fixed_unit
from .plan import HEAVY, heavy_pieces, heavy_rows, medium_rows
from .target import cuda, device, kernel, load4, warp_max, warp_sum_apart
from .team import float_access, team_of

EXPONENT = np.int32(0x7F800000)
"""Bits of infinity: the magnitudes of NaN and infinity are these or more."""
_MAGNITUDE = np.int32(0x7FFFFFFF)
_ZERO = np.float32(0.0)


@device
def magnitude(x):
    """Bits of ``abs(x)``; for finite float32 they are ordered as the magnitudes are."""
    return np.int32(np.float32(x).view(np.int32) & _MAGNITUDE)


@device
def not_finite4(a, b, c, e):
    """Whether one of four float32 is NaN or infinite."""
    largest = max(max(magnitude(a), magnitude(b)), max(magnitude(c), magnitude(e)))
    return largest >= EXPONENT


@functools.cache
def _group_max(size: int, block: int) -> Any:
    """Largest int32 among a warp, or among the `size` threads of a larger team; all threads call it together."""
    if size <= 32:
        return warp_max
    teams = block // size

    @device
    def largest(value):
        shared = cuda.shared.array(teams, np.int32)
        group = cuda.threadIdx.x // size
        if cuda.threadIdx.x % size == 0:
            shared[group] = np.int32(0)
        cuda.syncthreads()
        cuda.atomic.max(shared, group, value)
        cuda.syncthreads()
        value = shared[group]
        cuda.syncthreads()
        return value

    return largest


@functools.cache
def _sums_of(d: int) -> tuple[Any, Any]:
    """`peak` and `total` of one thread's columns over positions ``k, k + stride, ...`` below `last` of a row.

    Four gradients are asked for before the first is used, since each lies behind two memory accesses; the numbers of
    those beyond `last` are the last one's and count for nothing.
    """
    load, _ = float_access(d)

    @device
    def at(order, k, last):
        return np.int64(order[min(k, last - 1)]) * d

    @device
    def largest(a, b, c, e):
        return max(max(magnitude(a), magnitude(b)), max(magnitude(c), magnitude(e)))

    @device
    def peak(order, grads, k, last, stride, column):
        found = np.int32(0)
        while k < last:
            p0, p1 = at(order, k, last), at(order, k + stride, last)
            p2, p3 = at(order, k + 2 * stride, last), at(order, k + 3 * stride, last)
            a0, b0, c0, e0 = load(grads, p0, column)
            a1, b1, c1, e1 = load(grads, p1, column)
            a2, b2, c2, e2 = load(grads, p2, column)
            a3, b3, c3, e3 = load(grads, p3, column)
            found = max(found, max(largest(a0, b0, c0, e0), largest(a1, b1, c1, e1)))
            found = max(found, max(largest(a2, b2, c2, e2), largest(a3, b3, c3, e3)))
            k += 4 * stride
        return found

    @device
    def fixed(x, scale):
        return np.int64(np.float64(x) * scale)

    @device
    def total(order, grads, k, last, stride, column, scale):
        ta, tb, tc, te = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
        while k < last:
            p0, p1 = at(order, k, last), at(order, k + stride, last)
            p2, p3 = at(order, k + 2 * stride, last), at(order, k + 3 * stride, last)
            a0, b0, c0, e0 = load(grads, p0, column)
            a1, b1, c1, e1 = load(grads, p1, column)
            a2, b2, c2, e2 = load(grads, p2, column)
            a3, b3, c3, e3 = load(grads, p3, column)
            s1 = scale if k + stride < last else 0.0
            s2 = scale if k + 2 * stride < last else 0.0
            s3 = scale if k + 3 * stride < last else 0.0
            ta += (fixed(a0, scale) + fixed(a1, s1)) + (fixed(a2, s2) + fixed(a3, s3))
            tb += (fixed(b0, scale) + fixed(b1, s1)) + (fixed(b2, s2) + fixed(b3, s3))
            tc += (fixed(c0, scale) + fixed(c1, s1)) + (fixed(c2, s2) + fixed(c3, s3))
            te += (fixed(e0, scale) + fixed(e1, s1)) + (fixed(e2, s2) + fixed(e3, s3))
            k += 4 * stride
        return ta, tb, tc, te

    return peak, total


@functools.cache
def sum_medium(d: int) -> Any:
    """Kernel: ``summed[m]`` (medium rows * d) = sum of the gradients (len * d) of medium row m; a warp or team each."""
    team = team_of(d)
    size, lanes, block = team.size, team.lanes, team.block
    group = max(size, 32)
    teams, groups = group // size, block // group
    _, store = float_access(d)
    largest, (peak_of, total_of) = _group_max(size, block), _sums_of(d)

    @kernel
    def run(totals, medium, order, grads, summed):
        tid = cuda.threadIdx.x
        inside = tid % group
        team_index, lane = inside // size, inside % size
        column = 4 * lane
        count = medium_rows(totals)
        for tile in range(cuda.blockIdx.x * groups, count, cuda.gridDim.x * groups):
            m = tile + tid // group
            active = m < count and lane < lanes
            first, positions = np.int32(0), np.int32(0)
            peak = np.int32(0)
            if active:
                first, positions = medium[2 * m], medium[2 * m + 1]
                peak = peak_of(order, grads, first + team_index, first + positions, teams, column)
            peak = largest(peak)
            ta, tb, tc, te = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
            if active:
                scale = fixed_scale(peak, positions)
                ta, tb, tc, te = total_of(order, grads, first + team_index, first + positions, teams, column, scale)
            if teams > 1:
                ta, tb = warp_sum_apart(ta, size), warp_sum_apart(tb, size)
                tc, te = warp_sum_apart(tc, size), warp_sum_apart(te, size)
            if active and team_index == 0:
                unit = fixed_unit(peak, positions)
                a, b = np.float32(np.float64(ta) * unit), np.float32(np.float64(tb) * unit)
                c, e = np.float32(np.float64(tc) * unit), np.float32(np.float64(te) * unit)
                store(summed, np.int64(m) * d, column, a, b, c, e)

    return run


@kernel
def clear_heavy(totals: Any, d: int, peaks: Any, sums: Any) -> None:
    """Peaks and sums of the heavy rows become zero."""
    count = heavy_rows(totals)
    for i in range(cuda.grid(1), count * d, cuda.gridsize(1)):
        sums[i] = np.int64(0)
        if i < count:
            peaks[i] = np.int32(0)


@functools.cache
def heavy_peaks(d: int) -> Any:
    """Kernel: largest magnitude (as float32 bits) of the gradients (len * d) of each heavy row; a block a chunk."""
    team = team_of(d)
    size, lanes, block = team.size, team.lanes, team.block
    teams = block // size
    peak_of, _ = _sums_of(d)

    @kernel
    def run(totals, chunks, order, grads, peaks):
        largest = cuda.shared.array(1, np.int32)
        pieces = heavy_pieces(totals)
        tid = cuda.threadIdx.x
        lane = tid % size
        for chunk in range(cuda.blockIdx.x, pieces, cuda.gridDim.x):
            if tid == 0:
                largest[0] = np.int32(0)
            h, first, last, _ = load4(chunks, 4 * chunk)
            peak = np.int32(0)
            if lane < lanes:
                peak = peak_of(order, grads, first + tid // size, last, teams, 4 * lane)
            cuda.syncthreads()
            peak = warp_max(peak)
            if tid % 32 == 0:
                cuda.atomic.max(largest, 0, peak)
            cuda.syncthreads()
            if tid == 0:
                cuda.atomic.max(peaks, h, largest[0])

    return run


@functools.cache
def heavy_sums(d: int) -> Any:
    """Kernel: integer sums (heavy rows * d) relative to the peak of each heavy row; a block a chunk."""
    team = team_of(d)
    size, lanes, block = team.size, team.lanes, team.block
    teams = block // size
    wide = max(size, 32)
    folded = block // wide
    room = folded * 4 * size
    _, total_of = _sums_of(d)

    @kernel
    def run(totals, chunks, order, grads, peaks, sums):
        parts = cuda.shared.array(room, np.int64)
        pieces = heavy_pieces(totals)
        tid = cuda.threadIdx.x
        lane = tid % size
        for chunk in range(cuda.blockIdx.x, pieces, cuda.gridDim.x):
            h, first, last, positions = load4(chunks, 4 * chunk)
            scale = fixed_scale(peaks[h], positions)
            ta, tb, tc, te = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
            if lane < lanes:
                ta, tb, tc, te = total_of(order, grads, first + tid // size, last, teams, 4 * lane, scale)
            if size < 32:
                ta, tb = warp_sum_apart(ta, size), warp_sum_apart(tb, size)
                tc, te = warp_sum_apart(tc, size), warp_sum_apart(te, size)
            if tid % wide < size:
                at = 4 * (size * (tid // wide) + lane)
                parts[at] = ta
                parts[at + 1] = tb
                parts[at + 2] = tc
                parts[at + 3] = te
            cuda.syncthreads()
            for j in range(tid, d, block):
                total = np.int64(0)
                for k in range(folded):
                    total += parts[4 * size * k + j]
                cuda.atomic.add(sums, np.int64(h) * d + j, total)
            cuda.syncthreads()

    return run


@functools.cache
def row_gradient(d: int) -> Any:
    """The four summed gradients of this thread's columns, for a row's record (see `plan`)."""
    load, _ = float_access(d)

    @device
    def gradient(column, first, size, among, order, peaks, sums, summed, grads):
        if size <= 2:
            a, b, c, e = load(grads, np.int64(order[first]) * d, column)
            if size == 2:
                a2, b2, c2, e2 = load(grads, np.int64(order[first + 1]) * d, column)
                a, b, c, e = np.float32(a + a2), np.float32(b + b2), np.float32(c + c2), np.float32(e + e2)
            return a, b, c, e
        place = np.int64(among)
        if size <= HEAVY:
            return load(summed, place * d, column)
        unit = fixed_unit(peaks[place], size)
        at = place * d + column
        a, b, c, e = np.float32(np.float64(sums[at]) * unit), _ZERO, _ZERO, _ZERO
        if column + 1 < d:
            b = np.float32(np.float64(sums[at + 1]) * unit)
        if column + 2 < d:
            c = np.float32(np.float64(sums[at + 2]) * unit)
        if column + 3 < d:
            e = np.float32(np.float64(sums[at + 3]) * unit)
        return a, b, c, e

    return gradient
