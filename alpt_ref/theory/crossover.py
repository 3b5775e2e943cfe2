"""Where SR beats DR, and where it does not: a separation (D4), and squared errors under gradient noise (D5b).

D5b, on a quadratic, in steps of the grid: ``e_t = (w_t - w*)/Delta``, update noise n (``eta noise/Delta``) of mean
zero and standard deviation s, independent of the past, ``q = 1 - eta lambda``, nothing clips. Two sides: noise too
small to free DR, and noise of half a step and more.
"""

from __future__ import annotations

import math

import numpy as np

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import Noise, positive


def quiet_ratio(*, rate: float, noise: Noise, start: float, updates: int) -> float:
    r"""D5b quiet: where noise is too small to free deterministic rounding, SR has the smaller error, once it has moved.

    Statement
    ---------
    $\frac{E\,|w^{DR}_{T+1} - w^*|^2}{E\,|w^{SR}_{T+1} - w^*|^2} \;\geq\; \frac{(R - 1)^2}{m_T^2},\quad
    m_0 = |e_1|,\; m_{t+1}^2 = q^2 m_t^2 + s^2 + \min(\eta\lambda\,m_t + E|n|,\ 1/4)$

    $R = (1/2 - a)/(\eta\lambda) \geq 1$, noise $|n| \leq a < 1/2$ steps, a start outside: $|e_1| \geq R$ steps

    In words
    --------
    Quadratic, no clipping, noise |n| <= a < 1/2 and of standard deviation s (steps), R = (1/2 - a)/(eta lambda) at
    least 1, a start outside (|e_1| at least R steps from w*), q = 1 - eta lambda, after T updates:
    E|w_DR - w*|^2/E|w_SR - w*|^2 >= (R - 1)^2/m_T^2, where m_T^2 comes from e_1^2 by T steps of m^2 -> q^2 m^2 + s^2 +
    min(eta lambda m + E|n|, 1/4). Far above 1 once SR has forgotten its start, q^(2T) e_1^2; not before.

    Terms
    -----
    (R - 1)^2/m_T^2: R, q^(2T) e_1^2, eta lambda m, E|n|

    Parameters
    ----------
    rate : float
        ``eta lambda``, below 1.
    noise : Noise
        n, in steps: bounded by a.
    start : float
        ``e_1``, in steps.
    updates : int
        T.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If the noise can be half a step or more, R is below 1, or the start is not outside.

    Proof
    -----
    DR: nothing moves within R, as ``|eta lambda e - n| < 1/2``. A move from ``e >= R`` rounds ``q e + n`` to ``e' >= q
    R - a - 1/2 = R - 1``; so no iterate comes nearer, on either side. SR: ``E[e'^2 | e] = q^2 e^2 + s^2 + E p(1-p)``,
    and ``p(1-p)`` is at most 1/4 and at most the update's size (R3), ``E|eta lambda e - n| <= eta lambda m + E|n|``.

    Source
    ------
    ours; stalling of nearest rounding: H. Li et al., Training Quantized Nets: A Deeper Understanding, NeurIPS 2017;
    Xia, Massei, Hochstenbach and Koren, arXiv 2202.12276

    Examples
    --------
    >>> [round(quiet_ratio(rate=0.05, noise=Noise(), start=-60.3, updates=T), 2) for T in (10, 240)]
    [0.06, 307.63]
    """
    radius = (0.5 - noise.largest) / _rate(rate)
    if not (noise.largest < 0.5 and radius >= 1.0 and abs(start) >= radius):
        raise InputError(
            f"noise must stay below half a step, and the start lie outside a radius of at least 1 step, got noise up "
            f"to {noise.largest:g}, radius {radius:g} and start {start:g}"
        )
    moment, mean = start * start, float(noise.absolute_mean(0.0))
    for _ in range(updates):
        rounding = min(rate * math.sqrt(moment) + mean, 0.25)
        moment = (1.0 - rate) ** 2 * moment + noise.sigma**2 + rounding
    return (radius - 1.0) ** 2 / moment


