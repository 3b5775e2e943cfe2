r"""X4: the mean of the iterates beats the floor that binds every iterate."""

from __future__ import annotations

import math

import numpy as np

from alpt_ref.errors import InputError
from alpt_ref.theory.bounds.lemma import whole
from alpt_ref.theory.setting import positive

_SUMMED = 1 << 14
"""Longest sum that is added up; its closed form loses the digits of ``2/(eta lambda T)``."""


def averaged_second_moment(*, T: int, second_moment: float, eta: float, curvature: float) -> tuple[float, float]:
    r"""X4: on a quadratic the mean of the iterates of stochastic rounding goes below every floor of an iterate.

    Statement
    ---------
    $E(\bar w_T - w^*)^2 = \frac{V}{T^2}\left[T + 2\sum_{k=1}^{T-1}(T-k)(1-\eta\lambda)^k\right]
    \leq \frac{2V}{\eta\lambda T}$

    $f = \frac{\lambda}{2}(w-w^*)^2$, stationary start, $V = E(w_t - w^*)^2$, $0 < \eta\lambda < 2$, nothing clips

    In words
    --------
    f = lambda/2 (w - w*)^2, noise of mean zero given w, 0 < eta lambda < 2, nothing clips, w_1 drawn from the
    stationary law with V = E(w - w*)^2 (X3; X2 for eta lambda <= 1): the mean of w_1 .. w_T has E(mean - w*)^2 =
    V/T + 2 V/T^2 sum_{k<T} (T - k)(1 - eta lambda)^k <= 2 V/(eta lambda T), whatever the step size; every iterate
    keeps V.

    Terms
    -----
    V/T
    2 V/T^2 sum_{k<T} (T - k)(1 - eta lambda)^k: - k
    2 V/(eta lambda T)

    Parameters
    ----------
    T : int
        Iterates averaged over.
    second_moment : float
        V.
    eta, curvature : float
        Learning rate and lambda.

    Returns
    -------
    (float, float)
        The second moment, exactly, and its bound ``2 V/(eta lambda T)``. In d coordinates those of each are added.

    Raises
    ------
    InputError
        Unless ``0 < eta * curvature < 2``.

    Proof
    -----
    SR is unbiased, the noise has mean zero and nothing clips: ``E[e_{t+1} | w_t] = rho e_t``, ``rho = 1 - eta lambda``,
    so ``E e_s e_t = V rho^|t-s|``; expand the square of the mean. The bracket is ``T (1+rho)/(1-rho) - 2 rho (1 -
    rho^T)/(1-rho)^2``. For ``rho >= 0`` it is at most ``T (2 - eta lambda)/(eta lambda)``. For ``rho = -a < 0`` it
    exceeds ``2T/(1+a)`` by ``[2a (1 - rho^T) - T (1+a)^2]/(1+a)^2 <= 0``, as ``2a (1+a) <= (1+a)^2``.

    Source
    ------
    ours; averaging of low-precision iterates: SWALP (Yang et al., ICML 2019), with a noise ball for quadratics;
    stochastic rounding as unbiased noise: H. Li et al., NeurIPS 2017

    Examples
    --------
    >>> averaged_second_moment(T=1, second_moment=0.25, eta=0.5, curvature=1.0)
    (0.25, 1.0)
    >>> averaged_second_moment(T=2, second_moment=0.25, eta=0.5, curvature=1.0)
    (0.1875, 0.5)
    """
    T, rate = whole("T", T), positive("eta", eta) * positive("curvature", curvature)
    if not rate < 2.0:
        raise InputError(f"X4 needs eta * curvature < 2, got {rate:g}; lower eta")
    if not second_moment >= 0.0:
        raise InputError(f"second_moment must be at least 0, got {second_moment!r}")
    rho = 1.0 - rate
    if T <= _SUMMED:
        k = np.arange(1.0, T)
        bracket = T + 2.0 * float(((T - k) * rho**k).sum())
    else:
        left = -math.expm1(T * math.log1p(-rate)) if rho > 0.0 else 1.0 - rho**T  # 1 - rho^T
        bracket = (T * (1.0 + rho) - 2.0 * rho * left / rate) / rate
    return second_moment * bracket / T**2, 2.0 * second_moment / (rate * T)
