"""The row optimisers on the GPU: a row's state and summed gradient to updates, in the arithmetic of the CPU's.

A thread holds four columns of a row. The state is read before the gradients are added up and written with the updates.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.target import device
from alpt_ref.kernels.cuda.team import Layout, float_access, row_total, team_of
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.update import adagrad_direction, adam_direction, moment

LR, DECAY, STEP_SIZE_LR, BETA1, BETA2, TAKE1, TAKE2, EPS, FLOOR = range(9)
"""Places in `rates` (float32)."""
LAST_COUNT = np.int32(2147483646)
"""Updates of a row are counted up to here and one more."""
NO_STATE = (np.int32(0), *([np.float32(0.0)] * 8))
"""Stands for the state in threads without a row."""
_ZERO = np.float32(0.0)


@functools.cache
def optimizer_state(optimizer: str, d: int, layout: Layout) -> Any:
    """The state that `optimizer_updates` needs, read early so that its loads overlap those of the gradients."""
    load, _ = float_access(d)
    first_stride, first_offset = layout.first.stride, layout.first.offset
    second_stride, second_offset = layout.second.stride, layout.second.offset
    count_stride, count_offset = layout.count.stride, layout.count.offset

    if optimizer == "sgd":

        @device
        def state(row, column, first, second, count):
            return np.int32(0), _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO

    elif optimizer == "adagrad":

        @device
        def state(row, column, first, second, count):
            total = first[np.int64(row) * first_stride + first_offset]
            return np.int32(0), total, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO

    elif optimizer == "momentum":

        @device
        def state(row, column, first, second, count):
            m0, m1, m2, m3 = load(first, np.int64(row) * first_stride + first_offset, column)
            return np.int32(0), m0, m1, m2, m3, _ZERO, _ZERO, _ZERO, _ZERO

    else:

        @device
        def state(row, column, first, second, count):
            key = np.int64(row)
            m0, m1, m2, m3 = load(first, key * first_stride + first_offset, column)
            v0, v1, v2, v3 = load(second, key * second_stride + second_offset, column)
            return count[key * count_stride + count_offset], m0, m1, m2, m3, v0, v1, v2, v3

    return state


@functools.cache
def optimizer_updates(optimizer: str, d: int, layout: Layout) -> Any:
    """Gradients of four columns to updates (learning rate times direction); writes the row's new state.

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
        def updates(active, row, tid, lead, column, a, b, c, e, old, first, second, count, corrections, rates, spare):
            lr = rates[LR]
            return np.float32(mul(a, lr)), np.float32(mul(b, lr)), np.float32(mul(c, lr)), np.float32(mul(e, lr))

    elif optimizer == "adagrad":
        count_, share = np.float32(d), np.float32(1.0 / d)
        power_of_two = d & (d - 1) == 0  # a division that the compiler turns into a product, and fuses with the sum

        @device
        def mean(total):
            return np.float32(mul(total, share)) if power_of_two else np.float32(total / count_)

        @device
        def updates(active, row, tid, lead, column, a, b, c, e, old, first, second, count, corrections, rates, spare):
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

    elif optimizer == "momentum":

        @device
        def updates(active, row, tid, lead, column, a, b, c, e, old, first, second, count, corrections, rates, spare):
            if active:
                lr, keep, take = rates[LR], rates[BETA1], rates[TAKE1]
                m0, m1 = moment(old[1], a, keep, take), moment(old[2], b, keep, take)
                m2, m3 = moment(old[3], c, keep, take), moment(old[4], e, keep, take)
                store(first, np.int64(row) * first_stride + first_offset, column, m0, m1, m2, m3)
                a, b = np.float32(mul(m0, lr)), np.float32(mul(m1, lr))
                c, e = np.float32(mul(m2, lr)), np.float32(mul(m3, lr))
            return a, b, c, e

    else:

        @device
        def updates(active, row, tid, lead, column, a, b, c, e, old, first, second, count, corrections, rates, spare):
            sync()  # all threads of the team have read the count
            if active:
                seen, m0, m1, m2, m3, v0, v1, v2, v3 = old
                t = np.int32(min(seen, LAST_COUNT) + np.int32(1))
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

    return updates
