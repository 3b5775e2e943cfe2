r"""Learned step sizes: what one change costs (A1), and where learning comes to rest (A2).

A2: the best step size for a distribution, and the one where the straight-through gradient of R5 comes to rest.

Squared error of nearest rounding with saturation, ``E(w) = E (Q(w; s) - w)^2`` for a random weight w. Two derivatives
by s must be told apart:

* the true one, codes frozen (nearest codes are optimal, so their change does not count): ``2 E (Q - w) R(w/s)``;
* the straight-through one of LSQ (R5) fed with the same loss: ``2 E (Q - w) (R(x) - x)`` inside, end codes outside.

Inside the range the second is ``2 s E (R(x) - x)^2 >= 0``: it always pulls the step size down there and only saturated
weights push it up. The two agree where the density is nearly constant over a step (many bits) and differ at few bits:
the learned step size is then near the optimum, not at it. Source of the rule: Esser et al., "Learned step size
quantization", ICLR 2020; the comparison is ours.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import Grid, positive

Distribution = Literal["normal", "laplace"]
Moments = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def step_size_change_variance(*, step_size: float, change: float, codes: ArrayLike) -> NDArray[np.float64]:
    r"""A1: what one change of the step size costs, element by element.

    Statement
    ---------
    $\Delta' = \Delta + \delta,\; v = clip_{B'}(k\Delta):\quad E\,(SR_{\Delta'}(v) - v)^2 \leq
    \Delta'\,|k|\,|\delta|$

    In words
    --------
    Old codes k lie off the grid of the new step size, the old one and delta: rounding v, which is k Delta limited to
    the new range, has E (SR(v) - v)^2 <= Delta' |k| |delta|, Delta' the new step size; what was limited is on the grid,
    and how far it was moved by that is not counted

    Terms
    -----
    Delta' |k| |delta|: |k|

    Parameters
    ----------
    step_size, change : float
        Delta and delta, in the units of the weights; their sum is above 0.
    codes : array_like
        k, of any shape.

    Returns
    -------
    float64 array
        In squared units of the weights, of the shape of `codes`.

    Proof
    -----
    ``k Delta = k Delta' - k delta`` lies at most ``|k delta|`` from the grid point ``k Delta'``, whatever else is
    nearer; clipped values are grid points. R2: ``Delta'^2 p(1-p) <= Delta'`` times the distance to the grid.

    Source
    ------
    ours

    Examples
    --------
    >>> step_size_change_variance(step_size=0.5, change=0.125, codes=[0, -2])
    array([0.     , 0.15625])
    """
    new = positive("the new step size", step_size + change)
    return np.asarray(new * np.abs(np.asarray(codes, dtype=np.float64)) * abs(change))


def _partial_moments(distribution: Distribution, edges: NDArray[np.float64]) -> Moments:
    """``E[1; w < edge]``, ``E[w; w < edge]``, ``E[w^2; w < edge]``; unit-variance normal, or Laplace of scale 1."""
    if distribution == "normal":
        density = np.exp(-0.5 * edges**2) / math.sqrt(2.0 * math.pi)
        below = special.ndtr(edges)
        finite = np.where(np.isfinite(edges), edges, 0.0)
        return below, -density, below - finite * density
    if distribution == "laplace":
        x = np.where(np.isfinite(edges), edges, 0.0)
        tail = 0.5 * np.exp(-np.abs(edges))
        up = edges > 0.0
        below = np.where(up, 1.0 - tail, tail)
        first = -tail * (np.abs(x) + 1.0)
        second = np.where(up, 2.0 - tail * (x * x + 2.0 * x + 2.0), tail * (x * x - 2.0 * x + 2.0))
        return below, first, second
    raise InputError(f"distribution must be normal or laplace, got {distribution!r}")


def _cells(distribution: Distribution, step_size: float, bits: int) -> tuple[NDArray[np.float64], Moments]:
    """Codes, and the moments of w over the cell that rounds to each; the end cells reach to infinity."""
    grid = Grid(positive("step_size", step_size), bits)
    codes = grid.codes.astype(np.float64)
    edges = np.concatenate([[-np.inf], (codes[:-1] + 0.5) * step_size, [np.inf]])
    zeroth, first, second = (np.diff(m) for m in _partial_moments(distribution, edges))
    return codes, (zeroth, first, second)


def squared_error(step_size: float, bits: int, distribution: Distribution = "normal") -> float:
    """Exact ``E (Q(w) - w)^2`` of nearest rounding; w standard normal, or Laplace with scale 1 (variance 2)."""
    codes, (zeroth, first, second) = _cells(distribution, step_size, bits)
    value = codes * step_size
    return float((value**2 * zeroth - 2.0 * value * first + second).sum())


def squared_error_slope(step_size: float, bits: int, distribution: Distribution = "normal") -> float:
    """Exact derivative of `squared_error` by the step size, ``2 E (Q - w) R``."""
    codes, (zeroth, first, _) = _cells(distribution, step_size, bits)
    return float(2.0 * (codes * (codes * step_size * zeroth - first)).sum())


def straight_through_slope(step_size: float, bits: int, distribution: Distribution = "normal") -> float:
    """Expected R5 gradient for the squared error: R5's derivative times ``2 (Q - w)``.

    R5 changes from ``R(x) - x`` to the end code at the end points of the range, half a step before the end cells end.
    """
    codes, (zeroth, first, second) = _cells(distribution, step_size, bits)
    error = codes * step_size * zeroth - first
    scaled = (codes * step_size * first - second) / step_size  # E[(Q - w) x] over each cell
    inside = codes * error - scaled
    ends = np.array([codes[0] * step_size, codes[-1] * step_size, np.inf])
    _, first_below, second_below = _partial_moments(distribution, ends)
    # Beyond the ends R5 has no "- x": take E[(Q - w) x] there back out.
    inside[0] += (codes[0] * step_size * first_below[0] - second_below[0]) / step_size
    first_above, second_above = first_below[2] - first_below[1], second_below[2] - second_below[1]
    inside[-1] += (codes[-1] * step_size * first_above - second_above) / step_size
    return float(2.0 * inside.sum())


def best_step_size(bits: int, distribution: Distribution = "normal") -> float:
    """Step size of least `squared_error`, by brute force on a grid and then golden section; units of the scale of w."""
    trial = np.geomspace(1e-4, 8.0, 400)
    k = int(np.argmin([squared_error(float(s), bits, distribution) for s in trial]))
    result = optimize.minimize_scalar(
        lambda s: squared_error(float(s), bits, distribution),
        bounds=(float(trial[max(k - 1, 0)]), float(trial[min(k + 1, 399)])),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(result.x)


def straight_through_step_size(bits: int, distribution: Distribution = "normal") -> float:
    """Step size at which the expected R5 gradient of the squared error vanishes: gradient descent rests there."""
    return float(optimize.brentq(lambda s: straight_through_slope(float(s), bits, distribution), 1e-3, 8.0, xtol=1e-12))
