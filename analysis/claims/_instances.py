"""Problems that several claims share, built from a cell: separable, with known constants, on a small grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory.markov import Evolution, ExactRounding, evolve_separable
from alpt_ref.theory.problems import Separable, absolute, elastic, huber, quadratic
from alpt_ref.theory.setting import Grid, Noise, Schedule
from alpt_ref.verification import Assumption, Cell, Constants, Measurement, exact

STEP = 1.0 / 16.0
"""Step size of the shared grid."""
OFF_GRID = 0.3
"""Where between two grid points the minimum of the smooth problems lies, in steps."""


@dataclass(frozen=True, eq=False)
class Instance:
    """A problem with its grid, gradient noise and learning-rate scale, started in the lowest corner of the box."""

    problem: Separable
    grid: Grid
    noise: Noise
    eta: float

    @property
    def start(self) -> NDArray[np.int64]:
        """Codes of ``w_1``."""
        return np.full(self.problem.dim, self.grid.low_code, dtype=np.int64)

    def constants(self) -> dict[str, Any]:
        """What the bounds need, all from the problem and the box."""
        known = self.problem.constants(self.grid, self.noise)
        return {
            "step_size": self.grid.step_size,
            "eta": self.eta,
            "G": known.G,
            "D": known.D,
            "D1": float(self.problem.distance(self.start * self.grid.step_size)),
            "dim": known.dim,
            "convex": known.convex,
        }

    def evolve(self, schedule: Schedule, steps: int, rounding: ExactRounding) -> Evolution:
        """Exact expectations along the run."""
        rates = schedule.rates(steps)
        return evolve_separable(self.problem, self.grid, self.start, rates, noise=self.noise, rounding=rounding)


def instance(cell: Cell) -> Instance:
    """The instance of a cell with ``problem``, ``sigma``, ``d`` and ``reach`` (largest first update in steps)."""
    grid, d = Grid(STEP, 6), int(cell["d"])
    off = OFF_GRID * STEP + STEP * np.arange(d)
    made: dict[str, Separable] = {
        "kink": absolute(1.0, np.zeros(d)),
        "bowl": quadratic(np.linspace(1.0, 0.5, d), off),
        "huber": huber(1.0, 8.0 * STEP, off),
        "elastic": elastic(0.5, 0.5, np.zeros(d)),
    }
    problem = made[cell["problem"]]
    noise = Noise("two-point", cell["sigma"]) if cell["sigma"] else Noise()
    return Instance(problem, grid, noise, float(cell["reach"]) * STEP / problem.constants(grid, noise).g_max)


def running_average(run: Evolution, horizons: Sequence[int]) -> NDArray[np.float64]:
    """``(1/T) sum_{t=1..T} E f(w_t) - f*`` at each T of `horizons`."""
    sums = np.cumsum(run.value)
    return np.array([sums[T - 1] / T for T in horizons], dtype=np.float64)


def measured_average(run: Evolution, made: Instance, horizons: Sequence[int], **extra: Any) -> Measurement:
    """The running average as a measurement, with what the assumptions look at."""
    sigma2 = made.problem.dim * made.noise.sigma**2
    observed = {"G2": float(run.gradient2.max()) + sigma2, "D2": float(run.distance2.max())}
    labels = [f"T = {T}" for T in horizons]
    return exact(running_average(run, horizons), labels=labels, observed=observed, extra={"T": list(horizons), **extra})


def _convex(cell: Cell, constants: Constants) -> bool:
    return bool(constants["convex"])


def _gradient(cell: Cell, constants: Constants, seen: Constants) -> bool:
    return bool(seen["G2"] <= constants["G"] ** 2 * (1 + 1e-12))


def _distance(cell: Cell, constants: Constants, seen: Constants) -> bool:
    return bool(seen["D2"] <= constants["D"] ** 2 * (1 + 1e-12))


CONVEX = Assumption("f is convex and its minimum lies in the box", _convex)
ALONG = (
    Assumption("E|g_t|^2 <= G^2 at every iterate", _gradient, along_run=True),
    Assumption("E|w_t - w*|^2 <= D^2 at every iterate", _distance, along_run=True),
)
RELATIVE = "ours; closest published relative: Li et al., Training Quantized Nets: A Deeper Understanding, NeurIPS 2017"
