"""Identities: what rounding does to one number (R1 to R6) and exact laws of SR on a quadratic (X1 to X3).

Ours unless a reference is named. ``x`` is in grid units (value over step size) and inside the range.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import Grid, positive


def sr_up_probability(x: float, random_bits: int = 32) -> Fraction:
    """R1: exact probability that SR with `random_bits` bits returns ``floor(x) + 1``.

    The word is compared with ``floor(|r| 2^bits)``, ``r = x - trunc(x)``, and sends x away from zero; so the bias lies
    in ``(-2^-bits, 0]`` steps away from zero.
    """
    exact = Fraction(x)
    whole = math.trunc(exact)
    away = Fraction(math.floor(abs(exact - whole) * 2**random_bits), 2**random_bits)
    return away if exact >= 0 else (1 - away) * (exact != whole)


def sr_bias(x: float, random_bits: int = 32) -> Fraction:
    """R1: exact bias of SR in steps: ``floor(x) + P(up) - x``."""
    exact = Fraction(x)
    return math.floor(exact) + sr_up_probability(x, random_bits) - exact


def sr_variance(x: ArrayLike) -> NDArray[np.float64]:
    """R2: variance of SR in squared steps, ``p(1 - p)`` with ``p = frac(x)``; at most 1/4."""
    position = np.asarray(x, dtype=np.float64)
    p = position - np.floor(position)
    return np.asarray(p * (1.0 - p))


def sr_error_from_grid(move: ArrayLike, step_size: float) -> NDArray[np.float64]:
    """R3: ``E eps^2`` of SR after `move` from a grid point, in the units of the weights squared.

    ``step |u| - u^2`` for ``|u| <= step``; the same with ``|u| mod step`` beyond; never above
    ``min(step |u|, step^2/4)``, as ``p(1 - p) <= min(p, 1 - p)``, the distance to the grid in steps.
    """
    return np.asarray(step_size**2 * sr_variance(np.abs(np.asarray(move, dtype=np.float64)) / step_size))


def dr_error_bound(move: ArrayLike, step_size: float) -> NDArray[np.float64]:
    """R4: ``|eps| <= min(step/2, |u|)`` for nearest rounding after a move u from a grid point."""
    return np.asarray(np.minimum(0.5 * step_size, np.abs(np.asarray(move, dtype=np.float64))))


def expected_step_derivative(x: float, grid: Grid, rounding: str = "dr") -> float:
    """R5, R6: expected straight-through derivative of ``Q(w)`` by the step size at ``x = w/step``.

    ``dr``: ``R(x) - x`` inside the range, the end code outside (Esser et al., LSQ, 2020). ``sr``: zero inside, since
    ``E R(x) = x`` there: the step size's pass must round deterministically, or its expected signal vanishes.
    """
    if x < grid.low_code:
        return float(grid.low_code)
    if x > grid.high_code:
        return float(grid.high_code)
    return math.floor(x + 0.5) - x if rounding == "dr" else 0.0


def mean_error(*, error: float, rates: ArrayLike, curvature: float) -> NDArray[np.float64]:
    """X1: ``E[w_t] - w* = prod_{s<t} (1 - eta_s lambda) (w_1 - w*)`` for SR on a quadratic, (T,) for t = 1..T.

    Exact for every step size and any unbiased noise while nothing clips, for any learning rates (the last is unused).
    Proof : SR is unbiased, so ``E[w_{t+1} | w_t] = w_t - eta_t lambda (w_t - w*)``.
    """
    eta = np.atleast_1d(np.asarray(rates, dtype=np.float64))
    return error * np.concatenate([[1.0], np.cumprod(1.0 - eta[:-1] * curvature)])


def quadratic_stationary(minimum: float, grid: Grid) -> tuple[NDArray[np.float64], float]:
    """X2: stationary law (codes,) of SR on ``lambda/2 (w - w*)^2`` without noise, and its ``E(w - w*)^2``.

    It **is** the law of ``SR(w*)``: weight ``theta = frac(w*/step)`` on the code above, ``1 - theta`` on the one below,
    second moment ``step^2 theta (1 - theta)``, whatever the learning rate, for ``0 < eta lambda <= 1`` and w* in the
    box; any rates with ``eta_t lambda <= 1`` keep it once reached.
    Proof : from the code below, ``P(up) = eta lambda theta``; from above, ``P(down) = eta lambda (1 - theta)``; both
    are probabilities, the pair is closed, and balance gives theta. Every other code moves towards the pair with
    positive probability and never past it, so the law is unique. (``eta lambda max(theta, 1 - theta) <= 1`` already
    keeps the pair closed and the law stationary.)
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
    """X3: stationary ``E(w - w*)^2 = step E|g|/(2 lambda)`` of SR on a quadratic when ``|eta g| <= step`` always.

    ``E|g|`` is over the stationary law and the noise. The excess loss is ``step E|g|/4``: half the floor of S1. Needs
    ``eta g_max <= step`` in every state of the law and no clipping there; with clipping the equality becomes ``<=``.
    Proof : for ``|u| <= step``, ``E[(w' - w*)^2 | w] = e^2 - 2 eta lambda e^2 + step eta E|g|`` (``u^2 + step |u| -
    u^2``); take expectations under the stationary law, divide by ``2 eta lambda``.
    """
    return step_size * mean_abs_gradient / (2.0 * positive("curvature", curvature))
