"""Exact stationary losses of one coordinate, and the problems whose floors the scaling claims follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory import Chain, Grid, Noise, Separable, absolute, bounds, quadratic
from alpt_ref.theory.markov import ExactRounding

RANGE = 2.0
"""Half the length of the box."""
SIGMA = 2.0
"""Noise of the noisy quadratic: at least curvature times distance everywhere in the box, so that E|g| = SIGMA."""
EXACT_WIDTH = 0.05
"""Half width of the range around a claimed slope of exact values: what saturation and the box's end may bend."""


@dataclass(frozen=True)
class Floor:
    """A problem with noise, and what the theory says of its floor: which power of the step size."""

    problem: Separable
    noise: Noise
    power: float


FLOORS = {
    "noisy": Floor(quadratic(1.0, 0.3), Noise("two-point", SIGMA), 1.0),
    "kink": Floor(absolute(1.0, 0.0), Noise(), 1.0),
    "smooth": Floor(quadratic(1.0, 1.0 / 3.0), Noise(), 2.0),
}


def grid_of(bits: int, half_length: float = RANGE) -> Grid:
    """Grid of `bits` bits over a box of fixed length: step ``half_length/2^(bits-1)``."""
    return Grid(half_length / 2 ** (bits - 1), bits)


def stationary_loss(
    floor: Floor, grid: Grid, eta: float, rounding: ExactRounding = "sr"
) -> tuple[float, NDArray[np.float64]]:
    """Long-run ``E f - f*`` from the lowest code, and the law behind it."""
    law = Chain(floor.problem, grid, floor.noise, rounding).stationary(eta, grid.low_code)
    return float(law @ floor.problem.values(grid.values[:, None])[:, 0]), law


def floor_bound(floor: Floor, grid: Grid, eta: float) -> float:
    """What S1 leaves as T grows: its sharp form where no update exceeds a step, else the general one."""
    known = floor.problem.constants(grid, floor.noise)
    if eta * known.g_max <= grid.step_size:
        small = {"G1": known.G1, "g_max": known.g_max}
        return bounds.sr_convex_constant_small_updates(T=1, eta=eta, step_size=grid.step_size, D1=0.0, **small)
    return bounds.sr_convex_constant(T=1, eta=eta, step_size=grid.step_size, D1=0.0, G=known.G, dim=1, G1=known.G1)
