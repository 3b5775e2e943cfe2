"""One launch updates the batch's unique rows: gradient sum, optimiser, low-precision rounding (or a subtraction).

A team of threads owns a row, four columns each (see `team`). What a row needs is read once and written once. Kernels
are made for one (d, bits, optimiser, rounding), so that the compiler sees constants; the learning rates, the update
counter and the number of unique rows are read from device memory, so that a captured graph can be replayed while they
change.

`guard` (int32, 2): where ``guard[0]`` is not zero nothing is updated; ``guard[1]`` is set when a row's sum is not
finite (that row then stays as it is).
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.optimizers import DECAY, NO_STATE, optimizer_state, optimizer_updates
from alpt_ref.kernels.cuda.sums import row_gradient, too_large4
from alpt_ref.kernels.cuda.target import cuda, device, kernel
from alpt_ref.kernels.cuda.team import Layout, code_access, float_access, step_size_index, team_of
from alpt_ref.kernels.cuda.unique import SUMMED, medium_rows, record_of, rows_of
from alpt_ref.scalar.code_range import code_range
from alpt_ref.scalar.philox import PURPOSE_UPDATE, counter_1, counter_2, counter_3, philox4x32
from alpt_ref.scalar.quantizer import grid_shift, moved_code
from alpt_ref.scalar.update import decayed_weight

ELEMENTS, NONZERO, STALLED, CLIPPED, FLOOR_HITS = range(5)
"""Places in `stats` (int64)."""
UPDATE_COUNT = 0
"""Place of the update counter in `control` (int64)."""
REGISTERS = 48
"""Of an update's thread: five blocks a multiprocessor in place of four, 2 to 3 % faster on an H100."""
BLOCKS = 10
"""Blocks a multiprocessor of an update: twice those that `REGISTERS` let run at once, so that none runs with few."""
NO_CODES = (np.int32(0), np.int32(0), np.int32(0), np.int32(0))
"""Stands for the codes in threads without a row."""
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


@functools.cache
def rounded_codes(d: int, bits: int, stochastic: bool, layout: Layout) -> Any:
    """Moved codes of four columns on the new grid, stored; returns how many had an update, stalled and were clipped.

    The random words are those of row `number`.
    """
    _, store_codes = code_access(d, bits, layout.codes)
    low, high = (np.int32(code) for code in code_range(bits))

    @device
    def one(before, ratio, update, delta, decay, word, valid):
        shift = grid_shift(before, ratio, update, delta, decay)
        moved = moved_code(before, ratio, shift, stochastic, word)
        after = np.int32(min(max(moved, low), high))
        nonzero = np.int32(1) if valid and shift != _ZERO else np.int32(0)
        stalled = nonzero if after == before else np.int32(0)
        clipped = np.int32(1) if valid and after != moved else np.int32(0)
        return after, nonzero, stalled, clipped

    @device
    def rounded(codes, row, number, lane, a, b, c, e, ratio, delta, decay, items, count_before, k0, k1):
        c0, c1, c2, c3 = codes
        w0, w1, w2, w3 = np.uint32(0), np.uint32(0), np.uint32(0), np.uint32(0)
        if stochastic:
            wide = np.int64(number)
            w0, w1, w2, w3 = philox4x32(
                np.uint32(number),
                counter_1(wide, lane),
                counter_2(count_before),
                counter_3(count_before, PURPOSE_UPDATE),
                k0,
                k1,
            )
        column = 4 * lane
        c0, n0, s0, x0 = one(c0, ratio, a, delta, decay, w0, column < d)
        c1, n1, s1, x1 = one(c1, ratio, b, delta, decay, w1, column + 1 < d)
        c2, n2, s2, x2 = one(c2, ratio, c, delta, decay, w2, column + 2 < d)
        c3, n3, s3, x3 = one(c3, ratio, e, delta, decay, w3, column + 3 < d)
        store_codes(items, row, lane, c0, c1, c2, c3)
        return n0 + n1 + n2 + n3, s0 + s1 + s2 + s3, x0 + x1 + x2 + x3

    return rounded


@device
def add_stats(stats, tally, tid, unique, d, nonzero, stalled, clipped):
    """Add a block's counts to `stats`; all threads of the block call it once."""
    if tid < 3:
        tally[tid] = np.int32(0)
    cuda.syncthreads()
    cuda.atomic.add(tally, 0, nonzero)
    cuda.atomic.add(tally, 1, stalled)
    cuda.atomic.add(tally, 2, clipped)
    cuda.syncthreads()
    if tid < 3:
        cuda.atomic.add(stats, NONZERO + tid, np.int64(tally[tid]))
    if tid == 0 and cuda.blockIdx.x == 0:
        cuda.atomic.add(stats, ELEMENTS, np.int64(unique) * d)


