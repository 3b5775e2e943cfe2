"""Adagrad on the grid, exactly: gradients whose squares are known beforehand, and ones whose accumulator is random.

With ``|g_{t,i}|`` the same number at every point of the box (a kink without noise; any slope below s under noise that
makes the gradient +s or -s) the accumulators do not depend on the run, and each coordinate is a chain under a known
schedule. A kink under two-point noise has two magnitudes: code and count of the larger one are the state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from alpt_ref.theory import Grid, Separable

from ._instance import Floats


@dataclass(frozen=True, eq=False)
class Gradients:
    """What `slopes` of a problem become: outcomes ``g`` with their probabilities, arrays (k, d, codes)."""

    values: Floats
    chances: Floats

    @property
    def square(self) -> Floats:
        """``g_i^2`` of each coordinate, the same for every outcome at every code: (d,)."""
        return np.asarray(self.values[0, :, 0] ** 2)


def gradients(problem: Separable, grid: Grid, signs: float = 0.0) -> Gradients:
    """The exact gradient, or with `signs` = s ``+s`` or ``-s`` with mean ``f'``."""
    slopes = problem.gradient(np.repeat(grid.values[:, None], problem.dim, axis=1)).T
    if not signs:
        return Gradients(slopes[None], np.ones((1, *slopes.shape)))
    up = 0.5 * (1.0 + slopes / signs)
    return Gradients(np.stack([np.full(slopes.shape, signs), np.full(slopes.shape, -signs)]), np.stack([up, 1.0 - up]))


def rounded(y: Floats, rounding: str) -> tuple[Floats, Floats]:
    """Whole steps, and the probability of one step more."""
    if rounding == "dr":
        return np.floor(y + 0.5), np.zeros(y.shape)
    down = np.floor(y)
    return down, y - down


def moved(law: Floats, y: Floats, rounding: str) -> Floats:
    """`law` (..., codes) after moves of `y` steps, clipped to the codes."""
    n = law.shape[-1]
    state = np.arange(n, dtype=np.float64)
    down, up = rounded(np.clip(y, -state, n - 1 - state), rounding)
    low = (state + down).astype(np.int64)
    first = np.arange(0, law.size, n).reshape(*law.shape[:-1], 1)
    stayed = np.bincount((first + low).ravel(), (law * (1.0 - up)).ravel(), law.size)
    further = np.bincount((first + np.minimum(low + 1, n - 1)).ravel(), (law * up).ravel(), law.size)
    return np.asarray(stayed + further, dtype=np.float64).reshape(law.shape)


def average_gaps(
    problem: Separable, grid: Grid, given: Gradients, rates: Floats, start: int, *, rounding: str = "sr"
) -> Floats:
    """``(1/t) sum_{s<=t} E f(w_s) - f*`` for t = 1..T under `rates` (T, d) from code `start` in every coordinate."""
    value = problem.values(np.repeat(grid.values[:, None], problem.dim, axis=1)).T
    law, gaps = np.zeros(value.shape), np.empty(len(rates))
    law[:, start - grid.low_code] = 1.0
    for t, rate in enumerate(rates):
        gaps[t] = (law * value).sum()
        scale = -rate[:, None] / grid.step_size
        parts = [moved(law * p, scale * g, rounding) for g, p in zip(given.values, given.chances, strict=True)]
        law = np.asarray(np.sum(parts, axis=0))
    return np.asarray(gaps.cumsum() / np.arange(1, len(rates) + 1))


def average_gaps_two_magnitudes(
    grid: Grid, slope: float, sigma: float, c: float, T: int, start: int, *, rounding: str = "sr"
) -> Floats:
    """The same for ``slope |w|`` under noise +-sigma > slope: Adagrad's accumulator is random and depends on g_t."""
    codes = grid.values
    law = np.zeros((T + 1, len(codes)))  # count of the larger magnitude, code
    law[0, start - grid.low_code] = 1.0
    side = np.where(codes >= 0.0, slope, -slope)
    gaps, count = np.empty(T), np.arange(T + 1.0)[:, None]
    for t in range(1, T + 1):
        gaps[t - 1] = law.sum(axis=0) @ (slope * np.abs(codes))
        new = np.zeros(law.shape)
        for noise in (sigma, -sigma):
            g = side + noise
            large = np.abs(g) > sigma
            now = count + large  # with g_t
            square = (t - now) * (sigma - slope) ** 2 + now * (sigma + slope) ** 2
            y = -c / grid.step_size * g / np.sqrt(np.maximum(square, (sigma - slope) ** 2))
            new[1:] += moved(0.5 * law * large, y * large, rounding)[:-1]
            new += moved(0.5 * law * ~large, y * ~large, rounding)
        law = new
    return np.asarray(gaps.cumsum() / np.arange(1, T + 1))


def expected_root(slope: float, sigma: float, T: int) -> float:
    """``E sqrt(sum_t g_t^2)`` of the same: the larger magnitude has probability 1/2 at every code."""
    count = np.arange(T + 1.0)
    squares = (T - count) * (sigma - slope) ** 2 + count * (sigma + slope) ** 2
    return float(stats.binom.pmf(count, T, 0.5) @ np.sqrt(squares))
