"""Monte Carlo of low-precision SGD on ``f(w) = mean_i phi(a_i . w - b_i) + l2/2 |w|^2``: regression and logistic loss.

The gradient is that of `batch` rows drawn uniformly with replacement, or of all rows (``batch = 0``). Sums run in row
and column order in float32, so that an oracle can repeat them. Sample ``j`` of a run at a step takes the word of
element ``run * batch + j``; row ``floor(word * rows / 2**32)``, whose bias is at most ``rows / 2**32``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.montecarlo_measure import check_move
from alpt_ref.kernels.cpu.montecarlo_passes import PURPOSE_SAMPLE, add_noise, element_counters, move_all, place_start
from alpt_ref.kernels.cpu.random import fill_words
from alpt_ref.kernels.jit import kernel
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.elementary import log_unit, sigmoid
from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.rounding import saturate

SQUARE, ABSOLUTE, HUBER_LOSS, LOGISTIC = 0, 1, 2, 3

_ZERO = np.float32(0.0)
_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_U32 = np.uint64(32)


@scalar
def residual_slope(loss: int, z: np.float32, width: np.float32) -> np.float32:
    """Derivative of the loss of one row by its residual (logistic: by its margin); at a kink the right one."""
    if loss == SQUARE:
        return z
    if loss == ABSOLUTE:
        return _ONE if z >= _ZERO else -_ONE
    if loss == HUBER_LOSS:
        return saturate(z, -width, width)
    return -sigmoid(-z)


@scalar
def residual_value(loss: int, z: np.float32, width: np.float32) -> np.float32:
    """Loss of one row at residual (logistic: margin) `z`."""
    size = abs(z)
    if loss == SQUARE:
        return np.float32(mul(mul(_HALF, z), z))
    if loss == ABSOLUTE:
        return size
    if loss == HUBER_LOSS:
        inner = mul(mul(_HALF, z), z)
        outer = mul(width, np.float32(size - mul(_HALF, width)))
        return np.float32(inner if size <= width else outer)
    return np.float32(max(-z, _ZERO) - log_unit(sigmoid(size)))


@scalar
def residual(
    i: int | np.int64,
    first: int,
    d: int,
    features: NDArray[np.float32],
    offsets: NDArray[np.float32],
    w: NDArray[np.float32],
) -> np.float32:
    """``a_i . w - b_i`` for the run whose entries of `w` begin at `first`, summed in column order."""
    z = _ZERO
    for j in range(d):
        z = np.float32(z + mul(features[i, j], w[first + j]))
    return np.float32(z - offsets[i])


@scalar
def add_row_gradient(
    i: int | np.int64,
    first: int,
    d: int,
    loss: int,
    width: np.float32,
    weight: np.float32,
    features: NDArray[np.float32],
    offsets: NDArray[np.float32],
    w: NDArray[np.float32],
    g: NDArray[np.float32],
) -> None:
    """Add `weight` times the gradient of row `i` to the run's part of `g`."""
    slope = mul(weight, residual_slope(loss, residual(i, first, d, features, offsets, w), width))
    for j in range(d):
        g[first + j] = np.float32(g[first + j] + mul(slope, features[i, j]))


@scalar
def full_value(
    first: int,
    d: int,
    loss: int,
    width: np.float32,
    l2: np.float32,
    features: NDArray[np.float32],
    offsets: NDArray[np.float32],
    w: NDArray[np.float32],
) -> float:
    """``f`` at the run's iterate: float32 terms, float64 sum."""
    total = 0.0
    for i in range(features.shape[0]):
        total += np.float64(residual_value(loss, residual(i, first, d, features, offsets, w), width))
    square = 0.0
    for j in range(first, first + d):
        square += np.float64(w[j]) * np.float64(w[j])
    return float(total / features.shape[0] + mul(0.5 * np.float64(l2), square))


@scalar
def pick_row(word: np.uint32, rows: int) -> np.int64:
    """Row that a uniform word stands for, ``floor(word * rows / 2**32)``."""
    return np.int64(np.uint64(word) * np.uint64(rows) >> _U32)


