"""ALPT's step sizes on the GPU: their gradient at the moved weights, their update, and the rounding after it.

With one step size per row that is one launch, `finish_rows`; with one per field or table it is four, because all rows
of a unit must be summed before any is rounded: `step_gradients`, `units.sum_units`, `units.move_units` and
`pending.round_pending`.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.optimizers import BETA1, BETA2, DECAY, EPS, FLOOR, LAST_COUNT, STEP_SIZE_LR, TAKE1, TAKE2
from alpt_ref.kernels.cuda.sums import EXPONENT, magnitude, row_gradient
from alpt_ref.kernels.cuda.target import cuda, device, kernel, load4
from alpt_ref.kernels.cuda.team import Layout, code_access, float_access, row_total, team_of
from alpt_ref.kernels.cuda.unique import SUMMED, medium_rows, record_of, rows_of, unique_rows
from alpt_ref.kernels.cuda.update import FLOOR_HITS, NO_CODES, REGISTERS, UPDATE_COUNT, add_stats, rounded_codes
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.code_range import code_range
from alpt_ref.scalar.quantizer import grid_shift, moved_step_derivative
from alpt_ref.scalar.units import unit_of
from alpt_ref.scalar.update import adagrad_direction, adam_direction, moment, moved_step_size

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


@functools.cache
def step_size_products(d: int, bits: int) -> Any:
    """Four terms ``gradient * dQ/dstep`` of a row at its moved weights (theory R5)."""
    low, high = (np.float32(code) for code in code_range(bits))

    @device
    def one(code, update, gradient, delta, decay):
        shift = grid_shift(code, _ONE, update, delta, decay)
        return np.float32(mul(gradient, moved_step_derivative(code, shift, low, high)))

    @device
    def products(codes, updates, column, a, b, c, e, delta, decay):
        c0, c1, c2, c3 = codes
        m0, m1, m2, m3 = updates
        p0 = one(c0, m0, a, delta, decay)
        p1 = one(c1, m1, b, delta, decay) if column + 1 < d else _ZERO
        p2 = one(c2, m2, c, delta, decay) if column + 2 < d else _ZERO
        p3 = one(c3, m3, e, delta, decay) if column + 3 < d else _ZERO
        return p0, p1, p2, p3

    return products


@functools.cache
def step_size_update(optimizer: str, log_domain: bool, layout: Layout) -> Any:
    """A step size's new value: ``(new step size, was held at the floor)``; advances the optimiser's state.

    `keep` tells which thread writes the state; the state must have been read by all before: `state` gives it.
    """

    first_stride, first_offset = layout.step_size_first.stride, layout.step_size_first.offset
    second_stride, second_offset = layout.step_size_second.stride, layout.step_size_second.offset
    count_stride, count_offset = layout.step_size_count.stride, layout.step_size_count.offset

    @device
    def state(unit, first, second, count):
        if optimizer == "sgd":
            return _ZERO, _ZERO, np.int32(0)
        m = first[unit * first_stride + first_offset]
        if optimizer == "adagrad" or optimizer == "momentum":
            return m, _ZERO, np.int32(0)
        return m, second[unit * second_stride + second_offset], count[unit * count_stride + count_offset]

    @device
    def move(unit, keep, g, old, m, v, seen, first, second, count, corrections, rates, learns):
        rate, eps, floor = rates[STEP_SIZE_LR], rates[EPS], rates[FLOOR]
        update = _ZERO
        if optimizer == "sgd":
            update = np.float32(mul(g, rate))
        elif optimizer == "adagrad":
            total = np.float32(m + np.float32(_ZERO + mul(g, g)))
            update = np.float32(mul(adagrad_direction(g, total, eps), rate))
            if keep:
                first[unit * first_stride + first_offset] = total
        elif optimizer == "momentum":
            m = moment(m, g, rates[BETA1], rates[TAKE1])
            update = np.float32(mul(m, rate))
            if keep:
                first[unit * first_stride + first_offset] = m
        else:
            t = np.int32(min(seen, LAST_COUNT) + np.int32(1))
            place = 2 * min(np.int64(t), np.int64(corrections.size // 2 - 1))
            m = moment(m, g, rates[BETA1], rates[TAKE1])
            v = moment(v, np.float32(mul(g, g)), rates[BETA2], rates[TAKE2])
            update = np.float32(mul(adam_direction(m, v, corrections[place], corrections[place + 1], eps), rate))
            if keep:
                first[unit * first_stride + first_offset] = m
                second[unit * second_stride + second_offset] = v
                count[unit * count_stride + count_offset] = t
        if learns == 0:
            return old, np.int32(0)
        return moved_step_size(old, update, log_domain, floor)

    return state, move


@functools.cache
def finish_rows(
    d: int, bits: int, optimizer: str, stochastic: bool, log_domain: bool, one_pass: bool, layout: Layout
) -> Any:
    """Kernel: gradient and update of the step sizes and rounding of the pending rows, where each row has its own.

    Of one kind of rows (`unique.rows_of`), as in `pending.begin`.
    """
    team = team_of(d)
    size, lanes, block, sync = team.size, team.lanes, team.block, team.sync
    teams, wide = block // size, 4 * block
    gradient, products, sum_row = row_gradient(d), step_size_products(d, bits), row_total(d)
    rounded, (load_codes, _) = rounded_codes(d, bits, stochastic, layout), code_access(d, bits, layout.codes)
    load, _ = float_access(d)
    state, move = step_size_update(optimizer, log_domain, layout)
    stride, offset = layout.step_size.stride, layout.step_size.offset
    keyed = layout.keyed

    @kernel(registers=REGISTERS)
    def run(row_class, guard, totals, records, order, peaks, sums, summed, grads, updates, items, step_size,
            first, second, count, corrections, rates, learns, scale, control, k0, k1, stats):  # fmt: skip
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
            row, at, number, among, u = record_of(records, tile + tid // size, rows, row_class, medium)
            tile += cuda.gridDim.x * teams
            active = number > 0 and lane < lanes
            of, codes = np.uint32(at) if keyed else row, NO_CODES
            old, m, v, t = _ONE, _ZERO, _ZERO, np.int32(0)
            m0, m1, m2, m3 = _ZERO, _ZERO, _ZERO, _ZERO
            if active:
                key = np.int64(row)
                old = step_size[key * stride + offset]
                m, v, t = state(key, first, second, count)
                codes = load_codes(items, row, lane)
                m0, m1, m2, m3 = load(updates, np.int64(u) * d, column)
                if one_pass:
                    a, b, c, e = load(grads, np.int64(u) * d, column)
                else:
                    a, b, c, e = gradient(column, at, number, among, order, peaks, sums, summed, grads)
                p0, p1, p2, p3 = products(codes, (m0, m1, m2, m3), column, a, b, c, e, old, decay)
                spare[4 * tid] = p0
                spare[4 * tid + 1] = p1
                spare[4 * tid + 2] = p2
                spare[4 * tid + 3] = p3
            sync()
            if active:
                g = np.float32(mul(sum_row(spare, 4 * lead), scale))
                if log_domain:
                    g = np.float32(mul(g, old))
                if magnitude(g) >= EXPONENT:
                    guard[1] = 2
                else:
                    new, held = move(
                        np.int64(row), lane == 0, g, old, m, v, t, first, second, count, corrections, rates, learns
                    )
                    if lane == 0:
                        step_size[np.int64(row) * stride + offset] = new
                        if held != 0:
                            cuda.atomic.add(stats, FLOOR_HITS, np.int64(1))
                    ratio = np.float32(old / new)
                    more = rounded(codes, row, of, lane, m0, m1, m2, m3, ratio, new, decay, items, count_before, k0, k1)
                    nonzero += more[0]
                    stalled += more[1]
                    clipped += more[2]
            sync()
        counted = 0 if row_class == SUMMED else rows  # the launch for the other rows has counted these
        add_stats(stats, tally, tid, counted, d, nonzero, stalled, clipped)

    return run


@functools.cache
def step_gradients(d: int, bits: int, one_pass: bool, layout: Layout) -> Any:
    """Kernel: scaled step-size gradient of each pending row, ``out[u]``; its magnitude and number to its unit."""
    team = team_of(d)
    size, lanes, block, sync = team.size, team.lanes, team.block, team.sync
    teams, wide = block // size, 4 * block
    gradient, products, sum_row = row_gradient(d), step_size_products(d, bits), row_total(d)
    load_codes, _ = code_access(d, bits, layout.codes)
    load, _ = float_access(d)
    keyed = layout.keyed

    @kernel
    def run(guard, totals, records, order, peaks, sums, summed, grads, updates, items, step_size,
            offsets, units, rates, scale, out, unit_peak, unit_count):  # fmt: skip
        spare = cuda.shared.array(wide, np.float32)
        if guard[0] != 0:
            return
        tid = cuda.threadIdx.x
        lane = tid % size
        lead = tid - lane
        column = 4 * lane
        unique = unique_rows(totals)
        decay = rates[DECAY]
        for tile in range(cuda.blockIdx.x * teams, unique, cuda.gridDim.x * teams):
            u = tile + tid // size
            active = u < unique and lane < lanes
            unit = np.int64(0)
            if active:
                row, at, number, among = load4(records, 4 * u)
                row = np.uint32(row)
                if one_pass:
                    a, b, c, e = load(grads, np.int64(u) * d, column)
                else:
                    a, b, c, e = gradient(column, at, number, among, order, peaks, sums, summed, grads)
                unit = np.int64(unit_of(np.int64(np.uint32(at) if keyed else row), offsets, units))
                codes, moved = load_codes(items, row, lane), load(updates, np.int64(u) * d, column)
                p0, p1, p2, p3 = products(codes, moved, column, a, b, c, e, step_size[unit], decay)
                spare[4 * tid] = p0
                spare[4 * tid + 1] = p1
                spare[4 * tid + 2] = p2
                spare[4 * tid + 3] = p3
            sync()
            if active and lane == 0:
                g = np.float32(mul(sum_row(spare, 4 * lead), scale))
                out[u] = g
                if magnitude(g) >= EXPONENT:
                    guard[1] = 2
                cuda.atomic.max(unit_peak, unit, magnitude(g))
                cuda.atomic.add(unit_count, unit, np.int64(1))
            sync()

    return run
