"""Exact evolution of the law of one low-precision coordinate: one loop over steps, states and noise outcomes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.jit import kernel
from alpt_ref.scalar.jit import scalar

VALUE, DISTANCE, DISTANCE2, GRADIENT2, GRADIENT1, LEAVING = range(6)
"""Columns of the record of one step."""

NEGLIGIBLE = 1e-280
"""States less likely than this are dropped: far below one rounding of any sum, far above the subnormal numbers."""


@scalar
def spread(
    state: int,
    move: float,
    weight: float,
    stochastic: bool,
    words: float,
    top: int,
    law: NDArray[np.float64],
) -> None:
    """Send `weight` from `state` along a move in grid units, clipped to ``0..top``, then rounded.

    `words` is the number of random words that stochastic rounding can tell apart, 0 for no limit. The move is
    rounded, not the sum, so that a tiny move keeps all its bits.
    """
    target = min(max(state + move, 0.0), float(top))
    if target == 0.0 or target == float(top):
        law[int(target)] += weight
        return
    whole = int(move)  # towards zero
    rest = abs(move - whole)
    away = state + whole + (1 if move > 0.0 else -1)
    if stochastic:
        up = math.floor(rest * words) / words if words > 0.0 else rest
        law[state + whole] += weight * (1.0 - up)
        if up > 0.0:
            law[away] += weight * up
    else:
        far = rest >= 0.5 if move > 0.0 else rest > 0.5  # ties go up
        law[away if far else state + whole] += weight


@kernel
def evolve_chain(
    law: NDArray[np.float64],
    value: NDArray[np.float64],
    error: NDArray[np.float64],
    slope: NDArray[np.float64],
    outcomes: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    rates: NDArray[np.float64],
    stochastic: bool,
    words: float,
    records: NDArray[np.float64],
) -> None:
    """Expectations under the law of ``w_1 .. w_T`` (``T = len(rates)``); `law` (n,) ends as the law of ``w_T``.

    `rates` are learning rates over the step size. ``records`` (T, 6) has the columns above; ``LEAVING`` is the
    probability that update ``t`` (from ``w_t``) leaves the range and is clipped, zero in the last row.
    """
    n = law.shape[0]
    steps = rates.shape[0]
    after = np.empty(n)
    for t in range(steps):
        after[:] = 0.0
        for s in range(n):
            p = law[s]
            if p < NEGLIGIBLE:
                continue
            records[t, VALUE] += p * value[s]
            records[t, DISTANCE] += p * error[s]
            records[t, DISTANCE2] += p * error[s] * error[s]
            records[t, GRADIENT2] += p * slope[s] * slope[s]
            for j in range(outcomes.shape[0]):
                g = slope[s] + outcomes[j]
                weight = p * probabilities[j]
                records[t, GRADIENT1] += weight * abs(g)
                if t + 1 < steps:
                    move = -rates[t] * g
                    if s + move < 0.0 or s + move > n - 1:
                        records[t, LEAVING] += weight
                    spread(s, move, weight, stochastic, words, n - 1, after)
        if t + 1 < steps:
            law[:] = after
