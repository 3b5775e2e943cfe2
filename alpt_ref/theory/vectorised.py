"""The Monte Carlo driver in NumPy, for what the compiled one cannot take: a user's rounding, problem or update rule.

    w_{t+1} = Q(clip_B(w_t + move_t)),    move_t = -eta_t (f'(w_t) + noise_t) for SGD

All runs walk together, one step at a time. Noise, rows and rounding words are those of the compiled driver, and so is
the arithmetic of what it can do as well: the same run gives the same iterates in every bit. It is reached through
`alpt_ref.theory.simulate`.

A user's rounding gets ``x = w_t + move_t``, float32 (runs, d), added in float64 and rounded once, *not* clipped: to
saturate is the rounding's business, and what it returns is the next iterate, taken as it is.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory.gradient_source import Weights
from alpt_ref.theory.simulation_result import SimulationResult
from alpt_ref.theory.vectorised_step import Position, Setup, Stepper


def walk(setup: Setup) -> SimulationResult:
    """Run it: iterates ``w_1 (start), ..., w_T``."""
    steps, stepper, seen = len(setup.rates), Stepper(setup), _Seen(setup)
    position = stepper.start()
    for t in range(1, steps):
        seen.iterate(t, position.w)
        position, g, left = stepper.advance(position, t)
        seen.update(g, left)
    seen.iterate(steps, position.w)
    return seen.result(position)


class _Seen:
    """What is recorded on the way."""

    def __init__(self, setup: Setup) -> None:
        points, runs = len(setup.watch.checkpoints), setup.runs
        self._setup, self._point = setup, 0
        self._value, self._distance2, self._gradient2 = (np.full((points, runs), math.nan) for _ in range(3))
        self._averages = np.zeros((2, points, runs))
        self._total, self._total_gradient = np.zeros(runs), np.zeros(runs)
        self._taken = np.zeros(runs, np.int64)  # iterates in each run's average
        self._exceeded = np.zeros(runs, np.int64)
        self._largest = np.zeros((3, runs))  # sampled gradient, gradient, distance

    def iterate(self, t: int, w: Weights) -> None:
        """Iterate `t`: averages, limits, and the checkpoint if it is one."""
        source, watch = self._setup.source, self._setup.watch
        recorded = t == watch.checkpoints[self._point]
        if not (recorded or watch.averages or watch.check):
            return
        taken = (t + np.arange(self._setup.runs) // 4) % watch.thin == 0
        if recorded or (watch.averages and taken.any()):
            value = source.value(w)
            self._total += np.where(taken, value, 0.0)
            self._taken += taken
        if recorded or watch.check or source.averages_gradient:
            gradient2 = source.gradient2(w)
        if watch.averages and source.averages_gradient:
            self._total_gradient += gradient2
        if recorded or watch.check:
            distance2 = source.distance2(w)
            np.maximum(self._largest[1], gradient2, out=self._largest[1])
            np.maximum(self._largest[2], distance2, out=self._largest[2])
        if recorded:
            p = self._point
            self._value[p], self._distance2[p], self._gradient2[p] = value, distance2, gradient2
            with np.errstate(invalid="ignore"):  # NaN where a run has none yet
                self._averages[0, p], self._averages[1, p] = self._total / self._taken, self._total_gradient / t
            self._point += 1

    def update(self, g: Weights, exceeded: NDArray[np.bool_]) -> None:
        """The update that follows: its gradients and what left the range."""
        if self._setup.watch.check:
            np.maximum(self._largest[0], (g.astype(np.float64) ** 2).sum(axis=1), out=self._largest[0])
            self._exceeded += exceeded.sum(axis=1)

    def result(self, at: Position) -> SimulationResult:
        """All of it."""
        watch, source = self._setup.watch, self._setup.source
        return SimulationResult(
            checkpoints=watch.checkpoints,
            value=self._value,
            distance2=self._distance2,
            gradient2=self._gradient2,
            average_value=self._averages[0] if watch.averages else None,
            average_gradient2=self._averages[1] if watch.averages and source.averages_gradient else None,
            final=at.w,
            checked=watch.check,
            exceeded=self._exceeded,
            max_sampled_gradient2=self._largest[0] if watch.check else np.full(self._setup.runs, math.nan),
            max_gradient2=self._largest[1],
            max_distance2=self._largest[2],
            f_star=source.f_star,
            step_sizes=at.sizes if self._setup.learned else None,
        )
