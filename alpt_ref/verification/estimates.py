r"""Estimates: values with what is known of their error, and the p-values, limits and power that follow.

An estimate holds one value a point and answers for all points at once:

``p_above(b)``, ``p_below(b)``  evidence that the true value lies above (below) b, as a one-sided p-value
``limits(alpha)``               one-sided lower and upper confidence limits, each missing with probability alpha
``detectable(alpha, power)``    how far beyond a bound the truth must lie to be refuted with this power
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import optimize, stats

from alpt_ref.verification.measurement import FloatArray

Level = float | FloatArray
"""One level for all points, or one for each."""
TINY = 1e-12
"""Relative: two sums of the same doubles in another order."""


@functools.lru_cache(maxsize=256)
def noncentrality(alpha: float, power: float, freedom: int) -> float:
    """How many standard errors the truth must lie beyond the bound for the one-sided t test to have this power."""
    critical = float(stats.t.isf(alpha, freedom))
    if freedom > 200:  # the normal approximation is then within 1 % and does not underflow
        return critical + float(stats.t.isf(1 - power, freedom))
    lowest, highest = 0.0, critical + 1.0
    while float(stats.nct.sf(critical, freedom, highest)) < power:
        lowest, highest = highest, 2 * highest
    return float(
        optimize.brentq(lambda shift: float(stats.nct.sf(critical, freedom, shift)) - power, lowest, highest, xtol=1e-6)
    )


@dataclass(frozen=True)
class Estimate(ABC):
    """Estimated values (points,) and how far to trust them."""

    value: FloatArray

    sampled: ClassVar[bool] = True
    """Whether there is a sampling error, so that the point takes its share of alpha."""

    @abstractmethod
    def p_above(self, bound: FloatArray) -> FloatArray:
        """p-values of "the true value is at most `bound`"."""

    @abstractmethod
    def p_below(self, bound: FloatArray) -> FloatArray:
        """p-values of "the true value is at least `bound`"."""

    @abstractmethod
    def limits(self, alpha: Level) -> tuple[FloatArray, FloatArray]:
        """One-sided lower and upper confidence limits."""

    @abstractmethod
    def detectable(self, alpha: float, power: float) -> FloatArray:
        """Smallest distance beyond a bound that is refuted with probability `power`."""

    def why_open(self, low: FloatArray, high: FloatArray) -> str:
        """Why no number of runs decides about this bound, or "" where more runs would."""
        return ""

    def p_violated(self, low: FloatArray, high: FloatArray) -> FloatArray:
        """p-values of "the claim holds", low <= value <= high; small values refute it."""
        ends = np.isfinite(low).astype(int) + np.isfinite(high)
        beyond = np.minimum(
            np.where(np.isfinite(high), self.p_above(high), 1.0), np.where(np.isfinite(low), self.p_below(low), 1.0)
        )
        return np.asarray(np.minimum(1.0, ends * beyond + (ends == 0)))  # two ends share the level

    def p_within(self, low: FloatArray, high: FloatArray) -> FloatArray:
        """p-values of "the claim fails"; small values support it. With two ends: two one-sided tests (TOST)."""
        below_high = np.where(np.isfinite(high), self.p_below(high), 0.0)
        above_low = np.where(np.isfinite(low), self.p_above(low), 0.0)
        return np.maximum(below_high, above_low)


@dataclass(frozen=True)
class Exact(Estimate):
    """Values without sampling error, right up to ``atol + rtol * max(|value|, |bound|)``."""

    rtol: float = 0.0
    atol: float = 0.0
    sampled: ClassVar[bool] = False

    def _tolerance(self, bound: FloatArray) -> FloatArray:
        return np.asarray(self.atol + self.rtol * np.maximum(np.abs(self.value), np.abs(bound)))

    def p_above(self, bound: FloatArray) -> FloatArray:
        """0 where the value is above by more than the tolerance, else 1."""
        return np.where(self.value > bound + self._tolerance(bound), 0.0, 1.0)

    def p_below(self, bound: FloatArray) -> FloatArray:
        """0 where the value is below by more than the tolerance, else 1."""
        return np.where(self.value < bound - self._tolerance(bound), 0.0, 1.0)

    def limits(self, alpha: Level) -> tuple[FloatArray, FloatArray]:
        """The values, less and plus their tolerance."""
        tolerance = self._tolerance(self.value)
        return self.value - tolerance, self.value + tolerance

    def detectable(self, alpha: float, power: float) -> FloatArray:
        """The tolerance: anything larger is refuted with certainty."""
        return self._tolerance(self.value)

    def p_within(self, low: FloatArray, high: FloatArray) -> FloatArray:
        """0 unless a bound is violated: exact values leave nothing open."""
        return 1.0 - self.p_violated(low, high)

    def p_violated(self, low: FloatArray, high: FloatArray) -> FloatArray:
        """0 where a bound is violated by more than the tolerance, else 1."""
        with np.errstate(invalid="ignore"):  # inf - inf for an end that does not exist
            return np.minimum(self.p_above(high), self.p_below(low))


@dataclass(frozen=True)
class Unknown(Estimate):
    """Values of whose distribution nothing is known: no number of runs decides anything.

    An average of few large values among many small ones can be missing from any sample.
    """

    reason: str

    def p_above(self, bound: FloatArray) -> FloatArray:
        """1."""
        return np.ones(len(self.value))

    def p_below(self, bound: FloatArray) -> FloatArray:
        """1."""
        return np.ones(len(self.value))

    def limits(self, alpha: Level) -> tuple[FloatArray, FloatArray]:
        """None: the whole line."""
        return np.full(len(self.value), -np.inf), np.full(len(self.value), np.inf)

    def detectable(self, alpha: float, power: float) -> FloatArray:
        """Nothing is."""
        return np.full(len(self.value), np.inf)

    def why_open(self, low: FloatArray, high: FloatArray) -> str:
        """What is missing."""
        return self.reason


@dataclass(frozen=True)
class Student(Estimate):
    """Means of values that are normal, as their claim says: ``(value - truth) / error`` has Student's t distribution.

    Attributes
    ----------
    error : float64 array (points,)
        Standard errors; 0 where all runs gave the same value, which decides nothing: normal values differ.
    freedom : int
    """

    error: FloatArray
    freedom: int

    def _t(self, bound: FloatArray) -> FloatArray:
        return (self.value - bound) / np.where(self.error > 0, self.error, 1.0)

    def p_above(self, bound: FloatArray) -> FloatArray:
        """Upper tail of t; 1 where there is no scatter."""
        return np.where(self.error > 0, stats.t.sf(self._t(bound), self.freedom), 1.0)

    def p_below(self, bound: FloatArray) -> FloatArray:
        """Lower tail of t; 1 where there is no scatter."""
        return np.where(self.error > 0, stats.t.cdf(self._t(bound), self.freedom), 1.0)

    def limits(self, alpha: Level) -> tuple[FloatArray, FloatArray]:
        """``value - t * error`` and ``value + t * error``; none where there is no scatter."""
        radius = np.where(self.error > 0, stats.t.isf(alpha, self.freedom) * self.error, np.inf)
        return self.value - radius, self.value + radius

    def detectable(self, alpha: float, power: float) -> FloatArray:
        """Non-centrality of Student's t at this power, in standard errors."""
        return np.where(self.error > 0, noncentrality(alpha, power, self.freedom) * self.error, np.inf)

    def why_open(self, low: FloatArray, high: FloatArray) -> str:
        """Where there is no scatter."""
        if (self.error > 0).all():
            return ""
        return (
            "all runs gave the same value, which Student's t cannot judge: normal values differ; "
            "declare the range of the values (low=, high=), or return them as exact"
        )


