r"""What finite random words and changing step sizes (A1) add to the bounds of stochastic rounding."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import positive


def word_bias_floor(*, eta: float, step_size: float, D: float, dim: int, random_bits: int = 32) -> float:
    r"""R8b: what words of r random bits add to S1, or to S2 with its last learning rate.

    Statement
    ---------
    $\frac{1}{T}\sum_{t=1}^{T} E f(w_t) - f^* \leq$ S1$\; + \;\frac{2^{-r}\sqrt{d}\,\Delta D}{\eta}$

    In words
    --------
    SR with words of r bits that truncate the move (R8), convex f, eta constant:
    (1/T) sum_t E f(w_t) - f* <= S1 + 2^-r sqrt(d) Delta D/eta. With falling rates S2 and the last of them.

    Terms
    -----
    S1
    2^-r sqrt(d) Delta D/eta: sqrt(d)

    Parameters
    ----------
    eta, step_size, D, dim
        See the notation of `alpt_ref.theory.bounds`.
    random_bits : int
        Bits r of a random word.

    Returns
    -------
    float
        ``2^-r sqrt(d) Delta D/eta``, the second term. Reached by a kink whose updates are just below ``2^-r Delta``,
        so that nothing ever moves.

    Proof
    -----
    The move M of a coordinate goes one code further with probability ``floor(2^r p)/2^r <= p``: away from the code less
    often than under SR, so ``E M_i^2`` is at most SR's, ``eta^2 g_i^2 + min(Delta eta |g_i|, Delta^2/4)`` (R3), and
    ``E M_i = -eta g_i + b_i``, ``|b_i| <= 2^-r Delta``. Clipping w + M projects onto the box. So of ``E|w + M - w*|^2``
    only ``2 <b, w - w*> <= 2 sqrt(d) 2^-r Delta D`` is new; divide by ``2 eta``.

    Source
    ------
    ours; few random bits: see R8

    Examples
    --------
    >>> word_bias_floor(eta=0.5, step_size=0.5, D=2.0, dim=1, random_bits=8)
    0.0078125
    """
    return math.sqrt(dim) * 2.0**-random_bits * step_size * D / positive("eta", eta)


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
