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

import numpy as np

from alpt_ref.kernels.cuda.bf16 import load_numbers, number, store_copy
from alpt_ref.kernels.cuda.reduce import THREADS, block_sum, not_finite
from alpt_ref.kernels.cuda.target import cuda, device, kernel, load4, store4
from alpt_ref.scalar.dense_update import AdamStep, adam_moments, adam_parameter, sgd_parameter
from alpt_ref.scalar.loss import logloss

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


@device
def row_loss(logits, labels, i, rows, dlogits):
    """Logloss of row i (`scalar.loss`); the gradient of its mean over `rows` rows goes into `dlogits`."""
    y = np.float64(labels[i])
    loss, probability = logloss(np.float64(logits[i]), y)
    dlogits[i] = np.float32((probability - y) * (1.0 / rows))
    return loss


@kernel
def bce_with_logits(logits, labels, rows, losses, dlogits):
    """Logloss summed in float64 per block, and the gradient of its mean."""
    i = cuda.grid(1)
    loss = np.float64(0.0)
    if i < rows:
        loss = row_loss(logits, labels, i, rows, dlogits)
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
        a, b, c, d = load_numbers(x, 4 * k)
        bad = bad or not_finite(a, b, c, d)
    if cuda.grid(1) < size - 4 * whole:
        value = number(x[4 * whole + cuda.grid(1)])
        bad = bad or not_finite(value, value, value, value)
    if bad:
        guard[0] = code


@kernel
def adam(
    params, grads, firsts, seconds, size, corrections, last, rates, decay, b1, b2, rest1, rest2, eps, counters, guard,
    copy,
):  # fmt: skip
    """One Adam step over a flat buffer whose size is a multiple of four; products as the CPU rounds them.

    The new parameters go into `copy` too if that holds bfloat16 bits.

    ``corrections[t]`` = 1 - b1**t and sqrt(1 - b2**t), float64, to be taken at ``min(t, last)``.
    """
    if guard[0] != 0:
        return
    step = min(counters[0] + 1, last)
    lr = np.float32(rates[0] / corrections[2 * step])
    root = np.float32(corrections[2 * step + 1])
    numbers = AdamStep(np.float32(1.0 - rates[0] * decay), lr, b1, b2, rest1, rest2, root, eps)
    for k in range(cuda.grid(1), size // 4, cuda.gridsize(1)):
        p0, p1, p2, p3 = load4(params, 4 * k)
        g0, g1, g2, g3 = load4(grads, 4 * k)
        m0, m1, m2, m3 = load4(firsts, 4 * k)
        v0, v1, v2, v3 = load4(seconds, 4 * k)
        m0, v0 = adam_moments(g0, m0, v0, numbers)
        m1, v1 = adam_moments(g1, m1, v1, numbers)
        m2, v2 = adam_moments(g2, m2, v2, numbers)
        m3, v3 = adam_moments(g3, m3, v3, numbers)
        store4(firsts, 4 * k, m0, m1, m2, m3)
        store4(seconds, 4 * k, v0, v1, v2, v3)
        p0, p1 = adam_parameter(p0, m0, v0, numbers), adam_parameter(p1, m1, v1, numbers)
        p2, p3 = adam_parameter(p2, m2, v2, numbers), adam_parameter(p3, m3, v3, numbers)
        store4(params, 4 * k, p0, p1, p2, p3)
        store_copy(copy, 4 * k, p0, p1, p2, p3)


@kernel
def sgd(params, grads, size, rates, decay, guard, copy):
    """One SGD step over a flat buffer whose size is a multiple of four; `copy` as in `adam`."""
    if guard[0] != 0:
        return
    lr = np.float32(rates[0])
    keep = np.float32(1.0 - rates[0] * decay)
    for k in range(cuda.grid(1), size // 4, cuda.gridsize(1)):
        p0, p1, p2, p3 = load4(params, 4 * k)
        g0, g1, g2, g3 = load4(grads, 4 * k)
        p0, p1 = sgd_parameter(p0, g0, keep, lr), sgd_parameter(p1, g1, keep, lr)
        p2, p3 = sgd_parameter(p2, g2, keep, lr), sgd_parameter(p3, g3, keep, lr)
        store4(params, 4 * k, p0, p1, p2, p3)
        store_copy(copy, 4 * k, p0, p1, p2, p3)


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
