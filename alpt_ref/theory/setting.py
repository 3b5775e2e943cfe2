"""What surrounds a problem: the grid of representable values, the gradient noise, the learning-rate schedule.

w_{t+1} = Q(clip_B(w_t - eta_t g_t)),   g_t = f'(w_t) + noise_t,   w_t on the grid  step_size * {low, ..., high}
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref._util.check import is_number
from alpt_ref._util.python_file import named_in
from alpt_ref.errors import InputError
from alpt_ref.scalar.code_range import highest_code, lowest_code

NoiseKind = Literal["none", "two-point", "uniform", "normal"]
ScheduleKind = Literal["constant", "inverse-sqrt", "inverse", "array", "function"]
RateFunction = Callable[[int], float]
NOISE_KINDS: tuple[NoiseKind, ...] = ("none", "two-point", "uniform", "normal")

MAX_BITS = 16


def real(value: object) -> float:
    """`value` as a float of Python; NaN where it is no number (a text, a bool) or none of float64."""
    if isinstance(value, (bool, np.bool_, str, bytes)):
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def whole(value: object) -> TypeGuard[int]:
    """Whether `value` is a whole number (NumPy's too, no bool)."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def told(value: object) -> str:
    """What was given, in a sentence."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:60]}... ({len(text):,} characters)"


def positive(name: str, value: Any) -> float:
    """`value` as a float; InputError unless it is finite and above zero."""
    number = real(value)
    if not (math.isfinite(number) and number > 0.0):
        raise InputError(f"{name} must be a finite number above 0, got {told(value)}")
    return number


def numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """`values` as a float64 array; InputError where they are no numbers."""
    try:
        if np.asarray(values).dtype.kind not in "SUc":  # NumPy reads texts, and drops what is imaginary
            return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{name} must be numbers, got {told(values)}")


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
        """Reject a step size or number of bits out of range; keep them as Python's, which never wrap around."""
        object.__setattr__(self, "step_size", positive("step_size", self.step_size))
        if not is_number(self.bits) or not 1 <= self.bits <= MAX_BITS or self.bits != int(self.bits):
            raise InputError(f"bits must be a whole number from 1 to {MAX_BITS}, got {told(self.bits)}")
        object.__setattr__(self, "bits", int(self.bits))

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
        if not isinstance(self.kind, str) or self.kind not in NOISE_KINDS:
            raise InputError(f"noise must be one of {', '.join(NOISE_KINDS)}, got {self.kind!r}")
        sigma = real(self.sigma) if is_number(self.sigma) else math.nan
        if not (math.isfinite(sigma) and sigma >= 0.0):
            raise InputError(f"sigma must be a finite number of at least 0, got {told(self.sigma)}")
        object.__setattr__(self, "sigma", sigma)
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
    kind : {"constant", "inverse-sqrt", "inverse"}, float array (T - 1,) or function
        c, ``c/sqrt(t)`` or ``c/t``; ``Schedule("inverse", 1 / mu)`` is the ``1/(mu t)`` of S3. An array holds the rates
        of the ``T - 1`` updates of a run of T iterates (a rate more is not used), a function gives that of step t.
    scale : float
        c, above 0; a factor of what an array or a function gives.

    Raises
    ------
    InputError
        If the kind is unknown, the scale is not above 0, or a rate is not a finite number of at least 0.

    Examples
    --------
    >>> Schedule("inverse", 2.0).rates(4)
    array([2.        , 1.        , 0.66666667, 0.5       ])
    >>> Schedule([0.5, 0.25]).rates(3), Schedule(lambda t: 0.5**t).rates(2)
    (array([0.5 , 0.25, 0.25]), array([0.5 , 0.25]))
    """

    kind: ScheduleKind
    scale: float
    given: tuple[float, ...] | RateFunction | None = field(init=False, repr=False)

    def __init__(self, kind: ScheduleKind | ArrayLike | RateFunction, scale: float | None = None) -> None:
        """Reject an unknown kind and a scale that is not above zero."""
        given: tuple[float, ...] | RateFunction | None = None
        if callable(kind):
            name, given = "function", kind
        elif not isinstance(kind, str):
            name, given = "array", _rates_of(kind)
        else:
            name = kind
            if name not in ("constant", "inverse-sqrt", "inverse"):
                raise InputError(f"schedule must be constant, inverse-sqrt or inverse, got {kind!r}")
            if scale is None:
                raise InputError(f"schedule {name!r} needs a scale, as in Schedule({name!r}, 0.1)")
        object.__setattr__(self, "kind", name)
        object.__setattr__(self, "scale", positive("scale of the learning rate", 1.0 if scale is None else scale))
        object.__setattr__(self, "given", given)

    def rates(self, steps: int) -> NDArray[np.float64]:
        """Learning rates of steps ``1 .. steps``: float64 (steps,); InputError where the array is too short."""
        if not whole(steps) or steps < 1:
            raise InputError(f"steps must be a whole number of at least 1, got {told(steps)}")
        steps = int(steps)  # one of few bits would wrap around
        if isinstance(self.given, tuple):
            if len(self.given) not in (steps - 1, steps):
                raise InputError(
                    f"a run of {steps} iterates takes {steps - 1} learning rates, one for each update, got "
                    f"{len(self.given)}"
                )
            padded = self.given + self.given[-1:] * (steps - len(self.given))
            return self.scale * np.array(padded or (0.0,))
        if self.given is not None:
            with named_in("the function of learning rates"):
                rates = [self.given(t) for t in range(1, steps + 1)]
            return self.scale * np.array(_rates_of(rates))
        t = np.arange(1, steps + 1, dtype=np.float64)
        if self.kind == "constant":
            return np.full(steps, self.scale)
        return self.scale / (np.sqrt(t) if self.kind == "inverse-sqrt" else t)


def _rates_of(values: ArrayLike) -> tuple[float, ...]:
    rates = numbers("learning rates", values)
    if rates.ndim != 1:
        raise InputError(
            f"learning rates must be an array (T - 1,), one rate for each update, got shape {rates.shape}; "
            "for one rate write Schedule('constant', rate)"
        )
    if not (np.isfinite(rates).all() and (rates >= 0.0).all()):
        bad = rates[~(np.isfinite(rates) & (rates >= 0.0))][0]
        raise InputError(f"a learning rate must be a finite number of at least 0, got {bad}")
    return tuple(rates.tolist())


def schedule_of(schedule: Schedule | ArrayLike | RateFunction) -> Schedule:
    """`schedule` itself, or made of an array or a function of t; one number is a constant rate."""
    if isinstance(schedule, Schedule):
        return schedule
    if isinstance(schedule, (int, float, np.integer, np.floating)) and not isinstance(schedule, bool):
        return Schedule("constant", positive("scale of the learning rate", schedule))
    return Schedule(schedule)


def require_setting(grid: object, noise: object = None) -> None:
    """InputError unless these are a `Grid` and a `Noise` (or None)."""
    if not isinstance(grid, Grid):
        raise InputError(f"grid must be a Grid(step_size, bits), got {grid!r}")
    if noise is not None and not isinstance(noise, Noise):
        raise InputError(f"noise must be a Noise(kind, sigma), got {noise!r}")
