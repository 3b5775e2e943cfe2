"""Deterministic rounding (D1 to D5): its bounds, where it stalls exactly, and what gradient noise repairs.

Nearest rounding with ties up, ``DR(x) = floor(x + 1/2)``. Ours; closest published relative: Li et al., "Training
Quantized Nets: A Deeper Understanding", NeurIPS 2017. Notation and setting of `bounds`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory.bounds import _count
from alpt_ref.theory.setting import Grid, Noise, positive


def dr_convex_constant(*, T: int, eta: float, step_size: float, D1: float, D: float, G: float, dim: int) -> float:
    """D1: deterministic rounding, convex f, constant learning rate.

    Problem : convex on B; D1 >= |w_1 - w*|; D >= |w_t - w*| for t = 2..T+1 (the box gives it).
    Metric : ``(1/T) sum_{t=1..T} E f(w_t) - f*``.
    Guarantee : upper, ``D1^2/(2 eta T) + eta G^2/2 + D min(sqrt(d) step/(2 eta), G)``. Tight: a stalled ``b |w|``.
    Proof : ``|w' - w*|^2 = |v - w*|^2 + 2 <eps, w' - w*> - |eps|^2``. ``|eps_i| <= min(step/2, |v_i - w_i|)`` (R4: w_i
        is a grid point), so ``|eps| <= min(sqrt(d) step/2, eta |g|)``, ``|w' - w*| <= D``. Telescope as S1.
    Reference : ours; relative: Li et al. 2017.
    """
    T, eta = _count("T", T), positive("eta", eta)
    return D1 * D1 / (2.0 * eta * T) + 0.5 * eta * G * G + D * min(math.sqrt(dim) * step_size / (2.0 * eta), G)


def dr_convex_sqrt(*, T: int, c: float, step_size: float, D: float, G: float, dim: int) -> float:
    """D2: deterministic rounding, convex f, eta_t = c/sqrt(t).

    Metric : ``(1/T) sum_{t=1..T} E f(w_t) - f*``; D >= |w_t - w*| for t = 1..T+1.
    Guarantee : upper, ``(D^2/(2c) + c G^2)/sqrt(T) + (D/T) sum_t min(sqrt(d) step sqrt(t)/(2c), G)``. The last term
        grows like sqrt(T) until it reaches the vacuous ``G D``. Tight as T grows: a stalled ``b |w|``.
    Proof : D1's step divided by ``2 eta_t``; Abel summation as in S2.
    Reference : ours; relative: Li et al. 2017.
    """
    T, c = _count("T", T), positive("c", c)
    full = min(T, math.floor((2.0 * c * G / (math.sqrt(dim) * step_size)) ** 2))  # terms below the vacuous one
    roots = float(np.sqrt(np.arange(1, full + 1, dtype=np.float64)).sum())
    rounding = math.sqrt(dim) * step_size / (2.0 * c) * roots + (T - full) * G
    return (D * D / (2.0 * c) + c * G * G) / math.sqrt(T) + D * rounding / T


def dr_is_fixed(code: ArrayLike, gradient: ArrayLike, eta: float, grid: Grid) -> NDArray[np.bool_]:
    """D3: whether nearest rounding leaves each code where it is, exactly.

    A code k with gradient g stays iff ``-step/2 < eta g <= step/2``; a tie stays when it would move down and moves
    when it would move up, since ties go up. At the ends of the range the outward side is free: the largest code stays
    iff ``eta g <= step/2``, the smallest iff ``eta g > -step/2``.

    Proof : ``DR(k - u) = k + floor(1/2 - u)`` with ``u = eta g/step``; the floor is 0 iff ``-1/2 < u <= 1/2``.
    Reference : ours.
    """
    k = np.asarray(code)
    u = (eta / grid.step_size) * np.asarray(gradient, dtype=np.float64)  # in this order, as the runs: ties are exact
    return np.asarray(((u <= 0.5) | (k == grid.low_code)) & ((u > -0.5) | (k == grid.high_code)))


def dr_quadratic_stall(*, eta: float, curvature: float, step_size: float) -> tuple[float, float, float]:
    """D3 on ``lambda/2 (w - w*)^2`` without noise: (smallest, largest stalled distance, largest stalled loss).

    Every grid point strictly within ``step/(2 eta lambda)`` of w* is fixed (the one at exactly that distance only
    above w*); so the loss can stay at up to ``step^2/(8 eta^2 lambda)``, which grows as eta shrinks. And, for ``eta
    lambda <= 1/2``, a start farther away than that *must* end no nearer than ``step/(2 eta lambda) - step``.

    Proof : ``eta lambda |e| < step/2`` is D3. From outside every move keeps its side: it is at most ``eta lambda |e| +
        step/2``, and the last one is exactly one step since a move of two or more needs ``|e| >= 3 step/(2 eta
        lambda)``, which leaves ``(1 - eta lambda)|e| - step/2 >= step/(2 eta lambda)``, still outside.
    Reference : ours.
    """
    rate = positive("eta", eta) * positive("curvature", curvature)
    if rate > 0.5:
        raise InputError(f"the lower end needs eta * curvature <= 1/2, got {rate:g}; lower eta")
    radius = step_size / (2.0 * rate)
    return max(radius - step_size, 0.0), radius, 0.5 * curvature * radius**2


def dr_freeze_step(*, c: float, gradient_max: float, step_size: float) -> int:
    """D3: first step from which eta_t = c/sqrt(t) can no longer move anything: first ``t > (2 c g_max/step)^2``.

    With ``g_max`` the largest ``|g_i|`` *at the current iterate* (no noise) it is frozen for ever from that step on,
    for as long as it stands still the gradient is the same and eta falls. With ``g_max`` over the box it is the
    latest such step; the iterate may freeze earlier. Exact for ``b |w|`` away from zero, up to the tie.
    Reference : ours.
    """
    return math.floor((2.0 * positive("c", c) * gradient_max / positive("step_size", step_size)) ** 2) + 1


def separation(*, slope: float, code: int, eta: float, step_size: float) -> tuple[float, float]:
    """D4: ``f(w) = slope |w|`` from ``w_1 = code * step``, code > 0, no noise, ``eta slope <= step/2``.

    Returns
    -------
    (float, float)
        The gap that DR keeps for ever, ``slope * code * step``; and the level that SR's average gap cannot exceed as
        T grows, ``slope * step/2``.

    Proof : DR: D3 (a tie downwards stays). SR: the sharp S1, ``eta slope <= step``, ``G1 = slope``: ``D1^2/(2 eta T) +
        step slope/2``. Plain S1 would leave an extra ``eta slope^2/2``. The level is reached when the method takes a
        non-zero subgradient at 0 (SR then spends half its time at 0 and half one step away).
    Reference : ours.
    """
    if not (code > 0 and eta * slope <= 0.5 * step_size):
        raise InputError(f"D4 needs code > 0 and eta * slope <= step_size/2, got code={code}, {eta * slope:g}")
    return slope * code * step_size, 0.5 * slope * step_size


def dither_bias(x: ArrayLike, noise: Noise, eta: float, step_size: float) -> NDArray[np.float64]:
    """D5: ``E[DR(x + n)] - x`` in steps, for x in steps and ``n = eta noise/step``, exactly (normal: to 1e-16).

    Uniform: integral of DR over the interval. Two-point: the mean of two roundings. Normal: Fourier series
    ``sum_k (-1)^k/(pi k) sin(2 pi k x) phi(2 pi k)`` with the characteristic function ``phi`` of n, or, for small
    noise, the mean of DR over its neighbours' normal probabilities.
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
    """D5: largest ``|E[DR(x + n)] - x|`` in steps over all x, ``n = eta noise/step``.

    Normal of standard deviation s (steps): at most ``(1/pi) sum_k exp(-2 pi^2 k^2 s^2)/k``, 0.0023 at s = 0.5.
    Uniform of width W (steps), exactly ``r(1-r)/(2W)`` with ``r = frac(W)``: zero for whole W, where DR *is* SR.
    Two-point, exactly ``max(q, 1-q)/2`` with ``q = frac(2 s)``: never below 1/4, **however large the noise is**. So
    dither repairs DR when it is spread out, not merely when it is large.

    Proof : ``DR(x) - x`` is the sawtooth ``sum_k (-1)^k sin(2 pi k x)/(pi k)``; noise multiplies term k by its
    characteristic function at ``2 pi k``. Uniform: whole periods of the window cancel, a rest r leaves ``r(1-r)/2``.
    Two-point: the mean of two sawtooths has slope -1 and two jumps of 1/2 a period, q and 1-q apart; with mean zero
    it peaks at ``q/2`` and ``(1-q)/2``. Reference : ours; dither: Gray and Stockham, 1993.
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
