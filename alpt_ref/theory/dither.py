"""Dither (D5): what gradient noise does to the bias of deterministic rounding, exactly."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.theory.setting import Noise


def dither_bias(x: ArrayLike, noise: Noise, eta: float, step_size: float) -> NDArray[np.float64]:
    """D5: ``E[DR(x + n)] - x`` for ``n = eta noise/Delta``, exactly (normal: to 1e-16).

    Parameters
    ----------
    x : array_like
        In steps of the grid.
    noise : Noise
        Of the gradient.
    eta, step_size : float

    Returns
    -------
    float64 array
        In steps. Uniform: integral of DR over the interval. Two-point: the mean of two roundings. Normal: Fourier
        series ``sum_k (-1)^k/(pi k) sin(2 pi k x) phi(2 pi k)`` with the characteristic function ``phi`` of n, or, for
        small noise, the mean of DR over its neighbours' normal probabilities.

    Examples
    --------
    >>> dither_bias([0.25], Noise(), eta=1.0, step_size=1.0)
    array([-0.25])
    >>> dither_bias([0.25], Noise("two-point", 0.5), eta=1.0, step_size=1.0)
    array([0.25])
    """
    position = np.asarray(x, dtype=np.float64)
    scale = eta / step_size
    if noise.sigma == 0.0:
        return np.floor(position + 0.5) - position
    if noise.kind == "two-point":
        s = noise.sigma * scale
        return np.asarray(0.5 * (np.floor(position + s + 0.5) + np.floor(position - s + 0.5)) - position)
    if noise.kind == "uniform":
        a = noise.largest * scale
        return np.asarray(
            (_floor_integral(position + a + 0.5) - _floor_integral(position - a + 0.5)) / (2 * a) - position
        )
    s = noise.sigma * scale
    if s > 0.2:
        k = np.arange(1, 12)
        terms = np.sin(2.0 * np.pi * k * position[..., None]) * (-1.0) ** k / (np.pi * k)
        return np.asarray(terms @ np.exp(-2.0 * (np.pi * k * s) ** 2))
    base = np.floor(position)
    edges = base[..., None] + np.arange(-3, 4) + 0.5
    above = 0.5 * np.vectorize(math.erfc, otypes=[np.float64])((edges - position[..., None]) / (s * math.sqrt(2.0)))
    return np.asarray(base - 3 + above.sum(axis=-1) - position)


def _floor_integral(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """``integral of floor from 0 to x``."""
    whole = np.floor(x)
    return np.asarray(whole * (whole - 1.0) / 2.0 + whole * (x - whole))


def dither_bias_bound(noise: Noise, eta: float, step_size: float) -> float:
    r"""D5: the largest bias of deterministic rounding under gradient noise.

    Statement
    ---------
    $\max_x |E\,DR(x + n) - x| \;\leq\; \frac{1}{\pi}\sum_k \frac{1}{k}\,e^{-2\pi^2k^2s^2}$  (normal),

    $= \frac{r(1-r)}{2W}$  (uniform of width $W$, $r = W - \lfloor W \rfloor$),

    $= \frac{1}{2}\max(q, 1-q) \geq \frac{1}{4}$  (two points $\pm s$, $q = 2s - \lfloor 2s \rfloor$)

    In words
    --------
    Largest bias of DR under noise n, in steps: normal of standard deviation s: <= (1/pi) sum_k exp(-2 pi^2 k^2 s^2)/k
    (0.0023 at s = 0.5); uniform of width W: = r(1 - r)/(2 W), r the fraction of W, zero for whole W; two points +-s:
    = max(q/2, (1 - q)/2), q the fraction of 2s: never below 1/4, however large the noise

    Terms
    -----
    (1/pi) sum_k exp(-2 pi^2 k^2 s^2)/k: 1/pi
    r(1 - r)/(2 W): r, 1 - r, 2 W
    q/2
    (1 - q)/2

    Parameters
    ----------
    noise : Noise
        Of the gradient.
    eta, step_size : float
        ``n = eta noise/Delta`` steps.

    Returns
    -------
    float
        In steps. For uniform noise of whole width DR *is* SR: dither repairs DR when it is spread out, not merely when
        it is large.

    Proof
    -----
    ``DR(x) - x`` is the sawtooth ``sum_k (-1)^k sin(2 pi k x)/(pi k)``; noise multiplies term k by its characteristic
    function at ``2 pi k``. Uniform: whole periods of the window cancel, a rest r leaves ``r(1-r)/2``. Two-point: the
    mean of two sawtooths has slope -1 and two jumps of 1/2 a period, q and 1-q apart; with mean zero it peaks at
    ``q/2`` and ``(1-q)/2``.

    Source
    ------
    ours; dither: R. Gray and T. Stockham, Dithered quantizers, IEEE Trans. Inf. Theory 39, 1993

    Examples
    --------
    >>> dither_bias_bound(Noise("two-point", 7.0), eta=1.0, step_size=1.0)
    0.5
    >>> round(dither_bias_bound(Noise("normal", 0.5), eta=1.0, step_size=1.0), 4)
    0.0023
    """
    scale = eta / step_size
    if noise.sigma == 0.0:
        return 0.5
    if noise.kind == "normal":
        k = np.arange(1, 200)
        return min(0.5, float((np.exp(-2.0 * (np.pi * k * noise.sigma * scale) ** 2) / k).sum() / np.pi))
    if noise.kind == "uniform":
        width = 2.0 * noise.largest * scale
        rest = width - math.floor(width)
        return rest * (1.0 - rest) / (2.0 * width)
    q = math.modf(2.0 * noise.sigma * scale)[0]
    return 0.5 * max(q, 1.0 - q)
