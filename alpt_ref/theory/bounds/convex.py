r"""S1 and S2: stochastic rounding on convex problems."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory.bounds.lemma import norm_1_bound, require_small_updates, rounding_rate, whole
from alpt_ref.theory.setting import positive


def sr_convex_constant(
    *, T: int, eta: float, step_size: float, D1: float, G: float, dim: int, G1: float | None = None
) -> float:
    r"""S1: stochastic rounding, convex f, constant learning rate.

    Statement
    ---------
    $\frac{1}{T}\sum_t E f(w_t) - f^* \leq \frac{D_1^2}{2\eta T} + \frac{\eta G^2}{2} +
    \frac{1}{2}\min\left(\sqrt{d}\,\Delta G,\ \frac{d\Delta^2}{4\eta}\right)$

    In words
    --------
    SR, f convex, eta constant: (1/T) sum_t E f(w_t) - f* <= D1^2/(2 eta T) + eta G^2/2 + min(sqrt(d) Delta G/2,
    d Delta^2/(8 eta)). Sparse form: sup E|g_t|_1 for sqrt(d) G. Updates below one step: without eta G^2/2.

    Terms
    -----
    D1^2/(2 eta T)
    eta G^2/2
    sqrt(d) Delta G/2: sqrt(d)
    d Delta^2/(8 eta): d

    Parameters
    ----------
    T, eta, step_size, D1, G, dim, G1
        See the notation of `alpt_ref.theory.bounds`.

    Returns
    -------
    float
        Also a bound on ``E f(mean of w_t) - f*`` (Jensen). Each of its terms is reached by ``b |w|_1`` (claim T1).

    Proof
    -----
    The lemma with ``E<g, w - w*> >= E f(w) - f*`` gives ``2 eta E(f(w_t) - f*) <= a_t - a_{t+1} + eta^2 G^2 +
    E|eps|^2``, ``a_t = E|w_t - w*|^2``. Sum over t = 1..T; drop ``a_{T+1} >= 0``. Divide by ``2 eta T``.

    Source
    ------
    ours; the floor sqrt(d) Delta G/2 as in H. Li et al., Training Quantized Nets: A Deeper Understanding, NeurIPS 2017,
    whose theorems have falling rates; relative of the sparse form: Z. Li and C. De Sa, Dimension-Free Bounds for
    Low-Precision Training, NeurIPS 2019

    Examples
    --------
    >>> sr_convex_constant(T=1000, eta=0.1, step_size=0.25, D1=10.0, G=1.0, dim=1)
    0.628125
    """
    T, eta = whole("T", T), positive("eta", eta)
    return D1 * D1 / (2.0 * eta * T) + 0.5 * eta * G * G + 0.5 * rounding_rate(eta, step_size, G, dim, G1)


def sr_convex_constant_small_updates(
    *, T: int, eta: float, step_size: float, D1: float, G1: float, g_max: float
) -> float:
    """S1 small moves: the sharp form for updates below one step, where ``eta G^2/2`` disappears.

    In words
    --------
    SR, f convex, eta constant, eta g_max <= Delta: (1/T) sum_t E f(w_t) - f* <= D1^2/(2 eta T) + Delta G1/2 with
    G1 = sup E|g_t|_1.

    Terms
    -----
    D1^2/(2 eta T)
    Delta G1/2

    Parameters
    ----------
    T, eta, step_size, D1, G1, g_max
        See the notation of `alpt_ref.theory.bounds`.

    Returns
    -------
    float
        ``D1^2/(2 eta T) + Delta G1/2``; its floor does not depend on eta at all. Tight.

    Proof
    -----
    For ``|m| <= Delta``, ``m^2 + E eps^2 = Delta |m|`` exactly, so ``E(w' - w*)^2 = (w - w*)^2 + 2 m (w - w*) + Delta
    |m|`` per coordinate. Unclipped that is ``e^2 - 2 eta g e + Delta eta |g|``. Clipping cannot raise it: it shortens
    ``m`` to where ``2 m e + Delta |m|`` grows with ``|m|``, as w* lies inside the box. Telescope as in S1.

    Source
    ------
    ours; the same regime of moves below one step: J. Ashbrock and A. Powell, Stochastic Markov Gradient Descent and
    Training Low-Bit Neural Networks, arXiv 2008.11117

    Examples
    --------
    >>> sr_convex_constant_small_updates(T=1000, eta=0.1, step_size=0.25, D1=10.0, G1=1.0, g_max=1.0)
    0.625
    """
    T, eta = whole("T", T), positive("eta", eta)
    require_small_updates(eta, g_max, step_size)
    return D1 * D1 / (2.0 * eta * T) + 0.5 * step_size * G1


def sr_convex_sqrt(
    *, T: int, c: float, step_size: float, D: float, G: float, dim: int, G1: float | None = None
) -> float:
    r"""S2: stochastic rounding, convex f, learning rate c/sqrt(t).

    Statement
    ---------
    $\frac{1}{T}\sum_t E f(w_t) - f^* \leq \left(\frac{D^2}{2c} + cG^2\right)\frac{1}{\sqrt{T}} +
    \frac{1}{2}\sqrt{d}\,\Delta G$

    In words
    --------
    SR, f convex, eta_t = c/sqrt(t), D >= |w_t - w*|: (1/T) sum_t E f(w_t) - f* <= D^2/(2 c sqrt(T)) +
    c G^2/sqrt(T) + sqrt(d) Delta G/2. Sparse form: sup E|g_t|_1 for sqrt(d) G. Exact sums: any learning rates that
    never grow.

    Terms
    -----
    D^2/(2 c sqrt(T))
    c G^2/sqrt(T)
    sqrt(d) Delta G/2: sqrt(d)

    Parameters
    ----------
    T, c, step_size, D, G, dim, G1
        See the notation of `alpt_ref.theory.bounds`.

    Returns
    -------
    float
        The floor is reached as T grows, by ``b |w|_1`` (claim T1); the constant 1/2 of ``D^2/(2 c sqrt(T))`` is
        reached in the form with exact sums alone.

    Proof
    -----
    Divide the lemma by ``2 eta_t`` before summing. Abel: ``sum (a_t - a_{t+1})/(2 eta_t) <= D^2/(2 eta_T)``, as
    ``1/eta_t`` grows and ``a_t <= D^2``. ``sum eta_t <= 2 c sqrt(T)``; ``E|eps|^2/(2 eta_t) <= Delta E|g|_1/2``.

    Source
    ------
    ours, with explicit constants; close to Theorem 2 (same rates and floor) of H. Li et al., Training Quantized Nets: A
    Deeper Understanding, NeurIPS 2017; relative of the sparse form: Z. Li and C. De Sa, Dimension-Free Bounds for
    Low-Precision Training, NeurIPS 2019

    Examples
    --------
    >>> sr_convex_sqrt(T=10_000, c=1.0, step_size=0.25, D=2.0, G=1.0, dim=1)
    0.155
    """
    T, c = whole("T", T), positive("c", c)
    return (D * D / (2.0 * c) + c * G * G) / math.sqrt(T) + 0.5 * step_size * norm_1_bound(G, dim, G1)


def sr_convex_schedule(
    *, rates: ArrayLike, step_size: float, D: float, G: float, dim: int, G1: float | None = None
) -> float:
    """S2 exact sums: any learning rates that never grow; at most S2's value for c/sqrt(t).

    In words
    --------
    SR, f convex, rates that never grow, D >= |w_t - w*|: (1/T) sum_t E f(w_t) - f* <= D^2/(2 eta_T T) +
    sum_t eta_t G^2/(2 T) + sum_t min(sqrt(d) Delta G/(2 T), d Delta^2/(8 eta_t T)). Sparse form: sup E|g_t|_1 for
    sqrt(d) G.

    Terms
    -----
    D^2/(2 eta_T T)
    sum_t eta_t G^2/(2 T)
    sqrt(d) Delta G/(2 T): sqrt(d)
    d Delta^2/(8 eta_t T): d

    Parameters
    ----------
    rates : float array (T,)
        Learning rates of the T updates.
    step_size, D, G, dim, G1
        See the notation of `alpt_ref.theory.bounds`.

    Returns
    -------
    float
        A bound on ``(1/T) sum_{t=1..T} E f(w_t) - f*``.

    Proof
    -----
    As S2, without bounding the sums. Ours.

    Examples
    --------
    >>> from alpt_ref.theory import Schedule
    >>> rates = Schedule("inverse-sqrt", 1.0).rates(10_000)
    >>> round(sr_convex_schedule(rates=rates, step_size=0.25, D=2.0, G=1.0, dim=1), 4)
    0.1539
    """
    eta = _falling(rates)
    rounding = np.minimum(step_size * norm_1_bound(G, dim, G1), dim * step_size**2 / (4.0 * eta))
    return float((D * D / (2.0 * eta[-1]) + 0.5 * (eta * G * G + rounding).sum()) / len(eta))


def _falling(rates: ArrayLike) -> NDArray[np.float64]:
    eta = np.atleast_1d(np.asarray(rates, dtype=np.float64))
    if eta.ndim != 1 or not (eta > 0.0).all() or (np.diff(eta) > 0.0).any():
        raise InputError("rates must be positive and must not grow from one step to the next")
    return eta
