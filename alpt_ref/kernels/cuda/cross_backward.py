"""Backward of DCN's cross layers on the GPU; the formulas are in `alpt_ref.models.cross`, the units in `cross`.

Their part of the gradient of x comes with the product of the MLP's first layer where shapes allow (`join_weight`,
`cross_scalars` with `joins`; `alpt_ref.models.ops_cuda_cross`), and by a pass over x elsewhere.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from alpt_ref.kernels.cuda.bf16 import put_number, store_numbers
from alpt_ref.kernels.cuda.cross import UNITS
from alpt_ref.kernels.cuda.reduce import (
    FOLD,
    LANES,
    NONE4,
    ROW_LANES,
    THREADS,
    add_times4,
    block_sum,
    fold,
    fold_parts,
    not_finite,
    of_block,
    put4,
    take4,
)
from alpt_ref.kernels.cuda.target import cuda, device, kernel, load4, store4

TAIL = 8
"""Columns that hold the units where their part of the gradient of x is made by the matrix product of the first layer:
as many as keep rows of bfloat16 on 16 bytes."""


@device
def _four_scalars(d, c, g, layers):
    """``ddots`` of a row's units where there are four, and what it adds to the sums of their dc_l."""
    zero, one = np.float32(0), np.float32(1)
    alpha1 = one + (one * d[0] + c[0]) if layers > 0 else one
    alpha2 = alpha1 + (alpha1 * d[1] + c[1]) if layers > 1 else alpha1
    alpha3 = alpha2 + (alpha2 * d[2] + c[2]) if layers > 2 else alpha2
    dot = d[0] if layers == 0 else d[1] if layers == 1 else d[2] if layers == 2 else d[3]
    dalpha = g * dot
    e3 = g if layers == 3 else zero
    e2 = dalpha if layers > 2 else g if layers == 2 else zero
    dalpha = dalpha + dalpha * d[2] if layers > 2 else dalpha
    e1 = dalpha if layers > 1 else g if layers == 1 else zero
    dalpha = dalpha + dalpha * d[1] if layers > 1 else dalpha
    e0 = dalpha if layers > 0 else g
    return (e0, e1 * alpha1, e2 * alpha2, e3 * alpha3), (e0, e1, e2, e3)


@kernel
def cross_scalars_four(
    dots, constants, dlogits, rows, layers, units, params, ddots, dconstants, joins, tail, lead, first
):  # fmt: skip
    """`cross_scalars` where there are `UNITS` units: a row's numbers stay in registers."""
    i, zero = cuda.grid(1), np.float32(0)
    e = NONE4
    if i < rows:
        x, e = _four_scalars(load4(dots, UNITS * i), load4(constants, 0), dlogits[i], layers)
        store4(ddots, UNITS * i, x[0], x[1], x[2], x[3])
        if joins:
            store_numbers(tail, i * lead + first, x[0], x[1], x[2], x[3])
            store_numbers(tail, i * lead + first + UNITS, zero, zero, zero, zero)
    if params:
        a, b = block_sum(np.float64(e[0])), block_sum(np.float64(e[1]))
        c, d = block_sum(np.float64(e[2])), block_sum(np.float64(e[3]))
        if cuda.threadIdx.x == 0:
            place = units * cuda.blockIdx.x
            dconstants[place] = a
            dconstants[place + 1] = b
            dconstants[place + 2] = c
            dconstants[place + 3] = d


