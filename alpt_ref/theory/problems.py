"""Separable problems ``f(w) = sum_j f_j(w_j - w*_j)`` whose constants are known in closed form.

Per coordinate, with distance ``e`` from the minimum:

=============  ====================================  =====================================
``elastic``    ``a/2 e^2 + b |e|``                   convex; quadratic (b = 0), absolute value (a = 0)
``huber``      ``a/2 e^2`` up to ``|e| = b``, then   convex, smooth, bounded gradient
               ``a b (|e| - b/2)``
``saturating`` ``a/2 e^2 / (1 + e^2)``               smooth, not convex, one minimum
=============  ====================================  =====================================

At the kink of ``|e|`` the method takes the right-hand subgradient ``+b``: the theorems allow any subgradient and this
one reaches their bounds. The constants come from the problem, the box and the noise, never from runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import Grid, Noise, numbers, require_setting

SeparableKind = Literal["elastic", "huber", "saturating"]
_STEEPEST = 1.0 / math.sqrt(3.0)
"""Where the slope of ``e^2/(2 (1 + e^2))`` is largest."""


@dataclass(frozen=True)
class Constants:
    """What the theorems need to know of a problem, on a box and with a noise.

    Attributes
    ----------
    dim : int
        Coordinates d.
    G, G1 : float
        Square root of ``sup E|g|_2^2`` over the box, noise included; ``sup E|g|_1``.
    g_max : float
        Largest possible ``|g_i|`` (infinite for normal noise).
    D : float
        ``sup |w - w*|`` over the box.
    L, mu : float
        Smoothness (infinite at a kink); strong convexity on the box (0 if none).
    f_star : float
    w_star : float64 array (d,)
        The minimum and where it is.
    convex : bool

    Examples
    --------
    >>> from alpt_ref.theory import Grid, quadratic
    >>> known = quadratic(2.0, 0.0).constants(Grid(step_size=0.5, bits=3))
    >>> known.G, known.D, known.mu
    (4.0, 2.0, 2.0)
    """

    dim: int
    G: float
    G1: float
    g_max: float
    D: float
    L: float
    mu: float
    f_star: float
    w_star: NDArray[np.float64]
    convex: bool


def in_box(w_star: NDArray[np.float64], grid: Grid) -> None:
    """InputError unless the minimum lies in the box: otherwise clipping would not be a projection towards it."""
    if w_star.min() < grid.low or w_star.max() > grid.high:
        raise InputError(
            f"the minimum (from {w_star.min():g} to {w_star.max():g}) must lie in the box "
            f"[{grid.low:g}, {grid.high:g}]; take more bits or a larger step_size"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Separable:
    """A separable problem; build it with `quadratic`, `absolute`, `elastic`, `huber` or `saturating`.

    Attributes
    ----------
    kind : str
        ``elastic``, ``huber`` or ``saturating``.
    curvature, shape, minimum : float64 arrays (d,)
        ``a``, ``b`` and ``w*`` of each coordinate.

    Examples
    --------
    >>> problem = elastic([1.0, 2.0], 0.5, 0.0)
    >>> problem
    Separable('elastic', d=2, curvature=1..2, shape=0.5, minimum=0)
    >>> problem.value([1.0, 1.0]), problem.gradient([1.0, -1.0])
    (array(2.5), array([ 1.5, -2.5]))
    """

    kind: SeparableKind
    curvature: NDArray[np.float64]
    shape: NDArray[np.float64]
    minimum: NDArray[np.float64]

    def __repr__(self) -> str:
        """Kind, coordinates, and the range of each parameter."""
        shown = ", ".join(f"{name}={_span(getattr(self, name))}" for name in ("curvature", "shape", "minimum"))
        return f"Separable({self.kind!r}, d={self.dim}, {shown})"

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return int(self.minimum.size)

    @property
    def convex(self) -> bool:
        """Whether f is convex."""
        return self.kind != "saturating"

    def coordinate(self, j: int) -> Separable:
        """The one-dimensional problem of coordinate `j`."""
        return Separable(self.kind, self.curvature[j : j + 1], self.shape[j : j + 1], self.minimum[j : j + 1])

    def values(self, w: ArrayLike) -> NDArray[np.float64]:
        """``f_j(w_j)`` for `w` of shape (..., d), same shape."""
        e = np.abs(np.asarray(w, dtype=np.float64) - self.minimum)
        a, b = self.curvature, self.shape
        if self.kind == "elastic":
            return np.asarray(0.5 * a * e * e + b * e)
        if self.kind == "huber":
            return np.where(e <= b, 0.5 * a * e * e, a * b * (e - 0.5 * b))
        return np.asarray(0.5 * a * e * e / (1.0 + e * e))

    def value(self, w: ArrayLike) -> NDArray[np.float64]:
        """``f(w)`` for `w` of shape (..., d): float64 (...)."""
        return np.asarray(self.values(w).sum(axis=-1))

    def gradient(self, w: ArrayLike) -> NDArray[np.float64]:
        """Exact (sub)gradient for `w` of shape (..., d), same shape."""
        e = np.asarray(w, dtype=np.float64) - self.minimum
        a, b = self.curvature, self.shape
        if self.kind == "elastic":
            return np.asarray(a * e + np.where(e >= 0.0, b, -b))
        if self.kind == "huber":
            return np.asarray(a * np.clip(e, -b, b))
        return np.asarray(a * e / (1.0 + e * e) ** 2)

    def _steepest(self, grid: Grid) -> NDArray[np.float64]:
        """Largest ``|f_j'|`` on the box, (d,)."""
        ends = [grid.low - self.minimum, grid.high - self.minimum]
        far = np.maximum(np.abs(ends[0]), np.abs(ends[1]))
        if self.kind == "elastic":
            return np.asarray(self.curvature * far + self.shape)
        if self.kind == "huber":
            return np.asarray(self.curvature * np.minimum(far, self.shape))
        at = np.minimum(far, _STEEPEST)
        return np.asarray(self.curvature * at / (1.0 + at * at) ** 2)

    def constants(self, grid: Grid, noise: Noise | None = None) -> Constants:
        """The constants on the box of `grid` with this gradient noise; InputError if w* lies outside the box."""
        require_setting(grid, noise)
        noise = noise or Noise()
        in_box(self.minimum, grid)
        steepest = self._steepest(grid)
        far = np.maximum(np.abs(grid.low - self.minimum), np.abs(grid.high - self.minimum))
        kinked = self.kind == "elastic" and bool((self.shape > 0.0).any())
        curved = self.kind == "elastic" or (self.kind == "huber" and bool((self.shape >= far).all()))
        return Constants(
            dim=self.dim,
            G=math.sqrt(float((steepest**2).sum()) + self.dim * noise.sigma**2),
            G1=float(noise.absolute_mean(steepest).sum()),
            g_max=float(steepest.max()) + noise.largest,
            D=float(np.sqrt((far**2).sum())),
            L=math.inf if kinked else float(self.curvature.max()),
            mu=float(self.curvature.min()) if curved else 0.0,
            f_star=0.0,
            w_star=self.minimum.copy(),
            convex=self.convex,
        )

    def distance(self, w: ArrayLike) -> NDArray[np.float64]:
        """``|w - w*|_2`` for `w` of shape (..., d)."""
        return np.asarray(np.sqrt(((np.asarray(w, dtype=np.float64) - self.minimum) ** 2).sum(axis=-1)))


