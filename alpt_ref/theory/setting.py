"""What surrounds a problem: the grid of representable values, the gradient noise, the learning-rate schedule.

w_{t+1} = Q(clip_B(w_t - eta_t g_t)),   g_t = f'(w_t) + noise_t,   w_t on the grid  step_size * {low, ..., high}
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.scalar.code_range import highest_code, lowest_code

NoiseKind = Literal["none", "two-point", "uniform", "normal"]
ScheduleKind = Literal["constant", "inverse-sqrt", "inverse"]
NOISE_KINDS: tuple[NoiseKind, ...] = ("none", "two-point", "uniform", "normal")

MAX_BITS = 16


def positive(name: str, value: float) -> float:
    """`value` as a float; InputError unless it is finite and above zero."""
    number = float(value)
    if not (math.isfinite(number) and number > 0.0):
        raise InputError(f"{name} must be a finite number above 0, got {value!r}")
    return number


@dataclass(frozen=True)
class Grid:
    """The values ``step_size * k`` for the codes ``k`` of `bits` bits, the same for every coordinate.

    Parameters
    ----------
    step_size : float
        Distance between neighbours, in the units of the weights.
    bits : int
        1 to 16: codes from ``-2**(bits-1)`` to ``2**(bits-1) - 1``.

    Raises
    ------
    InputError
        If the step size is not above 0 or the number of bits is out of range.

    Examples
    --------
    >>> grid = Grid(step_size=0.5, bits=2)
    >>> grid.low, grid.high, grid.values
    (-1.0, 0.5, array([-1. , -0.5,  0. ,  0.5]))
    """

    step_size: float
    bits: int

    def __post_init__(self) -> None:
        """Reject a step size or number of bits out of range."""
        positive("step_size", self.step_size)
        if isinstance(self.bits, bool) or not 1 <= self.bits <= MAX_BITS or self.bits != int(self.bits):
            raise InputError(f"bits must be a whole number from 1 to {MAX_BITS}, got {self.bits!r}")

    @property
    def low_code(self) -> int:
        """Smallest code."""
        return lowest_code(self.bits)

    @property
    def high_code(self) -> int:
        """Largest code."""
        return highest_code(self.bits)

    @property
    def low(self) -> float:
        """Smallest value, the lower end of the box B."""
        return self.low_code * self.step_size

    @property
    def high(self) -> float:
        """Largest value, the upper end of the box B."""
        return self.high_code * self.step_size

    @property
    def codes(self) -> NDArray[np.int64]:
        """All codes, ascending: int64 (2**bits,)."""
        return np.arange(self.low_code, self.high_code + 1, dtype=np.int64)

    @property
    def values(self) -> NDArray[np.float64]:
        """All representable values, ascending: float64 (2**bits,)."""
        return np.asarray(self.codes * self.step_size, dtype=np.float64)


@dataclass(frozen=True)
class Noise:
    """Gradient noise of one coordinate: independent over coordinates and steps, mean zero.

    Parameters
    ----------
    kind : {"none", "two-point", "uniform", "normal"}
        ``two-point``: ``+sigma`` or ``-sigma`` with equal probability; ``uniform`` on
        ``[-sqrt(3) sigma, sqrt(3) sigma]``.
    sigma : float
        Standard deviation, in the units of the gradient.

    Raises
    ------
    InputError
        If the kind is unknown, or sigma is negative or does not go with it.

    Examples
    --------
    >>> Noise("two-point", 0.5).absolute_mean(2.0)
    np.float64(2.0)
    >>> Noise("uniform", 1.0).largest
    1.7320508075688772
    """

    kind: NoiseKind = "none"
    sigma: float = 0.0

    def __post_init__(self) -> None:
        """Reject an unknown kind and a sigma that does not go with it."""
        if self.kind not in NOISE_KINDS:
            raise InputError(f"noise must be one of {', '.join(NOISE_KINDS)}, got {self.kind!r}")
        if not (math.isfinite(self.sigma) and self.sigma >= 0.0):
            raise InputError(f"sigma must be a finite number of at least 0, got {self.sigma!r}")
        if self.kind == "none" and self.sigma != 0.0:
            raise InputError(f"noise 'none' goes with sigma=0, got sigma={self.sigma!r}; name the noise or drop sigma")

    @property
    def largest(self) -> float:
        """Largest possible magnitude (infinite for normal noise)."""
        return {"none": 0.0, "two-point": self.sigma, "uniform": math.sqrt(3.0) * self.sigma, "normal": math.inf}[
            self.kind
        ]

    def absolute_mean(self, slope: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """``E|slope + noise|``, exactly, element by element, float64; it grows with ``|slope|``."""
        m = np.abs(np.asarray(slope, dtype=np.float64))
        if self.sigma == 0.0:
            return m
        if self.kind == "two-point":
            return np.maximum(m, self.sigma)
        if self.kind == "uniform":
            a = self.largest
            return np.where(m < a, (m * m + a * a) / (2.0 * a), m)
        z = m / self.sigma
        density = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        erf = np.vectorize(math.erf, otypes=[np.float64])
        return np.asarray(2.0 * self.sigma * density + m * erf(z / math.sqrt(2.0)))

    def outcomes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values and probabilities, float64 (k,) each, of a noise with finitely many outcomes; else InputError."""
        if self.sigma == 0.0:
            return np.zeros(1), np.ones(1)
        if self.kind == "two-point":
            return np.array([-self.sigma, self.sigma]), np.array([0.5, 0.5])
        raise InputError(f"the exact engine needs noise with finitely many outcomes (none, two-point), got {self.kind}")


@dataclass(frozen=True)
class Schedule:
    """Learning rate of step ``t = 1, 2, ...``.

    Parameters
    ----------
    kind : {"constant", "inverse-sqrt", "inverse"}
        c, ``c/sqrt(t)`` or ``c/t``; ``Schedule("inverse", 1 / mu)`` is the ``1/(mu t)`` of S3.
    scale : float
        c, above 0.

    Raises
    ------
    InputError
        If the kind is unknown or the scale is not above 0.

    Examples
    --------
    >>> Schedule("inverse", 2.0).rates(4)
    array([2.        , 1.        , 0.66666667, 0.5       ])
    """

    kind: ScheduleKind
    scale: float

    def __post_init__(self) -> None:
        """Reject an unknown kind and a scale that is not above zero."""
        if self.kind not in ("constant", "inverse-sqrt", "inverse"):
            raise InputError(f"schedule must be constant, inverse-sqrt or inverse, got {self.kind!r}")
        positive("scale of the learning rate", self.scale)

    def rates(self, steps: int) -> NDArray[np.float64]:
        """Learning rates of steps ``1 .. steps``: float64 (steps,)."""
        if steps < 1:
            raise InputError(f"steps must be at least 1, got {steps!r}")
        t = np.arange(1, steps + 1, dtype=np.float64)
        if self.kind == "constant":
            return np.full(steps, self.scale)
        return self.scale / (np.sqrt(t) if self.kind == "inverse-sqrt" else t)
