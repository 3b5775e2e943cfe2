"""What a Monte Carlo group measures on its way: losses, norms, the assumptions as they were along each run."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.inline import inline
from alpt_ref.kernels.cpu.montecarlo_losses import add_linear_values, add_values
from alpt_ref.kernels.cpu.montecarlo_types import (
    DISTANCE2,
    EXCEEDED,
    FULL,
    GRADIENT2,
    MAX_DISTANCE2,
    MAX_GRADIENT2,
    MAX_SAMPLED_GRADIENT2,
    MEAN_GRADIENT2,
    MEAN_VALUE,
    VALUE,
    Buffers,
    Method,
    Problem,
    Results,
    Watch,
)
from alpt_ref.kernels.types import Int
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.jit import scalar

FLUSH_STEPS = 32
"""Steps summed in float32 before the sum moves into float64."""

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


@inline
def squared_norms(runs: int, d: int, v: NDArray[np.float32], out: NDArray[np.float64]) -> None:
    """``out[r]`` = squared norm of run r's `d` entries of `v`."""
    for r in range(runs):
        total = 0.0
        for j in range(r * d, (r + 1) * d):
            total += np.float64(v[j]) * np.float64(v[j])
        out[r] = total


@inline
def keep_largest(runs: int, first: int, norms: NDArray[np.float64], column: int, limits: NDArray[np.float64]) -> None:
    """``limits[first + r, column]`` becomes at least ``norms[r]``."""
    for r in range(runs):
        limits[first + r, column] = max(limits[first + r, column], norms[r])


@inline
def flush(runs: int, d: int, recent: NDArray[np.float32], total: NDArray[np.float64]) -> None:
    """Move the float32 sums of the last few steps into the float64 sum of each run."""
    for r in range(runs):
        here = 0.0
        for j in range(r * d, (r + 1) * d):
            here += np.float64(recent[j])
            recent[j] = _ZERO
        total[r] += here


@inline
def keep_iterates(first: int, runs: int, point: Int, d: int, w: NDArray[np.float32], results: Results) -> None:
    """Store the weights of a checkpoint; where only one is kept, over those of the one before."""
    row = point if results.iterates.shape[0] > 1 else 0
    for r in range(runs):
        for j in range(d):
            results.iterates[row, first + r, j] = w[r * d + j]


@inline
def measure_linear(
    t: int, point: Int, recorded: bool, first: int, runs: int, problem: Problem, watch: Watch, buffers: Buffers,
    results: Results,
) -> None:  # fmt: skip
    """The average value of a linear problem so far; what else is wanted is computed from the iterates."""
    thin = watch.thin
    if watch.averages:
        each = 4 if thin > 1 else runs  # runs that are measured together read the rows together
        for r in range(0, runs, each):
            if (t + (first + r) // 4) % thin == 0:
                add_linear_values(r, min(each, runs - r), problem, buffers)
    if recorded:
        for r in range(runs):
            count = iterates_measured(t, first + r, thin)
            results.records[point, first + r, MEAN_VALUE] = buffers.total[r] / count if count > 0 else math.nan


@scalar
def iterates_measured(t: Int, run: Int, thin: Int) -> Int:
    """How many of the iterates ``1 .. t`` of a run are in its average: those with ``(t + run // 4) % thin == 0``."""
    begin = (run // 4) % thin
    return (t + begin) // thin - begin // thin


@inline
def measure_separable(
    t: int, point: Int, recorded: bool, first: int, runs: int, d: int, problem: Problem, watch: Watch,
    buffers: Buffers, results: Results,
) -> None:  # fmt: skip
    """Averages, norms and values of a separable problem at iterate `t`, whose exact gradient is in ``buffers.g``."""
    n = runs * d
    g, norms, scratch = buffers.g, buffers.norms, buffers.scratch
    records, limits = results.records, results.limits
    if watch.averages:
        add_values(problem.kind, n, buffers, buffers.recent)
        for i in range(n):
            buffers.recent_gradient[i] = np.float32(buffers.recent_gradient[i] + mul(g[i], g[i]))
        if t % FLUSH_STEPS == 0 or recorded:
            flush(runs, d, buffers.recent, buffers.total)
            flush(runs, d, buffers.recent_gradient, buffers.total_gradient)
    if watch.check or recorded:
        for i in range(n):
            scratch[i] = np.float32(buffers.w[i] - buffers.target[i])
        squared_norms(runs, d, g, norms)
        keep_largest(runs, first, norms, MAX_GRADIENT2, limits)
        if recorded:
            for r in range(runs):
                records[point, first + r, GRADIENT2] = norms[r]
        squared_norms(runs, d, scratch, norms)
        keep_largest(runs, first, norms, MAX_DISTANCE2, limits)
    if recorded:
        for r in range(runs):
            records[point, first + r, DISTANCE2] = norms[r]
            records[point, first + r, MEAN_VALUE] = buffers.total[r] / t
            records[point, first + r, MEAN_GRADIENT2] = buffers.total_gradient[r] / t
            norms[r] = 0.0
        for i in range(n):
            scratch[i] = _ZERO
        add_values(problem.kind, n, buffers, scratch)
        flush(runs, d, scratch, norms)
        for r in range(runs):
            records[point, first + r, VALUE] = norms[r]


@inline
def check_update(first: int, runs: int, method: Method, buffers: Buffers, results: Results) -> None:
    """Watch one update of a group: the sampled gradients, and how many coordinates leave the range."""
    d = method.start.shape[0]
    g, rate, norms, limits = buffers.g, buffers.rate, buffers.norms, results.limits
    squared_norms(runs, d, g, norms)
    keep_largest(runs, first, norms, MAX_SAMPLED_GRADIENT2, limits)
    full = method.rounding == FULL
    for r in range(runs):
        count = 0
        for i in range(r * d, (r + 1) * d):
            unit = buffers.step_size[i] if full else _ONE
            here = buffers.w[i] if full else np.float32(buffers.code[i])
            low, high = mul(np.float32(method.low), unit), mul(np.float32(method.high), unit)
            update = mul(-rate[i], g[i])
            count += 1 if update < np.float32(low - here) or update > np.float32(high - here) else 0
        limits[first + r, EXCEEDED] += count
