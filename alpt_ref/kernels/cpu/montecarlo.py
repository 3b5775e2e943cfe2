"""The Monte Carlo driver: any problem, noise, rounding, step sizes and start, a group of independent runs at a time.

`simulate_group` is the loop over the steps of one group; a thread of either device walks through it on buffers of its
own, compiled here and in `kernels.cuda.montecarlo_groups`.
"""

from __future__ import annotations

import numpy as np

from alpt_ref.kernels.cpu.inline import outline
from alpt_ref.kernels.cpu.montecarlo_lanes import ROOM
from alpt_ref.kernels.cpu.montecarlo_losses import is_linear, linear_gradient, sample_lanes, separable_gradient
from alpt_ref.kernels.cpu.montecarlo_measure import check_update, keep_iterates, measure_linear, measure_separable
from alpt_ref.kernels.cpu.montecarlo_passes import (
    add_noise,
    element_counters,
    one_step_size,
    place_start,
    set_rates,
    update_all,
    update_each,
)
from alpt_ref.kernels.cpu.montecarlo_products import BLOCK
from alpt_ref.kernels.cpu.montecarlo_types import Buffers, Method, Problem, Results, Watch
from alpt_ref.kernels.jit import kernel

_ZERO = np.float32(0.0)


def simulate_group(
    part: int,
    group: int,
    runs: int,
    problem: Problem,
    method: Method,
    watch: Watch,
    buffers: Buffers,
    results: Results,
) -> None:
    """Runs ``part * group ..`` of `runs`, at most `group` of them: iterates ``w_1 .. w_T``, so ``T - 1`` updates.

    ``group * d`` must be a multiple of four, so that a group begins at a whole Philox block.
    """
    d = method.start.shape[0]
    first = part * group
    here = min(group, runs - first)
    n = here * d
    linear, same_steps = is_linear(problem.kind), one_step_size(method)
    element_counters(first * d, (n + 3) // 4, buffers.c0, buffers.c1)
    if linear:
        element_counters(first * problem.batch, sample_lanes(here, problem.batch), buffers.s0, buffers.s1)
    place_start(n, method, buffers)
    for i in range(n):
        buffers.recent[i] = _ZERO
        buffers.recent_gradient[i] = _ZERO
    for r in range(here):
        buffers.total[r] = 0.0
        buffers.total_gradient[r] = 0.0
    point = np.int64(0)
    steps = method.learning_rates.shape[0]
    for t in range(1, steps + 1):
        recorded = t == watch.checkpoints[point]
        if linear:
            measure_linear(t, point, recorded, first, here, problem, watch, buffers, results)
        else:
            separable_gradient(problem.kind, n, buffers)
            measure_separable(t, point, recorded, first, here, d, problem, watch, buffers, results)
        if recorded:
            keep_iterates(first, here, point, d, buffers.w, results)
            point += 1
        if t == steps:
            break
        if linear:
            linear_gradient(t, first, here, problem, method, buffers)
        add_noise(t, n, method, buffers)
        if watch.check or not same_steps:
            set_rates(t, n, method, buffers)
        if watch.check:
            check_update(first, here, method, buffers, results)
        if same_steps:
            update_all(t, n, method, buffers)
        else:
            update_each(t, n, method, buffers)


_simulate_group = outline(simulate_group)


@kernel
def simulate_groups(
    lo: int, hi: int, group: int, runs: int, problem: Problem, method: Method, watch: Watch, results: Results
) -> None:
    """Groups ``lo..hi`` of `group` runs each, out of `runs`."""
    d = method.start.shape[0]
    size = group * d
    lanes = (size + 3) // 4
    drawn = sample_lanes(group, problem.batch) if is_linear(problem.kind) else 0
    kept = BLOCK * group if problem.columns.size > 0 else 0
    a, b, target = np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)
    step_size = np.empty(size, np.float32)
    for i in range(size):
        step_size[i] = np.float32(method.step_size[i % d])
    if not is_linear(problem.kind):
        for i in range(size):
            a[i], b[i], target[i] = problem.curvature[i % d], problem.shape[i % d], problem.minimum[i % d]
    buffers = Buffers(
        np.empty(lanes, np.uint32), np.empty(lanes, np.uint32),
        np.empty(drawn, np.uint32), np.empty(drawn, np.uint32),
        np.empty(4 * lanes, np.uint32), np.empty(4 * lanes, np.uint32), np.empty(4 * lanes, np.uint32),
        np.empty(4 * drawn, np.uint32),
        np.empty(size, np.int32), np.zeros(size, np.float32), np.empty(size, np.float32),
        a, b, target, step_size, np.empty(size, np.float32), np.empty(size, np.float32),
        np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32),
        np.zeros(kept, np.float32), np.zeros(ROOM, np.float32),
        np.empty(group), np.empty(group), np.empty(group),
    )  # fmt: skip
    for part in range(lo, hi):
        _simulate_group(part, group, runs, problem, method, watch, buffers, results)