def _span(values: NDArray[np.float64]) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:g}" if low == high else f"{low:g}..{high:g}"


def _separable(kind: SeparableKind, curvature: ArrayLike, shape: ArrayLike, minimum: ArrayLike) -> Separable:
    names = ("curvature", "slope or width", "minimum")
    given = [np.atleast_1d(numbers(name, x)) for name, x in zip(names, (curvature, shape, minimum), strict=True)]
    try:
        arrays = np.broadcast_arrays(*given)
    except ValueError:
        shapes = ", ".join(f"{name} {one.shape}" for name, one in zip(names, given, strict=True))
        raise InputError(f"the numbers of a problem must have one shape (d,), got {shapes}") from None
    for name, array in zip(names, arrays, strict=True):
        if array.ndim != 1 or not array.size or not np.isfinite(array).all():
            raise InputError(f"{name} must be a finite number or a vector of them, got shape {array.shape}")
        if name != "minimum" and (array < 0.0).any():
            raise InputError(f"{name} must not be negative, got {array.min():g}")
    a, b, w_star = (np.ascontiguousarray(x) for x in arrays)
    return Separable(kind, a, b, w_star)


def quadratic(spectrum: ArrayLike, minimum: ArrayLike) -> Separable:
    """``sum_j spectrum_j/2 (w_j - minimum_j)^2``.

    Parameters
    ----------
    spectrum, minimum : float or float array (d,)
        Broadcast against each other; the spectrum is not negative.

    Raises
    ------
    InputError
        If a number is not finite, or negative where it must not be.

    Examples
    --------
    >>> quadratic([1.0, 4.0], 0.0).value([2.0, 1.0])
    array(4.)
    """
    return _separable("elastic", spectrum, 0.0, minimum)


def absolute(slope: ArrayLike, minimum: ArrayLike) -> Separable:
    """``sum_j slope_j |w_j - minimum_j|``; arguments and errors as those of `quadratic`.

    Examples
    --------
    >>> absolute(2.0, 1.0).gradient([0.0]), absolute(2.0, 1.0).gradient([1.0])
    (array([-2.]), array([2.]))
    """
    return _separable("elastic", 0.0, slope, minimum)


def elastic(curvature: ArrayLike, slope: ArrayLike, minimum: ArrayLike) -> Separable:
    """``sum_j curvature_j/2 e_j^2 + slope_j |e_j|``, ``e = w - minimum``: strongly convex with a kink.

    Arguments and errors as those of `quadratic`.

    Examples
    --------
    >>> elastic(2.0, 1.0, 0.0).value([3.0])
    array(12.)
    """
    return _separable("elastic", curvature, slope, minimum)


def huber(curvature: ArrayLike, width: ArrayLike, minimum: ArrayLike) -> Separable:
    """Huber's loss: quadratic within `width` of the minimum, linear beyond; arguments and errors as `quadratic`.

    Examples
    --------
    >>> huber(1.0, 2.0, 0.0).value([[1.0], [3.0]])
    array([0.5, 4. ])
    """
    return _separable("huber", curvature, width, minimum)


def saturating(curvature: ArrayLike, minimum: ArrayLike) -> Separable:
    """``sum_j curvature_j/2 e_j^2/(1 + e_j^2)`` (Geman and McClure, 1985): smooth and not convex.

    Arguments and errors as those of `quadratic`.

    Examples
    --------
    >>> saturating(2.0, 0.0).value([[1.0], [100.0]]).round(4)
    array([0.5   , 0.9999])
    """
    return _separable("saturating", curvature, 0.0, minimum)
