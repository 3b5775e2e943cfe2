"""A problem of your own, from two functions: what `simulate`, the bounds and experiments take beside the built-in ones.

The functions are compiled where Numba can (`row_functions`); the gradient is compared with the value and every constant
that is given is put to the test at points of the box (`problem_checks`). Where each constant comes from, and why one is
not known, is kept (`known_constants`), so that a bound that is not drawn says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from alpt_ref._util.check import is_number
from alpt_ref._util.memory import require_memory
from alpt_ref._util.python_file import named_in
from alpt_ref.errors import InputError
from alpt_ref.theory.problem_checks import require_gradient, shown, trial_points
from alpt_ref.theory.row_functions import RowFunction, row_function
from alpt_ref.theory.setting import numbers, positive, real, told

Floats: TypeAlias = NDArray[np.float64]
SampledGradient: TypeAlias = Callable[[Floats, np.random.Generator], Any]


class Problem:
    """A function to minimise, by its value and gradient.

    Parameters
    ----------
    value, gradient : function
        Of one point, float64 (d,), giving a number and (d,); or of many, (n, d), giving (n,) and (n, d). What they
        close over is taken as it is now: a compiled function does not see a later change of it.
    dim : int
        Coordinates d.
    minimum : float or float array (d,), optional
        Where f is least. Left out, it is searched for where f is convex, and how far the point found may lie above the
        infimum is certified (`known_constants`).
    infimum : float, optional
        Greatest lower bound of f, where no minimum is known; for a problem that is not convex.
    convex : bool
        Whether f is convex; False where that is not known.
    mu, L, pl : float, optional
        Strong convexity (which makes it convex), smoothness (left out: not smooth, or not known) and the constant of
        the Polyak-Lojasiewicz inequality ``|f'|^2 >= 2 pl (f - inf f)``.
    G, G1, g_max : float, optional
        At least ``|f'|_2``, ``|f'|_1`` and every ``|f'_i|`` over the box, without the noise of `Noise`; with
        `sampled_gradient` the root of ``E|g|_2^2``, ``E|g|_1`` and every ``|g_i|``. Left out, G follows from L.
    sampled_gradient : function, optional
        ``(w float64 (n, d), generator) -> (n, d)``: an unbiased random gradient for every row, drawn from a
        ``numpy.random.Generator`` that is keyed by seed and step.
    name : str
        For tables and figures.
    compiled : bool, optional
        True: both functions must compile; False: neither is tried. Left out, whatever works is taken.
    checks : bool
        Whether gradient and constants are put to the test.

    Attributes
    ----------
    f_star : float or None
        What values are counted from: the value at the minimum, or the infimum; None where neither is known.
    how : dict of str to str
        How value and gradient are called, and why not compiled.

    Raises
    ------
    InputError
        If a function takes neither one point nor many, the gradient is not the value's derivative, or a number breaks
        its rule.

    Examples
    --------
    >>> import numpy as np
    >>> from alpt_ref.theory import Grid, Problem, Schedule, simulate
    >>> a, b = np.array([[1.0, 2.0], [0.0, 1.0], [1.0, 0.0]]), np.array([1.0, 0.5, -0.25])
    >>> problem = Problem(
    ...     lambda w: 0.5 * ((w @ a.T - b) ** 2).mean(axis=-1), lambda w: (w @ a.T - b) @ a / 3, dim=2, convex=True,
    ...     L=2.0, compiled=False,
    ... )
    >>> problem
    Problem('problem', d=2, convex, value and gradient vectorised NumPy (compiled=False))
    >>> run = simulate(problem, Grid(0.125, 5), Schedule("constant", 0.2), steps=200, runs=64, start=8, averages=True)
    >>> bool(run.value[-1].mean() < 0.05)
    True
    """

    def __init__(
        self,
        value: Callable[..., Any],
        gradient: Callable[..., Any],
        dim: int,
        *,
        minimum: ArrayLike | None = None,
        infimum: float | None = None,
        convex: bool = False,
        mu: float | None = None,
        L: float | None = None,
        pl: float | None = None,
        G: float | None = None,
        G1: float | None = None,
        g_max: float | None = None,
        sampled_gradient: SampledGradient | None = None,
        name: str = "problem",
        compiled: bool | None = None,
        checks: bool = True,
    ) -> None:
        if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)) or dim < 1:
            raise InputError(f"dim must be a whole number of at least 1, got {told(dim)}")
        require_memory(64 * int(dim), f"the points at which a problem with {dim} coordinates is tried", "take fewer")
        for label, function in (("value", value), ("gradient", gradient), ("sampled_gradient", sampled_gradient)):
            if not callable(function) and not (label == "sampled_gradient" and function is None):
                raise InputError(f"{label} must be a function, got {function!r}")
        for label, flag in (("convex", convex), ("checks", checks), ("compiled", compiled)):
            if not (isinstance(flag, (bool, np.bool_)) or (label == "compiled" and flag is None)):
                raise InputError(f"{label} must be True or False, got {told(flag)}")
        self.dim, self.name, self.checks = int(dim), str(name), bool(checks)
        self._functions, self._compiled = (value, gradient), compiled
        given = {"mu": mu, "L": L, "pl": pl, "G": G, "G1": G1, "g_max": g_max}
        self.given = {
            label: None if number is None else positive(f"{label} (left out where it is unknown)", number)
            for label, number in given.items()
        }
        least, most = self.given["mu"], self.given["L"]
        if least is not None and most is not None and least > most:
            raise InputError(f"mu must not exceed L, got mu={mu!r} and L={L!r}")
        self.convex = bool(convex) or mu is not None
        points = trial_points(self.dim, 8 if self.dim != 8 else 9)
        self._value = row_function("value", value, points, gradient=False, compiled=compiled)
        self._gradient = row_function("gradient", gradient, points, gradient=True, compiled=compiled)
        self._sampled = sampled_gradient
        if checks:
            require_gradient(self._value.call, self._gradient.call, points)
            if sampled_gradient is not None:
                _require_unbiased(sampled_gradient, self._gradient, points[:1])
        self.minimum, self.f_star, self.origin = self._lowest(minimum, infimum)

    def _lowest(self, minimum: ArrayLike | None, infimum: float | None) -> tuple[Floats | None, float | None, str]:
        """The minimum, what values are counted from, and where they come from."""
        if infimum is not None and not (is_number(infimum) and math.isfinite(real(infimum))):
            raise InputError(f"infimum must be a finite number, or left out where it is unknown, got {told(infimum)}")
        if minimum is not None:
            w = numbers("minimum", minimum)
            if w.shape not in ((), (self.dim,)) or not np.isfinite(w).all():
                raise InputError(f"minimum must be a finite number or one for each of the {self.dim} coordinates")
            w = np.array(np.broadcast_to(w, (self.dim,)))
            return w, self._at(w, infimum), "given"
        if self.convex and infimum is not None:
            return self._found_or(float(infimum))
        if self.convex:
            w = self._search()
            return w, self._at(w, None), "found"
        return None, infimum, "given" if infimum is not None else "unknown"

    def _found_or(self, infimum: float) -> tuple[Floats | None, float, str]:
        """A minimum whose value is the infimum that was given, or the infimum alone where none attains it."""
        try:
            w = self._search()
            at = float(self.value(w))
        except InputError:
            return None, infimum, "given"
        if at < infimum - 1e-9 * max(1.0, abs(infimum)):
            raise InputError(f"infimum = {infimum!r} is no lower bound: at w = {shown(w)} value is {at:.6g}")
        if at <= infimum + 1e-9 * max(1.0, abs(infimum)):
            return w, at, "found"
        return None, infimum, "given"

    def _at(self, w: Floats, infimum: float | None) -> float:
        at = float(self.value(w))
        if infimum is not None and not abs(at - infimum) <= 1e-9 * max(1.0, abs(at)):
            raise InputError(f"value at the minimum is {at!r} and infimum says {infimum!r}; give one of them")
        if not math.isfinite(at):
            raise InputError(f"value at the minimum {shown(w)} must be finite, got {at!r}")
        return at

    def _search(self) -> Floats:
        """Where descent from the origin ends: L-BFGS, at a kink also along coordinates from there."""

        def both(w: Floats) -> tuple[float, Floats]:
            return float(self.value(w)), self.gradient(w)

        nothing = "no minimum was found from the origin; give minimum=, or infimum= where there is none"
        with np.errstate(all="ignore"):
            options = {"maxiter": 5000, "ftol": 0.0, "gtol": 1e-12}
            found = optimize.minimize(both, np.zeros(self.dim), jac=True, method="L-BFGS-B", options=options)
            best, steep = np.asarray(found.x, np.float64), True
            if np.isfinite(best).all():
                steep = not np.linalg.norm(self.gradient(best)) <= 1e-7
            if steep and self.dim <= 16:  # a kink
                options = {"maxiter": 5000, "ftol": 1e-14}
                try:
                    again = optimize.minimize(lambda w: float(self.value(w)), best, method="Powell", options=options)
                except (RuntimeError, ValueError):  # no bracket: it falls without end
                    raise InputError(nothing) from None
                best = np.asarray(again.x, np.float64) if again.fun < found.fun else best
        if not np.isfinite(best).all():
            raise InputError(nothing)
        return best

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process: the functions are compiled there anew, nothing is checked or searched for again."""
        options = {"name": self.name, "compiled": self._compiled}
        names = ("minimum", "f_star", "origin", "checks", "given", "convex")
        found = {name: getattr(self, name) for name in names}
        return _again, (*self._functions, self.dim, self._sampled, options, found)

    def __repr__(self) -> str:
        """Name, coordinates, shape, and how the functions are called."""
        how = self.how
        calls = (
            f"value and gradient {how['value']}"
            if how["value"] == how["gradient"]
            else (f"value {how['value']}, gradient {how['gradient']}")
        )
        return f"Problem({self.name!r}, d={self.dim}, {'convex' if self.convex else 'not convex'}, {calls})"

    @property
    def how(self) -> dict[str, str]:
        """How value and gradient are called."""
        return {"value": str(self._value), "gradient": str(self._gradient)}

    @property
    def stochastic(self) -> bool:
        """Whether it has a sampled gradient."""
        return self._sampled is not None

    def value(self, w: ArrayLike) -> Floats:
        """``f(w)`` for `w` of shape (..., d): float64 (...)."""
        point = np.asarray(w, dtype=np.float64)
        with named_in("value"):
            return self._value.call(point.reshape(-1, self.dim)).reshape(point.shape[:-1])

    def gradient(self, w: ArrayLike) -> Floats:
        """The gradient for `w` of shape (..., d), same shape."""
        point = np.asarray(w, dtype=np.float64)
        with named_in("gradient"):
            return self._gradient.call(point.reshape(-1, self.dim)).reshape(point.shape)

    def sampled_gradient(self, w: Floats, generator: np.random.Generator) -> Floats:
        """A random gradient for every row of `w` (n, d); the exact one where none is given."""
        if self._sampled is None:
            return self.gradient(w)
        return _sampled_at(self._sampled, w, generator)

    def distance(self, w: ArrayLike) -> Floats:
        """``|w - w*|_2`` for `w` of shape (..., d); NaN where no minimum is known."""
        point = np.asarray(w, dtype=np.float64)
        if self.minimum is None:
            return np.full(point.shape[:-1], math.nan)
        return np.asarray(np.linalg.norm(point - self.minimum, axis=-1))


