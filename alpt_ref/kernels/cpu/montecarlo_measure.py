"""What a Monte Carlo group measures on its way: losses, norms, the assumptions as they were along each run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.montecarlo_passes import ELASTIC, FULL, HUBER, SATURATING, loss_value
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.jit import scalar

VALUE, DISTANCE2, GRADIENT2, MEAN_VALUE, MEAN_GRADIENT2 = range(5)
"""Columns of the checkpoint records."""
EXCEEDED, MAX_SAMPLED_GRADIENT2, MAX_GRADIENT2, MAX_DISTANCE2 = range(4)
"""Columns of the executed assumptions."""

FLUSH_STEPS = 32
"""Steps summed in float32 before the sum moves into float64."""

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


@scalar
def count_exceeded(
    rounding: int,
    n: int,
    rate: np.float32,
    low: np.float32,
    high: np.float32,
    g: NDArray[np.float32],
    code: NDArray[np.int32],
    w: NDArray[np.float32],
    d: int,
    exceeded: NDArray[np.float64],
) -> None:
    """Count, run by run, the coordinates whose update leaves ``[low, high]`` (codes, or values in full precision)."""
    for r in range(n // d):
        count = 0
        for i in range(r * d, (r + 1) * d):
            move = mul(-rate, g[i])
            here = w[i] if rounding == FULL else np.float32(code[i])
            count += 1 if move < np.float32(low - here) or move > np.float32(high - here) else 0
        exceeded[r] += count


@scalar
def squared_norms(runs: int, d: int, v: NDArray[np.float32], out: NDArray[np.float64]) -> None:
    """``out[r]`` = squared norm of run r's `d` entries of `v`."""
    for r in range(runs):
        total = 0.0
        for j in range(r * d, (r + 1) * d):
            total += np.float64(v[j]) * np.float64(v[j])
        out[r] = total


@scalar
def keep_largest(runs: int, first: int, norms: NDArray[np.float64], column: int, limits: NDArray[np.float64]) -> None:
    """``limits[first + r, column]`` becomes at least ``norms[r]``."""
    for r in range(runs):
        limits[first + r, column] = max(limits[first + r, column], norms[r])


@scalar
def add_values(
    kind: int,
    n: int,
    w: NDArray[np.float32],
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    target: NDArray[np.float32],
    recent: NDArray[np.float32],
) -> None:
    """Add the loss of each coordinate to `recent`."""
    if kind == ELASTIC:
        for i in range(n):
            recent[i] += loss_value(ELASTIC, np.float32(w[i] - target[i]), a[i], b[i])
    elif kind == HUBER:
        for i in range(n):
            recent[i] += loss_value(HUBER, np.float32(w[i] - target[i]), a[i], b[i])
    else:
        for i in range(n):
            recent[i] += loss_value(SATURATING, np.float32(w[i] - target[i]), a[i], b[i])


@scalar
def flush(runs: int, d: int, recent: NDArray[np.float32], total: NDArray[np.float64]) -> None:
    """Move the float32 sums of the last few steps into the float64 sum of each run."""
    for r in range(runs):
        here = 0.0
        for j in range(r * d, (r + 1) * d):
            here += np.float64(recent[j])
            recent[j] = _ZERO
        total[r] += here


@scalar
def check_move(
    rounding: int,
    runs: int,
    d: int,
    first: int,
    rate: np.float32,
    full_rate: np.float32,
    step: np.float32,
    low: int,
    high: int,
    g: NDArray[np.float32],
    code: NDArray[np.int32],
    w: NDArray[np.float32],
    norms: NDArray[np.float64],
    limits: NDArray[np.float64],
) -> None:
    """Watch one update of a group: the sampled gradients, and how many coordinates leave the range."""
    squared_norms(runs, d, g, norms)
    keep_largest(runs, first, norms, MAX_SAMPLED_GRADIENT2, limits)
    unit = step if rounding == FULL else _ONE
    for r in range(runs):
        norms[r] = 0.0
    count_exceeded(
        rounding,
        runs * d,
        full_rate if rounding == FULL else rate,
        mul(np.float32(low), unit),
        mul(np.float32(high), unit),
        g,
        code,
        w,
        d,
        norms,
    )
    for r in range(runs):
        limits[first + r, EXCEEDED] += norms[r]
