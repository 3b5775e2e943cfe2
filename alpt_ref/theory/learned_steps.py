"""Learned step sizes in the vectorised driver: ALPT's update of the step size (Li et al., AAAI 2023, Algorithm 1).

The weights move first, ``v = w - eta g``, and are not rounded. At ``DR(v)`` a second gradient is taken, of the same
rows and noise; the straight-through rule (R5) makes of it the step size's gradient, which moves the step size; then v
is rounded on the new grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import positive, real, told, whole

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class LearnedSteps:
    """A step size that learns; in place of numbers in ``simulate(step_sizes=)``.

    Parameters
    ----------
    rate : float
        Learning rate of the step size, at least 0; with 0 it stays as it is.
    row_dim : int or None
        Coordinates that share a step size, consecutive ones; all of them if left out.
    scale : float
        Factor of its gradient; LSQ has ``1/sqrt(row_dim * largest code)``.
    smallest : float
        Least step size, as a part of the first one.

    Raises
    ------
    InputError
        If a number breaks its rule.

    Examples
    --------
    >>> from alpt_ref.theory import Grid, Noise, Schedule, quadratic, simulate
    >>> run = simulate(
    ...     quadratic(1.0, [0.4, -0.3]), Grid(0.5, 4), Schedule("constant", 0.1), steps=200, runs=1, start=2,
    ...     step_sizes=LearnedSteps(0.05),
    ... )
    >>> run.step_sizes.shape
    (1, 2)
    """

    rate: float
    row_dim: int | None = None
    scale: float = 1.0
    smallest: float = 0.01

    def __post_init__(self) -> None:
        """Reject numbers out of range."""
        rate, smallest = real(self.rate), real(self.smallest)
        if rate != 0.0:
            positive("rate of learned step sizes (unless 0)", self.rate)
        scale = positive("scale", self.scale)
        if not 0.0 < smallest <= 1.0:
            raise InputError(f"smallest must be above 0 and at most 1, got {told(self.smallest)}")
        for name, value in (("rate", rate), ("scale", scale), ("smallest", smallest)):
            object.__setattr__(self, name, value)
        if self.row_dim is not None:
            if not whole(self.row_dim) or self.row_dim < 1:
                raise InputError(f"row_dim must be a whole number of at least 1, got {told(self.row_dim)}")
            object.__setattr__(self, "row_dim", int(self.row_dim))

    def require_rows(self, dim: int) -> None:
        """InputError unless `dim` coordinates divide into rows."""
        if self.row_dim is not None and dim % self.row_dim:
            raise InputError(f"row_dim must divide the {dim} coordinates of the problem, got {self.row_dim}")

    def moved(self, sizes: Floats, first: Floats, v: Floats, gradient: Floats, low: int, high: int) -> Floats:
        """The step sizes after one update: float64 (runs, d).

        Parameters
        ----------
        sizes, v, gradient : float64 arrays (runs, d)
            Step sizes now, weights that moved, and the gradient at their nearest codes.
        first : float64 array (d,)
            The step sizes of the start.
        low, high : int
            Codes at the ends.
        """
        runs, d = v.shape
        per = d if self.row_dim is None else self.row_dim
        slope = (gradient * straight_through(v / sizes, low, high)).reshape(runs, d // per, per).sum(axis=2)
        return np.maximum(sizes - self.rate * self.scale * np.repeat(slope, per, axis=1), self.smallest * first)


def nearest(x: Floats, low: int, high: int) -> Floats:
    """Codes of weights in steps, ties up, saturated."""
    return np.clip(np.floor(x + 0.5), low, high)


def straight_through(x: Floats, low: int, high: int) -> Floats:
    """R5: derivative of the nearest code's value by the step size, at weights in steps."""
    inside = np.floor(x + 0.5) - x
    return np.where(x < low, float(low), np.where(x > high, float(high), inside))
