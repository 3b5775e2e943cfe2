"""Backward of hidden layers and output unit on the GPU: batch norm and ReLU, their sums over a batch.

Arrays and `saved` as in `alpt_ref.kernels.cuda.dense`. Rows of gradients `dy` and `dz` begin every `lead` elements: a
layer's gradient may have more columns, which belong to something else.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from alpt_ref.kernels.cuda.dense import normal4
from alpt_ref.kernels.cuda.reduce import (
    FOLD,
    LANES,
    NONE4,
    ROW_LANES,
    add4,
    add_products4,
    add_times4,
    fold,
    fold_two,
    last_row,
    minus4,
    not_finite,
    of_block,
    put4,
    take4,
    times4,
)
from alpt_ref.kernels.cuda.target import cuda, device, kernel
from alpt_ref.scalar.arith import mul


@device
def gate(g, z, scale, shift):
    """The gradient `g` behind the ReLU of ``scale * z + shift``."""
    zero = np.float32(0)
    return g if z * scale + shift > zero else zero


@device
def gate4(g, z, scale, shift):
    """`gate` of four."""
    a, b = gate(g[0], z[0], scale[0], shift[0]), gate(g[1], z[1], scale[1], shift[1])
    return a, b, gate(g[2], z[2], scale[2], shift[2]), gate(g[3], z[3], scale[3], shift[3])


@kernel(registers=64)
def norm_backward_sums(dy, lead, z, saved, rows, columns, span, whole, sums, products):
    """Per row block: column sums of g and of ``g * (z - mean)``, where g is `dy` behind the ReLU."""
    group, part, column, left = of_block(columns)
    s, p = NONE4, NONE4
    if left > 0:
        scale, shift = take4(saved, column, left, whole), take4(saved, columns + column, left, whole)
        mean = take4(saved, 2 * columns + column, left, whole)
        i, last = part * span + cuda.threadIdx.x // LANES, min((part + 1) * span, rows)
        place, step = i * columns + column, ROW_LANES * columns
        there, stride = i * lead + column, ROW_LANES * lead
        while whole and i + ROW_LANES < last:
            x, g = take4(z, place, left, whole), take4(dy, there, left, whole)
            y, h = take4(z, place + step, left, whole), take4(dy, there + stride, left, whole)
            g, h = gate4(g, x, scale, shift), gate4(h, y, scale, shift)
            s = add4(add4(s, g), h)
            p = add_products4(add_products4(p, g, minus4(x, mean)), h, minus4(y, mean))
            i, place, there = i + 2 * ROW_LANES, place + 2 * step, there + 2 * stride
        while i < last:
            x = take4(z, place, left, whole)
            g = gate4(take4(dy, there, left, whole), x, scale, shift)
            s, p = add4(s, g), add_products4(p, g, minus4(x, mean))
            i, place, there = i + ROW_LANES, place + step, there + stride
    fold(s, columns, group, sums, part * columns)
    fold(p, columns, group, products, part * columns)


@kernel(registers=64)
def output_backward_sums(dlogits, z, saved, weight, rows, columns, span, whole, sums, products, params, dweights):
    """`norm_backward_sums` for ``dy[i] = dlogits[i] * weight``; with `params` the sums of ``dlogits[i] * y[i]`` too."""
    group, part, column, left = of_block(columns)
    s, p, w = NONE4, NONE4, NONE4
    if left > 0:
        scale, shift = take4(saved, column, left, whole), take4(saved, columns + column, left, whole)
        mean, factor = take4(saved, 2 * columns + column, left, whole), take4(weight, column, left, whole)
        i, last = part * span + cuda.threadIdx.x // LANES, min((part + 1) * span, rows)
        place, step = i * columns + column, ROW_LANES * columns
        while whole and i + ROW_LANES < last:
            x, y = take4(z, place, left, whole), take4(z, place + step, left, whole)
            one, two = dlogits[i], dlogits[i + ROW_LANES]
            if params:
                w = add_times4(add_times4(w, one, normal4(x, scale, shift)), two, normal4(y, scale, shift))
            g, h = gate4(times4(one, factor), x, scale, shift), gate4(times4(two, factor), y, scale, shift)
            s = add4(add4(s, g), h)
            p = add_products4(add_products4(p, g, minus4(x, mean)), h, minus4(y, mean))
            i, place = i + 2 * ROW_LANES, place + 2 * step
        while i < last:
            x, one = take4(z, place, left, whole), dlogits[i]
            if params:
                w = add_times4(w, one, normal4(x, scale, shift))
            g = gate4(times4(one, factor), x, scale, shift)
            s, p = add4(s, g), add_products4(p, g, minus4(x, mean))
            i, place = i + ROW_LANES, place + step
    fold(s, columns, group, sums, part * columns)
    fold(p, columns, group, products, part * columns)
    if params:
        fold(w, columns, group, dweights, part * columns)


@device
def put_results(saved, columns, j, scale, inverse_std, total, product, rows, params, dweight, dbias):
    """Of column j, from the sums of g and ``g * (z - mean)`` over a batch: what `finish_backward` stores."""
    product *= inverse_std
    saved[4 * columns + j] = np.float32(scale * (total / rows))
    saved[5 * columns + j] = np.float32(scale * inverse_std * (product / rows))
    if params:
        dbias[j] = np.float32(total)
        dweight[j] = np.float32(product)


@kernel
def finish_backward(sums, products, parts, rows, columns, saved, params, dweight, dbias):
    """Gradients of norm weight and bias (stored with `params`); offset and slope of the gradient of z in `saved`."""
    column = FOLD * cuda.blockIdx.x + cuda.threadIdx.x % FOLD
    at = min(column, columns - 1)
    inverse_std, scale = np.float64(saved[3 * columns + at]), np.float64(saved[at])
    total, product = fold_two(sums, products, parts, columns, column)
    if cuda.threadIdx.x < FOLD and column < columns:
        put_results(saved, columns, column, scale, inverse_std, total, product, rows, params, dweight, dbias)


@device
def put_backward4(dz, place, left, whole, g, z, scale, shift, mean, offset, slope):
    """Store ``scale * g - offset - slope * (z - mean)`` with g behind the ReLU; is one of the four not finite?

    The product is rounded on its own, so that the gradient of a batch of one row is exactly zero.
    """
    g, x = gate4(g, z, scale, shift), minus4(z, mean)
    a, b = mul(scale[0], g[0]) - offset[0] - slope[0] * x[0], mul(scale[1], g[1]) - offset[1] - slope[1] * x[1]
    c, d = mul(scale[2], g[2]) - offset[2] - slope[2] * x[2], mul(scale[3], g[3]) - offset[3] - slope[3] * x[3]
    put4(dz, place, left, whole, a, b, c, d)
    return not_finite(a, b, c, d)


@kernel(registers=64)
def norm_backward(dy, lead, z, saved, rows, columns, span, whole, guard, code):
    """In place ``dy <- scale * g - offset - slope * (z - mean)``: the gradient before batch norm and ReLU.

    Sets ``guard[0] = code`` if it is not finite anywhere.
    """
    _, part, column, left = of_block(columns)
    bad = False
    if left > 0:
        scale, shift = take4(saved, column, left, whole), take4(saved, columns + column, left, whole)
        mean, offset = take4(saved, 2 * columns + column, left, whole), take4(saved, 4 * columns + column, left, whole)
        slope = take4(saved, 5 * columns + column, left, whole)
        begin = part * span
        i = last_row(begin, min(begin + span, rows))
        place, step = i * columns + column, -ROW_LANES * columns
        there, stride = i * lead + column, -ROW_LANES * lead
        while whole and i - ROW_LANES >= begin:
            x, g = take4(z, place, left, whole), take4(dy, there, left, whole)
            y, h = take4(z, place + step, left, whole), take4(dy, there + stride, left, whole)
            bad = put_backward4(dy, there, left, whole, g, x, scale, shift, mean, offset, slope) or bad
            bad = put_backward4(dy, there + stride, left, whole, h, y, scale, shift, mean, offset, slope) or bad
            i, place, there = i - 2 * ROW_LANES, place + 2 * step, there + 2 * stride
        while i >= begin:
            x, g = take4(z, place, left, whole), take4(dy, there, left, whole)
            bad = put_backward4(dy, there, left, whole, g, x, scale, shift, mean, offset, slope) or bad
            i, place, there = i - ROW_LANES, place + step, there + stride
    if bad:
        guard[0] = code


@kernel(registers=64)
def output_backward(dlogits, z, saved, weight, rows, columns, span, whole, dz, lead, guard, code):
    """`norm_backward` for ``dy[i] = dlogits[i] * weight``, written to `dz`."""
    _, part, column, left = of_block(columns)
    bad = False
    if left > 0:
        scale, shift = take4(saved, column, left, whole), take4(saved, columns + column, left, whole)
        mean, offset = take4(saved, 2 * columns + column, left, whole), take4(saved, 4 * columns + column, left, whole)
        slope, factor = take4(saved, 5 * columns + column, left, whole), take4(weight, column, left, whole)
        begin = part * span
        i = last_row(begin, min(begin + span, rows))
        place, step = i * columns + column, -ROW_LANES * columns
        there, stride = i * lead + column, -ROW_LANES * lead
        while whole and i - ROW_LANES >= begin:
            x, y = take4(z, place, left, whole), take4(z, place + step, left, whole)
            g, h = times4(dlogits[i], factor), times4(dlogits[i - ROW_LANES], factor)
            bad = put_backward4(dz, there, left, whole, g, x, scale, shift, mean, offset, slope) or bad
            bad = put_backward4(dz, there + stride, left, whole, h, y, scale, shift, mean, offset, slope) or bad
            i, place, there = i - 2 * ROW_LANES, place + 2 * step, there + 2 * stride
        while i >= begin:
            x, g = take4(z, place, left, whole), times4(dlogits[i], factor)
            bad = put_backward4(dz, there, left, whole, g, x, scale, shift, mean, offset, slope) or bad
            i, place, there = i - ROW_LANES, place + step, there + stride
    if bad:
        guard[0] = code
