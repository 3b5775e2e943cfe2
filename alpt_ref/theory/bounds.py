"""Convergence bounds for stochastic rounding (S1 to S5), one documented function a theorem.

All of them are ours, proved in the docstrings; the closest published relatives are in Li, De, Xu, Studer, Samet and
Goldstein, "Training Quantized Nets: A Deeper Understanding", NeurIPS 2017. Setting and notation of `setting`:
``v_t = clip_B(w_t - eta_t g_t)``, ``w_{t+1} = Q(v_t)``, ``eps_t = w_{t+1} - v_t``; the box B ends on grid points and
holds a minimiser w*; **w_1 is on the grid**; ``E[g_t | w_t]`` is a (sub)gradient at ``w_t``; ``E|g_t|_2^2 <= G^2``.

Shared lemma. Write ``m_t = v_t - w_t``. As B ends on the grid, rounding stays in B. SR is unbiased given ``v_t``, and
``w_t`` is a grid point, so with ``p = frac(v/step)``: ``E eps_i^2 = step^2 p(1-p) <= step * dist(v_i, grid) <=
step |m_i| <= step eta |g_i|`` and ``<= step^2/4``. Clipping is the projection onto B, which holds w*, so::

    E|w_{t+1} - w*|^2 <= E|w_t - eta g_t - w*|^2 + min(step eta E|g_t|_1, d step^2/4)

Sparse form: every function takes ``G1 >= sup_t E|g_t|_1``; left out, ``sqrt(d) G`` stands for it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import positive


def rounding_rate(eta: float, step_size: float, G: float, dim: int, G1: float | None = None) -> float:
    """``min(step E|g|_1, d step^2/(4 eta))``: bound on ``E|eps|^2 / eta`` (R3)."""
    norm_1 = math.sqrt(dim) * G if G1 is None else min(G1, math.sqrt(dim) * G)
    return min(step_size * norm_1, dim * step_size * step_size / (4.0 * eta))


def _count(name: str, value: int) -> int:
    if isinstance(value, bool) or int(value) != value or value < 1:
        raise InputError(f"{name} must be a whole number of at least 1, got {value!r}")
    return int(value)


def sr_convex_constant(
    *, T: int, eta: float, step_size: float, D1: float, G: float, dim: int, G1: float | None = None
) -> float:
    """S1: stochastic rounding, convex f, constant learning rate.

    Problem : convex on B, subgradients bounded as above; D1 >= |w_1 - w*|.
    Method : SR-SGD with clipping, eta_t = eta.
    Metric : ``(1/T) sum_{t=1..T} E f(w_t) - f*``; also ``E f(mean of w_t) - f*`` by Jensen.
    Guarantee : upper, ``D1^2/(2 eta T) + eta G^2/2 + min(step E|g|_1, d step^2/(4 eta))/2``. Tight: ratio 1 in the
        limit for ``b |w|`` (`tightness`).
    Proof : the lemma with ``E<g, w - w*> >= E f(w) - f*`` gives ``2 eta E(f(w_t) - f*) <= a_t - a_{t+1} + eta^2 G^2 +
        E|eps|^2``, ``a_t = E|w_t - w*|^2``. Sum over t = 1..T; drop ``a_{T+1} >= 0``. Divide by ``2 eta T``.
    Reference : ours; relative: Li et al. 2017.
    """
    T, eta = _count("T", T), positive("eta", eta)
    return D1 * D1 / (2.0 * eta * T) + 0.5 * eta * G * G + 0.5 * rounding_rate(eta, step_size, G, dim, G1)


def sr_convex_constant_small_moves(
    *, T: int, eta: float, step_size: float, D1: float, G1: float, g_max: float
) -> float:
    """S1, sharp form for updates below one step: the term ``eta G^2/2`` disappears.

    Problem, method, metric : as S1, and ``eta |g_i| <= step`` always (``eta g_max <= step``, else InputError).
    Guarantee : upper, ``D1^2/(2 eta T) + step G1/2``; its floor does not depend on eta at all. Tight.
    Proof : for ``|m| <= step``, ``m^2 + E eps^2 = step |m|`` exactly, so ``E(w' - w*)^2 = (w - w*)^2 + 2 m (w - w*) +
        step |m|`` per coordinate. Unclipped that is ``e^2 - 2 eta g e + step eta |g|``. Clipping cannot raise it: it
        shortens ``m`` to where ``2 m e + step |m|`` grows with ``|m|``, as w* lies inside the box. Telescope as in S1.
    Reference : ours; relative: Li et al. 2017.
    """
    T, eta = _count("T", T), positive("eta", eta)
    _small_moves(eta, g_max, step_size)
    return D1 * D1 / (2.0 * eta * T) + 0.5 * step_size * G1


def _small_moves(eta: float, g_max: float, step_size: float) -> None:
    if not eta * g_max <= step_size * (1.0 + 1e-12):
        raise InputError(
            f"this form needs eta * g_max <= step_size, got {eta * g_max:g} > {step_size:g}; use the general form"
        )


def sr_convex_sqrt(
    *, T: int, c: float, step_size: float, D: float, G: float, dim: int, G1: float | None = None
) -> float:
    """S2: stochastic rounding, convex f, eta_t = c/sqrt(t).

    Problem : convex on B; D >= |w_t - w*| for t = 1..T (the box gives it).
    Method : SR-SGD with clipping.
    Metric : ``(1/T) sum_{t=1..T} E f(w_t) - f*``.
    Guarantee : upper, ``(D^2/(2c) + c G^2)/sqrt(T) + step E|g|_1/2``. Tight: ratio 1 as T grows, for ``b |w|``.
    Proof : divide the lemma by ``2 eta_t`` before summing. Abel: ``sum (a_t - a_{t+1})/(2 eta_t) <= D^2/(2 eta_T)``,
        as ``1/eta_t`` grows and ``a_t <= D^2``. ``sum eta_t <= 2 c sqrt(T)``; ``E|eps|^2/(2 eta_t) <= step E|g|_1/2``.
    Reference : ours; relative: Li et al. 2017.
    """
    T, c = _count("T", T), positive("c", c)
    norm_1 = math.sqrt(dim) * G if G1 is None else min(G1, math.sqrt(dim) * G)
    return (D * D / (2.0 * c) + c * G * G) / math.sqrt(T) + 0.5 * step_size * norm_1


def sr_convex_schedule(
    *, rates: ArrayLike, step_size: float, D: float, G: float, dim: int, G1: float | None = None
) -> float:
    """S2 for any learning rates that never grow, with the sums left exact; at most S2's value for c/sqrt(t).

    Metric : ``(1/T) sum_{t=1..T} E f(w_t) - f*``, ``T = len(rates)``.
    Guarantee : upper, ``(1/T) [D^2/(2 eta_T) + sum_t (eta_t G^2 + min(step E|g|_1, d step^2/(4 eta_t)))/2]``.
    Proof : as S2, without bounding the sums.
    Reference : ours; relative: Li et al. 2017.
    """
    eta = _falling(rates)
    norm_1 = math.sqrt(dim) * G if G1 is None else min(G1, math.sqrt(dim) * G)
    rounding = np.minimum(step_size * norm_1, dim * step_size**2 / (4.0 * eta))
    return float((D * D / (2.0 * eta[-1]) + 0.5 * (eta * G * G + rounding).sum()) / len(eta))


def _falling(rates: ArrayLike) -> NDArray[np.float64]:
    eta = np.atleast_1d(np.asarray(rates, dtype=np.float64))
    if eta.ndim != 1 or not (eta > 0.0).all() or (np.diff(eta) > 0.0).any():
        raise InputError("rates must be positive and must not grow from one step to the next")
    return eta


def sr_strongly_convex_inverse(
    *, T: int, mu: float, step_size: float, G: float, dim: int, G1: float | None = None
) -> float:
    """S3: stochastic rounding, mu-strongly convex f, eta_t = 1/(mu t).

    Problem : f - mu/2 |.|^2 convex on B. Method : SR-SGD with clipping, first learning rate 1/mu.
    Metric : ``(1/T) sum_{t=1..T} E f(w_t) - f*`` (the plain average, start included).
    Guarantee : upper, ``(1 + ln T) G^2/(2 mu T) + step E|g|_1/2``. Tight: ratio 1 as T grows, for
        ``a/2 w^2 + b |w|`` with a small against b; quadratics alone stay near half of it (X3).
    Proof : ``<f', w - w*> >= f - f* + mu/2 |w - w*|^2`` in the lemma, divided by ``2 eta_t``: ``E f(w_t) - f* <=
        mu (t-1)/2 a_t - mu t/2 a_{t+1} + G^2/(2 mu t) + step E|g|_1/2``. The first two telescope to ``<= 0``;
        ``sum 1/t <= 1 + ln T``.
    Reference : ours; relative: Li et al. 2017.
    """
    T, mu = _count("T", T), positive("mu", mu)
    norm_1 = math.sqrt(dim) * G if G1 is None else min(G1, math.sqrt(dim) * G)
    return (1.0 + math.log(T)) * G * G / (2.0 * mu * T) + 0.5 * step_size * norm_1


def sr_strongly_convex_constant(
    *, t: int, mu: float, eta: float, step_size: float, D1: float, G: float, dim: int, G1: float | None = None
) -> float:
    """S4: stochastic rounding, mu-strongly convex f, constant learning rate ``eta <= 1/(2 mu)``.

    Metric : ``E|w_t - w*|^2`` of iterate t (t = 1 is the start, hence the exponent t - 1).
    Guarantee : upper, ``(1 - 2 eta mu)^(t-1) D1^2 + [1 - (1 - 2 eta mu)^(t-1)] (eta G^2 + min(step E|g|_1,
        d step^2/(4 eta)))/(2 mu)``; the bracket is left as it is (dropping it gives the usual form). Tight: ratio 1 in
        the limit of large two-point noise.
    Proof : ``<f'(w), w - w*> >= mu |w - w*|^2`` (strong monotonicity, and ``<f'(w*), w - w*> >= 0`` on B) in the lemma:
        ``a_{t+1} <= (1 - 2 eta mu) a_t + eta^2 G^2 + E|eps|^2``. With a factor in [0, 1) unroll t - 1 times; sum the
        geometric series.
    Reference : ours; relative: Li et al. 2017.
    """
    t, mu, eta = _count("t", t), positive("mu", mu), positive("eta", eta)
    if not 2.0 * eta * mu <= 1.0:
        raise InputError(f"S4 needs eta <= 1/(2 mu) = {0.5 / mu:g}, got {eta!r}")
    kept = (1.0 - 2.0 * eta * mu) ** (t - 1)
    floor = (eta * G * G + rounding_rate(eta, step_size, G, dim, G1)) / (2.0 * mu)
    return kept * D1 * D1 + (1.0 - kept) * floor


def sr_strongly_convex_constant_small_moves(
    *, t: int, mu: float, eta: float, step_size: float, D1: float, G1: float, g_max: float
) -> float:
    """S4, sharp form for updates below one step (``eta g_max <= step``): floor ``step G1/(2 mu)``, whatever eta.

    Proof : the exact second moment of the sharp S1 in S4's recursion. Equality for quadratics whose ``E|g|_1`` is
    constant (X3). Reference : ours; relative: Li et al. 2017.
    """
    t, mu, eta = _count("t", t), positive("mu", mu), positive("eta", eta)
    if not 2.0 * eta * mu <= 1.0:
        raise InputError(f"S4 needs eta <= 1/(2 mu) = {0.5 / mu:g}, got {eta!r}")
    _small_moves(eta, g_max, step_size)
    kept = (1.0 - 2.0 * eta * mu) ** (t - 1)
    return kept * D1 * D1 + (1.0 - kept) * step_size * G1 / (2.0 * mu)


def sr_smooth(
    *, T: int, eta: float, L: float, step_size: float, gap: float, G: float, dim: int, G1: float | None = None
) -> float:
    """S5: stochastic rounding, L-smooth f, convex or not, no update leaving the range.

    Problem : f' is L-Lipschitz on the box; gap >= f(w_1) - inf f. Method : SR-SGD, eta_t = eta, nothing clips (with
    probability q of ever clipping, add q times the largest ``|f'|^2``).
    Metric : ``(1/T) sum_{t=1..T} E|f'(w_t)|^2``.
    Guarantee : upper, ``gap/(eta T) + L eta G^2/2 + L min(step E|g|_1, d step^2/(4 eta))/2``. Tight: one full Newton
        step (T = 1, eta = 1/L) in the first two terms; large two-point noise on a quadratic in the last.
    Proof : ``f(w') <= f(w) + <f', w' - w> + L/2 |w' - w|^2``, ``w' - w = -eta g + eps``. In expectation
        ``-eta |f'|^2 + L/2 (eta^2 G^2 + E|eps|^2)``, the cross term vanishing since SR is unbiased. Sum, divide.
    Reference : ours; relative: Li et al. 2017.
    """
    T, eta = _count("T", T), positive("eta", eta)
    if not math.isfinite(L):
        raise InputError("S5 needs a smooth problem, got L = inf; this problem has a kink")
    return gap / (eta * T) + 0.5 * L * eta * G * G + 0.5 * L * rounding_rate(eta, step_size, G, dim, G1)


def word_bias_floor(*, eta: float, step_size: float, D: float, dim: int, random_bits: int = 32) -> float:
    """What finite random words add to S1, or to S2 with its last learning rate.

    Guarantee : with r random bits, ``2^-r (sqrt(d) step D + d step^2/2) / eta`` more.
    Proof : ``|E eps_i| <= 2^-r step`` (R1), so the lemma's cross term ``2 <E eps, v - w*>`` is at most ``2 sqrt(d) 2^-r
        step D`` and no longer zero; ``E eps_i^2`` grows by at most ``2^-r step^2``. Divide by ``2 eta``.
    Reference : ours.
    """
    unit = 2.0**-random_bits * step_size
    return (math.sqrt(dim) * unit * D + 0.5 * dim * unit * step_size) / positive("eta", eta)


def step_change_floor(*, eta: float, step_sizes: ArrayLike, changes: ArrayLike, codes_1: ArrayLike) -> float:
    """A1: what learned step sizes add to S1.

    Problem : convex; w* in every box B_t. Method : SR with step size ``s_t``, ``s_{t+1} = s_t + change_t`` chosen
    before the random word of the rounding; the weights round onto the new grid.
    Guarantee : S1 (with the largest step in its floor) plus ``(1/(2 eta T)) sum_t s_{t+1} |change_t| sum_i |k_{t,i}|``.
    Proof : ``k s_t`` lies within ``|k| |change|`` of the new grid, so ``dist(v_i, grid) <= eta |g_i| + |k_i| |change|``
        unless clipped (then ``eps_i = 0``); R2 gives ``E eps_i^2 <= s_{t+1} dist``. Add to S1's telescoped sum.
    Reference : ours.

    Parameters
    ----------
    step_sizes : float array (T,)
        The **new** step sizes ``s_{t+1}``.
    changes : float array (T,)
    codes_1 : float array (T,)
        ``sum_i |k_{t,i}|`` of the codes before the change.
    """
    new, change, total = (np.asarray(x, dtype=np.float64) for x in (step_sizes, changes, codes_1))
    if not new.shape == change.shape == total.shape or new.ndim != 1:
        raise InputError(
            f"step_sizes, changes and codes_1 must be (T,), got {new.shape}, {change.shape}, {total.shape}"
        )
    return float((new * np.abs(change) * total).mean() / (2.0 * positive("eta", eta)))
