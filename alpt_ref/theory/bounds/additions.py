r"""What finite random words and changing step sizes (A1) add to the bounds of stochastic rounding."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import positive


def word_bias_floor(*, eta: float, step_size: float, D: float, dim: int, random_bits: int = 32) -> float:
    """What finite random words add to S1, or to S2 with its last learning rate.

    Parameters
    ----------
    eta, step_size, D, dim
        See the notation of `alpt_ref.theory.bounds`.
    random_bits : int
        Bits r of a random word.

    Returns
    -------
    float
        ``2^-r (sqrt(d) Delta D + d Delta^2/2) / eta``.

    Proof
    -----
    ``|E eps_i| <= 2^-r Delta`` (R1), so the lemma's cross term ``2 <E eps, v - w*>`` is at most ``2 sqrt(d) 2^-r Delta
    D`` and no longer zero; ``E eps_i^2`` grows by at most ``2^-r Delta^2``. Divide by ``2 eta``. Ours.

    Examples
    --------
    >>> word_bias_floor(eta=0.5, step_size=0.5, D=2.0, dim=1, random_bits=8)
    0.0087890625
    """
    unit = 2.0**-random_bits * step_size
    return (math.sqrt(dim) * unit * D + 0.5 * dim * unit * step_size) / positive("eta", eta)


def step_size_change_floor(*, eta: float, step_sizes: ArrayLike, changes: ArrayLike, codes_1: ArrayLike) -> float:
    r"""A1: what a step size that changes on a given path adds to S1.

    Statement
    ---------
    $\frac{1}{T}\sum_{t=1}^{T} E f(w_t) - f^* \leq$ S1 (with the largest step size)$\; +
    \;\frac{1}{2\eta T}\sum_{t=1}^{T} \Delta_{t+1}\,|\delta_t|\,\sum_i |k_{t,i}|$

    one step size for all coordinates, its path $\Delta_{t+1} = \Delta_t + \delta_t$ fixed beforehand

    In words
    --------
    SR, convex f, eta constant, one step size for all coordinates, whose path is fixed beforehand, delta_t its changes:
    (1/T) sum_t E f(w_t) - f* <= S1 + (1/(2 eta T)) sum_t Delta_{t+1} |delta_t| sum_i |k_{t,i}|, S1 with the largest
    step size. Not covered: ALPT's own step sizes, one a row and learned from the gradients that move the weights

    Terms
    -----
    S1
    (1/(2 eta T)) sum_t Delta_{t+1} |delta_t| sum_i |k_{t,i}|: sum_i

    Parameters
    ----------
    eta : float
        Learning rate of the weights.
    step_sizes : float array (T,)
        The **new** step sizes ``Delta_{t+1}``, known beforehand; the weights round onto the new grid, and w* lies in
        the box of every step size.
    changes : float array (T,)
        ``delta_t``.
    codes_1 : float array (T,)
        ``sum_i |k_{t,i}|`` of the codes before the change, their expectation, or the largest that there can be; the
        sum and not the largest element, which d coordinates exceed d times.

    Returns
    -------
    float

    Proof
    -----
    ``k Delta_t`` lies within ``|k| |delta_t|`` of the new grid, so ``dist(v_i, grid) <= eta |g_i| + |k_i| |delta_t|``
    unless clipped (then ``eps_i = 0``); R2 gives ``E eps_i^2 <= Delta_{t+1} dist``. Add to S1's telescoped sum.

    Source
    ------
    ours; S1 and its relatives: `sr_convex_constant`

    Examples
    --------
    >>> step_size_change_floor(eta=0.5, step_sizes=[0.25, 0.5], changes=[0.0, 0.25], codes_1=[3.0, 4.0])
    0.25
    """
    new, change, total = (np.asarray(x, dtype=np.float64) for x in (step_sizes, changes, codes_1))
    if not new.shape == change.shape == total.shape or new.ndim != 1:
        raise InputError(
            f"step_sizes, changes and codes_1 must be (T,), got {new.shape}, {change.shape}, {total.shape}"
        )
    return float((new * np.abs(change) * total).mean() / (2.0 * positive("eta", eta)))
