"""Monte Carlo of low-precision SGD on separable problems: one kernel, a group of independent runs at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.montecarlo_measure import (
    DISTANCE2,
    FLUSH_STEPS,
    GRADIENT2,
    MAX_DISTANCE2,
    MAX_GRADIENT2,
    MEAN_GRADIENT2,
    MEAN_VALUE,
    VALUE,
    add_values,
    check_move,
    flush,
    keep_largest,
    squared_norms,
)
from alpt_ref.kernels.cpu.montecarlo_passes import add_noise, element_counters, move_all, place_start, slopes
from alpt_ref.kernels.jit import kernel
from alpt_ref.scalar.arith import mul

_ZERO = np.float32(0.0)


@kernel
def simulate_separable(
    lo: int,
    hi: int,
    group: int,
    runs: int,
    kind: int,
    curvature: NDArray[np.float32],
    shape: NDArray[np.float32],
    minimum: NDArray[np.float32],
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
    records: NDArray[np.float64],
    limits: NDArray[np.float64],
    final: NDArray[np.float32],
) -> None:
    """Groups ``lo..hi`` of `group` runs each: iterates ``w_1 .. w_T``, ``T = len(rates)``, so ``T - 1`` updates.

    ``records`` (checkpoints, runs, 5) and ``limits`` (runs, 4) have the columns named above, ``final`` (runs, d) is
    the last iterate. `curvature`, `shape` (slope of the kink, or Huber's width) and `minimum` are (d,).
    """
    d = curvature.shape[0]
    size = group * d
    all_lanes = (size + 3) // 4
    c0, c1 = np.empty(all_lanes, np.uint32), np.empty(all_lanes, np.uint32)
    words, noise_words, more = (
        np.empty(4 * all_lanes, np.uint32),
        np.empty(4 * all_lanes, np.uint32),
        np.empty(4 * all_lanes, np.uint32),
    )
    code, w, g = np.empty(size, np.int32), np.empty(size, np.float32), np.empty(size, np.float32)
    second, recent = np.empty(size, np.float32), np.empty(size, np.float32)
    recent_gradient, scratch = np.empty(size, np.float32), np.empty(size, np.float32)
    a, b, target = np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)
    total, total_gradient, norms = np.empty(group), np.empty(group), np.empty(group)
    for i in range(size):
        a[i], b[i], target[i] = curvature[i % d], shape[i % d], minimum[i % d]
    for part in range(lo, hi):
        first = part * group
        here = min(group, runs - first)
        n = here * d
        lanes = (n + 3) // 4
        element_counters(first * d, lanes, c0, c1)
        place_start(n, d, step, start, code, w)
        recent[:] = _ZERO
        recent_gradient[:] = _ZERO
        total[:] = 0.0
        total_gradient[:] = 0.0
        point = 0
        for t in range(1, rates.shape[0] + 1):
            slopes(kind, n, w, a, b, target, g)
            if averages:
                add_values(kind, n, w, a, b, target, recent)
                for i in range(n):
                    recent_gradient[i] += mul(g[i], g[i])
                if t % FLUSH_STEPS == 0 or t == checkpoints[point]:
                    flush(here, d, recent, total)
                    flush(here, d, recent_gradient, total_gradient)
            if check or t == checkpoints[point]:
                for i in range(n):
                    scratch[i] = np.float32(w[i] - target[i])
                squared_norms(here, d, g, norms)
                keep_largest(here, first, norms, MAX_GRADIENT2, limits)
                if t == checkpoints[point]:
                    for r in range(here):
                        records[point, first + r, GRADIENT2] = norms[r]
                squared_norms(here, d, scratch, norms)
                keep_largest(here, first, norms, MAX_DISTANCE2, limits)
            if t == checkpoints[point]:
                for r in range(here):
                    records[point, first + r, DISTANCE2] = norms[r]
                    records[point, first + r, MEAN_VALUE] = total[r] / t
                    records[point, first + r, MEAN_GRADIENT2] = total_gradient[r] / t
                scratch[:n] = _ZERO
                norms[:] = 0.0
                add_values(kind, n, w, a, b, target, scratch)
                flush(here, d, scratch, norms)
                for r in range(here):
                    records[point, first + r, VALUE] = norms[r]
                point += 1
            if t == rates.shape[0]:
                break
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
        for r in range(here):
            for j in range(d):
                final[first + r, j] = w[r * d + j]
