"""One launch updates the batch's unique rows: gradient sum, optimiser, low-precision rounding (or float32 subtraction).

A team of threads owns a row, four columns each (see `team`). What a row needs is read once and written once. Kernels are
made for one (d, bits, optimiser, rounding), so that the compiler sees constants; the learning rates, the update counter
and the number of unique rows are read from device memory, so that a captured graph can be replayed while they change.

`guard` (int32, 2): where ``guard[0]`` is not zero nothing is updated; ``guard[1]`` is set when a row's sum is not finite
(that row then stays as it is).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...scalar.arith import mul
from ...scalar.fixed_point import fixed_unit
from ...scalar.philox import PURPOSE_UPDATE, counter_1, counter_2, counter_3, philox4x32
from ...scalar.quantizer import grid_shift, moved_code
from ...scalar.update import adagrad_direction, adam_direction, moment
from ..cpu.rows import unit_of
from .plan import HEAVY, magnitude, unique_rows
from .team import Layout, code_access, float_access, row_total, team_of
from .target import cuda, device, kernel, load4

LR, DECAY, STEP_LR, BETA1, BETA2, TAKE1, TAKE2, EPS, FLOOR = range(9)
"""Places in `rates` (float32)."""
ELEMENTS, NONZERO, STALLED, CLIPPED, FLOOR_HITS = range(5)
"""Places in `stats` (int64)."""
UPDATES = 0
"""Place of the update counter in `control` (int64)."""

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_EXPONENT = np.int32(0x7F800000)
_LAST_COUNT = np.int32(2147483646)


@functools.cache
def row_gradient(d: int) -> Any:
    """The four summed gradients of this thread's columns, for a row's record (see `plan`)."""
    load, _ = float_access(d)

    @device
    def gradient(column, first, size, among, order, peaks, sums, summed, grads):  # type: ignore[no-untyped-def]
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


@device
def not_finite4(a, b, c, e):  # type: ignore[no-untyped-def]
    """Whether one of four float32 is NaN or infinite."""
    largest = max(max(magnitude(a), magnitude(b)), max(magnitude(c), magnitude(e)))
    return largest >= _EXPONENT


@functools.cache
def optimizer_state(optimizer: str, d: int, layout: Layout) -> Any:
    """The state that `optimizer_moves` needs, read early so that its loads overlap those of the gradients."""
    load, _ = float_access(d)
    first_stride, first_offset = layout.first.stride, layout.first.offset
    second_stride, second_offset = layout.second.stride, layout.second.offset
    count_stride, count_offset = layout.count.stride, layout.count.offset

    if optimizer == "sgd":

        @device
        def state(row, column, first, second, count):  # type: ignore[no-untyped-def]
            return np.int32(0), _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO

    elif optimizer == "adagrad":

        @device
        def state(row, column, first, second, count):  # type: ignore[no-untyped-def]
            return np.int32(0), first[np.int64(row) * first_stride + first_offset], _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO

    else:

        @device
        def state(row, column, first, second, count):  # type: ignore[no-untyped-def]
            key = np.int64(row)
            m0, m1, m2, m3 = load(first, key * first_stride + first_offset, column)
            v0, v1, v2, v3 = load(second, key * second_stride + second_offset, column)
            return count[key * count_stride + count_offset], m0, m1, m2, m3, v0, v1, v2, v3

    return state


@functools.cache
def optimizer_moves(optimizer: str, d: int, layout: Layout) -> Any:
    """Gradients of four columns to moves (learning rate times direction); writes the row's new state.

    All threads of the block call it together. `first` is the accumulator (n,) under Adagrad.
    """
    sync = team_of(d).sync
    _, store = float_access(d)
    sum_row = row_total(d)
    first_stride, first_offset = layout.first.stride, layout.first.offset
    second_stride, second_offset = layout.second.stride, layout.second.offset
    count_stride, count_offset = layout.count.stride, layout.count.offset

    if optimizer == "sgd":

        @device
        def moves(active, row, tid, lead, column, a, b, c, e, old, first, second, count, corrections, rates, spare):  # type: ignore[no-untyped-def]
            lr = rates[LR]
            return np.float32(mul(a, lr)), np.float32(mul(b, lr)), np.float32(mul(c, lr)), np.float32(mul(e, lr))

    elif optimizer == "adagrad":
        count_, share = np.float32(d), np.float32(1.0 / d)
        power_of_two = d & (d - 1) == 0  # a division that the compiler turns into a product, and fuses with the sum

        @device
        def mean(total):  # type: ignore[no-untyped-def]
            return np.float32(mul(total, share)) if power_of_two else np.float32(total / count_)

        @device
        def moves(active, row, tid, lead, column, a, b, c, e, old, first, second, count, corrections, rates, spare):  # type: ignore[no-untyped-def]
            lr, eps = rates[LR], rates[EPS]
            spare[4 * tid] = mul(a, a)
            spare[4 * tid + 1] = mul(b, b)
            spare[4 * tid + 2] = mul(c, c)
            spare[4 * tid + 3] = mul(e, e)
            sync()
            total = np.float32(old[1] + mean(sum_row(spare, 4 * lead)))
            if active and tid == lead:
                first[np.int64(row) * first_stride + first_offset] = total
            return (
                np.float32(mul(adagrad_direction(a, total, eps), lr)),
                np.float32(mul(adagrad_direction(b, total, eps), lr)),
                np.float32(mul(adagrad_direction(c, total, eps), lr)),
                np.float32(mul(adagrad_direction(e, total, eps), lr)),
            )

    else:

        @device
        def moves(active, row, tid, lead, column, a, b, c, e, old, first, second, count, corrections, rates, spare):  # type: ignore[no-untyped-def]
            sync()  # all threads of the team have read the count
            if active:
                seen, m0, m1, m2, m3, v0, v1, v2, v3 = old
                t = np.int32(min(seen, _LAST_COUNT) + np.int32(1))
                if tid == lead:
                    count[np.int64(row) * count_stride + count_offset] = t
                place = 2 * min(np.int64(t), np.int64(corrections.size // 2 - 1))
                correct1, correct2 = corrections[place], corrections[place + 1]
                b1, b2, take1, take2 = rates[BETA1], rates[BETA2], rates[TAKE1], rates[TAKE2]
                lr, eps = rates[LR], rates[EPS]
                key = np.int64(row)
                m0, m1 = moment(m0, a, b1, take1), moment(m1, b, b1, take1)
                m2, m3 = moment(m2, c, b1, take1), moment(m3, e, b1, take1)
                v0 = moment(v0, np.float32(mul(a, a)), b2, take2)
                v1 = moment(v1, np.float32(mul(b, b)), b2, take2)
                v2 = moment(v2, np.float32(mul(c, c)), b2, take2)
                v3 = moment(v3, np.float32(mul(e, e)), b2, take2)
                store(first, key * first_stride + first_offset, column, m0, m1, m2, m3)
                store(second, key * second_stride + second_offset, column, v0, v1, v2, v3)
                a = np.float32(mul(adam_direction(m0, v0, correct1, correct2, eps), lr))
                b = np.float32(mul(adam_direction(m1, v1, correct1, correct2, eps), lr))
                c = np.float32(mul(adam_direction(m2, v2, correct1, correct2, eps), lr))
                e = np.float32(mul(adam_direction(m3, v3, correct1, correct2, eps), lr))
            return a, b, c, e

    return moves


@functools.cache
def step_index(layout: Layout) -> Any:
    """Where the step size of a table row lies in the array of step sizes."""
    stride, offset = layout.step.stride, layout.step.offset

    if layout.per_row:

        @device
        def index(row, offsets, units):  # type: ignore[no-untyped-def]
            return row * stride + offset

    else:

        @device
        def index(row, offsets, units):  # type: ignore[no-untyped-def]
            return np.int64(unit_of(row, offsets, units))

    return index


NO_STATE = (np.int32(0), *([np.float32(0.0)] * 8))
"""Stands for the state in threads without a row."""


@functools.cache
def rounded_codes(d: int, bits: int, stochastic: bool, layout: Layout) -> Any:
    """Moved codes of four columns on the new grid, stored; returns how many moved, stalled and were clipped."""
    _, store_codes = code_access(d, bits, layout.codes)
    low, high = np.int32(-(1 << (bits - 1))), np.int32((1 << (bits - 1)) - 1)

    @device
    def one(before, ratio, move, delta, decay, word, valid):  # type: ignore[no-untyped-def]
        shift = grid_shift(before, ratio, move, delta, decay)
        moved = moved_code(before, ratio, shift, stochastic, word)
        after = np.int32(min(max(moved, low), high))
        nonzero = np.int32(1) if valid and shift != _ZERO else np.int32(0)
        stalled = nonzero if after == before else np.int32(0)
        clipped = np.int32(1) if valid and after != moved else np.int32(0)
        return after, nonzero, stalled, clipped

    @device
    def rounded(codes, row, lane, a, b, c, e, ratio, delta, decay, items, updates, k0, k1):  # type: ignore[no-untyped-def]
        c0, c1, c2, c3 = codes
        w0, w1, w2, w3 = np.uint32(0), np.uint32(0), np.uint32(0), np.uint32(0)
        if stochastic:
            wide = np.int64(row)
            w0, w1, w2, w3 = philox4x32(
                np.uint32(row), counter_1(wide, lane), counter_2(updates), counter_3(updates, PURPOSE_UPDATE), k0, k1
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
def add_stats(stats, tally, tid, unique, d, nonzero, stalled, clipped):  # type: ignore[no-untyped-def]
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


NO_CODES = (np.int32(0), np.int32(0), np.int32(0), np.int32(0))
"""Stands for the codes in threads without a row."""


@functools.cache
def update_codes(d: int, bits: int, optimizer: str, stochastic: bool, layout: Layout) -> Any:
    """Kernel of one LPT step on the unique rows."""
    team = team_of(d)
    size, lanes, block, sync = team.size, team.lanes, team.block, team.sync
    teams, wide = block // size, 4 * block
    gradient, state = row_gradient(d), optimizer_state(optimizer, d, layout)
    moves, rounded = optimizer_moves(optimizer, d, layout), rounded_codes(d, bits, stochastic, layout)
    (load_codes, _), step_at = code_access(d, bits, layout.codes), step_index(layout)

    @kernel
    def update(guard, totals, records, order, peaks, sums, summed, grads, items, step, offsets,
               units, first, second, count, corrections, rates, control, k0, k1, stats):  # type: ignore[no-untyped-def] # fmt: skip
        spare = cuda.shared.array(wide, np.float32)
        tally = cuda.shared.array(3, np.int32)
        if guard[0] != 0:
            return
        tid = cuda.threadIdx.x
        lane = tid % size
        lead = tid - lane
        column = 4 * lane
        unique = unique_rows(totals)
        updates = control[UPDATES]
        decay = rates[DECAY]
        nonzero, stalled, clipped = np.int32(0), np.int32(0), np.int32(0)
        for tile in range(cuda.blockIdx.x * teams, unique, cuda.gridDim.x * teams):
            u = tile + tid // size
            active = u < unique and lane < lanes
            row, delta, codes, old = np.uint32(0), _ONE, NO_CODES, NO_STATE
            a, b, c, e = _ZERO, _ZERO, _ZERO, _ZERO
            if active:
                row, at, number, among = load4(records, 4 * u)
                row = np.uint32(row)
                old = state(row, column, first, second, count)
                codes = load_codes(items, row, lane)
                delta = step[step_at(np.int64(row), offsets, units)]
                a, b, c, e = gradient(column, at, number, among, order, peaks, sums, summed, grads)
            bad = not_finite4(a, b, c, e)
            if bad:
                guard[1] = 1
            a, b, c, e = moves(
                active, row, tid, lead, column, a, b, c, e, old, first, second, count, corrections, rates, spare
            )
            if active and not bad:
                more = rounded(codes, row, lane, a, b, c, e, _ONE, delta, decay, items, updates, k0, k1)
                nonzero += more[0]
                stalled += more[1]
                clipped += more[2]
            sync()
        add_stats(stats, tally, tid, unique, d, nonzero, stalled, clipped)

    return update


@functools.cache
def update_weights(d: int, optimizer: str, layout: Layout) -> Any:
    """Kernel of one step of a float32 table on the unique rows."""
    team = team_of(d)
    size, lanes, block, sync = team.size, team.lanes, team.block, team.sync
    teams, wide = block // size, 4 * block
    gradient, state = row_gradient(d), optimizer_state(optimizer, d, layout)
    moves = optimizer_moves(optimizer, d, layout)
    stride, offset = layout.weights.stride, layout.weights.offset
    load, store = float_access(d)

    @kernel
    def update(guard, totals, records, order, peaks, sums, summed, grads, weights,
               first, second, count, corrections, rates):  # type: ignore[no-untyped-def] # fmt: skip
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
            row, old = np.uint32(0), NO_STATE
            a, b, c, e = _ZERO, _ZERO, _ZERO, _ZERO
            w0, w1, w2, w3 = _ZERO, _ZERO, _ZERO, _ZERO
            if active:
                row, at, number, among = load4(records, 4 * u)
                row = np.uint32(row)
                old = state(row, column, first, second, count)
                w0, w1, w2, w3 = load(weights, np.int64(row) * stride + offset, column)
                a, b, c, e = gradient(column, at, number, among, order, peaks, sums, summed, grads)
            bad = not_finite4(a, b, c, e)
            if bad:
                guard[1] = 1
            a, b, c, e = moves(
                active, row, tid, lead, column, a, b, c, e, old, first, second, count, corrections, rates, spare
            )
            if active and not bad:
                w0 = np.float32(w0 - np.float32(a + mul(decay, w0)))
                w1 = np.float32(w1 - np.float32(b + mul(decay, w1)))
                w2 = np.float32(w2 - np.float32(c + mul(decay, w2)))
                w3 = np.float32(w3 - np.float32(e + mul(decay, w3)))
                store(weights, np.int64(row) * stride + offset, column, w0, w1, w2, w3)
            sync()

    return update


@kernel
def advance(guard: Any, control: Any) -> None:
    """Count an update that was made."""
    if cuda.grid(1) == 0 and guard[0] == 0:
        control[UPDATES] += 1
