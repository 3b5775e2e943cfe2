"""Monte Carlo of low-precision SGD on separable problems with a look at every step: averages, executed assumptions.

One thread owns the fewest whole runs that fill Philox blocks and walks through the CPU's own passes, on buffers in
device memory whose neighbouring threads are neighbours.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

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
from alpt_ref.kernels.cuda.montecarlo import BLOCK, SCRATCH_BYTES
from alpt_ref.kernels.cuda.target import cuda, kernel, launch
from alpt_ref.scalar.arith import mul

_ZERO = np.float32(0.0)


@kernel
def simulate_groups(  # type: ignore[no-untyped-def]
    group, runs, kind, d, a, b, target, start, step, low, high, rounding, noise, sigma, rates, full_rates, checkpoints,
    averages, check, k0, k1, uints, ints, floats, doubles, records, limits, final,
):  # fmt: skip
    """`kernels.cpu.montecarlo.simulate_separable` with a thread a group; `a`, `b`, `target` repeat for its runs.

    Columns of `uints`, `ints`, `floats` and `doubles` are one thread's buffers.
    """
    me = cuda.grid(1)
    size = group * d
    most = (size + 3) // 4
    c0, c1 = uints[:most, me], uints[most : 2 * most, me]
    words, noise_words = uints[2 * most : 6 * most, me], uints[6 * most : 10 * most, me]
    more = uints[10 * most :, me]
    code, w, g = ints[:, me], floats[:size, me], floats[size : 2 * size, me]
    second, recent = floats[2 * size : 3 * size, me], floats[3 * size : 4 * size, me]
    recent_gradient, scratch = floats[4 * size : 5 * size, me], floats[5 * size :, me]
    total, total_gradient, norms = doubles[:group, me], doubles[group : 2 * group, me], doubles[2 * group :, me]
    for part in range(me, (runs + group - 1) // group, uints.shape[1]):
        first = part * group
        here = min(group, runs - first)
        n = here * d
        lanes = (n + 3) // 4
        element_counters(first * d, lanes, c0, c1)
        place_start(n, d, step, start, code, w)
        for i in range(n):
            recent[i] = _ZERO
            recent_gradient[i] = _ZERO
        for r in range(here):
            total[r] = 0.0
            total_gradient[r] = 0.0
        point = 0
        for t in range(1, rates.shape[0] + 1):
            slopes(kind, n, w, a, b, target, g)
            recorded = t == checkpoints[point]
            if averages:
                add_values(kind, n, w, a, b, target, recent)
                for i in range(n):
                    recent_gradient[i] = np.float32(recent_gradient[i] + mul(g[i], g[i]))
                if t % FLUSH_STEPS == 0 or recorded:
                    flush(here, d, recent, total)
                    flush(here, d, recent_gradient, total_gradient)
            if check or recorded:
                for i in range(n):
                    scratch[i] = np.float32(w[i] - target[i])
                squared_norms(here, d, g, norms)
                keep_largest(here, first, norms, MAX_GRADIENT2, limits)
                if recorded:
                    for r in range(here):
                        records[point, first + r, GRADIENT2] = norms[r]
                squared_norms(here, d, scratch, norms)
                keep_largest(here, first, norms, MAX_DISTANCE2, limits)
            if recorded:
                for r in range(here):
                    records[point, first + r, DISTANCE2] = norms[r]
                    records[point, first + r, MEAN_VALUE] = total[r] / t
                    records[point, first + r, MEAN_GRADIENT2] = total_gradient[r] / t
                    norms[r] = 0.0
                for i in range(n):
                    scratch[i] = _ZERO
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
                    rounding, here, d, first, rates[t - 1], full_rates[t - 1], step, low, high, g, code, w, norms,
                    limits,
                )  # fmt: skip
            move_all(
                rounding, n, lanes, t, rates[t - 1], full_rates[t - 1], step, np.int32(low), np.int32(high), c0, c1,
                k0, k1, words, g, code, w,
            )  # fmt: skip
        for r in range(here):
            for j in range(d):
                final[first + r, j] = w[r * d + j]


def group_size(d: int) -> int:
    """Fewest whole runs whose elements fill Philox blocks."""
    return 4 // math.gcd(d, 4)


def workers(groups: int, bytes_each: int) -> int:
    """Threads of a group kernel: one a group, fewer where their buffers would not fit."""
    return max(1, min(groups, SCRATCH_BYTES // max(bytes_each, 1)))


def run_groups(
    xp: Any, kind: int, runs: int, problem: tuple[Any, Any, Any], settings: dict[str, Any], records: Any, limits: Any,
    final: Any,
) -> None:  # fmt: skip
    """Queue `simulate_groups`; outputs as those of `kernels.cpu.montecarlo.simulate_separable`."""
    s = settings
    d = len(problem[0])
    group = group_size(d)
    size, lanes = group * d, (group * d + 3) // 4
    count = workers(-(-runs // group), 4 * (14 * lanes + 7 * size) + 24 * group)
    block = min(BLOCK, count)
    count = -(-count // block) * block
    launch(
        simulate_groups, count // block, block, group, runs, kind, d,
        *(xp.asarray(np.tile(array, group)) for array in problem), xp.asarray(s["start"]), s["step"], s["low"],
        s["high"], s["rounding"], s["noise"], s["sigma"], xp.asarray(s["rates"]), xp.asarray(s["full_rates"]),
        xp.asarray(s["checkpoints"]), s["averages"], s["check"], s["k0"], s["k1"],
        xp.empty((14 * lanes, count), np.uint32), xp.empty((size, count), np.int32),
        xp.empty((6 * size, count), np.float32), xp.empty((3 * group, count), np.float64), records, limits, final,
    )  # fmt: skip
