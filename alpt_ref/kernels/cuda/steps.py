"""What a training step on the GPU needs beside model and table: batch gathering, loss, checks, dense optimisers.

All of it is recorded once and replayed, so whatever changes from step to step lives in device memory:

    counters   int64 (3,)     steps of the dense optimiser; first position of the batch in `order`; steps of the run
    guard      int32 (2,)     what went wrong (0: nothing); what a table found while it was updating
    rates      float64 (1,)   learning rate of the dense parameters
    totals     float64 (2,)   sum of loss times rows; the last batch's mean loss

An update does nothing once `guard` is set: the state stays as before that step.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from alpt_ref.kernels.cuda.cross import not_finite
from alpt_ref.kernels.cuda.reduce import THREADS, block_sum
from alpt_ref.kernels.cuda.target import cuda, kernel, load4, store4
from alpt_ref.scalar.arith import mul

BAD_LOSS, BAD_GRADIENT, IN_TABLE = 1, 2, 16
"""Values of ``guard[0]``; from `IN_TABLE` on, less it, the value that a table put into ``guard[1]``."""


@kernel
def gather_batch(all_ids, all_labels, order, counters, fields, size, ids, labels):
    """Ids and labels of the rows that `order` names from ``counters[1]`` on; `size` = rows * fields."""
    first = counters[1]
    for place in range(cuda.grid(1), size, cuda.gridsize(1)):
        i = np.uint32(place) // np.uint32(fields)
        field = np.uint32(place) - i * np.uint32(fields)
        row = np.int64(order[first + np.int64(i)])
        ids[place] = all_ids[row * fields + np.int64(field)]
        if field == np.uint32(0):
            labels[i] = all_labels[row]


@kernel
def bce_with_logits(logits, labels, rows, losses, dlogits):
    """Logloss ``log(1 + e^x) - y x`` summed in float64 a block, and its gradient over the rows."""
    i = cuda.grid(1)
    loss = np.float64(0.0)
    if i < rows:
        x, y = np.float64(logits[i]), np.float64(labels[i])
        decay = math.exp(-abs(x))  # never overflows
        loss = max(x, np.float64(0.0)) - x * y + math.log1p(decay) if x == x else x
        probability = 1.0 / (1.0 + decay) if x >= 0.0 else decay / (1.0 + decay)
        dlogits[i] = np.float32((probability - y) * (1.0 / rows))
    total = block_sum(loss)
    if cuda.threadIdx.x == 0:
        losses[cuda.blockIdx.x] = total


@kernel
def finish_loss(losses, blocks, rows, add, totals, guard, code):
    """Mean loss of the batch; with `add` into `totals`. One block."""
    total = np.float64(0.0)
    for block in range(cuda.threadIdx.x, blocks, THREADS):
        total += losses[block]
    total = block_sum(total)
    if cuda.threadIdx.x == 0:
        mean = total / rows
        if mean - mean != np.float64(0.0):  # NaN or infinite
            guard[0] = code
        if add:
            totals[0] += mean * rows
            totals[1] = mean


@kernel
def check_finite(x, size, guard, code):
    """Set ``guard[0] = code`` if an element of `x` is NaN or infinite."""
    bad = False
    whole = size // 4
    for k in range(cuda.grid(1), whole, cuda.gridsize(1)):
        a, b, c, d = load4(x, 4 * k)
        bad = bad or not_finite(a, b, c, d)
    if cuda.grid(1) < size - 4 * whole:
        value = x[4 * whole + cuda.grid(1)]
        bad = bad or not_finite(value, value, value, value)
    if bad:
        guard[0] = code


@kernel
def adam(
    params, grads, firsts, seconds, size, corrections, last, rates, decay, b1, b2, rest1, rest2, eps, counters, guard
):
    """One Adam step over a flat buffer whose size is a multiple of four; products as the CPU rounds them.

    ``corrections[t]`` = 1 - b1**t and sqrt(1 - b2**t), float64, to be taken at ``min(t, last)``.
    """
    if guard[0] != 0:
        return
    step = min(counters[0] + 1, last)
    lr = np.float32(rates[0] / corrections[2 * step])
    root = np.float32(corrections[2 * step + 1])
    keep = np.float32(1.0 - rates[0] * decay)
    for k in range(cuda.grid(1), size // 4, cuda.gridsize(1)):
        p0, p1, p2, p3 = load4(params, 4 * k)
        g0, g1, g2, g3 = load4(grads, 4 * k)
        m0, m1, m2, m3 = load4(firsts, 4 * k)
        v0, v1, v2, v3 = load4(seconds, 4 * k)
        m0, m1, m2, m3 = mul(b1, m0), mul(b1, m1), mul(b1, m2), mul(b1, m3)
        m0, m1 = m0 + mul(rest1, g0), m1 + mul(rest1, g1)
        m2, m3 = m2 + mul(rest1, g2), m3 + mul(rest1, g3)
        v0, v1, v2, v3 = mul(b2, v0), mul(b2, v1), mul(b2, v2), mul(b2, v3)
        v0, v1 = v0 + mul(rest2, mul(g0, g0)), v1 + mul(rest2, mul(g1, g1))
        v2, v3 = v2 + mul(rest2, mul(g2, g2)), v3 + mul(rest2, mul(g3, g3))
        store4(firsts, 4 * k, m0, m1, m2, m3)
        store4(seconds, 4 * k, v0, v1, v2, v3)
        p0 = mul(keep, p0) - mul(lr, m0 / (np.float32(math.sqrt(v0)) / root + eps))
        p1 = mul(keep, p1) - mul(lr, m1 / (np.float32(math.sqrt(v1)) / root + eps))
        p2 = mul(keep, p2) - mul(lr, m2 / (np.float32(math.sqrt(v2)) / root + eps))
        p3 = mul(keep, p3) - mul(lr, m3 / (np.float32(math.sqrt(v3)) / root + eps))
        store4(params, 4 * k, p0, p1, p2, p3)


@kernel
def sgd(params, grads, size, rates, decay, guard):
    """One SGD step over a flat buffer whose size is a multiple of four."""
    if guard[0] != 0:
        return
    lr = np.float32(rates[0])
    keep = np.float32(1.0 - rates[0] * decay)
    for k in range(cuda.grid(1), size // 4, cuda.gridsize(1)):
        p0, p1, p2, p3 = load4(params, 4 * k)
        g0, g1, g2, g3 = load4(grads, 4 * k)
        p0, p1 = mul(keep, p0) - mul(lr, g0), mul(keep, p1) - mul(lr, g1)
        p2, p3 = mul(keep, p2) - mul(lr, g2), mul(keep, p3) - mul(lr, g3)
        store4(params, 4 * k, p0, p1, p2, p3)


@kernel
def finish_step(rows, period, counters, guard):
    """Count the step, unless something went wrong; the next batch begins `rows` later in `order`, modulo `period`."""
    if cuda.grid(1) == 0:
        if guard[0] == 0 and guard[1] == 0:
            counters[0] += 1
            counters[2] += 1
        elif guard[0] == 0:
            guard[0] = IN_TABLE + guard[1]
        counters[1] = (counters[1] + rows) % period