@functools.cache
def update_codes(d: int, bits: int, optimizer: str, stochastic: bool, layout: Layout) -> Any:
    """Kernel of one LPT step on the unique rows, or on those of one kind (`unique.rows_of`)."""
    team = team_of(d)
    size, lanes, block, sync = team.size, team.lanes, team.block, team.sync
    teams, wide = block // size, 4 * block
    gradient, state = row_gradient(d), optimizer_state(optimizer, d, layout)
    updates_of, rounded = optimizer_updates(optimizer, d, layout), rounded_codes(d, bits, stochastic, layout)
    (load_codes, _), step_at = code_access(d, bits, layout.codes), step_size_index(layout)
    keyed, per_row = layout.keyed, layout.per_row

    @kernel(registers=REGISTERS)
    def update(row_class, guard, totals, records, order, peaks, sums, summed, grads, items, step_size, offsets,
               units, first, second, count, corrections, rates, control, k0, k1, stats):  # fmt: skip
        spare = cuda.shared.array(wide, np.float32)
        tally = cuda.shared.array(3, np.int32)
        if guard[0] != 0:
            return
        tid = cuda.threadIdx.x
        lane = tid % size
        lead = tid - lane
        column = 4 * lane
        rows, medium = rows_of(totals, row_class), medium_rows(totals)
        count_before = control[UPDATE_COUNT]
        decay = rates[DECAY]
        nonzero, stalled, clipped = np.int32(0), np.int32(0), np.int32(0)
        tile = cuda.blockIdx.x * teams
        while tile < rows:  # not `range`, row_class begins with a division
            row, at, number, among, _ = record_of(records, tile + tid // size, rows, row_class, medium)
            tile += cuda.gridDim.x * teams
            active = number > 0 and lane < lanes
            of = np.uint32(at) if keyed else row
            delta, codes, old = _ONE, NO_CODES, NO_STATE
            a, b, c, e = _ZERO, _ZERO, _ZERO, _ZERO
            if active:
                old = state(row, column, first, second, count)
                codes = load_codes(items, row, lane)
                delta = step_size[step_at(np.int64(row if per_row else of), offsets, units)]
                a, b, c, e = gradient(column, at, number, among, order, peaks, sums, summed, grads)
            bad = too_large4(a, b, c, e)
            if bad:
                guard[1] = 1
            a, b, c, e = updates_of(
                active, row, tid, lead, column, a, b, c, e, old, first, second, count, corrections, rates, spare
            )
            if active and not bad:
                more = rounded(codes, row, of, lane, a, b, c, e, _ONE, delta, decay, items, count_before, k0, k1)
                nonzero += more[0]
                stalled += more[1]
                clipped += more[2]
            sync()
        counted = 0 if row_class == SUMMED else rows  # the launch for the other rows has counted these
        add_stats(stats, tally, tid, counted, d, nonzero, stalled, clipped)

    return update


@functools.cache
def update_weights(d: int, optimizer: str, layout: Layout) -> Any:
    """Kernel of one step of a float32 table on the unique rows, or on those of one kind (`unique.rows_of`)."""
    team = team_of(d)
    size, lanes, block, sync = team.size, team.lanes, team.block, team.sync
    teams, wide = block // size, 4 * block
    gradient, state = row_gradient(d), optimizer_state(optimizer, d, layout)
    updates_of = optimizer_updates(optimizer, d, layout)
    stride, offset = layout.weights.stride, layout.weights.offset
    load, store = float_access(d)

    @kernel(registers=REGISTERS)
    def update(row_class, guard, totals, records, order, peaks, sums, summed, grads, weights,
               first, second, count, corrections, rates):  # fmt: skip
        spare = cuda.shared.array(wide, np.float32)
        if guard[0] != 0:
            return
        tid = cuda.threadIdx.x
        lane = tid % size
        lead = tid - lane
        column = 4 * lane
        rows, medium = rows_of(totals, row_class), medium_rows(totals)
        decay = rates[DECAY]
        tile = cuda.blockIdx.x * teams
        while tile < rows:  # not `range`, row_class begins with a division
            row, at, number, among, _ = record_of(records, tile + tid // size, rows, row_class, medium)
            tile += cuda.gridDim.x * teams
            active = number > 0 and lane < lanes
            old = NO_STATE
            a, b, c, e = _ZERO, _ZERO, _ZERO, _ZERO
            w0, w1, w2, w3 = _ZERO, _ZERO, _ZERO, _ZERO
            if active:
                old = state(row, column, first, second, count)
                w0, w1, w2, w3 = load(weights, np.int64(row) * stride + offset, column)
                a, b, c, e = gradient(column, at, number, among, order, peaks, sums, summed, grads)
            bad = too_large4(a, b, c, e)
            if bad:
                guard[1] = 1
            a, b, c, e = updates_of(
                active, row, tid, lead, column, a, b, c, e, old, first, second, count, corrections, rates, spare
            )
            if active and not bad:
                w0 = decayed_weight(w0, a, decay)
                w1 = decayed_weight(w1, b, decay)
                w2 = decayed_weight(w2, c, decay)
                w3 = decayed_weight(w3, e, decay)
                store(weights, np.int64(row) * stride + offset, column, w0, w1, w2, w3)
            sync()

    return update


@kernel
def advance(guard: Any, control: Any) -> None:
    """Count an update that was made."""
    if cuda.grid(1) == 0 and guard[0] == 0:
        control[UPDATE_COUNT] += 1
