r"""EF1: nearest rounding that carries its rounding error along, and ECO, which keeps it in the momentum.

EF1, ``r_1 = 0``: ``v_t = w_t + r_t - eta g_t``, ``w_{t+1} = DR(v_t)``, ``r_{t+1} = v_t - w_{t+1}``.

ECO, ``m_1 = 0``: ``n_t = b m_t + (1-b) g_t``, ``v_t = w_t - eta n_t``, ``w_{t+1} = DR(v_t)``, ``e_t = v_t - w_{t+1}``,
``m_{t+1} = n_t + (1/eta)(1 - 1/b) e_t``: no array beside the momentum.
"""

from __future__ import annotations

import math

from alpt_ref.errors import InputError
from alpt_ref.theory.bounds.lemma import norm_1_bound, whole
from alpt_ref.theory.setting import positive


def dr_residual_constant(
    *, T: int, eta: float, step_size: float, D1: float, G: float, dim: int, G1: float | None = None
) -> float:
    r"""EF1: nearest rounding with carried residual, convex f, constant learning rate.

    Statement
    ---------
    $\frac{1}{T}\sum_{t=1}^{T} f(w_t) - f^* \leq \frac{D_1^2}{2\eta T} + \frac{\eta G^2}{2} +
    \frac{1}{2}\sqrt{d}\,\Delta G$

    $v = w + r - \eta g,\; w' = DR(v),\; r' = v - w'$, $g$ a subgradient at $w$, nothing clips

    In words
    --------
    DR with the residual carried along (r_1 = 0, v = w + r - eta g, w' = DR(v), r' = v - w'), f convex, g_t a
    subgradient at w_t, eta constant, nothing clips: (1/T) sum_t f(w_t) - f* <= D1^2/(2 eta T) + eta G^2/2 + sqrt(d)
    Delta G/2, surely; in expectation if g_t is one on average. Sparse form: sup |g_t|_1 for sqrt(d) G.

    Terms
    -----
    D1^2/(2 eta T)
    eta G^2/2
    sqrt(d) Delta G/2: sqrt(d), 1/2

    Parameters
    ----------
    T, eta, step_size, D1, G, dim, G1
        See the notation of `alpt_ref.theory.bounds`. With noise G1 may leave it out: ``sup |E[g_t | past]|_1``.

    Returns
    -------
    float
        S1's floor without a random word, and without D: what D1 lacks. Tight: ratio 1 in the limit for ``b |w|``.

    Proof
    -----
    ``z_t = w_t + r_t`` is exact SGD: ``z_{t+1} = v_t = z_t - eta g_t``, ``z_1 = w_1``. ``<g_t, z_t - w*> >= f(w_t) - f*
    + <g_t, r_t>`` with ``|r_{t,i}| <= Delta/2``, so ``2 eta (f(w_t) - f*) <= |z_t - w*|^2 - |z_{t+1} - w*|^2 + eta^2
    |g_t|^2 + eta Delta |g_t|_1``. Sum over t, divide by ``2 eta T``. Given the past r_t is fixed, so noise drops out of
    ``<g_t, r_t>`` on average.

    Source
    ------
    ours; error feedback: Seide et al., Interspeech 2014; Karimireddy et al., ICML 2019; of weights: ECO (arXiv
    2601.22101)

    Examples
    --------
    >>> dr_residual_constant(T=1000, eta=0.1, step_size=0.25, D1=10.0, G=1.0, dim=1)
    0.675
    """
    T, eta = whole("T", T), positive("eta", eta)
    return D1 * D1 / (2.0 * eta * T) + 0.5 * eta * G * G + 0.5 * step_size * norm_1_bound(G, dim, G1)


