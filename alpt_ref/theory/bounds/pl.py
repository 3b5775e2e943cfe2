r"""S7: stochastic rounding under the Polyak-Lojasiewicz inequality: linear to a floor, convex or not."""

from __future__ import annotations

import math

from alpt_ref.errors import InputError
from alpt_ref.theory.bounds.lemma import norm_1_bound, whole
from alpt_ref.theory.setting import positive


def sr_pl_constant(
    *, t: int, mu: float, L: float, eta: float, step_size: float, gap: float, G: float, dim: int,
    G1: float | None = None,
) -> float:  # fmt: skip
    r"""S7: stochastic rounding, L-smooth f with the PL inequality, constant learning rate eta <= 1/(2 mu).

    Statement
    ---------
    $E f(w_{t+1}) - f^* \leq k\,(f(w_1) - f^*) + (1-k)\,\frac{L}{4\mu}\left(\eta G^2 + \sqrt{d}\,\Delta G\right),
    \quad k = (1-2\eta\mu)^t$

    In words
    --------
    SR, |f'|^2 >= 2 mu (f - f*) on the visited set with f* = inf f over all w, f L-smooth on the segments between
    iterates, nothing clips, eta <= 1/(2 mu), k = (1 - 2 eta mu)^t: E f(w_{t+1}) - f* <= k (f(w_1) - f*) + (1 - k) L/(4
    mu) eta G^2 + (1 - k) L/(4 mu) sqrt(d) Delta G. Sparse form: sup E|g_t|_1 for sqrt(d) G. f need not be convex.

    Terms
    -----
    k (f(w_1) - f*)
    (1 - k) L/(4 mu) eta G^2: L, 1/4
    (1 - k) L/(4 mu) sqrt(d) Delta G: L, 1/4, sqrt(d)

    Parameters
    ----------
    t : int
        Updates made.
    mu, L, eta, step_size, gap, G, dim, G1
        See the notation of `alpt_ref.theory.bounds`; mu of the PL inequality, suprema over the visited set.

    Returns
    -------
    float
        Tight: ratio 1 for a quadratic in its first term, and in the rest as two-point noise grows and eta shrinks.

    Raises
    ------
    InputError
        If f is not smooth, or eta is above ``1/(2 mu)``.

    Proof
    -----
    With ``M = w' - w`` unclipped, ``E M = -eta f'`` and ``E|M|^2 <= eta^2 G^2 + eta Delta E|g|_1`` (R3). Smoothness and
    PL: ``E f(w') <= f - eta |f'|^2 + L/2 E|M|^2 <= f - 2 eta mu (f - f*) + (L eta/2)(eta G^2 + Delta E|g|_1)``. With a
    factor ``1 - 2 eta mu`` in [0, 1) unroll t times; ``sum_{s<t} (1 - 2 eta mu)^s = (1 - k)/(2 eta mu)``.

    Source
    ------
    ours; closest published relatives: Xia, Massei, Hochstenbach (arXiv 2301.09511: PL and stochastic rounding in
    floating point); Karimi, Nutini, Schmidt, ECML 2016, for the argument without rounding

    Examples
    --------
    >>> sr_pl_constant(t=2, mu=1.0, L=1.0, eta=0.25, step_size=0.5, gap=8.0, G=1.0, dim=1)
    2.140625
    """
    t, mu, eta = whole("t", t), positive("mu", mu), positive("eta", eta)
    if not math.isfinite(L):
        raise InputError("S7 needs a smooth problem, got L = inf; this problem has a kink")
    if not 2.0 * eta * mu <= 1.0:
        raise InputError(f"S7 needs eta <= 1/(2 mu) = {0.5 / mu:g}, got {eta!r}")
    kept = (1.0 - 2.0 * eta * mu) ** t
    return kept * gap + (1.0 - kept) * L / (4.0 * mu) * (eta * G * G + step_size * norm_1_bound(G, dim, G1))