def _again(
    value: Callable[..., Any],
    gradient: Callable[..., Any],
    dim: int,
    sampled: SampledGradient | None,
    options: dict[str, Any],
    found: dict[str, Any],
) -> Problem:
    """A problem that was checked before, with what was found then."""
    place: dict[str, Any] = {"infimum": 0.0} if found["minimum"] is None else {"minimum": found["minimum"]}
    made = Problem(value, gradient, dim, sampled_gradient=sampled, checks=False, **place, **options)
    for name, what in found.items():
        setattr(made, name, what)
    return made


def _sampled_at(sampled: SampledGradient, w: Floats, generator: np.random.Generator) -> Floats:
    """What the function gives for the points `w`, checked and copied."""
    with named_in("sampled_gradient"):
        found = np.asarray(sampled(w.copy(), generator))
    if found.dtype.kind not in "fiub":
        raise InputError(f"sampled_gradient must return real numbers, got {found.dtype}")
    if found.shape != w.shape:
        raise InputError(f"sampled_gradient must return the shape {w.shape} of its points, got {found.shape}")
    return np.array(found, dtype=np.float64)


def _require_unbiased(sampled: SampledGradient, gradient: RowFunction, point: Floats) -> None:
    """InputError where the mean of 4096 sampled gradients is eight standard errors from the gradient."""
    drawn = _sampled_at(sampled, np.repeat(point, 4096, axis=0), np.random.Generator(np.random.Philox(key=1)))
    wanted, mean = gradient.call(point)[0], drawn.mean(axis=0)
    error = drawn.std(axis=0) / math.sqrt(len(drawn)) + 1e-6 * (1.0 + np.abs(wanted))
    if (np.abs(mean - wanted) > 8.0 * error).any():
        j = int(np.argmax(np.abs(mean - wanted) / error))
        raise InputError(
            f"sampled_gradient is biased: at w = {shown(point[0])} its mean along coordinate {j} is {mean[j]:.6g} and "
            f"gradient says {wanted[j]:.6g}"
        )
