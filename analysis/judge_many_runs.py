"""Verdicts of the judge by the million at thousands of runs: the capital of all bets in one compiled pass.

A verdict that comes near its threshold (`NEAR`) is left to the judge's own function, so the counts are those of
`claims.j1_false_support.count_supported` with the same draws. Of a rare event only the number of runs that show it
matters: beyond `MANY_RUNS` runs that number is drawn, and every number that occurs is judged once.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from alpt_ref.verification.betting import BLOCK, LARGEST, shares

from .claims.j1_false_support import AT_ONCE, SIDES, Floats, Law, Side, p_of_support

NEAR = 1e-6
"""Distance of ln K from ln 1/alpha below which the judge's own function decides: thousands of roundings of the sums."""
COLUMNS = 16
"""Fewest verdicts at once, which fill the lanes of a processor."""


def count_supported(
    law: Law, runs: int, verdicts: int, bounds: dict[Side, float], alpha: float, seed: int
) -> dict[Side, int]:
    """How many of so many verdicts on values in a range, each on its own runs, support the bound of each side."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    counts, done = dict.fromkeys(SIDES, 0), 0
    while done < verdicts:
        chunk = min(verdicts - done, max(COLUMNS, AT_ONCE // runs))
        values = law.draw(rng, (runs, chunk))
        for side in SIDES:
            counts[side] += int(supported(values, law, side, bounds[side], alpha).sum())
        done += chunk
    return counts


def supported(
    values: Floats, law: Law, side: Side, bound: float, alpha: float
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether the judge supports that each mean of `values` (runs, points) lies on this side of `bound` (points,)."""
    end = law.high if side == "at most" else law.low
    if end is None:  # the range lacks the end from which the bets start
        return np.zeros(values.shape[1], dtype=np.bool_)
    distance = abs(bound - end)
    x = np.abs(values - end)
    if float(x.max()) >= LARGEST * distance:  # the judge caps such gains
        return p_of_support(values, law, side, bound) <= alpha
    logs = log_products(x, 1.0 / distance, shares(len(values)))
    top = logs.max(axis=0)
    beyond = top + np.log(np.exp(logs - top).mean(axis=0)) + math.log(alpha)
    found = beyond >= 0
    near = np.abs(beyond) < NEAR
    if near.any():
        found[near] = p_of_support(np.ascontiguousarray(values[:, near]), law, side, bound) <= alpha
    return np.asarray(found)


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator, unused-ignore]
def log_products(x: Floats, v: float, c: Floats) -> Floats:
    """``sum_i ln(1 - c_j + c_j v x_i)`` (shares, points) of distances `x` (runs, points)."""
    runs, points = x.shape
    logs, products = np.zeros((len(c), points)), np.ones((len(c), points))
    for i in range(runs):
        for j in range(len(c)):
            kept, gain = 1.0 - c[j], c[j] * v
            for p in range(points):
                products[j, p] *= kept + gain * x[i, p]
        if i % BLOCK == BLOCK - 1 or i == runs - 1:
            for j in range(len(c)):
                for p in range(points):
                    logs[j, p] += np.log(products[j, p])
                    products[j, p] = 1.0
    return logs


def count_supported_events(
    law: Law, runs: int, verdicts: int, bounds: dict[Side, float], alpha: float, seed: int
) -> dict[Side, int]:
    """The same for events of probability `law.mean`, from the number of runs of each verdict that show the event."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    numbers, times = np.unique(rng.binomial(runs, law.mean, verdicts), return_counts=True)
    counts = dict.fromkeys(SIDES, 0)
    at_once = max(1, AT_ONCE // runs)
    for start in range(0, len(numbers), at_once):
        some = slice(start, start + at_once)
        values = (np.arange(runs)[:, None] < numbers[some]).astype(np.float64)
        for side in SIDES:
            counts[side] += int(times[some][p_of_support(values, law, side, bounds[side]) <= alpha].sum())
    return counts
