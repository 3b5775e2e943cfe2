"""What the vectorised driver asks of a problem: sampled gradients, and values, gradients and distances to record."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu import montecarlo_each as each
from alpt_ref.kernels.cpu import montecarlo_types as kinds
from alpt_ref.kernels.jit import run_rows
from alpt_ref.theory.draws import element_words, generator
from alpt_ref.theory.linear import LinearModel
from alpt_ref.theory.problem import Problem
from alpt_ref.theory.problems import Separable

Floats = NDArray[np.float64]
Weights = NDArray[np.float32]
_RUNS_A_THREAD = 64


class Source(Protocol):
    """The problem as the driver sees it; weights are float32 (runs, d)."""

    f_star: float | None
    """What `value` is counted from; None where the infimum is not known."""
    averages_gradient: bool
    """Whether ``average_gradient2`` is recorded."""

    def sampled(self, w: Weights, t: int, seed: int) -> Weights:
        """Gradients for the update of step `t`, before the noise: float32 (runs, d)."""

    def value(self, w: Weights) -> Floats:
        """``f(w)`` less what it is counted from: float64 (runs,)."""

    def gradient2(self, w: Weights) -> Floats:
        """``|f'(w)|^2`` of the exact gradient: float64 (runs,)."""

    def distance2(self, w: Weights) -> Floats:
        """``|w - w*|^2``: float64 (runs,); NaN where no minimum is known."""


class SeparableSource:
    """Of a separable problem, with the float32 gradient of the compiled driver."""

    averages_gradient = True

    def __init__(self, problem: Separable) -> None:
        self._kind, self._problem = problem.kind, problem
        self.f_star: float | None = 0.0
        self._a, self._b, self._minimum = (
            x.astype(np.float32) for x in (problem.curvature, problem.shape, problem.minimum)
        )

    def sampled(self, w: Weights, t: int, seed: int) -> Weights:
        """The exact gradient."""
        a, b, e = self._a, self._b, w - self._minimum
        if self._kind == "elastic":
            return np.asarray(a * e + np.where(e >= 0.0, b, -b))
        if self._kind == "huber":
            return np.asarray(a * np.clip(e, -b, b))
        base = np.float32(1.0) + e * e
        return np.asarray(a * e / (base * base))

    def value(self, w: Weights) -> Floats:
        """``f(w) - f*``."""
        return self._problem.value(w)

    def gradient2(self, w: Weights) -> Floats:
        """Of the float32 gradient."""
        return np.asarray((self.sampled(w, 0, 0).astype(np.float64) ** 2).sum(axis=1))

    def distance2(self, w: Weights) -> Floats:
        """Of the float32 difference."""
        return np.asarray(((w - self._minimum).astype(np.float64) ** 2).sum(axis=1))


class LinearSource:
    """Of a loss over a data matrix, with the rows and sums of the compiled driver."""

    averages_gradient = False

    def __init__(self, problem: LinearModel, kernel_problem: kinds.Problem) -> None:
        self._problem, self._kernel = problem, kernel_problem
        self.f_star: float | None = problem.f_star

    def sampled(self, w: Weights, t: int, seed: int) -> Weights:
        """The mean gradient of the rows that each run draws, or of all."""
        runs, d = w.shape
        words = element_words(runs * self._kernel.batch, t - 1, kinds.PURPOSE_SAMPLE, seed)
        flat, g = np.ascontiguousarray(w).ravel(), np.empty(runs * d, np.float32)
        run_rows(each.row_gradients, runs, self._kernel, words, flat, g, grain=_RUNS_A_THREAD)
        return g.reshape(runs, d)

    def value(self, w: Weights) -> Floats:
        """``f(w) - f*``."""
        return self._problem.value(w) - self._problem.f_star

    def gradient2(self, w: Weights) -> Floats:
        """Of the gradient over all rows."""
        return np.asarray((self._problem.gradient(w) ** 2).sum(axis=1))

    def distance2(self, w: Weights) -> Floats:
        """From the certified minimum."""
        return self._problem.distance(w) ** 2


class ProblemSource:
    """Of a user's problem: gradients in float64 at the float32 weights, rounded once."""

    averages_gradient = True

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self.f_star = problem.f_star
        self._at: Weights | None = None
        self._gradient: Floats = np.zeros((0, 0))

    def _exact(self, w: Weights) -> Floats:
        """The gradient, computed once for an iterate that is asked about again."""
        if w is not self._at:
            self._at, self._gradient = w, self._problem.gradient(w)
        return self._gradient

    def sampled(self, w: Weights, t: int, seed: int) -> Weights:
        """The exact gradient, or the problem's own sample with a generator of this step."""
        if self._problem.stochastic:
            drawn = self._problem.sampled_gradient(w.astype(np.float64), generator(seed, t, kinds.PURPOSE_SAMPLE))
            return drawn.astype(np.float32)
        return self._exact(w).astype(np.float32)

    def value(self, w: Weights) -> Floats:
        """``f(w)`` less what it is counted from."""
        return self._problem.value(w) - (self.f_star or 0.0)

    def gradient2(self, w: Weights) -> Floats:
        """Of the exact gradient."""
        return np.asarray((self._exact(w) ** 2).sum(axis=1))

    def distance2(self, w: Weights) -> Floats:
        """NaN where no minimum is known."""
        return self._problem.distance(w) ** 2
