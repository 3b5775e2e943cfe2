"""Identities: what rounding does to one number (R1 to R6); ``x`` is in steps of the grid and inside the range."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.theory.setting import Grid


def sr_up_probability(x: float, random_bits: int = 32) -> Fraction:
    """R1: exact probability that SR returns ``floor(x) + 1``.

    Parameters
    ----------
    x : float
        In steps.
    random_bits : int
        The word is compared with ``floor(|r| 2^bits)``, ``r = x - trunc(x)``, and sends x away from zero.

    Returns
    -------
    Fraction

    Examples
    --------
    >>> sr_up_probability(2.3, random_bits=2)
    Fraction(1, 4)
    """
    exact = Fraction(x)
    whole = math.trunc(exact)
    away = Fraction(math.floor(abs(exact - whole) * 2**random_bits), 2**random_bits)
    return away if exact >= 0 else (1 - away) * (exact != whole)


def sr_bias(x: float, random_bits: int = 32) -> Fraction:
    r"""R1: stochastic rounding is unbiased, up to the resolution of its random word.

    Statement
    ---------
    $\left|E\,SR(x) - x\right| \leq 2^{-r} \Delta$ on the box, with $r$ random bits

    In words
    --------
    |E SR(x) - x| <= 2^-r Delta on the box, r random bits; equality E SR(x) = x as r grows.

    Parameters
    ----------
    x : float
        In steps.
    random_bits : int

    Returns
    -------
    Fraction
        The exact bias ``floor(x) + P(up) - x`` in steps, at most ``2^-bits``, towards zero.

    Proof
    -----
    In steps let ``x = k + s p`` with ``k = trunc(x)``, ``s`` its sign, ``0 <= p < 1``. The word ``u``, uniform on the
    multiples of ``2^-r`` in [0, 1), sends x to ``k + s`` iff ``u < floor(p 2^32) 2^-32``, so with a probability within
    ``2^-r`` of p; hence ``|E SR(x) - x| <= 2^-r`` steps, and ``E SR(x) = x`` where p has at most r binary digits.

    Source
    ------
    ours

    Examples
    --------
    >>> sr_bias(2.25, random_bits=2)
    Fraction(0, 1)
    >>> sr_bias(-2.375, random_bits=2)
    Fraction(1, 8)
    """
    exact = Fraction(x)
    return math.floor(exact) + sr_up_probability(x, random_bits) - exact


def sr_variance(x: ArrayLike) -> NDArray[np.float64]:
    r"""R2: the variance of stochastic rounding.

    Statement
    ---------
    $Var\,SR(x) = \Delta^2 p(1-p) \leq \Delta^2/4$, $p = frac(x/\Delta)$

    In words
    --------
    Var SR(x) = Delta^2 p(1 - p) <= Delta^2/4, p = frac(x/Delta) for moves, whose grid are the whole steps; for a weight
    that is quantised Delta is the distance of the two values around it (R1) and p its place between them

    Terms
    -----
    Delta^2 p(1 - p): p, 1 - p
    Delta^2/4

    Parameters
    ----------
    x : array_like
        In steps.

    Returns
    -------
    float64 array
        In squared steps; at most 1/4.

    Proof
    -----
    By R1 ``SR(x) - floor(x)`` (in steps) is 1 with probability p and 0 otherwise: a Bernoulli variable (of the
    quantiser's values: v_{c+1} or v_c, in units of their distance). Its variance is ``p(1 - p)``, on either side of
    zero, since away from zero and up exchange p and 1 - p. ``p(1 - p) = 1/4 - (p - 1/2)^2 <= 1/4``.

    Source
    ------
    ours

    Examples
    --------
    >>> sr_variance([0.0, 0.25, -0.5])
    array([0.    , 0.1875, 0.25  ])
    """
    position = np.asarray(x, dtype=np.float64)
    p = position - np.floor(position)
    return np.asarray(p * (1.0 - p))


def sr_error_from_grid(update: ArrayLike, step_size: float) -> NDArray[np.float64]:
    r"""R3: the error of one update ``u = eta g`` that starts on the grid, under stochastic rounding.

    Statement
    ---------
    $E\,\epsilon_i^2 = \Delta|u_i| - u_i^2$ for $|u_i| \leq \Delta$;
    $E\,\|\epsilon\|^2 \leq \min(\Delta\eta\|g\|_1,\ d\Delta^2/4) \leq \sqrt{d}\,\Delta\eta\|g\|_2$

    In words
    --------
    From a grid point, u = eta g: E eps_i^2 = Delta |u_i| - u_i^2 for |u_i| <= Delta, periodic beyond;
    E|eps|^2 <= min(Delta eta |g|_1, d Delta^2/4) <= sqrt(d) Delta eta |g|_2.

    Terms
    -----
    Delta |u_i|
    u_i^2
    Delta eta |g|_1
    d Delta^2/4: d
    sqrt(d) Delta eta |g|_2: sqrt(d)

    Parameters
    ----------
    update : array_like
        u, in the units of the weights.
    step_size : float
        Delta.

    Returns
    -------
    float64 array
        ``E eps^2`` of each element, in the units of the weights squared.

    Proof
    -----
    From a grid point ``frac(v/Delta) = frac(-u/Delta)``, so R2 gives ``E eps_i^2 = Delta^2 p(1-p)`` with ``p`` the
    fraction of ``|u_i|/Delta``: ``Delta |u_i| - u_i^2`` for ``|u_i| <= Delta``. ``p(1-p) <= min(p, 1-p, 1/4)``, and the
    distance to the grid, ``Delta min(p, 1-p)``, is at most ``|u_i|``. Sum over i; ``|g|_1 <= sqrt(d) |g|_2``.

    Source
    ------
    ours, as an equality; the inequality with sqrt(d) is close to the lemma of H. Li et al., Training Quantized Nets: A
    Deeper Understanding, NeurIPS 2017; relative of the form with |g|_1: Z. Li and C. De Sa, Dimension-Free Bounds for
    Low-Precision Training, NeurIPS 2019

    Examples
    --------
    >>> sr_error_from_grid([0.25, -0.5, 2.0], step_size=1.0)
    array([0.1875, 0.25  , 0.    ])
    """
    return np.asarray(step_size**2 * sr_variance(np.abs(np.asarray(update, dtype=np.float64)) / step_size))


def dr_error_bound(update: ArrayLike, step_size: float) -> NDArray[np.float64]:
    r"""R4: deterministic rounding never moves a weight further than its update did.

    Statement
    ---------
    $|\epsilon_i| \leq \min(\Delta/2,\ \eta|g_i|)$ for $DR(x) = \lfloor x + 1/2 \rfloor$ from a grid point

    In words
    --------
    DR from a grid point: |eps_i| <= min(Delta/2, eta |g_i|); ties go up: DR(x) is the floor of x + 1/2.

    Terms
    -----
    Delta/2
    eta |g_i|

    Parameters
    ----------
    update : array_like
        ``u = eta g``, in the units of the weights.
    step_size : float
        Delta.

    Returns
    -------
    float64 array
        Bound on ``|eps_i|`` of each element.

    Proof
    -----
    ``x - 1/2 < floor(x + 1/2) <= x + 1/2`` gives ``|eps| <= Delta/2``. The nearest grid point to ``v = w - u`` is at
    least as near as the grid point w, which lies at distance ``|u|``: hence ``|eps| <= |u|``. At a tie ``x = k + 1/2``
    the floor is ``k + 1``: the error is exactly ``+1/2``, for negative k too.

    Source
    ------
    ours

    Examples
    --------
    >>> dr_error_bound([0.25, -3.0], step_size=1.0)
    array([0.25, 0.5 ])
    """
    return np.asarray(np.minimum(0.5 * step_size, np.abs(np.asarray(update, dtype=np.float64))))


def expected_step_size_derivative(x: float, grid: Grid, rounding: str = "dr") -> float:
    r"""R5: the step-size derivative, straight through the rounding (and R6: under SR its expectation is zero).

    Statement
    ---------
    $\partial Q/\partial\Delta = DR(s) - s$ inside the range, $-2^{m-1}$ below, $2^{m-1}-1$ above, $s = w/\Delta$

    In words
    --------
    dQ/dDelta = DR(s) - s inside the range, = -2^(m-1) below it, = 2^(m-1) - 1 above it, where s is w/Delta, m bits;
    equal to the finite difference with the rounding frozen, whatever rounding the weights use.

    Terms
    -----
    DR(s)
    s
    2^(m-1)
    2^(m-1) - 1: 1

    Parameters
    ----------
    x : float
        ``s = w/Delta``.
    grid : Grid
    rounding : {"dr", "sr"}
        ``sr``: zero inside, since ``E SR(s) = s`` there: the step size's pass must round deterministically, or its
        expected signal vanishes (R6).

    Returns
    -------
    float

    Proof
    -----
    Freeze the rounding's offset ``c = DR(clip(s)) - clip(s)`` (straight through): ``Q(Delta) = Delta (clip(w/Delta) +
    c)``. Inside the range ``Q = w + c Delta``, so ``dQ/dDelta = c``. Outside it c = 0 and clip gives an end code q, so
    ``dQ/dDelta = q``.

    Source
    ------
    Esser et al., Learned step size quantization, ICLR 2020

    Examples
    --------
    >>> from alpt_ref.theory import Grid
    >>> [expected_step_size_derivative(x, Grid(0.1, 4)) for x in (2.25, -9.0, 100.0)]
    [-0.25, -8.0, 7.0]
    """
    if x < grid.low_code:
        return float(grid.low_code)
    if x > grid.high_code:
        return float(grid.high_code)
    return math.floor(x + 0.5) - x if rounding == "dr" else 0.0
