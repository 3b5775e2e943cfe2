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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.kernels.cpu import montecarlo_each as each
from alpt_ref.kernels.cpu import montecarlo_types as kinds
from alpt_ref.kernels.jit import run_rows
from alpt_ref.theory.draws import Noises, element_words, first_draw
from alpt_ref.theory.gradient_source import Floats, Source, Weights
from alpt_ref.theory.rounding_rule import FewBits, RoundingFunction
from alpt_ref.theory.setting import Grid, Noise
from alpt_ref.theory.simulation_result import SimulationResult

FAR = np.float32(4194304.0)
"""An update beyond so many steps is cut to it, as in the compiled driver: no 16-bit code is so far from another."""
_ELEMENTS_A_THREAD = 16384


class Setup(NamedTuple):
    """One simulation, its arguments checked.

    Attributes
    ----------
    source : Source
    grid : Grid
    runs : int
    start : int32 array (d,)
    step_size : float64 array (d,)
    rates : float64 array (T,)
        The last is not used.
    rounding : "full", "sr", "dr", FewBits or a function
    noise : Noise
    watch : Watch
    seed : int
    """

    source: Source
    grid: Grid
    runs: int
    start: NDArray[np.int32]
    step_size: Floats
    rates: Floats
    rounding: str | FewBits | RoundingFunction
    noise: Noise
    watch: kinds.Watch
    seed: int


class Position(NamedTuple):
    """Where the runs are: weights float32 (runs, d), and their codes int64 (runs, d) where the rounding keeps codes."""

    w: Weights
    code: NDArray[np.int64] | None


def walk(setup: Setup) -> SimulationResult:
    """Run it: iterates ``w_1 (start), ..., w_T``."""
    d, steps = len(setup.start), len(setup.rates)
    code = np.broadcast_to(setup.start.astype(np.int64), (setup.runs, d)).copy()
    position = Position(code.astype(np.float32) * setup.step_size.astype(np.float32), code)
    noises = Noises(setup.noise, setup.runs, d, setup.seed)
    draw = first_draw(setup.seed)
    seen = _Seen(setup, d)
    for t in range(1, steps + 1):
        seen.iterate(t, position.w)
        if t == steps:
            break
        g = noises.add(setup.source.sampled(position.w, t, setup.seed), t)
        if not np.isfinite(g).all():
            run = int(np.argmin(np.isfinite(g).all(axis=1)))
            raise InputError(
                f"the gradient of run {run} is not finite at step {t}; lower the learning rate or check the problem"
            )
        position, exceeded = _step(setup, position, g, t, draw + t - 1)
        seen.update(g, exceeded)
    return seen.result(position.w)


def _step(setup: Setup, at: Position, g: Weights, t: int, draw: int) -> tuple[Position, NDArray[np.bool_]]:
    """The iterate after one update, and which coordinates the update took out of the range."""
    eta, step = setup.rates[t - 1], setup.step_size.astype(np.float32)
    low, high = np.float32(setup.grid.low_code), np.float32(setup.grid.high_code)
    if isinstance(setup.rounding, str) and setup.rounding == "full":
        update = -np.float32(eta) * g
        bottom, top = low * step, high * step
        left = (update < bottom - at.w) | (update > top - at.w)
        return Position(np.clip(at.w + update, bottom, top), None), left
    if callable(setup.rounding):
        x = (at.w - eta * g.astype(np.float64)).astype(np.float32)
        left = (x < low * step) | (x > high * step)
        return Position(_rounded(setup.rounding, x, draw), None), left
    assert at.code is not None
    here = at.code.astype(np.float32)
    update = -(eta / setup.step_size).astype(np.float32) * g
    left = (update < low - here) | (update > high - here)
    moves = _moves(np.clip(update, -FAR, FAR), setup.rounding, t, setup.seed)
    code = np.clip(at.code + moves, setup.grid.low_code, setup.grid.high_code)
    return Position(code.astype(np.float32) * step, code), left


def _moves(update: Weights, rounding: str | FewBits, t: int, seed: int) -> NDArray[np.int64]:
    """Updates in steps, rounded: int64 of the same shape."""
    flat = np.ascontiguousarray(update).ravel()
    out = np.empty(len(flat), np.int64)
    if rounding == "dr":
        run_rows(each.nearest_moves, len(flat), flat, out, grain=_ELEMENTS_A_THREAD)
        return out.reshape(update.shape)
    words = element_words(len(flat), t - 1, kinds.PURPOSE_ROUNDING, seed)
    if isinstance(rounding, FewBits):
        run_rows(each.few_bit_moves, len(flat), flat, words, rounding.bits, out, grain=_ELEMENTS_A_THREAD)
    else:
        run_rows(each.stochastic_moves, len(flat), flat, words, out, grain=_ELEMENTS_A_THREAD)
    return out.reshape(update.shape)


def _rounded(function: RoundingFunction, x: Weights, draw: int) -> Weights:
    """What the user's function makes of `x`, checked and copied."""
    shape = x.shape
    out = np.asarray(function(x, draw))
    if out.shape != shape or out.dtype.kind not in "fiu":
        raise InputError(
            f"rounding must return real numbers of the shape {shape} of its argument (decoded values, not codes), "
            f"got {out.dtype} of shape {out.shape}"
        )
    w = np.array(out, dtype=np.float32)
    if not np.isfinite(w).all():
        raise InputError(
            f"rounding must return finite numbers for finite ones, got {w[~np.isfinite(w)][0]} at draw {draw}"
        )
    return w


class _Seen:
    """What is recorded on the way."""

    def __init__(self, setup: Setup, d: int) -> None:
        points, runs = len(setup.watch.checkpoints), setup.runs
        self._setup, self._point = setup, 0
        self._value, self._distance2, self._gradient2 = (np.full((points, runs), math.nan) for _ in range(3))
        self._averages = np.zeros((2, points, runs))
        self._total, self._total_gradient = np.zeros(runs), np.zeros(runs)
        self._exceeded = np.zeros(runs, np.int64)
        self._largest = np.zeros((3, runs))  # sampled gradient, gradient, distance

    def iterate(self, t: int, w: Weights) -> None:
        """Iterate `t`: averages, limits, and the checkpoint if it is one."""
        source, watch = self._setup.source, self._setup.watch
        recorded = t == watch.checkpoints[self._point]
        if not (recorded or watch.averages or watch.check):
            return
        if recorded or watch.averages:
            value = source.value(w)
            self._total += value
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
            self._averages[0, p], self._averages[1, p] = self._total / t, self._total_gradient / t
            self._point += 1

    def update(self, g: Weights, exceeded: NDArray[np.bool_]) -> None:
        """The update that follows: its gradients and what left the range."""
        if self._setup.watch.check:
            np.maximum(self._largest[0], (g.astype(np.float64) ** 2).sum(axis=1), out=self._largest[0])
            self._exceeded += exceeded.sum(axis=1)

    def result(self, w: Weights) -> SimulationResult:
        """All of it."""
        watch, source = self._setup.watch, self._setup.source
        return SimulationResult(
            checkpoints=watch.checkpoints,
            value=self._value,
            distance2=self._distance2,
            gradient2=self._gradient2,
            average_value=self._averages[0] if watch.averages else None,
            average_gradient2=self._averages[1] if watch.averages and source.averages_gradient else None,
            final=w,
            checked=watch.check,
            exceeded=self._exceeded,
            max_sampled_gradient2=self._largest[0] if watch.check else np.full(self._setup.runs, math.nan),
            max_gradient2=self._largest[1],
            max_distance2=self._largest[2],
        )
