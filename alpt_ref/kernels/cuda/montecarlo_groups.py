"""Monte Carlo with a look at every step, and on data: the CPU's `simulate_group` with a GPU thread for each group.

One thread owns the fewest whole runs that fill Philox blocks; its buffers are columns of arrays in device memory, so
that neighbouring threads read neighbouring words. Arrays arrive one by one and become the CPU's tuples inside the
kernel: numba-cuda does not recognise CuPy's arrays within a tuple of arguments.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from alpt_ref.kernels.cpu.inline import inline
from alpt_ref.kernels.cpu.montecarlo import simulate_group
from alpt_ref.kernels.cpu.montecarlo_losses import sample_lanes
from alpt_ref.kernels.cpu.montecarlo_types import Buffers, Method, Problem, Results, Watch
from alpt_ref.kernels.cuda.montecarlo import BLOCK, SCRATCH_BYTES
from alpt_ref.kernels.cuda.target import cuda, kernel, launch

FLOAT_BUFFERS = 7
"""Float32 arrays of one number for each element among `Buffers`, those shared by all threads left out."""


_simulate_group = inline(simulate_group)


@kernel
def simulate_groups(  # type: ignore[no-untyped-def]
    group, runs, kind, a, b, target, features, offsets, whole, whole_offsets, columns, rest, width, l2, batch, update,
    rounding, noise, start, step_size, element_step_size, low, high, sigma, learning_rates, k0, k1, checkpoints,
    averages, check, thin, uints, ints, floats, doubles, records, limits, iterates,
):  # fmt: skip
    """`kernels.cpu.montecarlo.simulate_groups`; `a`, `b`, `target` and `element_step_size` repeat for a group's runs.

    Columns of `uints`, `ints`, `floats` and `doubles` are one thread's buffers.
    """
    me = cuda.grid(1)
    size = group * start.shape[0]
    lanes = (size + 3) // 4
    sampled = 14 * lanes
    drawn = (uints.shape[0] - sampled) // 6
    problem = Problem(
        kind, a, b, target, features, offsets, whole, whole_offsets, columns, columns, False, rest, width, l2, batch
    )  # fmt: skip
    method = Method(update, rounding, noise, start, step_size, low, high, sigma, learning_rates, k0, k1)
    watch = Watch(checkpoints, averages, check, thin)
    results = Results(records, limits, iterates)
    buffers = Buffers(
        uints[:lanes, me],
        uints[lanes : 2 * lanes, me],
        uints[sampled : sampled + drawn, me],
        uints[sampled + drawn : sampled + 2 * drawn, me],
        uints[2 * lanes : 6 * lanes, me],
        uints[6 * lanes : 10 * lanes, me],
        uints[10 * lanes : sampled, me],
        uints[sampled + 2 * drawn :, me],
        ints[:, me],
        floats[:size, me],
        floats[size : 2 * size, me],
        a,
        b,
        target,
        element_step_size,
        floats[2 * size : 3 * size, me],
        floats[3 * size : 4 * size, me],
        floats[4 * size : 5 * size, me],
        floats[5 * size : 6 * size, me],
        floats[6 * size :, me],
        columns[0, 0],
        columns[0, 0],
        doubles[:group, me],
        doubles[group : 2 * group, me],
        doubles[2 * group :, me],
    )
    for part in range(me, (runs + group - 1) // group, uints.shape[1]):
        _simulate_group(part, group, runs, problem, method, watch, buffers, results)


def group_size(d: int) -> int:
    """Fewest whole runs whose elements fill Philox blocks."""
    return 4 // math.gcd(d, 4)


def workers(groups: int, bytes_each: int) -> int:
    """Threads of a group kernel: one a group, fewer where their buffers would not fit."""
    return max(1, min(groups, SCRATCH_BYTES // max(bytes_each, 1)))


def run_groups(xp: Any, runs: int, problem: Problem, method: Method, watch: Watch, results: Results) -> None:
    """Queue `simulate_groups`; `results` holds device arrays, everything else is on the host."""
    d = len(method.start)
    group = group_size(d)
    size, lanes, drawn = group * d, (group * d + 3) // 4, sample_lanes(group, problem.batch)
    words = 14 * lanes + 6 * drawn
    count = workers(-(-runs // group), 4 * (words + (1 + FLOAT_BUFFERS) * size) + 24 * group)
    block = min(BLOCK, count)
    count = -(-count // block) * block
    separable = (problem.curvature, problem.shape, problem.minimum)
    launch(
        simulate_groups, count // block, block, group, runs, problem.kind,
        *(xp.asarray(np.tile(array, group)) for array in separable), xp.asarray(problem.features),
        xp.asarray(problem.offsets), xp.asarray(problem.whole), xp.asarray(problem.whole_offsets),
        xp.zeros((1, 1, 0), np.float32), problem.rest, problem.width, problem.l2, problem.batch,
        method.update, method.rounding, method.noise, xp.asarray(method.start), xp.asarray(method.step_size),
        xp.asarray(np.tile(method.step_size.astype(np.float32), group)), method.low, method.high, method.sigma,
        xp.asarray(method.learning_rates), method.k0, method.k1, xp.asarray(watch.checkpoints), watch.averages,
        watch.check, watch.thin, xp.empty((words, count), np.uint32), xp.empty((size, count), np.int32),
        xp.empty((FLOAT_BUFFERS * size, count), np.float32), xp.empty((3 * group, count), np.float64), *results,
    )  # fmt: skip
