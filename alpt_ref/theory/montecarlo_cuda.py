"""The Monte Carlo engine's half for a GPU: which simulations pay there, device arrays, results on the host."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.kernels.cpu.montecarlo_types import (
    DISTANCE2,
    GRADIENT2,
    MAX_DISTANCE2,
    MAX_GRADIENT2,
    Method,
    Problem,
    Results,
    Watch,
)
from alpt_ref.kernels.cuda.available import require_device

Floats = NDArray[np.float64]

LEAST_UPDATES = 1 << 30
"""Coordinate updates below which waking a GPU, a second or two per process, costs more than it saves: a core makes some
10**9 a second."""
LEAST_ELEMENTS = 1 << 13
"""Coordinates of all runs below which the GPU's threads wait for themselves: a step takes about 0.2 microseconds."""
LEAST_GROUPS = 1 << 12
"""Threads below which the engine that watches every step is no faster than the cores beside the GPU."""


def pays(runs: int, d: int, steps: int, *, rows: int = 0, watched: bool = False) -> bool:
    """Whether a simulation is large enough for a GPU: by its work and by how much of it can run at once.

    `rows` are those of a gradient of a linear model (0: separable), `watched` means averages or checks at every step.
    """
    if runs * d * steps * max(rows, 1) < LEAST_UPDATES:
        return False
    if rows or watched:
        return runs * math.gcd(d, 4) // 4 >= LEAST_GROUPS  # a thread owns whole Philox blocks
    return runs * d >= LEAST_ELEMENTS


def run(
    runs: int, problem: Problem, method: Method, watch: Watch, last_only: bool
) -> tuple[Floats, Floats, NDArray[np.float32]]:
    """Run on the GPU: what the CPU's kernel puts into the three arrays of `Results`.

    Parameters
    ----------
    last_only : bool
        Keep the iterates of the last checkpoint alone (a separable problem).
    """
    require_device()
    from alpt_ref.kernels.cuda import montecarlo, montecarlo_groups
    from alpt_ref.kernels.cuda.target import array_module

    xp, count, d = array_module(), len(watch.checkpoints), len(method.start)
    watched = watch.averages or watch.check or bool((method.step_size != method.step_size[0]).any())
    try:
        records = xp.zeros((count, runs, 5))
        if watched or not last_only or not montecarlo.blocks_fit(count, runs * d):
            results = Results(records, xp.zeros((runs, 4)), xp.empty((1 if last_only else count, runs, d), np.float32))
            montecarlo_groups.run_groups(xp, runs, problem, method, watch, results)
            return _host(records), _host(results.limits), _host(results.iterates)
        points = xp.empty((count, runs * d), np.float32)
        montecarlo.run_blocks(xp, runs, problem, method, watch, records, points)
    except MemoryError as error:  # CuPy's is one
        raise _full(error) from None
    host = _host(records)
    seen = np.zeros((runs, 4))
    seen[:, MAX_GRADIENT2] = host[:, :, GRADIENT2].max(axis=0)
    seen[:, MAX_DISTANCE2] = host[:, :, DISTANCE2].max(axis=0)
    return host, seen, _host(points[-1]).reshape(1, runs, d)


def _host(array: Any) -> NDArray[Any]:
    copy: NDArray[Any] = array.get() if hasattr(array, "get") else np.array(array)
    return copy


def _full(error: MemoryError) -> InputError:
    return InputError(f"the GPU's memory is full ({error}): take fewer runs or checkpoints, or device='cpu'")