def eco_constant(
    *, T: int, eta: float, keep: float, step_size: float, D1: float, G: float, g_max: float, dim: int,
    G1: float | None = None,
) -> float:  # fmt: skip
    r"""EF1b: nearest rounding with its error kept in the momentum (ECO), convex f, constant learning rate.

    Statement
    ---------
    $\frac{1}{T}\sum_{t=1}^{T} f(w_t) - f^* \leq \frac{D_1^2}{2\eta T} + \frac{\eta G^2}{2} +
    \sqrt{d}\,G\left[\frac{\Delta}{2(1-b)} + \frac{\eta b\,G_\infty}{1-b}\right]$

    In words
    --------
    ECO with momentum b, 0 < b < 1, DR, f convex, g_t a subgradient at w_t, eta constant, nothing clips: (1/T) sum_t
    f(w_t) - f* <= D1^2/(2 eta T) + eta G^2/2 + sqrt(d) G Delta/(2 (1-b)) + sqrt(d) G eta b G_inf/(1-b), surely; in
    expectation if g_t is a subgradient on average. Sparse form: sup |g_t|_1 for sqrt(d) G.

    Terms
    -----
    D1^2/(2 eta T)
    eta G^2/2
    sqrt(d) G Delta/(2 (1-b)): sqrt(d), 1/(1-b)
    sqrt(d) G eta b G_inf/(1-b): sqrt(d), 1/(1-b)

    Parameters
    ----------
    T, eta, step_size, D1, G, g_max, dim, G1
        See the notation of `alpt_ref.theory.bounds`; `g_max` is G_inf, noise included. With noise G1 may leave it out.
    keep : float
        b.

    Returns
    -------
    float
        ``b -> 0`` gives EF1.

    Raises
    ------
    InputError
        Unless ``0 < keep < 1``.

    Proof
    -----
    ``z_t = v_t - (eta b/(1-b)) n_t = w_t - (eta/(1-b)) n_t`` obeys ``z_t = z_{t-1} - eta g_t``, ``z_0 = w_1`` (insert
    n_t and m_t): exact SGD. ``n_t = b n_{t-1} - ((1-b)/eta) e_{t-1} + (1-b) g_t`` and ``|e_i| <= Delta/2`` give
    ``|n_i| <= G_inf + Delta/(2 eta)``. So ``|z_{t-1} - w_t|_inf = |e - (eta b/(1-b)) n|_inf <= Delta/2 + (eta b/(1-b))
    (G_inf + Delta/(2 eta))``, the bracket. Then as EF1.

    Source
    ------
    ours; the method: ECO (arXiv 2601.22101)

    Examples
    --------
    >>> eco_constant(T=1000, eta=0.125, keep=0.5, step_size=0.25, D1=10.0, G=1.0, g_max=1.0, dim=1)
    0.8375
    """
    T, eta = whole("T", T), positive("eta", eta)
    _keep(keep)
    inside = step_size / (2.0 * (1.0 - keep)) + eta * keep * g_max / (1.0 - keep)
    return D1 * D1 / (2.0 * eta * T) + 0.5 * eta * G * G + norm_1_bound(G, dim, G1) * inside


def first_residual_move(*, eta: float, gradient: float, step_size: float, keep: float = 0.0) -> int:
    """Updates up to and including the first that moves a code, under a constant gradient: the dead time of EF1 and ECO.

    Parameters
    ----------
    eta, gradient, step_size : float
        A negative gradient moves up, where a tie moves; a positive one down, where a tie stays.
    keep : float
        b of ECO; 0 is EF1.

    Returns
    -------
    int
        ``ceil(Delta/(2 eta (1-b) |g|))``, and one more for a tie on the way down.

    Proof
    -----
    While nothing has moved ``e_t = -eta n_t``, so ``n_{t+1} = b (n_t + (1/b - 1) n_t) + (1-b) g = n_t + (1-b) g``:
    ``v_t = w - t eta (1-b) g``, which nearest rounding leaves alone up to half a step. Ours.

    Examples
    --------
    >>> first_residual_move(eta=0.125, gradient=-1.0, step_size=1.0), first_residual_move(
    ...     eta=0.125, gradient=1.0, step_size=1.0, keep=0.5)
    (4, 9)
    """
    if keep != 0.0:
        _keep(keep)
    ratio = positive("step_size", step_size) / (
        2.0 * positive("eta", eta) * (1.0 - keep) * positive("|gradient|", abs(gradient))
    )
    return math.ceil(ratio) if gradient < 0.0 else math.floor(ratio) + 1


def _keep(keep: float) -> None:
    if not 0.0 < keep < 1.0:
        raise InputError(f"keep must be above 0 and below 1, got {keep!r}")
