r"""Confidence bounds by betting: for values in a known range, whatever their distribution and number.

To test "the mean is at most m" for independent values ``X_i >= low`` a gambler with capital 1 stakes the share c of it
on every value: he gains ``c (X_i - m) / (m - low)`` of what he has, which is 0 or less in expectation if the mean is at
most m, and never loses more than he has. So the capital

    K(m) = (1/J) sum_j prod_i (1 + c_j (X_i - m) / (m - low)),   c_j = 1, 1/2, 1/4, ..., about 1/sqrt(n)

has an expectation of at most 1 under the hypothesis, and by Markov's inequality ``min(1, 1/K(m))`` is a p-value. It
needs the lower end of the range alone; "the mean is at least m" needs the upper one, by reflection. The shares are
fixed before any value is seen, so the p-value does not depend on the order of the runs.

Every factor is ``1 - c + c v (X - low)`` with ``v = 1/(m - low)``: K is a polynomial in v without negative
coefficients, increasing, and convex in log-log coordinates. Therefore it falls as m grows, the m with K(m) >= 1/alpha
form a half line, and Newton's method in ln v comes down to its end from above: the limit errs on the safe side.

I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting" (JRSS B 86, 2024); mixtures over
fixed shares: section 4 there, and T. M. Cover, "Universal portfolios" (1991).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from alpt_ref.verification.estimates import Estimate, Level
from alpt_ref.verification.measurement import FloatArray

BLOCK = 16
"""Factors that are multiplied before a logarithm is taken."""
LARGEST = 1e18
"""Largest gain of one value that is counted, so that no block overflows: a smaller capital is on the safe side."""
CHUNK = 1 << 15
"""Numbers of one pass, so that they stay in the cache."""
STEPS = 100
CLOSE = 1e-11
"""Newton's last step, relative to the limit's distance from the end of the range."""


def shares(runs: int) -> FloatArray:
    """The shares c_j of the capital that are staked: halved from 1 down to about ``1/sqrt(runs)``.

    Examples
    --------
    >>> shares(64).tolist()
    [1.0, 0.5, 0.25, 0.125]
    """
    return np.float64(0.5) ** np.arange(1 + math.ceil(math.log2(runs) / 2))


def log_capital(x: FloatArray, v: FloatArray, *, slope: bool = False) -> tuple[FloatArray, FloatArray]:
    """``ln K`` for distances `x` (runs, points) from the end of the range and ``v = 1/(m - low)`` (points,).

    Returns
    -------
    (points,) float64 twice: ln K, and its derivative with respect to ln v (zeros without `slope`)
    """
    runs, points = x.shape
    c = shares(runs)
    logs, slopes = np.zeros((len(c), points)), np.zeros((len(c), points))
    rows = max(BLOCK, CHUNK // points // BLOCK * BLOCK)
    with np.errstate(divide="ignore", under="ignore"):
        for start in range(0, runs, rows):
            gain = x[start : start + rows] * v
            for j, share in enumerate(c):
                factor = (1.0 - share) + share * gain
                if slope and share < 1.0:
                    slopes[j] += len(factor) - (1.0 - share) * (1.0 / factor).sum(axis=0)
                elif slope:
                    slopes[j] += len(factor)
                logs[j] += _log_product(factor)
    top = logs.max(axis=0)
    weight = np.exp(logs - np.where(np.isfinite(top), top, 0.0))
    total = weight.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_slope = (weight * slopes).sum(axis=0) / total if slope else np.zeros(points)
        return top + np.log(total / len(c)), mean_slope


def _log_product(factor: FloatArray) -> FloatArray:
    """Logarithm of the product over the rows, by blocks."""
    rest = len(factor) % BLOCK
    logs = np.log(factor[len(factor) - rest :]).sum(axis=0) if rest else np.zeros(factor.shape[1])
    blocks = factor[: len(factor) - rest]
    for _ in range(BLOCK.bit_length() - 1):
        if len(blocks):
            half = len(blocks) // 2
            blocks = blocks[:half] * blocks[half:]
    return np.asarray(logs + np.log(blocks).sum(axis=0))


def p_value(x: FloatArray, distance: FloatArray) -> FloatArray:
    """p-values of "the mean of `x` (runs, points), all at least 0, is at most `distance`" (points,)."""
    largest = x.max(axis=0)
    positive = distance > 0
    with np.errstate(divide="ignore", over="ignore"):
        cap = LARGEST / np.where(largest > 0, largest, 1.0)
        v = np.minimum(1.0 / np.where(positive, distance, 1.0), cap)
    capital, _ = log_capital(x, v)
    return np.where(positive, np.exp(-np.maximum(capital, 0.0)), np.where((distance < 0) | (largest > 0), 0.0, 1.0))


def lower_limit(x: FloatArray, alpha: Level) -> FloatArray:
    """The distance (points,) from the end of the range below which the mean of `x` lies with probability `alpha`."""
    goal = -np.log(np.broadcast_to(np.asarray(alpha, dtype=np.float64), x.shape[1:]))
    centre, largest = x.mean(axis=0), x.max(axis=0)
    known = largest > 0  # otherwise no distance above 0 is excluded
    t = -np.log(np.where(known, centre, 1.0))
    cap = np.log(LARGEST) - np.log(np.where(known, largest, 1.0))
    active = known.copy()
    for _ in range(STEPS):
        at = np.flatnonzero(active)
        if not len(at):
            break
        capital, slope = log_capital(np.ascontiguousarray(x[:, at]), np.exp(t[at]), slope=True)
        before = t[at]
        t[at] = np.minimum(before + (goal[at] - capital) / np.maximum(slope, 1e-300), cap[at])
        active[at] = np.abs(t[at] - before) > CLOSE  # a point that stays at the cap has less than 1/alpha even there
    return np.where(known & (t < cap), np.exp(-t), 0.0)


@dataclass(frozen=True)
class Betting(Estimate):
    """Means of independent values in a known range by betting; see the module.

    Attributes
    ----------
    values : float64 array (runs, points)
    low, high : float64 arrays (points,)
        Ends of the range, infinite where there is none; what needs a missing end has a p-value of 1.
    """

    values: FloatArray
    low: FloatArray
    high: FloatArray

    def _from_low(self) -> FloatArray:
        return np.asarray(np.maximum(self.values - np.where(np.isfinite(self.low), self.low, 0.0), 0.0))

    def _from_high(self) -> FloatArray:
        return np.asarray(np.maximum(np.where(np.isfinite(self.high), self.high, 0.0) - self.values, 0.0))

    def p_above(self, bound: FloatArray) -> FloatArray:
        """One over the capital of bets that values lie above `bound`."""
        has = np.isfinite(self.low)
        if not has.any():
            return np.ones(len(self.value))
        return np.where(has, p_value(self._from_low(), np.where(has, bound - np.where(has, self.low, 0.0), 1.0)), 1.0)

    def p_below(self, bound: FloatArray) -> FloatArray:
        """One over the capital of bets that values lie below `bound`."""
        has = np.isfinite(self.high)
        if not has.any():
            return np.ones(len(self.value))
        return np.where(has, p_value(self._from_high(), np.where(has, np.where(has, self.high, 0.0) - bound, 1.0)), 1.0)

    def limits(self, alpha: Level) -> tuple[FloatArray, FloatArray]:
        """Where the capital is 1/alpha; infinite where the range has no end on that side."""
        lower, upper = np.full(len(self.value), -np.inf), np.full(len(self.value), np.inf)
        level = np.broadcast_to(np.asarray(alpha, dtype=np.float64), self.value.shape)
        has = np.isfinite(self.low)
        if has.any():
            lower[has] = self.low[has] + lower_limit(self._from_low()[:, has], level[has])
        has = np.isfinite(self.high)
        if has.any():
            upper[has] = self.high[has] - lower_limit(self._from_high()[:, has], level[has])
        return lower, upper

    def detectable(self, alpha: float, power: float) -> FloatArray:
        """Radius of the test plus the radius within which the mean stays with probability `power`, on the wider side.

        The second is taken from the first: a radius grows between the square root of ``ln 1/alpha`` and this itself.
        """
        lower, upper = self.limits(alpha)
        radius = np.maximum(
            np.where(np.isfinite(lower), self.value - lower, 0.0), np.where(np.isfinite(upper), upper - self.value, 0.0)
        )
        more = math.log(len(shares(len(self.values))))
        share = ((more - math.log(1 - power)) / (more - math.log(alpha))) ** 0.5
        either = np.isfinite(lower) | np.isfinite(upper)
        return np.where(either, (1 + share) * radius, np.inf)

    def why_open(self, low: FloatArray, high: FloatArray) -> str:
        """Which end of the range is missing."""
        if (np.isfinite(high) & ~np.isfinite(self.high)).any():
            return "the range of the values has no upper end (high=), so no number of runs supports an upper bound"
        if (np.isfinite(low) & ~np.isfinite(self.low)).any():
            return "the range of the values has no lower end (low=), so no number of runs supports a lower bound"
        return ""
