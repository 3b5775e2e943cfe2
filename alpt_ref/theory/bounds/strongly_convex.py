r"""S3 and S4: stochastic rounding on strongly convex problems."""

from __future__ import annotations

import math

from alpt_ref.errors import InputError
from alpt_ref.theory.bounds.lemma import norm_1_bound, require_small_updates, rounding_rate, whole
from alpt_ref.theory.setting import positive


def sr_strongly_convex_inverse(
    *, T: int, mu: float, step_size: float, G: float, dim: int, G1: float | None = None
) -> float:
    r"""S3: stochastic rounding, mu-strongly convex f, learning rate 1/(mu t).

    Statement
    ---------
    $\frac{1}{T}\sum_t E f(w_t) - f^* \leq \frac{(1+\ln T)\,G^2}{2\mu T} + \frac{1}{2}\sqrt{d}\,\Delta G$

    In words
    --------
    SR, f mu-strongly convex, eta_t = 1/(mu t): (1/T) sum_t E f(w_t) - f* <= (1 + ln T) G^2/(2 mu T) +
    sqrt(d) Delta G/2. Sparse form: sup E|g_t|_1 for sqrt(d) G.

    Terms
    -----
    (1 + ln T) G^2/(2 mu T): ln T
    sqrt(d) Delta G/2: sqrt(d)

    Parameters
    ----------
    T, mu, step_size, G, dim, G1
        See the notation of `alpt_ref.theory.bounds`; ``f - mu/2 |.|^2`` is convex on B.

    Returns
    -------
    float
        On the plain average, start included. The floor is reached as T grows by ``a/2 |w|^2 + b |w|_1`` with a small
        against b, the first term at T = 1 by a quadratic; quadratics alone stay near half of the floor (X3).

    Proof
    -----
    ``<f', w - w*> >= f - f* + mu/2 |w - w*|^2`` in the lemma, divided by ``2 eta_t``: ``E f(w_t) - f* <= mu (t-1)/2
    a_t - mu t/2 a_{t+1} + G^2/(2 mu t) + Delta E|g|_1/2``. The first two telescope to ``<= 0``, and ``sum 1/t <= 1 +
    ln T``.

    Source
    ------
    ours, on the average that includes the start; close to Theorem 1 (rates 1/(mu (t + 1))) of H. Li et al., Training
    Quantized Nets: A Deeper Understanding, NeurIPS 2017; relative of the sparse form: Z. Li and C. De Sa,
    Dimension-Free Bounds for Low-Precision Training, NeurIPS 2019

    Examples
    --------
    >>> round(sr_strongly_convex_inverse(T=1000, mu=1.0, step_size=0.25, G=1.0, dim=1), 6)
    0.128954
    """
    T, mu = whole("T", T), positive("mu", mu)
    return (1.0 + math.log(T)) * G * G / (2.0 * mu * T) + 0.5 * step_size * norm_1_bound(G, dim, G1)


def sr_strongly_convex_constant(
    *, t: int, mu: float, eta: float, step_size: float, D1: float, G: float, dim: int, G1: float | None = None
) -> float:
    r"""S4: stochastic rounding, mu-strongly convex f, constant learning rate eta <= 1/(2 mu).

    Statement
    ---------
    $E\|w_t - w^*\|^2 \leq (1-2\eta\mu)^{t-1} D_1^2 + \frac{\eta G^2 + \sqrt{d}\,\Delta G}{2\mu}$

    In words
    --------
    SR, f mu-strongly convex, eta <= 1/(2 mu): E|w_t - w*|^2 <= k D1^2 + (1 - k) F with k = (1 - 2 eta mu)^(t-1) and
    F = eta G^2/(2 mu) + min(sqrt(d) Delta G/(2 mu), d Delta^2/(8 eta mu)). Sparse form: sup E|g_t|_1 for sqrt(d) G.
    Updates below one step: without eta G^2/(2 mu).

    Terms
    -----
    k D1^2
    (1 - k) F
    eta G^2/(2 mu)
    sqrt(d) Delta G/(2 mu): sqrt(d)
    d Delta^2/(8 eta mu): d

    Parameters
    ----------
    t, mu, eta, step_size, D1, G, dim, G1
        See the notation of `alpt_ref.theory.bounds`; t = 1 is the start, hence the exponent t - 1.

    Returns
    -------
    float
        The form in words, at most that of the statement. Each term is reached by quadratics (claim T1).

    Proof
    -----
    ``<f'(w), w - w*> >= mu |w - w*|^2`` (strong monotonicity, and ``<f'(w*), w - w*> >= 0`` on B) in the lemma:
    ``a_{t+1} <= (1 - 2 eta mu) a_t + eta^2 G^2 + E|eps|^2``. With a factor in [0, 1) unroll t - 1 times; sum the
    geometric series.

    Source
    ------
    ours; the lemma as in H. Li et al., Training Quantized Nets: A Deeper Understanding, NeurIPS 2017; relative of the
    sparse form: Z. Li and C. De Sa, Dimension-Free Bounds for Low-Precision Training, NeurIPS 2019

    Examples
    --------
    >>> sr_strongly_convex_constant(t=3, mu=1.0, eta=0.25, step_size=0.5, D1=4.0, G=1.0, dim=1)
    4.1875
    """
    kept = _kept(t, mu, eta)
    floor = (eta * G * G + rounding_rate(eta, step_size, G, dim, G1)) / (2.0 * mu)
    return kept * D1 * D1 + (1.0 - kept) * floor


def sr_strongly_convex_constant_small_updates(
    *, t: int, mu: float, eta: float, step_size: float, D1: float, G1: float, g_max: float
) -> float:
    """S4 small moves: the sharp form for updates below one step, whose floor does not depend on eta.

    In words
    --------
    SR, f mu-strongly convex, eta <= 1/(2 mu), eta g_max <= Delta: E|w_t - w*|^2 <= k D1^2 + (1 - k) Delta G1/(2 mu)
    with k = (1 - 2 eta mu)^(t-1) and G1 = sup E|g_t|_1.

    Terms
    -----
    k D1^2
    (1 - k) Delta G1/(2 mu)

    Parameters
    ----------
    t, mu, eta, step_size, D1, G1, g_max
        See the notation of `alpt_ref.theory.bounds`.

    Returns
    -------
    float

    Proof
    -----
    The exact second moment of the sharp S1 in S4's recursion. Equality for quadratics whose ``E|g|_1`` is constant
    (X3).

    Source
    ------
    ours; the same regime of moves below one step: J. Ashbrock and A. Powell, Stochastic Markov Gradient Descent and
    Training Low-Bit Neural Networks, arXiv 2008.11117

    Examples
    --------
    >>> sr_strongly_convex_constant_small_updates(t=3, mu=1.0, eta=0.25, step_size=0.5, D1=4.0, G1=1.0, g_max=2.0)
    4.1875
    """
    kept = _kept(t, mu, eta)
    require_small_updates(eta, g_max, step_size)
    return kept * D1 * D1 + (1.0 - kept) * step_size * G1 / (2.0 * mu)


def _kept(t: int, mu: float, eta: float) -> float:
    """``(1 - 2 eta mu)^(t-1)``: what is left of the first squared distance."""
    t, mu, eta = whole("t", t), positive("mu", mu), positive("eta", eta)
    if not 2.0 * eta * mu <= 1.0:
        raise InputError(f"S4 needs eta <= 1/(2 mu) = {0.5 / mu:g}, got {eta!r}")
    return float((1.0 - 2.0 * eta * mu) ** (t - 1))