def loud_ratio(*, rate: float, sigma: float, start: float, updates: int) -> tuple[float, float]:
    r"""D5b loud: with normal noise of half a step and more deterministic rounding has the smaller error.

    Statement
    ---------
    $\frac{E\,|w^{DR}_{T+1} - w^*|^2}{E\,|w^{SR}_{T+1} - w^*|^2} \;\rightarrow\;
    \frac{s^2 + 1/12}{s^2 + 1/6} < 1$

    as $T \rightarrow \infty$, normal noise of $s \geq 1/2$ steps, up to terms of order $e^{-2\pi^2 s^2}$;
    the interval after $T$ updates holds for a start outside the long run's error

    In words
    --------
    Quadratic, no clipping, normal noise of standard deviation s >= 1/2 (steps), as T grows and up to terms of order
    exp(-2 pi^2 s^2): E|w_DR - w*|^2/E|w_SR - w*|^2 = (s^2 + 1/12)/(s^2 + 1/6), below 1: there DR is the better. What T
    updates leave of a start outside, and the small terms, are in the interval that is executed.

    Terms
    -----
    (s^2 + 1/12)/(s^2 + 1/6): 1/12, 1/6

    Parameters
    ----------
    rate, updates
        See `quiet_ratio`.
    start : float
        ``e_1``, in steps; at least the root mean square error of either rounding in the long run, about
        ``sqrt((s^2 + 1/6)/(1 - q^2))``: from nearer the ratio comes to its limit from 1, above the interval.
    sigma : float
        s, in steps.

    Returns
    -------
    (float, float)
        Between what the ratio lies after T updates.

    Raises
    ------
    InputError
        If the noise is below half a step, or the start lies nearer.

    Proof
    -----
    ``m_t^2 = E e_t^2``. DR: ``|m'^2 - q^2 m^2 - s^2 - 1/12| <= V + 2 q B m``, B its bias and V its Fourier terms
    (`fourier_terms`); SR the same with 1/6, no B and its own V. Both recursions grow in m, so a start above the fixed
    point stays above it and is forgotten like ``(q^2 + q B/m)^t``.

    Source
    ------
    ours; dither: R. Gray and T. Stockham, Dithered quantizers, IEEE Trans. Inf. Theory 39, 1993

    Examples
    --------
    >>> low, high = loud_ratio(rate=0.1, sigma=1.0, start=-60.3, updates=120)
    >>> round(low, 4), round(high, 4)
    (0.9286, 0.9286)
    """
    if not positive("sigma", sigma) >= 0.5:
        raise InputError(f"sigma must be at least half a step, or deterministic rounding stalls, got {sigma!r}")
    q = 1.0 - _rate(rate)
    kept, variance = 1.0 - q * q, sigma * sigma
    bias, wave, of_sr = fourier_terms(sigma)

    def root(level: float, drift: float) -> float:  # the m > 0 with kept m^2 - 2 drift m - level = 0
        return (drift + math.sqrt(drift**2 + kept * level)) / kept

    nearest, farthest = root(variance + 1 / 12 - wave, -q * bias), root(variance + 1 / 12 + wave, q * bias)
    low, high = (variance + 1 / 6 - of_sr) / kept, (variance + 1 / 6 + of_sr) / kept
    if not abs(start) >= max(farthest, math.sqrt(high)):
        raise InputError(
            f"start must be at least {max(farthest, math.sqrt(high)):g} steps from the minimum, the error in the long "
            f"run, got {start!r}"
        )
    forgotten = (q * q + q * bias / farthest) ** updates * start**2
    return nearest**2 / (high + q ** (2 * updates) * start**2), (farthest**2 + forgotten) / low


def whole_width_ratio(*, rate: float, minimum: float) -> float:
    r"""D5b whole: with uniform noise one step wide deterministic rounding *is* SR, and SR adds its own noise to that.

    Statement
    ---------
    $\frac{E\,|w^{DR}_{T+1} - w^*|^2}{E\,|w^{SR}_{T+1} - w^*|^2} \;\rightarrow\;
    4\,\theta(1-\theta)\,(1 - q^2) \leq 1 - q^2$

    as $T \rightarrow \infty$, noise uniform on $[-1/2, 1/2]$ steps, $\theta = frac(w^*/\Delta)$

    In words
    --------
    Quadratic, no clipping, noise uniform on [-1/2, 1/2] steps, as T grows: E|w_DR - w*|^2/E|w_SR - w*|^2 =
    4 theta(1 - theta) (1 - q^2), theta = frac(w*/Delta), at most 1 - q^2: DR is the better by a factor of about
    1/(2 eta lambda).

    Terms
    -----
    4 theta(1 - theta) (1 - q^2): 4, theta(1 - theta), 1 - q^2

    Parameters
    ----------
    rate : float
        ``eta lambda``, below 1.
    minimum : float
        ``w*/Delta``.

    Returns
    -------
    float

    Proof
    -----
    ``DR(x + n)`` with n uniform on one step is up with probability frac(x): SR without noise, whose law becomes SR(w*)
    (X2), ``E e^2 = theta(1 - theta)``. SR rounds ``x + n``, whose fraction is uniform: ``E p(1-p) = 1/6``, ``E n^2 =
    1/12``, so ``E e^2 = (1/12 + 1/6)/(1 - q^2)``.

    Source
    ------
    ours; dither: R. Gray and T. Stockham, Dithered quantizers, IEEE Trans. Inf. Theory 39, 1993

    Examples
    --------
    >>> round(whole_width_ratio(rate=0.1, minimum=0.3), 4)
    0.1596
    """
    theta = minimum - math.floor(minimum)
    return 4.0 * theta * (1.0 - theta) * (1.0 - (1.0 - _rate(rate)) ** 2)


