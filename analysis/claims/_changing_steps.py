"""Stochastic rounding under step sizes that change: what happens along a run, in expectation and exactly.

``Alternating``: the step size goes to and fro, so that the coordinates of a row are independent chains.
``Learned``: one step size for a row of d elements; how it moves depends on the gradients, the codes or a coin, so that
the row is one chain over (step size, all codes).

Both give the sums that A1C names: of ``f(w_t) - f*``, ``E sum_i Delta'|g_i|``, ``E sum_i Delta'|k_i||delta_i|`` and of
the capped form, over t = 1..T.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from alpt_ref.theory import Grid, Separable

from ._instance import Floats

GAP, GRADIENT, CHANGE, CAPPED, LARGEST, STEP, SIZE = range(7)
"""Columns of the sums; for controls alone: ``E max_i Delta'|k_i||delta|``, ``E Delta'`` and ``E|g|_1``."""


@dataclass(frozen=True)
class Alternating:
    """``slope sum_i |w_i - w*|`` in `dim` coordinates; step size 1 and ``1 + change`` in turn, codes of `bits` bits."""

    slope: float
    minimum: float
    bits: int
    eta: float
    change: float
    start: int
    dim: int

    def matrices(self) -> list[Floats]:
        """Transition matrices of one coordinate onto the grid of ``1 + change``, and back."""
        codes, steps = Grid(1.0, self.bits).values, (1.0, 1.0 + self.change)
        place, found = np.arange(len(codes)), []
        for old, new in (steps, steps[::-1]):
            x = np.clip((codes * old - self.eta * self.gradient(codes * old)) / new, codes[0], codes[-1])
            down = np.minimum(np.floor(x), codes[-1] - 1)
            matrix, to = np.zeros((len(codes), len(codes))), (down - codes[0]).astype(np.int64)
            matrix[place, to] = 1.0 - (x - down)
            matrix[place, to + 1] = x - down
            found.append(matrix)
        return found

    def gradient(self, w: Floats) -> Floats:
        """Subgradient of one coordinate, ``+slope`` at the minimum."""
        return np.where(w >= self.minimum, self.slope, -self.slope)

    def sums(self, horizons: Sequence[int]) -> Floats:
        """Rows (horizons, 7) of sums over t = 1..T; each T is a power of two and at least 2.

        The column LARGEST is the long run's.
        """
        codes, rows = Grid(1.0, self.bits).values, []
        for T, (total, here, there) in zip(horizons, _long_run(replace(self, dim=1), tuple(horizons)), strict=True):
            largest = (1.0 + self.change) * self._largest(codes, here) + self._largest(codes, there)
            rows.append([*(self.dim * total), 0.5 * T * abs(self.change) * largest, T * (1.0 + self.change / 2.0), 0.0])
            rows[-1][SIZE] = T * self.slope * self.dim
        return np.array(rows)

    def rewards(self, codes: Floats, old: float, new: float) -> Floats:
        w, change = codes * old, np.abs(codes) * abs(new - old)
        size = np.abs(self.gradient(w))
        capped = np.minimum(new * (self.eta * size + change), new * new / 4.0)
        return np.stack([self.slope * np.abs(w - self.minimum), new * size, new * change, capped], axis=1)

    def _largest(self, codes: Floats, law: Floats) -> float:
        """``E max_i |k_i|`` over `dim` independent coordinates of this law."""
        sizes = np.unique(np.abs(codes))
        below = np.array([law[np.abs(codes) <= size].sum() for size in sizes]) / law.sum()
        return float(np.diff(below**self.dim, prepend=0.0) @ sizes)


@functools.lru_cache(maxsize=4)
def _long_run(chain: Alternating, horizons: tuple[int, ...]) -> list[tuple[Floats, Floats, Floats]]:
    """Sums (4,) of one coordinate up to each T, and its law in either phase then.

    ``u_T = sum_{t<T} P^t u_1`` doubles, with the matrix of two updates.
    """
    codes, wide = Grid(1.0, chain.bits).values, 1.0 + chain.change
    there, back = chain.matrices()
    total = chain.rewards(codes, 1.0, wide) + there @ chain.rewards(codes, wide, 1.0)
    power, T, found, place = there @ back, 2, {}, chain.start - int(codes[0])
    while True:
        if T in horizons:
            found[T] = total[place], power[place], power[place] @ there
        if max(horizons) <= T:
            return [found[one] for one in horizons]
        total, power, T = total + power @ total, power @ power, 2 * T
        power /= power.sum(axis=1, keepdims=True)  # or the error of a sum of 1 would double each time, too


@dataclass(frozen=True, eq=False)
class Learned:
    """A row of ``problem.dim`` elements under one step size out of `steps`, moved by `rule`.

    ``rule(place, codes, gradient, coin)`` gives the place of the new step size in `steps`; the gradient has noise
    +-sigma, one sign for the row, and the coin is -1 or 1.
    """

    problem: Separable
    bits: int
    steps: tuple[float, ...]
    eta: float
    sigma: float
    rule: Callable[[int, Floats, Floats, int], int]

    def states(self) -> list[tuple[int, tuple[int, ...]]]:
        """Every place of the step size with every row of codes."""
        codes = [int(code) for code in Grid(1.0, self.bits).codes]
        return list(itertools.product(range(len(self.steps)), itertools.product(codes, repeat=self.problem.dim)))

    def model(self) -> tuple[sparse.csr_array, Floats, float]:
        """Transition matrix, expected sums of one update from each state (states, 7), and the largest ``E|g|^2``."""
        states = self.states()
        number = {state: at for at, state in enumerate(states)}
        low, high = Grid(1.0, self.bits).low_code, Grid(1.0, self.bits).high_code
        signs = (-1.0, 1.0) if self.sigma else (0.0,)
        sums, square, entries = np.zeros((len(states), 7)), 0.0, []
        for at, (place, codes) in enumerate(states):
            k, old = np.array(codes, dtype=np.float64), self.steps[place]
            slope = self.problem.gradient(k * old)
            square = max(square, float((slope**2).sum()) + self.problem.dim * self.sigma**2)
            sums[at, GAP] = self.problem.value(k * old)
            for sign, coin in itertools.product(signs, (-1, 1)):
                g, chance = slope + sign * self.sigma, 0.5 / len(signs)
                to = self.rule(place, k, g, coin)
                new, change = self.steps[to], np.abs(k) * abs(self.steps[to] - old)
                sums[at, GRADIENT] += chance * new * np.abs(g).sum()
                sums[at, CHANGE] += chance * new * change.sum()
                sums[at, STEP] += chance * new
                sums[at, SIZE] += chance * np.abs(g).sum()
                sums[at, CAPPED] += chance * np.minimum(new * (self.eta * np.abs(g) + change), new * new / 4.0).sum()
                x = np.clip((k * old - self.eta * g) / new, low, high)
                down = np.minimum(np.floor(x), high - 1)
                for ups in itertools.product((0, 1), repeat=len(codes)):
                    weight = chance * float(np.prod(np.where(ups, x - down, 1.0 - (x - down))))
                    if weight > 0.0:
                        entries.append((at, number[to, tuple((down + ups).astype(int).tolist())], weight))
        row, column, weights = (np.array(part) for part in zip(*entries, strict=True))
        shape = (len(states), len(states))
        return sparse.coo_array((weights, (row, column)), shape=shape).tocsr(), sums, square

    def sums(self, start: tuple[int, tuple[int, ...]], horizons: Sequence[int]) -> tuple[Floats, float]:
        """Rows (horizons, 7) of the sums from a state, and the largest ``E|g|^2`` of all states."""
        matrix, rewards, square = self.model()
        law = np.zeros(matrix.shape[0])
        law[self.states().index(start)] = 1.0
        total, found = np.zeros(7), {}
        for t in range(1, max(horizons) + 1):
            total = total + law @ rewards
            if t in horizons:
                found[t] = total
            law = law @ matrix
        return np.array([found[T] for T in horizons]), square