@dataclass(frozen=True)
class Bounded(Estimate):
    """Values of runs in a known range of width `width` (points,); valid for every distribution and number of runs.

    ``deviation`` (points,) holds the sample standard deviation and the limit is the empirical Bernstein bound
    (Maurer and Pontil, 2009): ``s sqrt(2 L / n) + 7 width L / (3 (n - 1))`` with ``L = ln(2 / alpha)``. Without it
    the limit is Hoeffding's ``width sqrt(ln(1 / alpha) / (2 n))``.
    """

    runs: int
    width: FloatArray
    deviation: FloatArray | None = None

    def _radius(self, alpha: Level) -> FloatArray:
        level = np.broadcast_to(alpha, self.value.shape)
        if self.deviation is None:
            return np.asarray(self.width * np.sqrt(np.log(1 / level) / (2 * self.runs)))
        log = np.log(2 / level)
        bernstein = self.deviation * np.sqrt(2 * log / self.runs) + 7 * self.width * log / (3 * (self.runs - 1))
        return np.asarray(bernstein)

    def _p(self, distance: FloatArray) -> FloatArray:
        """The alpha whose radius is `distance`."""
        distance = np.maximum(distance, 0.0)
        if self.deviation is None:
            return np.asarray(np.exp(-2 * self.runs * (distance / self.width) ** 2))
        linear = self.deviation * np.sqrt(2 / self.runs)
        square = 7 * self.width / (3 * (self.runs - 1))
        root = (np.sqrt(linear**2 + 4 * square * distance) - linear) / (2 * square)
        return np.asarray(np.minimum(1.0, 2 * np.exp(-(root**2))))

    def p_above(self, bound: FloatArray) -> FloatArray:
        """Level at which the lower limit reaches `bound`."""
        return self._p(self.value - bound)

    def p_below(self, bound: FloatArray) -> FloatArray:
        """Level at which the upper limit reaches `bound`."""
        return self._p(bound - self.value)

    def limits(self, alpha: Level) -> tuple[FloatArray, FloatArray]:
        """``value ± radius``."""
        radius = self._radius(alpha)
        return self.value - radius, self.value + radius

    def detectable(self, alpha: float, power: float) -> FloatArray:
        """Radius of the test plus the radius within which the mean stays with probability `power`."""
        return self._radius(alpha) + self._radius(1 - power)
