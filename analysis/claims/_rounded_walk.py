"""Low-precision SGD on one coordinate with any rounding and any noise: its dense chain, and averages over long runs.

`alpt_ref.theory.markov` takes noise with finitely many outcomes; here normal and uniform noise too, and the law of the
rounded update before clipping. ``u_T = sum_{t<T} P^t f`` doubles: ``u_2T = u_T + P^T u_T``, so that averages over
2^20 iterates cost twenty products of matrices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alpt_ref.theory import Grid, Noise, Separable

from ._instance import Floats
from ._noisy_chain import distribution, mean_distance

TAIL = 9.0
"""Standard deviations of normal noise that the law of an update covers; 1e-19 lies beyond."""


@dataclass(frozen=True, eq=False)
class RoundedWalk:
    """One coordinate of `problem` on `grid` under `noise`, constant rate `eta` and `rounding` ("sr" or "dr")."""

    problem: Separable
    grid: Grid
    noise: Noise
    eta: float
    rounding: str

    def slopes(self) -> Floats:
        """``f'`` at each code."""
        return np.asarray(self.problem.gradient(self.grid.values[:, None])[:, 0])

    def moves(self) -> tuple[Floats, Floats]:
        """Rounded updates (k,) in steps, before clipping, and their probabilities from each code (codes, k)."""
        scale = self.eta / self.grid.step_size
        slopes = self.slopes()
        spread = Noise(self.noise.kind, self.noise.sigma * scale)
        reach = scale * float(np.abs(slopes).max()) + min(spread.largest, TAIL * spread.sigma)
        steps = np.arange(-math.ceil(reach) - 1.0, math.ceil(reach) + 2.0)
        if spread.sigma == 0.0 or spread.kind == "two-point":
            outcomes = zip(*self.noise.outcomes(), strict=True)
            laws = [chance * self._law(-scale * (slopes + value), steps) for value, chance in outcomes]
            return steps, np.asarray(np.sum(laws, axis=0))
        x = -scale * slopes[:, None]
        if self.rounding == "dr":
            below = distribution(spread, np.append(steps, steps[-1] + 1.0) - 0.5 - x)
            return steps, np.diff(below, axis=1)
        wide = np.concatenate([[steps[0] - 1.0], steps, [steps[-1] + 1.0]])
        return steps, np.maximum(np.diff(mean_distance(spread, x - wide), n=2, axis=1) / 2.0, 0.0)

    def _law(self, y: Floats, steps: Floats) -> Floats:
        """Law of the rounded `y` (codes,) over `steps`."""
        if self.rounding == "dr":
            return np.asarray(np.floor(y + 0.5)[:, None] == steps, dtype=np.float64)
        return np.maximum(1.0 - np.abs(y[:, None] - steps), 0.0)

    def moments(self) -> tuple[Floats, Floats]:
        """``E M`` and ``E M^2`` from each code, in units of the weights."""
        steps, chances = self.moves()
        step_size = self.grid.step_size
        return step_size * (chances @ steps), step_size**2 * (chances @ steps**2)

    def matrix(self) -> Floats:
        """Transition probabilities (codes, codes): what leaves the range ends at its ends."""
        steps, chances = self.moves()
        n = len(self.grid.codes)
        to = np.clip(np.arange(n)[:, None] + steps.astype(np.int64), 0, n - 1)
        matrix = np.zeros((n, n))
        np.add.at(matrix, (np.arange(n)[:, None], to), chances)
        return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))

    def averages(self, start: int, horizons: Sequence[int]) -> Floats:
        """``(1/T) sum_{t=1..T} E f(w_t)`` from code `start` for each T, a power of two."""
        power, total = self.matrix(), self.problem.values(self.grid.values[:, None])[:, 0]
        place, T, found = start - self.grid.low_code, 1, {}
        while True:
            if T in horizons:
                found[T] = total[place] / T
            if max(horizons) <= T:
                return np.array([found[one] for one in horizons])
            total, power, T = total + power @ total, power @ power, 2 * T
            power /= power.sum(axis=1, keepdims=True)  # or the error of a sum of 1 would double each time, too