@kernel
def cross_scalars(
    dots, constants, dlogits, rows, layers, units, params, ddots, dconstants, joins, tail, lead, first
):  # fmt: skip
    """Of every row ``ddots[i, l]``, the gradient of its dot products; with `params` per block the sums of dc_l.

    A thread takes a row; `ddots` first holds alpha_l. With `joins` they go into `TAIL` columns from `first` on of
    `tail`, rows of `lead` columns, too.
    """
    i = cuda.grid(1)
    place, inside = i * units, i < rows
    dalpha = np.float32(0)
    if inside:
        alpha = np.float32(1)
        for layer in range(layers):
            ddots[place + layer] = alpha
            alpha += alpha * dots[place + layer] + constants[layer]
        g = dlogits[i]
        for unit in range(layers + 1, units):
            ddots[place + unit] = np.float32(0)
        ddots[place + layers] = g * alpha
        dalpha = g
    for k in range(layers + 1):
        layer = layers - k
        if params:
            total = block_sum(np.float64(dalpha))
            if cuda.threadIdx.x == 0:
                dconstants[cuda.blockIdx.x * units + layer] = total
        if inside:
            if k == 0:
                dalpha = dalpha * dots[place + layers]
            else:
                ddots[place + layer] = dalpha * ddots[place + layer]
                dalpha += dalpha * dots[place + layer]
    if inside and joins:
        for unit in range(TAIL):
            put_number(tail, i * lead + first + unit, ddots[place + unit] if unit < units else np.float32(0))


@kernel
def join_weight(weight, vectors, inputs, columns, units, joined):
    """``joined`` (inputs, columns + TAIL) = `weight` (inputs, columns) and beside it the units' vectors, then zeros."""
    lead = columns + TAIL
    for place in range(4 * cuda.grid(1), inputs * lead, 4 * cuda.gridsize(1)):
        j, c = place // lead, place % lead
        if c < columns:
            a, b, d, e = load4(weight, j * columns + c)
        else:
            a, b, d, e = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            if c - columns < units:  # a multiple of four, as c is
                at = (c - columns) * inputs + j
                a, b = vectors[at], vectors[at + inputs]
                d, e = vectors[at + 2 * inputs], vectors[at + 3 * inputs]
        store_numbers(joined, place, a, b, d, e)


@kernel(registers=64)
def cross_sums(x, ddots, rows, columns, span, whole, units, first, parts, dvectors):
    """Per row block the sums of dw_l alone, of four units: where `dx` comes from elsewhere (`join_weight`)."""
    group, part, column, left = of_block(columns)
    a, b, c, d = NONE4, NONE4, NONE4, NONE4
    if left > 0:
        i, last = part * span + cuda.threadIdx.x // LANES, min((part + 1) * span, rows)
        here, step = i * columns + column, ROW_LANES * columns
        while whole and i + ROW_LANES < last:
            y, z = take4(x, here, left, whole), take4(x, here + step, left, whole)
            e, f = load4(ddots, i * units + first), load4(ddots, (i + ROW_LANES) * units + first)
            a, b = add_times4(add_times4(a, e[0], y), f[0], z), add_times4(add_times4(b, e[1], y), f[1], z)
            c, d = add_times4(add_times4(c, e[2], y), f[2], z), add_times4(add_times4(d, e[3], y), f[3], z)
            i, here = i + 2 * ROW_LANES, here + 2 * step
        while i < last:
            y, e = take4(x, here, left, whole), load4(ddots, i * units + first)
            a, b, c, d = add_times4(a, e[0], y), add_times4(b, e[1], y), add_times4(c, e[2], y), add_times4(d, e[3], y)
            i, here = i + ROW_LANES, here + step
    fold(a, columns, group, dvectors, (first * parts + part) * columns)
    fold(b, columns, group, dvectors, ((first + 1) * parts + part) * columns)
    fold(c, columns, group, dvectors, ((first + 2) * parts + part) * columns)
    fold(d, columns, group, dvectors, ((first + 3) * parts + part) * columns)


@device
def add_units4(y, e, v0, v1, v2, v3):
    """``y + e . (v0, v1, v2, v3)`` for four columns."""
    return add_times4(add_times4(add_times4(add_times4(y, e[0], v0), e[1], v1), e[2], v2), e[3], v3)


