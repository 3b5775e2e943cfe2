"""Exact evolution of the law of one low-precision coordinate: one loop over steps, states and noise outcomes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.jit import kernel
from alpt_ref.scalar.jit import scalar

VALUE, DISTANCE, DISTANCE2, GRADIENT2, GRADIENT1, LEAVING = range(6)
"""Columns of the record of one step."""

NEGLIGIBLE = 1e-280
"""States less likely than this are dropped: far below one rounding of any sum, far above the subnormal numbers."""


class ChainModel(NamedTuple):
    """The chain of one coordinate.

    Attributes
    ----------
    value, error, slope : float64 arrays (n,)
        Loss, distance from the minimum and derivative of each state.
    outcomes, probabilities : float64 arrays (k,)
        Of the gradient noise.
    rates : float64 array (T,)
        Learning rates over the step size.
    stochastic : bool
        Stochastic rounding; otherwise nearest, ties up.
    random_words : float
        Random words that stochastic rounding can tell apart, 0 for no limit.
    """

    value: NDArray[np.float64]
    error: NDArray[np.float64]
    slope: NDArray[np.float64]
    outcomes: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    rates: NDArray[np.float64]
    stochastic: bool
    random_words: float


@scalar
def spread(
    state: int,
    update: float,
    weight: float,
    stochastic: bool,
    random_words: float,
    top: int,
    law: NDArray[np.float64],
) -> None:
    """Send `weight` from `state` along an update in grid units, clipped to ``0..top``, then rounded.

    The update is rounded, not the sum, so that a tiny update keeps all its bits.
    """
    target = min(max(state + update, 0.0), float(top))
    if target == 0.0 or target == float(top):
        law[int(target)] += weight
        return
    whole = int(update)  # towards zero
    rest = abs(update - whole)
    away = state + whole + (1 if update > 0.0 else -1)
    if stochastic:
        up = math.floor(rest * random_words) / random_words if random_words > 0.0 else rest
        law[state + whole] += weight * (1.0 - up)
        if up > 0.0:
            law[away] += weight * up
    else:
        far = rest >= 0.5 if update > 0.0 else rest > 0.5  # ties go up
        law[away if far else state + whole] += weight


@kernel
def evolve_chain(law: NDArray[np.float64], model: ChainModel, records: NDArray[np.float64]) -> None:
    """Expectations under the law of ``w_1 .. w_T`` (``T = len(rates)``); `law` (n,) ends as the law of ``w_T``.

    ``records`` (T, 6) has the columns above; ``LEAVING`` is the probability that update ``t`` (from ``w_t``) leaves
    the range and is clipped, zero in the last row.
    """
    value, error, slope = model.value, model.error, model.slope
    outcomes, probabilities, rates = model.outcomes, model.probabilities, model.rates
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
                    update = -rates[t] * g
                    if s + update < 0.0 or s + update > n - 1:
                        records[t, LEAVING] += weight
                    spread(s, update, weight, model.stochastic, model.random_words, n - 1, after)
        if t + 1 < steps:
            law[:] = after
