"""Monte Carlo of low-precision SGD on regression and logistic loss, the bits of `kernels.cpu.montecarlo_linear`.

One thread owns the fewest whole runs that fill Philox blocks and walks through the CPU's own passes, on buffers in
device memory whose neighbouring threads are neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.kernels.cpu.montecarlo_linear import add_row_gradient, full_value, pick_row
from alpt_ref.kernels.cpu.montecarlo_measure import check_move
from alpt_ref.kernels.cpu.montecarlo_passes import PURPOSE_SAMPLE, add_noise, element_counters, move_all, place_start
from alpt_ref.kernels.cuda.montecarlo import BLOCK
from alpt_ref.kernels.cuda.montecarlo_groups import group_size, workers
from alpt_ref.kernels.cuda.target import cuda, device, kernel, launch
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.philox import counter_2, counter_3, philox4x32

_ONE = np.float32(1.0)


@device
def _sample(element, rows, t, k0, k1):  # type: ignore[no-untyped-def]
    """Row of the data that sample `element`, ``run * batch + j``, takes at step `t`."""
    block = np.uint64(element) >> np.uint64(2)
    c0 = np.uint32(block & np.uint64(0xFFFFFFFF))
    c1 = np.uint32(np.uint64(block >> np.uint64(32)) << np.uint64(16))
    r0, r1, r2, r3 = philox4x32(c0, c1, counter_2(t - 1), counter_3(t - 1, PURPOSE_SAMPLE), k0, k1)
    k = element & 3
    lower, upper = (r1 if k & 1 else r0), (r3 if k & 1 else r2)
    return pick_row(upper if k & 2 else lower, rows)


@kernel
def simulate_linear(  # type: ignore[no-untyped-def]
    group, runs, loss, width, l2, features, offsets, batch, start, step, low, high, rounding, noise, sigma, rates,
    full_rates, checkpoints, averages, check, k0, k1, uints, ints, floats, doubles, means, limits, points,
):  # fmt: skip
    """`kernels.cpu.montecarlo_linear.simulate_linear` with a thread a group; a thread's buffers are columns."""
    me = cuda.grid(1)
    rows, d = features.shape
    size = group * d
    most = (size + 3) // 4
    c0, c1 = uints[:most, me], uints[most : 2 * most, me]
    words, noise_words = uints[2 * most : 6 * most, me], uints[6 * most : 10 * most, me]
    more = uints[10 * most :, me]
    code, w, g, second = ints[:, me], floats[:size, me], floats[size : 2 * size, me], floats[2 * size :, me]
    total, norms = doubles[:group, me], doubles[group:, me]
    drawn = batch if batch > 0 else rows
    weight = np.float32(_ONE / np.float32(drawn))
    for part in range(me, (runs + group - 1) // group, uints.shape[1]):
        first = part * group
        here = min(group, runs - first)
        n = here * d
        lanes = (n + 3) // 4
        element_counters(first * d, lanes, c0, c1)
        place_start(n, d, step, start, code, w)
        for r in range(here):
            total[r] = 0.0
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
            for i in range(n):
                g[i] = mul(l2, w[i])
            for r in range(here):
                for j in range(drawn):
                    row = _sample((first + r) * batch + j, rows, t, k0, k1) if batch > 0 else j
                    add_row_gradient(row, r * d, d, loss, width, weight, features, offsets, w, g)
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


def run_linear(
    xp: Any, model: tuple[Any, ...], runs: int, settings: dict[str, Any], means: Any, limits: Any, points: Any
) -> None:
    """Queue `simulate_linear`; outputs as those of `kernels.cpu.montecarlo_linear.simulate_linear`.

    `model` is ``(loss, width, l2, features, offsets, batch)``.
    """
    loss, width, l2, features, offsets, batch = model
    s = settings
    d = features.shape[1]
    group = group_size(d)
    size, lanes = group * d, (group * d + 3) // 4
    count = workers(-(-runs // group), 4 * (14 * lanes + 4 * size) + 16 * group)
    block = min(BLOCK, count)
    count = -(-count // block) * block
    launch(
        simulate_linear, count // block, block, group, runs, loss, width, l2, xp.asarray(features),
        xp.asarray(offsets), batch, xp.asarray(s["start"]), s["step"], s["low"], s["high"], s["rounding"], s["noise"],
        s["sigma"], xp.asarray(s["rates"]), xp.asarray(s["full_rates"]), xp.asarray(s["checkpoints"]), s["averages"],
        s["check"], s["k0"], s["k1"], xp.empty((14 * lanes, count), np.uint32), xp.empty((size, count), np.int32),
        xp.empty((3 * size, count), np.float32), xp.empty((2 * group, count), np.float64), means, limits, points,
    )  # fmt: skip
