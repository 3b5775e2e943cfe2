"""The summed gradient of each unique row on the GPU, in integers where there are more than two: no order matters.

A row with one or two positions is added where it is updated (`row_gradient`); one with up to `unique.HEAVY` (a *medium*
row) by one warp in `sum_medium`; a *heavy* one by one block or many (`heavy`).
The integers are those of the CPU (see `alpt_ref.kernels.cpu.unique`).
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.target import cuda, device, kernel, load4
from alpt_ref.kernels.cuda.team import float_access, team_of
from alpt_ref.kernels.cuda.unique import HEAVY, medium_rows
from alpt_ref.kernels.cuda.warp import warp_max, warp_sum_apart
from alpt_ref.scalar.fixed_point import TOO_LARGE, fixed_scale, fixed_unit

EXPONENT = np.int32(0x7F800000)
"""Bits of infinity: the magnitudes of NaN and infinity are these or more."""
_MAGNITUDE = np.int32(0x7FFFFFFF)
_ZERO = np.float32(0.0)
NOTHING = ((_ZERO,) * 4,) * 4
"""Stands for four gradients in threads without any."""


@device
def magnitude(x):
    """Bits of ``abs(x)``; for finite float32 they are ordered as the magnitudes are."""
    return np.int32(np.float32(x).view(np.int32) & _MAGNITUDE)


@device
def too_large4(a, b, c, e):
    """Whether one of four sums of gradients is NaN, infinite or too large to be squared."""
    largest = max(max(magnitude(a), magnitude(b)), max(magnitude(c), magnitude(e)))
    return largest >= TOO_LARGE


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


@dataclass(frozen=True)
class Four:
    """Device functions on the gradients of four positions of a row, ``k, k + stride, ...``, in one thread's columns.

    Four are asked for before the first is used, since each lies behind two memory accesses; the numbers of those beyond
    `last` are the last one's and count for nothing.

    Attributes
    ----------
    gather : (order, grads, k, last, stride, column) -> 16 numbers
    peak : (numbers) -> their largest magnitude
    total : (numbers, k, last, stride, scale) -> four integer sums
    peaks, totals : the same over all positions from `k` on, gathered anew
    """

    gather: Any
    peak: Any
    total: Any
    peaks: Any
    totals: Any


@functools.cache
def four_of(d: int) -> Four:
    """The functions for rows of `d` columns."""
    load, _ = float_access(d)

    @device
    def at(order, k, last):
        return np.int64(order[min(k, last - 1)]) * d

    @device
    def gather(order, grads, k, last, stride, column):
        p0, p1 = at(order, k, last), at(order, k + stride, last)
        p2, p3 = at(order, k + 2 * stride, last), at(order, k + 3 * stride, last)
        return load(grads, p0, column), load(grads, p1, column), load(grads, p2, column), load(grads, p3, column)

    @device
    def largest(x):
        return max(max(magnitude(x[0]), magnitude(x[1])), max(magnitude(x[2]), magnitude(x[3])))

    @device
    def peak(x):
        return max(max(largest(x[0]), largest(x[1])), max(largest(x[2]), largest(x[3])))

    @device
    def fixed(x, scale):
        return np.int64(np.float64(x) * scale)

    @device
    def total(x, k, last, stride, scale):
        s1 = scale if k + stride < last else 0.0
        s2 = scale if k + 2 * stride < last else 0.0
        s3 = scale if k + 3 * stride < last else 0.0
        w, x, y, z = x
        ta = (fixed(w[0], scale) + fixed(x[0], s1)) + (fixed(y[0], s2) + fixed(z[0], s3))
        tb = (fixed(w[1], scale) + fixed(x[1], s1)) + (fixed(y[1], s2) + fixed(z[1], s3))
        tc = (fixed(w[2], scale) + fixed(x[2], s1)) + (fixed(y[2], s2) + fixed(z[2], s3))
        te = (fixed(w[3], scale) + fixed(x[3], s1)) + (fixed(y[3], s2) + fixed(z[3], s3))
        return ta, tb, tc, te

    @device
    def peaks(order, grads, k, last, stride, column):
        found = np.int32(0)
        while k < last:
            found = max(found, peak(gather(order, grads, k, last, stride, column)))
            k += 4 * stride
        return found

    @device
    def totals(order, grads, k, last, stride, column, scale):
        ta, tb, tc, te = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
        while k < last:
            more = total(gather(order, grads, k, last, stride, column), k, last, stride, scale)
            ta += more[0]
            tb += more[1]
            tc += more[2]
            te += more[3]
            k += 4 * stride
        return ta, tb, tc, te

    return Four(gather, peak, total, peaks, totals)


@functools.cache
def sum_medium(d: int) -> Any:
    """Kernel: ``summed[m]`` (medium rows * d) = sum of the gradients of medium row m; one warp or team each."""
    team = team_of(d)
    size, lanes, block = team.size, team.lanes, team.block
    group = max(size, 32)
    teams, groups = group // size, block // group
    at_once = 4 * teams >= HEAVY  # the gradients are read once and kept in registers
    _, store = float_access(d)
    largest, four = _group_max(size, block), four_of(d)
    gather, peak_of, total_of, peaks_of, totals_of = four.gather, four.peak, four.total, four.peaks, four.totals

    @kernel
    def run(totals, records, order, grads, summed):
        tid = cuda.threadIdx.x
        inside = tid % group
        team_index, lane = inside // size, inside % size
        column = 4 * lane
        count = medium_rows(totals)
        for tile in range(cuda.blockIdx.x * groups, count, cuda.gridDim.x * groups):
            m = tile + tid // group
            first, positions, held = np.int32(0), np.int32(0), NOTHING
            peak = np.int32(0)
            active = m < count and lane < lanes
            if active:
                _, first, positions, _ = load4(records, 4 * m)
            k, last = first + team_index, first + positions
            if active and at_once and k < last:
                held = gather(order, grads, k, last, teams, column)
                peak = peak_of(held)
            elif active and not at_once:
                peak = peaks_of(order, grads, k, last, teams, column)
            peak = largest(peak)
            ta, tb, tc, te = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
            if active and k < last:
                scale = fixed_scale(peak, positions)
                if at_once:
                    ta, tb, tc, te = total_of(held, k, last, teams, scale)
                else:
                    ta, tb, tc, te = totals_of(order, grads, k, last, teams, column, scale)
            if teams > 1:
                ta, tb = warp_sum_apart(ta, size), warp_sum_apart(tb, size)
                tc, te = warp_sum_apart(tc, size), warp_sum_apart(te, size)
            if active and team_index == 0:
                unit = fixed_unit(peak, positions)
                a, b = np.float32(np.float64(ta) * unit), np.float32(np.float64(tb) * unit)
                c, e = np.float32(np.float64(tc) * unit), np.float32(np.float64(te) * unit)
                store(summed, np.int64(m) * d, column, a, b, c, e)

    return run


@functools.cache
def row_gradient(d: int) -> Any:
    """The four summed gradients of this thread's columns, for a row's record (see `unique`)."""
    load, _ = float_access(d)

    @device
    def gradient(column, first, size, among, order, peaks, sums, summed, grads):
        if size <= 2:
            a, b, c, e = load(grads, np.int64(among) * d, column)
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
