"""ALPT on the GPU between its two gradients: rows that have moved but are not rounded yet.

`begin` advances the optimiser and leaves the updates (unique rows, d) in memory. On request it hands the
nearest-rounded values of the moved rows out as well: to the positions of a row with one or two, which no other kernel
then touches, and for `spread` to the positions of all others. `pending` does the same from the updates alone;
`round_pending` rounds the rows on the grids that `learned` has made of the second gradient.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.optimizers import DECAY, NO_STATE, optimizer_state, optimizer_updates
from alpt_ref.kernels.cuda.sums import row_gradient, too_large4
from alpt_ref.kernels.cuda.target import cuda, device, kernel, load4
from alpt_ref.kernels.cuda.team import Layout, code_access, float_access, step_size_index, team_of
from alpt_ref.kernels.cuda.unique import SUMMED, heavy_pieces, medium_rows, record_of, rows_of, unique_rows
from alpt_ref.kernels.cuda.update import NO_CODES, REGISTERS, UPDATE_COUNT, add_stats, rounded_codes
from alpt_ref.scalar.code_range import code_range
from alpt_ref.scalar.quantizer import decode, grid_shift, moved_code
from alpt_ref.scalar.units import unit_of

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_NO_WORD = np.uint32(0)


@functools.cache
def _value(bits: int) -> Any:
    """Device function: a code moved by its update and rounded to the nearest, as a number."""
    low, high = (np.int32(code) for code in code_range(bits))

    @device
    def value(code, update, delta, decay):
        moved = moved_code(code, _ONE, grid_shift(code, _ONE, update, delta, decay), False, _NO_WORD)
        return decode(np.int32(min(max(moved, low), high)), delta)

    return value


@functools.cache
def begin(d: int, bits: int, optimizer: str, keep_sums: bool, keep_values: bool, layout: Layout) -> Any:
    """Kernel: gradients of the unique rows into `updates` (and `kept`), the optimiser's state advances.

    Of one kind of rows (`unique.rows_of`): those that need no sums can go first. With `keep_values` what `pending`
    would look up of a row goes into `values` if it is of `SUMMED` rows, else to its positions in `out`.
    """
    team = team_of(d)
    size, lanes, block, sync = team.size, team.lanes, team.block, team.sync
    teams, wide = block // size, 4 * block
    gradient, state = row_gradient(d), optimizer_state(optimizer, d, layout)
    advance, value = optimizer_updates(optimizer, d, layout), _value(bits)
    (load_codes, _), step_at = code_access(d, bits, layout.codes), step_size_index(layout)
    _, store = float_access(d)

    @kernel(registers=REGISTERS)
    def run(row_class, guard, totals, records, order, peaks, sums, summed, grads, items, step_size, offsets, units,
            first, second, count, corrections, rates, updates, kept, values, out):  # fmt: skip
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
            row, at, number, among, u = record_of(records, tile + tid // size, rows, row_class, medium)
            tile += cuda.gridDim.x * teams
            active = number > 0 and lane < lanes
            codes, delta, old = NO_CODES, _ONE, NO_STATE
            a, b, c, e = _ZERO, _ZERO, _ZERO, _ZERO
            if active:
                old = state(row, column, first, second, count)
                if keep_values:
                    codes = load_codes(items, row, lane)
                    delta = step_size[step_at(np.int64(row), offsets, units)]
                a, b, c, e = gradient(column, at, number, among, order, peaks, sums, summed, grads)
                if too_large4(a, b, c, e):
                    guard[1] = 1
                if keep_sums:
                    store(kept, np.int64(u) * d, column, a, b, c, e)
            a, b, c, e = advance(
                active, row, tid, lead, column, a, b, c, e, old, first, second, count, corrections, rates, spare
            )
            if active:
                store(updates, np.int64(u) * d, column, a, b, c, e)
                if keep_values:
                    a, b = value(codes[0], a, delta, decay), value(codes[1], b, delta, decay)
                    c, e = value(codes[2], c, delta, decay), value(codes[3], e, delta, decay)
                    if row_class == SUMMED:
                        store(values, np.int64(u) * d, column, a, b, c, e)
                    else:
                        store(out, np.int64(among) * d, column, a, b, c, e)
                        if number == 2:
                            store(out, np.int64(order[at + 1]) * d, column, a, b, c, e)
            sync()

    return run


@functools.cache
def spread(d: int) -> Any:
    """Kernel: the values of `SUMMED` rows, where `begin` has left them in `values`, to all their positions in `out`.

    One warp or team each for a medium row and for a chunk of a heavy one.
    """
    team = team_of(d)
    size, lanes = team.size, team.lanes
    group = max(size, 32)
    teams = group // size
    load, store = float_access(d)

    @kernel
    def run(guard, totals, records, chunks, order, values, out):
        thread = cuda.grid(1)
        inside = thread % group
        lane, medium = inside % size, medium_rows(totals)
        if guard[0] != 0 or lane >= lanes:
            return
        column = 4 * lane
        for item in range(thread // group, medium + heavy_pieces(totals), cuda.gridsize(1) // group):
            if item < medium:
                _, first, last, u = load4(records, 4 * item)
                last += first
            else:
                heavy, first, last, _ = load4(chunks, 4 * (item - medium))
                u = records[records.size - 1 - 4 * np.int64(heavy)]
            k, last = np.int64(first + inside // size), np.int64(last)
            a, b, c, e = load(values, np.int64(u) * d, column)
            while k + 3 * teams < last:
                p, q = np.int64(order[k]) * d, np.int64(order[k + teams]) * d
                r, s = np.int64(order[k + 2 * teams]) * d, np.int64(order[k + 3 * teams]) * d
                store(out, p, column, a, b, c, e)
                store(out, q, column, a, b, c, e)
                store(out, r, column, a, b, c, e)
                store(out, s, column, a, b, c, e)
                k += 4 * teams
            while k < last:
                store(out, np.int64(order[k]) * d, column, a, b, c, e)
                k += teams

    return run


@functools.cache
def sum_rows(d: int) -> Any:
    """Kernel: gradients of the unique rows into `kept` (unique, d); ``guard[1]`` becomes 1 if one is not finite."""
    team = team_of(d)
    size, lanes = team.size, team.lanes
    gradient = row_gradient(d)
    _, store = float_access(d)

    @kernel
    def run(guard, totals, records, order, peaks, sums, summed, grads, kept):
        thread = cuda.grid(1)
        lane = thread % size
        if lane < lanes:
            for u in range(thread // size, unique_rows(totals), cuda.gridsize(1) // size):
                _, at, number, among = load4(records, 4 * u)
                a, b, c, e = gradient(4 * lane, at, number, among, order, peaks, sums, summed, grads)
                if too_large4(a, b, c, e):
                    guard[1] = 1
                store(kept, np.int64(u) * d, 4 * lane, a, b, c, e)

    return run


@functools.cache
def pending(d: int, bits: int, layout: Layout) -> Any:
    """Kernel: ``out[i]`` = nearest-rounded value of the moved row of position ``i`` under its present step size."""
    team = team_of(d)
    size, lanes = team.size, team.lanes
    (load_codes, _), step_at = code_access(d, bits, layout.codes), step_size_index(layout)
    load, store = float_access(d)
    value = _value(bits)

    @kernel
    def run(guard, count, inverse, records, updates, items, step_size, offsets, units, rates, out):
        thread = cuda.grid(1)
        lane = thread % size
        if guard[0] != 0 or lane >= lanes:
            return
        decay = rates[DECAY]
        for i in range(thread // size, count, cuda.gridsize(1) // size):
            u = np.int64(inverse[i])
            row = np.int64(np.uint32(records[4 * u]))
            delta = step_size[step_at(row, offsets, units)]
            a, b, c, e = load_codes(items, row, lane)
            m0, m1, m2, m3 = load(updates, u * d, 4 * lane)
            store(
                out,
                np.int64(i) * d,
                4 * lane,
                value(a, m0, delta, decay),
                value(b, m1, delta, decay),
                value(c, m2, delta, decay),
                value(e, m3, delta, decay),
            )

    return run


@functools.cache
def round_pending(d: int, bits: int, stochastic: bool, layout: Layout) -> Any:
    """Kernel: the pending rows rounded on their unit's new grid."""
    team = team_of(d)
    size, lanes = team.size, team.lanes
    rounded, (load_codes, _) = rounded_codes(d, bits, stochastic, layout), code_access(d, bits, layout.codes)
    load, _ = float_access(d)
    number_at = 1 if layout.keyed else 0

    @kernel
    def run(
        guard, totals, records, updates, items, step_size, old_step_size, offsets, units, rates, control, k0, k1, stats
    ):
        tally = cuda.shared.array(3, np.int32)
        if guard[0] != 0 or guard[1] != 0:
            return
        thread = cuda.grid(1)
        lane = thread % size
        unique = unique_rows(totals)
        count_before = control[UPDATE_COUNT]
        decay = rates[DECAY]
        nonzero, stalled, clipped = np.int32(0), np.int32(0), np.int32(0)
        if lane < lanes:
            for u in range(thread // size, unique, cuda.gridsize(1) // size):
                row, number = np.uint32(records[4 * u]), np.uint32(records[4 * u + number_at])
                unit = np.int64(unit_of(np.int64(number), offsets, units))
                new = step_size[unit]
                ratio = np.float32(old_step_size[unit] / new)
                m0, m1, m2, m3 = load(updates, np.int64(u) * d, 4 * lane)
                codes = load_codes(items, row, lane)
                more = rounded(codes, row, number, lane, m0, m1, m2, m3, ratio, new, decay, items, count_before, k0, k1)
                nonzero += more[0]
                stalled += more[1]
                clipped += more[2]
        add_stats(stats, tally, cuda.threadIdx.x, unique, d, nonzero, stalled, clipped)

    return run
