r"""EF1D: the floor of ECO on a quadratic with gradient noise, with stochastic and with nearest rounding.

With ``f = lambda/2 (w - w*)^2``, gradients ``lambda (w_t - w*) + xi_t`` and ``x_t = w_t - w*``, ECO (see `residual`) is

    x_{t+2} = (1 + b - (1-b) eta lambda) x_{t+1} - b x_t - (1-b) eta xi_{t+1} - (e_{t+1} - e_t):

eliminate n_t from ``eta n_t = x_t - x_{t+1} - e_t`` and ``eta n_{t+1} = b eta n_t - (1-b) e_t + (1-b) eta (lambda
x_{t+1} + xi_{t+1})``. Rounding errors enter by their differences, so that they do not add up; with the coefficient 0 in
place of ``(1/eta)(1 - 1/b)``, which is momentum with plain rounding, they enter as ``-e_{t+1} + b e_t`` and do.
"""

from __future__ import annotations

import math

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import positive


def eco_noisy_quadratic(*, eta: float, keep: float, curvature: float, sigma: float, step_size: float) -> float:
    r"""EF1D: ECO with stochastic rounding on a quadratic with gradient noise, in the long run.

    Statement
    ---------
    $E(w-w^*)^2 \leq \frac{\eta\sigma^2(1+b)}{\lambda c} + \frac{\Delta^2}{2(1-b)c},\quad c = 2(1+b) - (1-b)\eta\lambda$

    $f = \frac{\lambda}{2}(w-w^*)^2$, noise of variance $\sigma^2$, SR, nothing clips, $c > 0$; in the long run

    In words
    --------
    ECO with momentum b and SR on f = lambda/2 (w - w*)^2 with independent gradient noise of variance sigma^2, nothing
    clips, c = 2 (1+b) - (1-b) eta lambda > 0; in the long run E (w - w*)^2 <= eta sigma^2 (1+b)/(lambda c) + Delta^2/(2
    (1-b) c). With E e^2 of the rounding errors for Delta^2/4 it is an equality.

    Terms
    -----
    eta sigma^2 (1+b)/(lambda c): (1+b)
    Delta^2/(2 (1-b) c): 1/(1-b)

    Parameters
    ----------
    eta, curvature, sigma, step_size : float
        Learning rate, lambda, standard deviation of the noise, Delta.
    keep : float
        b.

    Returns
    -------
    float
        In squared units of the weights. The second term does not grow as eta falls: ``Delta^2/(4 (1 - b^2))`` for eta
        lambda << 1, where momentum with plain SR has ``E e^2/(2 eta lambda)``, `rounding_gain` times as much for the
        same errors.

    Raises
    ------
    InputError
        Unless ``0 < keep < 1`` and ``c > 0``.

    Proof
    -----
    The recursion above is an AR(2) process with coefficients ``p = 1 + b - (1-b) eta lambda`` and ``-b``, which
    forgets its start iff ``c > 0``. White noise of variance 1 gives it the variance ``V = (1+b)/((1-b)((1+b)^2 -
    p^2))``, where ``(1+b)^2 - p^2 = (1-b) eta lambda c``, and the autocovariance ``p V/(1+b)`` at lag 1. With SR
    ``E[e_t | past, xi_t] = 0``: the e_t are white, and uncorrelated with all xi. Hence ``E x^2 = (1-b)^2 eta^2 sigma^2
    V + E e^2 (2 V - 2 p V/(1+b))``. R2: ``E e^2 <= Delta^2/4``.

    Source
    ------
    ours; the method: ECO (arXiv 2601.22101)

    Examples
    --------
    >>> eco_noisy_quadratic(eta=1.0, keep=0.5, curvature=1.0, sigma=2.0, step_size=1.0)
    2.8
    """
    c = _decay(eta, keep, curvature)
    noise = eta * sigma * sigma * (1.0 + keep) / (curvature * c)
    return noise + positive("step_size", step_size) ** 2 / (2.0 * (1.0 - keep) * c)


