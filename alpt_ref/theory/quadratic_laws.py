"""Exact laws of stochastic rounding on a quadratic (X1 to X3)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import Grid, positive


def mean_error(*, error: float, rates: ArrayLike, curvature: float) -> NDArray[np.float64]:
    r"""X1: on a quadratic stochastic rounding follows full-precision SGD in the mean, for every step size.

    Statement
    ---------
    $E\,w_t - w^* = (1-\eta\lambda)^{t-1}(w_1 - w^*)$ for every $\Delta$ and $\eta$, while nothing clips

    In words
    --------
    f = lambda/2 (w - w*)^2: E w_t - w* = (1 - eta lambda)^(t-1) (w_1 - w*) exactly, for every step size and learning
    rate, while nothing clips; with falling rates the product of (1 - eta_s lambda).

    Terms
    -----
    (1 - eta lambda)^(t-1) (w_1 - w*): t-1, lambda

    Parameters
    ----------
    error : float
        ``w_1 - w*``.
    rates : float array (T,)
        Learning rates; the last is not used.
    curvature : float
        lambda.

    Returns
    -------
    float64 array (T,)
        ``E w_t - w*`` for t = 1..T, with any unbiased gradient noise.

    Proof
    -----
    SR is unbiased (R1) and nothing clips, so ``E[w_{t+1} | w_t] = w_t - eta_t lambda (w_t - w*)``. Take expectations
    and multiply.

    Source
    ------
    ours

    Examples
    --------
    >>> mean_error(error=4.0, rates=[0.5, 0.5, 0.5], curvature=1.0)
    array([4., 2., 1.])
    """
    eta = np.atleast_1d(np.asarray(rates, dtype=np.float64))
    return error * np.concatenate([[1.0], np.cumprod(1.0 - eta[:-1] * curvature)])


def quadratic_stationary(minimum: float, grid: Grid) -> tuple[NDArray[np.float64], float]:
    r"""X2: the stationary law of stochastic rounding on a quadratic without noise.

    Statement
    ---------
    $w_\infty$ has the law of $SR(w^*)$: $E(w-w^*)^2 = \Delta^2\theta(1-\theta)$,
    $\theta = frac(w^*/\Delta)$, for every $\eta \leq 1/\lambda$

    In words
    --------
    f = lambda/2 (w - w*)^2, no noise, eta <= 1/lambda: the stationary law is that of SR(w*),
    E(w - w*)^2 = Delta^2 theta (1 - theta) with theta = frac(w*/Delta), whatever eta is.

    Terms
    -----
    Delta^2 theta (1 - theta): theta, 1 - theta

    Parameters
    ----------
    minimum : float
        w*, inside the box.
    grid : Grid

    Returns
    -------
    (float64 array (codes,), float)
        The law, and its ``E(w - w*)^2``. Any rates with ``eta_t lambda <= 1`` keep it once reached.

    Raises
    ------
    InputError
        If the minimum lies outside the box.

    Proof
    -----
    From the code below, ``P(up) = eta lambda theta``; from above, ``P(down) = eta lambda (1 - theta)``; both are
    probabilities, the pair is closed, and balance gives theta. Every other code moves towards the pair with positive
    probability and never past it, so the law is unique. (``eta lambda max(theta, 1 - theta) <= 1`` already keeps the
    pair closed and the law stationary.)

    Source
    ------
    ours

    Examples
    --------
    >>> from alpt_ref.theory import Grid
    >>> law, second_moment = quadratic_stationary(0.25, Grid(1.0, 2))
    >>> law, second_moment
    (array([0.  , 0.  , 0.75, 0.25]), 0.1875)
    """
    if not grid.low <= minimum <= grid.high:
        raise InputError(f"the minimum {minimum:g} must lie in the box [{grid.low:g}, {grid.high:g}]")
    x = min(max(minimum / grid.step_size, grid.low_code), grid.high_code)
    below = min(math.floor(x), grid.high_code - 1)
    theta = x - below
    law = np.zeros(1 << grid.bits)
    law[below - grid.low_code] = 1.0 - theta
    law[below - grid.low_code + 1] += theta
    return law, grid.step_size**2 * theta * (1.0 - theta)


def noisy_quadratic_second_moment(*, mean_abs_gradient: float, curvature: float, step_size: float) -> float:
    r"""X3: the stationary second moment of stochastic rounding on a quadratic with gradient noise.

    Statement
    ---------
    $E(w-w^*)^2 = \frac{\Delta\,E|g|}{2\lambda}$ and excess loss $\frac{\Delta\,E|g|}{4}$,
    while $|\eta g| \leq \Delta$

    In words
    --------
    f = lambda/2 (w - w*)^2 with gradient noise, |eta g| <= Delta, nothing clipped: stationary E(w - w*)^2 =
    Delta E|g|/(2 lambda), excess loss = Delta E|g|/4, half of the floor Delta E|g|/2 of S1.

    Terms
    -----
    Delta E|g|/(2 lambda): 1/2, lambda
    Delta E|g|/4: 1/4

    Parameters
    ----------
    mean_abs_gradient : float
        ``E|g|`` over the stationary law and the noise.
    curvature, step_size : float
        lambda and Delta.

    Returns
    -------
    float
        An upper bound where updates are clipped.

    Proof
    -----
    For ``|u| = eta |g| <= Delta``, ``u^2 + E eps^2 = Delta |u|`` (R3), so ``E[(w' - w*)^2 | w] = e^2 - 2 eta lambda
    e^2 + Delta eta E|g|``. Take expectations under the stationary law and divide by ``2 eta lambda``. The excess loss
    is then ``lambda/2`` of it.

    Source
    ------
    ours

    Examples
    --------
    >>> noisy_quadratic_second_moment(mean_abs_gradient=2.0, curvature=0.5, step_size=0.25)
    0.5
    """
    return step_size * mean_abs_gradient / (2.0 * positive("curvature", curvature))
