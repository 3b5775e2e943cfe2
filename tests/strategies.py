"""Hypothesis strategies: optimisation problems on a grid, drawn to falsify the theorems, with everything exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from alpt_ref.theory.evolution import Evolution
from alpt_ref.theory.markov import ExactRounding, evolve_separable
from alpt_ref.theory.problems import Constants, Separable, elastic, huber, quadratic, saturating
from alpt_ref.theory.setting import Grid, Noise

MAX_DIM = 3
MAX_BITS = 5
MAX_STEPS = 60


@dataclass(frozen=True, eq=False)
class Case:
    """One problem with its grid, noise, learning-rate scale, horizon and start; ``reach`` is ``eta g_max/step``."""

    problem: Separable
    grid: Grid
    noise: Noise
    reach: float
    T: int
    start: NDArray[np.int64]

    @property
    def constants(self) -> Constants:
        return self.problem.constants(self.grid, self.noise)

    @property
    def eta(self) -> float:
        """Learning rate that makes the largest update `reach` steps."""
        return self.reach * self.grid.step_size / self.constants.g_max

    @property
    def D1(self) -> float:  # noqa: N802 - the theorems' name
        return float(self.problem.distance(self.start * self.grid.step_size))

    def evolve(
        self, rates: NDArray[np.float64], rounding: ExactRounding = "sr", random_bits: int | None = None
    ) -> Evolution:
        return evolve_separable(
            self.problem,
            self.grid,
            self.start,
            rates,
            noise=self.noise,
            rounding=rounding,
            random_bits=random_bits,
        )

    def __repr__(self) -> str:
        p = self.problem
        return (
            f"{p.kind}(a={p.curvature.tolist()}, b={p.shape.tolist()}, w*={p.minimum.tolist()}), {self.grid}, "
            f"{self.noise}, reach={self.reach}, eta={self.eta}, T={self.T}, start={self.start.tolist()}"
        )


def log_uniform(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers between powers of ten `low` and `high`."""
    return st.floats(low, high, allow_nan=False).map(lambda power: float(10.0**power))


@st.composite
def cases(
    draw: st.DrawFn,
    kinds: tuple[str, ...] = ("quadratic", "absolute", "elastic", "huber"),
    *,
    reach: tuple[float, float] = (-2.0, 1.0),
    noisy: bool = True,
    max_dim: int = MAX_DIM,
) -> Case:
    """A case of one of `kinds`; `reach` bounds ``log10`` of the largest update in steps."""
    d = draw(st.integers(1, max_dim))
    grid = Grid(draw(log_uniform(-3.0, 1.0)), draw(st.integers(1, MAX_BITS)))

    def vector(strategy: st.SearchStrategy[float]) -> NDArray[np.float64]:
        return np.array(draw(st.lists(strategy, min_size=d, max_size=d)))

    on_grid = st.integers(grid.low_code, grid.high_code).map(float)
    between = st.floats(grid.low_code, grid.high_code, allow_nan=False)
    minimum = np.clip(vector(st.one_of(on_grid, between)) * grid.step_size, grid.low, grid.high)
    kind = draw(st.sampled_from(kinds))
    a = vector(log_uniform(-2.0, 1.0))
    b = vector(log_uniform(-2.0, 1.0))
    if kind == "quadratic":
        problem = quadratic(a, minimum)
    elif kind == "saturating":
        problem = saturating(a, minimum)
    elif kind == "huber":
        problem = huber(a, b * grid.step_size * 4.0, minimum)
    else:
        problem = elastic(a if kind == "elastic" else 0.0 * a, b, minimum)
    scale = float(problem.constants(grid).g_max)
    noise = Noise()
    if (noisy and draw(st.booleans())) or scale == 0.0:
        noise = Noise("two-point", (scale or 1.0) * draw(log_uniform(-1.5, 1.5)))
    start = np.array(draw(st.lists(st.integers(grid.low_code, grid.high_code), min_size=d, max_size=d)))
    return Case(problem, grid, noise, draw(log_uniform(*reach)), draw(st.integers(1, MAX_STEPS)), start)