def eco_noisy_quadratic_nearest(*, eta: float, keep: float, curvature: float, sigma: float, step_size: float) -> float:
    r"""EF1D nearest: ECO with nearest rounding on a quadratic with gradient noise, in the long run.

    Statement
    ---------
    $\sqrt{E(w-w^*)^2} \leq \sqrt{\frac{\eta\sigma^2(1+b)}{\lambda c}} + \frac{\Delta}{\rho},\quad
    \rho^2 = p^2 - 4b,\; p = 1+b-(1-b)\eta\lambda$

    as with SR, $p > 0$, $\rho^2 > 0$; the rounding's part is at most $\Delta/\rho$ surely

    In words
    --------
    The same with DR, p = 1 + b - (1-b) eta lambda > 0 and rho = sqrt(p^2 - 4 b) > 0: in the long run
    sqrt(E (w - w*)^2) <= sqrt(eta sigma^2 (1+b)/(lambda c)) + Delta/rho, the last term being rounding's, surely.

    Terms
    -----
    sqrt(eta sigma^2 (1+b)/(lambda c))
    Delta/rho

    Parameters
    ----------
    eta, curvature, sigma, step_size, keep : float
        See `eco_noisy_quadratic`.

    Returns
    -------
    float
        A bound on the root, in units of the weights. For small eta lambda rho is near ``1 - b``.

    Raises
    ------
    InputError
        Unless ``0 < keep < 1``, ``c > 0`` and ``rho^2 > 0``.

    Proof
    -----
    The recursion is linear: ``x = noise's part + rounding's part``, and the roots of ``E X^2`` add up (Minkowski). The
    response to one error is ``h_k = ((1 - r) r^k - (1 - s) s^k)/(r - s)`` with the roots r > s of ``z^2 - p z + b``,
    both between 0 and 1 for ``p > 0``, and ``r - s = rho``: ``sum_k |h_k| <= 2/rho``. And ``|e| <= Delta/2``.

    Source
    ------
    ours; the method: ECO (arXiv 2601.22101)

    Examples
    --------
    >>> eco_noisy_quadratic_nearest(eta=0.25, keep=0.25, curvature=0.0625, sigma=0.0, step_size=1.0) > 1 / 0.75
    True
    """
    c = _decay(eta, keep, curvature)
    p = 1.0 + keep - (1.0 - keep) * eta * curvature
    if not (p > 0.0 and p * p > 4.0 * keep):
        raise InputError(
            f"eta * curvature must be at most (1 - sqrt(keep))**2 / (1 - keep), where nothing swings, got "
            f"{eta * curvature:g} with keep={keep:g}"
        )
    noise = math.sqrt(eta * sigma * sigma * (1.0 + keep) / (curvature * c))
    return noise + positive("step_size", step_size) / math.sqrt(p * p - 4.0 * keep)


def rounding_gain(*, eta: float, keep: float, curvature: float) -> float:
    """By how much ECO takes the same rounding errors less in than momentum with plain SR does: ``(1-b^2)/(2 a) + b``.

    ``a = eta lambda``. In the long run on a quadratic: see `eco_noisy_quadratic`; without feedback errors enter as
    ``-e_{t+1} + b e_t``, with the variance ``((1-b)^2 + 2 b (1-b) a/(1+b)) V``.

    Examples
    --------
    >>> rounding_gain(eta=0.25, keep=0.5, curvature=1.0)
    2.0
    """
    _decay(eta, keep, curvature)
    return (1.0 - keep * keep) / (2.0 * eta * curvature) + keep


def _decay(eta: float, keep: float, curvature: float) -> float:
    """``c``, checked."""
    if not 0.0 < keep < 1.0:
        raise InputError(f"keep must be above 0 and below 1, got {keep!r}")
    c = 2.0 * (1.0 + keep) - (1.0 - keep) * positive("eta", eta) * positive("curvature", curvature)
    if c <= 0.0:
        raise InputError(
            "eta * curvature must be below 2 (1 + keep)/(1 - keep), from where the run diverges, "
            f"got {eta * curvature:g} with keep={keep:g}"
        )
    return c
