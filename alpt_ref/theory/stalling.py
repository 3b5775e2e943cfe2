"""Deterministic rounding (D1 to D3): its bounds, and where it stalls exactly.

Nearest rounding with ties up, ``DR(x) = floor(x + 1/2)``. Notation and setting of `alpt_ref.theory.bounds`; what
gradient noise repairs is in `alpt_ref.theory.dither`, where SR is the better of the two in `alpt_ref.theory.crossover`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory.bounds.lemma import whole
from alpt_ref.theory.setting import Grid, positive


def dr_convex_constant(*, T: int, eta: float, step_size: float, D1: float, D: float, G: float, dim: int) -> float:
    r"""D1: deterministic rounding, convex f, constant learning rate.

    Statement
    ---------
    $\frac{1}{T}\sum_{t=1}^{T} E f(w_t) - f^* \leq \min\left(\frac{D_1^2}{2\eta T} + \frac{\eta G^2}{2} +
    \frac{\sqrt{d}\,\Delta D}{2\eta},\; G D\right)$

    In words
    --------
    DR, f convex, eta constant: (1/T) sum_t E f(w_t) - f* <= min(D1^2/(2 eta T) + eta G^2/2 +
    sqrt(d) Delta D/(2 eta), G D); D bounds every |w_t - w*|, D1 the first. Where DR stalls only G D is left, which
    holds for every method.

    Terms
    -----
    D1^2/(2 eta T)
    eta G^2/2
    sqrt(d) Delta D/(2 eta): sqrt(d)
    G D

    Parameters
    ----------
    T, eta, step_size, D1, D, G, dim
        See the notation of `alpt_ref.theory.bounds`; D for t = 1..T+1.

    Returns
    -------
    float
        Reached where it is G D: a stalled ``b |w|_1``; and nearly where it is non-trivial: coordinates that stand still
        beside a steep one that moves (claim T1).

    Proof
    -----
    ``|w' - w*|^2 = |v - w*|^2 + 2 <eps, w' - w*> - |eps|^2``. ``|eps_i| <= min(Delta/2, |v_i - w_i|)`` (R4: w_i is a
    grid point), so ``|eps| <= sqrt(d) Delta/2``; ``|w' - w*| <= D``. Telescope as S1. And ``f(w_t) - f* <= <f', w_t -
    w*> <= G D`` at every t.

    Source
    ------
    ours; stalling of nearest rounding: H. Li et al., Training Quantized Nets: A Deeper Understanding, NeurIPS 2017;
    Xia, Massei, Hochstenbach and Koren, arXiv 2202.12276

    Examples
    --------
    >>> dr_convex_constant(T=1000, eta=0.1, step_size=0.25, D1=10.0, D=10.0, G=1.0, dim=1)
    10.0
    """
    T, eta = whole("T", T), positive("eta", eta)
    rounding = math.sqrt(dim) * step_size * D / (2.0 * eta)
    return min(D1 * D1 / (2.0 * eta * T) + 0.5 * eta * G * G + rounding, G * D)


def dr_convex_sqrt(*, T: int, c: float, step_size: float, D: float, G: float, dim: int) -> float:
    r"""D2: deterministic rounding, convex f, learning rate c/sqrt(t): the rate is lost.

    Statement
    ---------
    $\eta_t = c/\sqrt{t}:\quad \frac{1}{T}\sum_{t=1}^{T} E f(w_t) - f^* \leq
    \min\left(\frac{D^2/(2c) + cG^2}{\sqrt{T}} +
    \frac{D}{T}\sum_{t=1}^{T} \min\left(\frac{\sqrt{d}\,\Delta\sqrt{t}}{2c},\; G\right),\; G D\right)$

    In words
    --------
    DR, f convex, eta_t = c/sqrt(t): (1/T) sum_t E f(w_t) - f* <= min(D^2/(2 c sqrt(T)) + c G^2/sqrt(T) +
    (D/T) sum_t min(sqrt(d) Delta sqrt(t)/(2 c), G), G D); the sum grows like sqrt(T) until only G D is left, which
    holds for every method.

    Terms
    -----
    D^2/(2 c sqrt(T))
    c G^2/sqrt(T)
    (D/T) sum_t min(sqrt(d) Delta sqrt(t)/(2 c), G): sqrt(d)
    G D

    Parameters
    ----------
    T, c, step_size, D, G, dim
        See the notation of `alpt_ref.theory.bounds`; D for t = 1..T+1.

    Returns
    -------
    float
        Reached where it is G D: a stalled ``b |w|_1``.

    Proof
    -----
    D1's step divided by ``2 eta_t`` before summing; Abel summation as in S2. The rounding term is ``D min(sqrt(d)
    Delta/2, eta_t |g|)/eta_t`` at step t; it grows until every update is below half a step. G D as in D1.

    Source
    ------
    ours; stalling of nearest rounding: H. Li et al., Training Quantized Nets: A Deeper Understanding, NeurIPS 2017;
    Xia, Massei, Hochstenbach and Koren, arXiv 2202.12276

    Examples
    --------
    >>> round(dr_convex_sqrt(T=10_000, c=1.0, step_size=0.25, D=2.0, G=1.0, dim=1), 4)
    2.0
    """
    T, c = whole("T", T), positive("c", c)
    full = min(T, math.floor((2.0 * c * G / (math.sqrt(dim) * step_size)) ** 2))  # terms below the vacuous one
    roots = float(np.sqrt(np.arange(1, full + 1, dtype=np.float64)).sum())
    rounding = math.sqrt(dim) * step_size / (2.0 * c) * roots + (T - full) * G
    return min((D * D / (2.0 * c) + c * G * G) / math.sqrt(T) + D * rounding / T, G * D)


def dr_is_fixed(code: ArrayLike, gradient: ArrayLike, eta: float, grid: Grid) -> NDArray[np.bool_]:
    r"""D3: whether nearest rounding leaves each code where it is, exactly.

    Statement
    ---------
    $DR(k\Delta - \eta g) = k\Delta \;\Longleftrightarrow\; -\frac{\Delta}{2} < \eta g \leq \frac{\Delta}{2}$

    at the smallest (largest) code the lower (upper) end is free

    In words
    --------
    A code is fixed under DR iff -Delta/2 < eta g <= Delta/2 (ties go up); at the ends of the range the outward
    side is free.

    Parameters
    ----------
    code, gradient : array_like
        Codes and gradients, broadcast against each other.
    eta : float
        Learning rate.
    grid : Grid

    Returns
    -------
    bool array
        A tie stays when it would move down and moves when it would move up.

    Proof
    -----
    ``DR(k - u) = k + floor(1/2 - u)`` with ``u = eta g/Delta``; the floor is 0 iff ``-1/2 < u <= 1/2``. At the ends the
    largest code stays iff ``u <= 1/2``, the smallest iff ``u > -1/2``.

    Source
    ------
    ours; stalling of nearest rounding: H. Li et al., Training Quantized Nets: A Deeper Understanding, NeurIPS 2017;
    Xia, Massei, Hochstenbach and Koren, arXiv 2202.12276

    Examples
    --------
    >>> dr_is_fixed([0, 0, 0, 7], [0.4, 0.5, -0.5, -9.0], eta=1.0, grid=Grid(1.0, 4))
    array([ True,  True, False,  True])
    """
    k = np.asarray(code)
    u = (eta / grid.step_size) * np.asarray(gradient, dtype=np.float64)  # in this order, as the runs: ties are exact
    return np.asarray(((u <= 0.5) | (k == grid.low_code)) & ((u > -0.5) | (k == grid.high_code)))


def dr_quadratic_stall(*, eta: float, curvature: float, step_size: float) -> tuple[float, float, float]:
    r"""D3: where deterministic rounding stalls on ``lambda/2 (w - w*)^2`` without noise.

    Statement
    ---------
    $\frac{\Delta}{2\eta\lambda} - \Delta \;\leq\; \lim_t |w_t - w^*| \;\leq\; \frac{\Delta}{2\eta\lambda}$

    from every start outside; loss up to $\Delta^2/(8\eta^2\lambda)$

    In words
    --------
    f = lambda/2 (w - w*)^2, eta lambda <= 1/2, no noise, start farther away than R = Delta/(2 eta lambda): DR stops
    at a distance <= Delta/(2 eta lambda) from w*, and >= R - Delta

    Terms
    -----
    Delta/(2 eta lambda): 2
    R
    Delta

    Parameters
    ----------
    eta, curvature, step_size : float
        Learning rate, lambda and Delta.

    Returns
    -------
    (float, float, float)
        Smallest and largest stalled distance from outside, largest stalled loss. Every grid point strictly within the
        largest distance is fixed (the one at exactly that distance only above w*).

    Raises
    ------
    InputError
        If ``eta * curvature`` is above 1/2.

    Proof
    -----
    ``eta lambda |e| < Delta/2`` is D3. From outside every update keeps its side: it is at most ``eta lambda |e| +
    Delta/2``, and the last one is exactly one step since an update of two or more needs ``|e| >= 3 Delta/(2 eta
    lambda)``, which leaves ``(1 - eta lambda)|e| - Delta/2 >= Delta/(2 eta lambda)``, still outside.

    Source
    ------
    ours; stalling of nearest rounding: H. Li et al., Training Quantized Nets: A Deeper Understanding, NeurIPS 2017;
    Xia, Massei, Hochstenbach and Koren, arXiv 2202.12276

    Examples
    --------
    >>> dr_quadratic_stall(eta=0.125, curvature=1.0, step_size=1.0)
    (3.0, 4.0, 8.0)
    """
    rate = positive("eta", eta) * positive("curvature", curvature)
    if rate > 0.5:
        raise InputError(f"the lower end needs eta * curvature <= 1/2, got {rate:g}; lower eta")
    radius = step_size / (2.0 * rate)
    return max(radius - step_size, 0.0), radius, 0.5 * curvature * radius**2


def dr_freeze_step(*, c: float, gradient_max: float, step_size: float) -> int:
    r"""D3: first step from which eta_t = c/sqrt(t) can no longer move anything.

    Statement
    ---------
    $w_t = w_{t+1} = \ldots\quad$ for all $\;t > \left(2c\,\max_i |g_i| / \Delta\right)^2$

    In words
    --------
    DR with eta_t = c/sqrt(t), no noise: the last step that changes a code is at t <= (2 c g_max/Delta)^2, g_max the
    largest |g_i| over the box; reached by |w| away from its minimum

    Terms
    -----
    (2 c g_max/Delta)^2: 2, ^2

    Parameters
    ----------
    c, gradient_max, step_size : float
        With ``gradient_max`` the largest ``|g_i|`` *at the current iterate* it is frozen for ever from that step on, if
        it stands still until then; with that over the box it is the latest such step, whatever happens before.

    Returns
    -------
    int

    Proof
    -----
    A coordinate moves at step t only if ``eta_t |g_i| >= Delta/2``, that is ``t <= (2 c |g_i|/Delta)^2``. Exact for
    ``b |w|`` away from its minimum, up to the tie, which stays on the way down and moves on the way up.

    Source
    ------
    ours; stalling of nearest rounding: H. Li et al., Training Quantized Nets: A Deeper Understanding, NeurIPS 2017;
    Xia, Massei, Hochstenbach and Koren, arXiv 2202.12276

    Examples
    --------
    >>> dr_freeze_step(c=2.0, gradient_max=1.0, step_size=0.5)
    65
    """
    return math.floor((2.0 * positive("c", c) * gradient_max / positive("step_size", step_size)) ** 2) + 1
