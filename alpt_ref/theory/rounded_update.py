"""One rounded update from a grid point: its bias and its second moment, exactly, for any rounding and noise.

``M = Q(w - eta g) - w`` with w on the grid, before clipping; per coordinate and in steps ``M = Q(y)``,
``y = -eta (f'(w) + noise)/Delta``. `bounds.unified_convex` (U1) turns these numbers into loss.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from alpt_ref.errors import InputError
from alpt_ref.theory.dither import dither_bias
from alpt_ref.theory.markov import ExactRounding
from alpt_ref.theory.problems import Separable
from alpt_ref.theory.setting import Grid, Noise, positive

FAR = 40.0
"""Standard deviations beyond which a normal tail is 0 in float64."""


class RoundedUpdate(NamedTuple):
    """What U1 needs to know of the rounded update, as the largest values over the grid points of the box.

    Attributes
    ----------
    bias : float64 array (d,)
        ``sup_w |E M_i + eta f'_i(w)|``, in units of the weights.
    second_moment : float
        ``sup_w E|M|^2``, in squared units.
    """

    bias: NDArray[np.float64]
    second_moment: float


def update_bias(
    slope: ArrayLike, noise: Noise, *, eta: float, step_size: float, rounding: ExactRounding = "sr"
) -> NDArray[np.float64]:
    """``E M + eta f'`` of one coordinate: 0 for stochastic rounding, D5's `dither_bias` for nearest.

    Parameters
    ----------
    slope : array_like
        ``f'(w)`` at grid points.
    noise : Noise
    eta, step_size : float
    rounding : {"sr", "dr"}

    Returns
    -------
    float64 array
        In units of the weights.

    Examples
    --------
    >>> update_bias([0.25, 2.0], Noise(), eta=1.0, step_size=1.0, rounding="dr")
    array([0.25, 0.  ])
    """
    slopes, scale = np.asarray(slope, dtype=np.float64), positive("eta", eta) / positive("step_size", step_size)
    if _stochastic(rounding):
        return np.zeros(slopes.shape)
    return step_size * dither_bias(-scale * slopes, noise, eta, step_size)


def update_second_moment(
    slope: ArrayLike, noise: Noise, *, eta: float, step_size: float, rounding: ExactRounding = "sr"
) -> NDArray[np.float64]:
    """``E M^2`` of one coordinate, the rounding words and the noise averaged out.

    Parameters
    ----------
    slope, noise, eta, step_size, rounding
        As in `update_bias`.

    Returns
    -------
    float64 array
        In squared units of the weights. Stochastic rounding: ``E phi(eta g)`` with ``phi(m) = m^2 + Delta^2 p(1-p)``,
        which joins the squares of the grid points by straight lines. In steps it is a sum of distances, ``|y| +
        sum_{k>=1} (|y-k| + |y+k| - 2k)``. Nearest rounding: ``sum_{k>=0} (2k+1) P(|y| beyond k + 1/2)``.

    Examples
    --------
    >>> update_second_moment([0.25, 1.5], Noise(), eta=1.0, step_size=1.0)
    array([0.25, 2.5 ])
    >>> update_second_moment([0.25, 1.5], Noise(), eta=1.0, step_size=1.0, rounding="dr")
    array([0., 1.])
    """
    slopes, scale = np.asarray(slope, dtype=np.float64), positive("eta", eta) / positive("step_size", step_size)
    stochastic = _stochastic(rounding)
    spread = Noise(noise.kind, noise.sigma * scale)
    if noise.sigma == 0.0 or noise.kind == "two-point":
        values, chances = noise.outcomes()
        y = -scale * (slopes[..., None] + values)
        down = np.floor(y) if stochastic else np.floor(y + 0.5)
        square = down * down
        if stochastic:
            square = square + (y - down) * (2.0 * down + 1.0)
        return np.asarray(step_size**2 * (square @ chances))
    x = np.abs(scale * slopes)
    reach = min(spread.largest, FAR * spread.sigma)
    k = np.arange(0, math.ceil(float(x.max(initial=0.0)) + reach) + 1, dtype=np.float64)
    if stochastic:
        near, far = spread.absolute_mean(x[..., None] - k), spread.absolute_mean(x[..., None] + k)
        terms = (near + far - 2.0 * k) * np.where(k == 0.0, 0.5, 1.0)
        return np.asarray(step_size**2 * terms.sum(axis=-1))
    beyond = _tail(spread, k + 0.5 - x[..., None]) + _tail(spread, k + 0.5 + x[..., None])
    return np.asarray(step_size**2 * (beyond * (2.0 * k + 1.0)).sum(axis=-1))


def largest_rounded_update(
    problem: Separable, grid: Grid, noise: Noise, *, eta: float, rounding: ExactRounding = "sr"
) -> RoundedUpdate:
    """The suprema of U1 over the box: separable, so that each coordinate has its own.

    Parameters
    ----------
    problem : Separable
    grid : Grid
    noise : Noise
    eta : float
    rounding : {"sr", "dr"}

    Returns
    -------
    RoundedUpdate

    Examples
    --------
    >>> from alpt_ref.theory import Grid, Noise, absolute
    >>> kink, grid = absolute([1.0, 1.0], 0.0), Grid(1.0, 4)
    >>> largest_rounded_update(kink, grid, Noise(), eta=0.25, rounding="dr")  # every update is undone
    RoundedUpdate(bias=array([0.25, 0.25]), second_moment=0.0)
    >>> largest_rounded_update(kink, grid, Noise(), eta=0.25)
    RoundedUpdate(bias=array([0., 0.]), second_moment=0.5)
    """
    slopes = problem.gradient(np.repeat(grid.values[:, None], problem.dim, axis=1))
    bias = update_bias(slopes, noise, eta=eta, step_size=grid.step_size, rounding=rounding)
    square = update_second_moment(slopes, noise, eta=eta, step_size=grid.step_size, rounding=rounding)
    return RoundedUpdate(np.abs(bias).max(axis=0), float(square.max(axis=0).sum()))


def _stochastic(rounding: str) -> bool:
    if rounding not in ("sr", "dr"):
        raise InputError(f"rounding must be 'sr' or 'dr', got {rounding!r}")
    return rounding == "sr"


def _tail(noise: Noise, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """``P(n >= x)`` of uniform or normal noise."""
    if noise.kind == "uniform":
        return np.clip(0.5 - 0.5 * x / noise.largest, 0.0, 1.0)
    return np.asarray(special.ndtr(-x / noise.sigma))