@kernel
def simulate_linear(
    lo: int,
    hi: int,
    group: int,
    runs: int,
    loss: int,
    width: np.float32,
    l2: np.float32,
    features: NDArray[np.float32],
    offsets: NDArray[np.float32],
    batch: int,
    start: NDArray[np.int32],
    step: np.float32,
    low: int,
    high: int,
    rounding: int,
    noise: int,
    sigma: np.float32,
    rates: NDArray[np.float32],
    full_rates: NDArray[np.float32],
    checkpoints: NDArray[np.int64],
    averages: bool,
    check: bool,
    k0: np.uint32,
    k1: np.uint32,
    means: NDArray[np.float64],
    limits: NDArray[np.float64],
    points: NDArray[np.float32],
) -> None:
    """Groups ``lo..hi`` of runs: ``points`` (checkpoints, runs, d) iterates, ``means`` (checkpoints, runs) averages.

    ``means[c, r]`` is the average of ``f(w_1) .. f(w_t)`` at checkpoint ``t`` when `averages`.
    """
    rows, d = features.shape
    size = group * d
    all_lanes = (size + 3) // 4
    sample_lanes = (group * batch + 3) // 4
    c0, c1 = np.empty(all_lanes, np.uint32), np.empty(all_lanes, np.uint32)
    s0, s1 = np.empty(sample_lanes, np.uint32), np.empty(sample_lanes, np.uint32)
    words, noise_words = np.empty(4 * all_lanes, np.uint32), np.empty(4 * all_lanes, np.uint32)
    more, sample_words = np.empty(4 * all_lanes, np.uint32), np.empty(4 * sample_lanes, np.uint32)
    code, w, g = np.empty(size, np.int32), np.empty(size, np.float32), np.empty(size, np.float32)
    second, total, norms = np.empty(size, np.float32), np.empty(group), np.empty(group)
    weight = np.float32(_ONE / np.float32(batch if batch > 0 else rows))
    for part in range(lo, hi):
        first = part * group
        here = min(group, runs - first)
        n = here * d
        lanes = (n + 3) // 4
        element_counters(first * d, lanes, c0, c1)
        element_counters(first * batch, (here * batch + 3) // 4, s0, s1)
        place_start(n, d, step, start, code, w)
        total[:] = 0.0
        point = 0
        for t in range(1, rates.shape[0] + 1):
            if averages:
                for r in range(here):
                    total[r] += full_value(r * d, d, loss, width, l2, features, offsets, w)
            if t == checkpoints[point]:
                for r in range(here):
                    means[point, first + r] = total[r] / t
                    for j in range(d):
                        points[point, first + r, j] = w[r * d + j]
                point += 1
            if t == rates.shape[0]:
                break
            if batch > 0:
                fill_words((here * batch + 3) // 4, s0, s1, t - 1, PURPOSE_SAMPLE, k0, k1, sample_words)
            for i in range(n):
                g[i] = mul(l2, w[i])
            for r in range(here):
                for j in range(batch if batch > 0 else rows):
                    row = pick_row(sample_words[r * batch + j], rows) if batch > 0 else j
                    add_row_gradient(row, r * d, d, loss, width, weight, features, offsets, w, g)
            add_noise(noise, sigma, t, n, lanes, c0, c1, k0, k1, noise_words, more, second, g)
            if check:
                check_move(
                    rounding,
                    here,
                    d,
                    first,
                    rates[t - 1],
                    full_rates[t - 1],
                    step,
                    low,
                    high,
                    g,
                    code,
                    w,
                    norms,
                    limits,
                )
            move_all(
                rounding,
                n,
                lanes,
                t,
                rates[t - 1],
                full_rates[t - 1],
                step,
                np.int32(low),
                np.int32(high),
                c0,
                c1,
                k0,
                k1,
                words,
                g,
                code,
                w,
            )