@kernel(registers=64)
def cross_apply(x, vectors, ddots, rows, columns, span, whole, units, first, parts, dx, dvectors, guard, code):
    """Add ``sum_l ddots[i, l] vectors[l]`` over four units to `dx`, and per row block the sums of dw_l.

    With the last units it also sets ``guard[0] = code`` if `dx` is not finite anywhere.
    """
    group, part, column, left = of_block(columns)
    place = first * columns + column
    bad = False
    a, b, c, d = NONE4, NONE4, NONE4, NONE4
    if left > 0:
        v0, v1 = take4(vectors, place, left, whole), take4(vectors, place + columns, left, whole)
        v2, v3 = take4(vectors, place + 2 * columns, left, whole), take4(vectors, place + 3 * columns, left, whole)
        for i in range(part * span + cuda.threadIdx.x // LANES, min((part + 1) * span, rows), ROW_LANES):
            e, here = load4(ddots, i * units + first), i * columns + column
            z, y = take4(x, here, left, whole), take4(dx, here, left, whole)
            a, b, c, d = add_times4(a, e[0], z), add_times4(b, e[1], z), add_times4(c, e[2], z), add_times4(d, e[3], z)
            y0, y1, y2, y3 = add_units4(y, e, v0, v1, v2, v3)
            put4(dx, here, left, whole, y0, y1, y2, y3)
            bad = bad or not_finite(y0, y1, y2, y3)
    if bad and first + UNITS == units:
        guard[0] = code
    fold(a, columns, group, dvectors, (first * parts + part) * columns)
    fold(b, columns, group, dvectors, ((first + 1) * parts + part) * columns)
    fold(c, columns, group, dvectors, ((first + 2) * parts + part) * columns)
    fold(d, columns, group, dvectors, ((first + 3) * parts + part) * columns)


@kernel(registers=64)
def cross_add(vectors, ddots, rows, columns, span, whole, units, first, dx, guard, code):
    """`cross_apply` without the sums."""
    _, part, column, left = of_block(columns)
    place = first * columns + column
    bad = False
    if left > 0:
        v0, v1 = take4(vectors, place, left, whole), take4(vectors, place + columns, left, whole)
        v2, v3 = take4(vectors, place + 2 * columns, left, whole), take4(vectors, place + 3 * columns, left, whole)
        i, last = part * span + cuda.threadIdx.x // LANES, min((part + 1) * span, rows)
        here, step = i * columns + column, ROW_LANES * columns
        while whole and i + ROW_LANES < last:
            e, f = load4(ddots, i * units + first), load4(ddots, (i + ROW_LANES) * units + first)
            y, z = take4(dx, here, left, whole), take4(dx, here + step, left, whole)
            y, z = add_units4(y, e, v0, v1, v2, v3), add_units4(z, f, v0, v1, v2, v3)
            put4(dx, here, left, whole, y[0], y[1], y[2], y[3])
            put4(dx, here + step, left, whole, z[0], z[1], z[2], z[3])
            bad = bad or not_finite(y[0], y[1], y[2], y[3]) or not_finite(z[0], z[1], z[2], z[3])
            i, here = i + 2 * ROW_LANES, here + 2 * step
        while i < last:
            y = add_units4(take4(dx, here, left, whole), load4(ddots, i * units + first), v0, v1, v2, v3)
            put4(dx, here, left, whole, y[0], y[1], y[2], y[3])
            bad = bad or not_finite(y[0], y[1], y[2], y[3])
            i, here = i + ROW_LANES, here + step
    if bad and first + UNITS == units:
        guard[0] = code


@kernel
def cross_finish(
    vectors, betas, dvectors, parts, dconstants, blocks, layers, units, columns, dweight, dbias, doutput
):  # fmt: skip
    """Gradients of weights, biases and output weights from the partial sums; db_k sums dc_l vector_l over l > k."""
    column = FOLD * cuda.blockIdx.x + cuda.threadIdx.x % FOLD
    below = np.float64(0.0)
    for k in range(layers + 1):
        unit = layers - k
        dconstant = np.float64(0.0)
        for block in range(cuda.threadIdx.x, blocks, THREADS):
            dconstant += dconstants[block * units + unit]
        dconstant = block_sum(dconstant)
        total = fold_parts(dvectors, unit * parts * columns, parts, columns, column)
        if cuda.threadIdx.x < FOLD and column < columns:
            gradient = np.float32(total + dconstant * betas[unit * columns + column])
            if unit == layers:
                doutput[column] = gradient
            else:
                dweight[unit * columns + column] = gradient
            below += dconstant * np.float64(vectors[unit * columns + column])
            if unit > 0:
                dbias[(unit - 1) * columns + column] = np.float32(below)
