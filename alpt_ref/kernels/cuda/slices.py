"""Sums over a batch that is cut into slices, on the GPU: a slice's own sums, and those of all slices in slice order.

What a rank computes of its slices is written to one entry a slice: float64 moments, sums, losses, float32 gradients;
after the exchange every rank has the entries of all slices and puts them together in slice order (`models.slices`), by
the same kernel, so that the bits depend on the cut alone. Slice s of b rows in S has ``b (s + 1) // S - b s // S``
rows, and the entries of empty slices are not read.

A step of several ranks ends where one of them cannot go on: what a rank finds goes from its `guard` to the flags that
all share (`shard_static`) and from there to the guards of all.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from alpt_ref.kernels.cuda.bf16 import number
from alpt_ref.kernels.cuda.dense import move_running, set_scale
from alpt_ref.kernels.cuda.dense_backward import put_results
from alpt_ref.kernels.cuda.reduce import FOLD, THREADS, block_sum, fold_two
from alpt_ref.kernels.cuda.shard_static import BAD_SUM, NOT_FINITE, OVERFLOW
from alpt_ref.kernels.cuda.steps import BAD_GRADIENT, IN_TABLE, row_loss
from alpt_ref.kernels.cuda.target import cuda, device, kernel

NO_ROOM = 8
"""Value of ``guard[0]`` where a rank needs more slots than there are: nothing was updated."""


@device
def rows_of(s, rows, slices):
    """Rows of slice `s`."""
    return rows * (s + 1) // slices - rows * s // slices


@kernel
def slice_moments(sums, squares, parts, rows, columns, z, out):
    """Mean and variance of a slice's columns from `dense.column_sums`: float64 (2 * columns)."""
    column = FOLD * cuda.blockIdx.x + cuda.threadIdx.x % FOLD
    first = number(z[min(column, columns - 1)])
    total, square = fold_two(sums, squares, parts, columns, column)
    if cuda.threadIdx.x < FOLD and column < columns:
        delta = total / rows
        out[column] = np.float64(first) + delta
        out[columns + column] = max(square / rows - delta * delta, np.float64(0.0))


@kernel
def join_moments(
    every, slices, rows, columns, weight, bias, running_mean, running_var, momentum, eps, update, saved
):  # fmt: skip
    """Moments of the batch from those of its slices (Chan, Golub, LeVeque 1983), then as `dense.finish_moments`."""
    column = cuda.grid(1)
    if column < columns:
        mean, square, before = np.float64(0.0), np.float64(0.0), np.int64(0)
        for s in range(slices):
            count = rows_of(s, rows, slices)
            if count > 0:
                share = np.float64(count) / np.float64(before + count)
                delta = every[2 * s * columns + column] - mean
                mean += delta * share
                square += every[(2 * s + 1) * columns + column] * np.float64(count)
                square += delta * delta * (np.float64(before) * share)
                before += count
        variance = square / rows
        set_scale(saved, columns, column, weight[column], bias[column], mean, variance, eps)
        if update:
            move_running(running_mean, running_var, column, momentum, mean, variance, rows)


@kernel
def slice_sums(sums, products, parts, columns, out):
    """Both column sums of a slice from those of its row blocks: float64 (2 * columns)."""
    column = FOLD * cuda.blockIdx.x + cuda.threadIdx.x % FOLD
    total, product = fold_two(sums, products, parts, columns, column)
    if cuda.threadIdx.x < FOLD and column < columns:
        out[column] = total
        out[columns + column] = product


@kernel
def join_backward(every, slices, rows, columns, saved, params, dweight, dbias):
    """As `dense_backward.finish_backward`, from the sums of the slices."""
    column = cuda.grid(1)
    if column < columns:
        total, product = np.float64(0.0), np.float64(0.0)
        for s in range(slices):
            if rows_of(s, rows, slices) > 0:
                total += every[2 * s * columns + column]
                product += every[(2 * s + 1) * columns + column]
        inverse_std, scale = np.float64(saved[3 * columns + column]), np.float64(saved[column])
        put_results(saved, columns, column, scale, inverse_std, total, product, rows, params, dweight, dbias)


@kernel
def add_slices(every, slices, apart, size, direct, out):
    """``out[i] = every[i] + every[apart + i] + ...`` in slice order, plus ``direct[i]``, which is 0 or the whole."""
    for i in range(cuda.grid(1), size, cuda.gridsize(1)):
        total = np.float32(every[i])
        for s in range(1, slices):
            total = np.float32(total + every[np.int64(s) * apart + i])
        out[i] = np.float32(total + direct[i])


@kernel
def join_running(parts, shares, size, keep, running):
    """The mean of the processes' moments into the running ones; `parts` has their sum times ``1 - keep``, then 0."""
    for i in range(cuda.grid(1), size, cuda.gridsize(1)):
        running[i] = np.float32(keep * np.float64(running[i]) + np.float64(parts[i]) / shares)
        parts[i] = np.float32(0.0)


@kernel
def slice_losses(logits, labels, rows, whole, losses, dlogits):
    """As `steps.bce_with_logits` for `rows` rows of a batch of `whole`."""
    i = cuda.grid(1)
    loss = np.float64(0.0)
    if i < rows:
        loss = row_loss(logits, labels, i, whole, dlogits)
    total = block_sum(loss)
    if cuda.threadIdx.x == 0:
        losses[cuda.blockIdx.x] = total


@kernel
def slice_loss(losses, blocks, out):
    """Sum of a slice's losses into ``out[0]``. One block."""
    total = np.float64(0.0)
    for block in range(cuda.threadIdx.x, blocks, THREADS):
        total += losses[block]
    total = block_sum(total)
    if cuda.threadIdx.x == 0:
        out[0] = total


@kernel
def join_losses(every, slices, rows, add, totals, guard, code):
    """As `steps.finish_loss`, from the sums of the slices."""
    if cuda.grid(1) == 0:
        total = np.float64(0.0)
        for s in range(slices):
            if rows_of(s, rows, slices) > 0:
                total += every[s]
        mean = total / rows
        if mean - mean != np.float64(0.0):  # NaN or infinite
            guard[0] = code
        if add:
            totals[0] += mean * rows
            totals[1] = mean


@kernel
def raise_flags(guard, flags):
    """What this rank has found goes to the flags that all ranks share."""
    if cuda.grid(1) == 0 and guard[0] != 0:
        flags[NOT_FINITE] = np.int32(1)


@kernel
def take_flags(flags, guard):
    """What any rank has found goes to this rank's guard; a lack of room first, which makes the rest meaningless."""
    if cuda.grid(1) == 0:
        if flags[OVERFLOW] != 0:
            guard[0] = np.int32(NO_ROOM)
        elif guard[0] == 0 and flags[NOT_FINITE] != 0:
            guard[0] = np.int32(BAD_GRADIENT)
        elif guard[0] == 0 and flags[BAD_SUM] != 0:
            guard[0] = np.int32(IN_TABLE + 1)


@kernel
def keep_before(guard, now, size, kept, totals, kept_totals):
    """Copies of what a step changes before it knows whether it may: while nothing went wrong."""
    if guard[0] == 0:
        for i in range(cuda.grid(1), size, cuda.gridsize(1)):
            kept[i] = now[i]
        if cuda.grid(1) < 2:
            kept_totals[cuda.grid(1)] = totals[cuda.grid(1)]