def separation(*, slope: float, code: int, eta: float, step_size: float) -> tuple[float, float]:
    r"""D4: a function on which deterministic rounding keeps its gap for ever and stochastic rounding does not.

    Statement
    ---------
    $f(w) = G|w|,\; w_1 = k\Delta,\; \eta G \leq \Delta/2:\quad
    \frac{1}{T}\sum_{t=1}^{T} \left(E f(w_t^{DR}) - E f(w_t^{SR})\right)
    \geq Gk\Delta - \frac{(k\Delta)^2}{2\eta T} - \frac{G\Delta}{2}$

    In words
    --------
    f = G|w| from w_1 = k Delta with eta G <= Delta/2: DR keeps its gap for ever and SR does not, (1/T) sum_t
    (E f(w_t of DR) - E f(w_t of SR)) >= G k Delta - (k Delta)^2/(2 eta T) - G Delta/2

    Terms
    -----
    G k Delta
    (k Delta)^2/(2 eta T)
    G Delta/2

    Parameters
    ----------
    slope : float
        G.
    code : int
        k, above 0.
    eta, step_size : float
        ``eta slope <= step_size/2``, else `InputError`.

    Returns
    -------
    (float, float)
        The gap that DR keeps, ``slope * code * Delta``; and the level that SR's average gap cannot exceed as T grows,
        ``slope * Delta/2``, reached when the method takes a non-zero subgradient at 0.

    Proof
    -----
    DR: the first update is at most a tie downwards: stays (D3). SR: the sharp S1, ``eta slope <= Delta``, ``G1 =
    slope``: ``D1^2/(2 eta T) + Delta slope/2``. Plain S1 would leave an extra ``eta slope^2/2``.

    Source
    ------
    ours; stalling of nearest rounding: H. Li et al., Training Quantized Nets: A Deeper Understanding, NeurIPS 2017;
    Xia, Massei, Hochstenbach and Koren, arXiv 2202.12276

    Examples
    --------
    >>> separation(slope=2.0, code=3, eta=0.125, step_size=0.5)
    (3.0, 0.5)
    """
    if not (code > 0 and eta * slope <= 0.5 * step_size):
        raise InputError(f"D4 needs code > 0 and eta * slope <= step_size/2, got code={code}, {eta * slope:g}")
    return slope * code * step_size, 0.5 * slope * step_size


def fourier_terms(sigma: float) -> tuple[float, float, float]:
    """Amplitudes for normal noise of `sigma` steps: of DR's bias, of DR's second moment, of SR's ``p(1 - p)``.

    With ``phi_k = exp(-2 pi^2 k^2 sigma^2)``: ``sum phi_k/(pi k)``, ``sum phi_k (4 sigma^2 + 1/(pi k)^2)`` and
    ``sum phi_k/(pi k)^2``.

    Examples
    --------
    >>> round(fourier_terms(0.5)[0], 4)
    0.0023
    """
    k = np.arange(1, 60)
    phi = np.exp(-2.0 * (math.pi * k * sigma) ** 2)
    wave = phi / (math.pi * k) ** 2
    return float((phi / (math.pi * k)).sum()), float((4.0 * sigma**2 * phi + wave).sum()), float(wave.sum())


def _rate(rate: float) -> float:
    if not 0.0 < rate < 1.0:
        raise InputError(f"rate (eta lambda) must lie between 0 and 1, got {rate!r}")
    return float(rate)
