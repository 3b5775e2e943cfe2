"""The constants of a problem on a box, each with where it comes from: given, derived, certified, or why it is unknown.

A minimum that was searched for is no minimum, but the theorems on convex f hold for any point u of the box in its
place: their proofs use only ``<g, w - u> >= f(w) - f(u)`` on average. So values and distances are counted from the
point found, and its certificate, ``f(u) - inf f <= gap``, is needed by S4, S5 and S7 alone. With strong convexity the
gap is ``|f'(u)|^2/(2 mu)``; without, the largest ``<f'(u), u - v>`` over the box (Frank and Wolfe, 1956), which bounds
``f(u) - f(v)`` for every v of the box because f is convex.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory.linear import LinearModel
from alpt_ref.theory.problem import Problem
from alpt_ref.theory.problem_checks import box_points, require_bound, require_shape, shown
from alpt_ref.theory.problems import Separable
from alpt_ref.theory.setting import Grid, Noise, require_setting
from alpt_ref.theory.simulation_arguments import (
    require_batch,
    require_minimum_in_box,
    require_problem,
    sizes_of,
)

Floats: TypeAlias = NDArray[np.float64]


class Constant(NamedTuple):
    """A number, or None, and where it comes from or why there is none.

    Examples
    --------
    >>> Constant(2.0, "given").origin
    'given'
    """

    value: float | None
    origin: str


@dataclass(frozen=True)
class KnownConstants:
    """What is known of a problem on the box of a grid, with a noise.

    Attributes
    ----------
    dim : int
    convex : bool
    G, G1, g_max, D, L, mu, pl : Constant
        As in `alpt_ref.theory.bounds`; ``G``, ``G1`` and ``g_max`` with the noise.
    w_star : float64 array (d,) or None
        The minimum, or the point found.
    gap : Constant
        ``f(w_star) - inf f`` is at most this.

    Examples
    --------
    >>> from alpt_ref.theory import Grid, absolute
    >>> known = known_constants(absolute(1.0, 0.25), Grid(0.25, 4))
    >>> known.D, known.L
    (Constant(value=2.25, origin='the box'), Constant(value=None, origin='f has a kink'))
    """

    dim: int
    convex: bool
    G: Constant
    G1: Constant
    g_max: Constant
    D: Constant
    L: Constant
    mu: Constant
    pl: Constant
    w_star: Floats | None
    gap: Constant

    def lines(self) -> list[str]:
        """One line for each constant."""
        names = ("G", "G1", "g_max", "D", "L", "mu", "pl", "gap")
        found = [(name, getattr(self, name)) for name in names]
        return [
            f"{name} = {c.value:.6g} ({c.origin})" if c.value is not None else f"{name} unknown: {c.origin}"
            for name, c in found
        ]


def known_constants(
    problem: Separable | LinearModel | Problem,
    grid: Grid,
    noise: Noise | None = None,
    *,
    batch: int = 1,
    step_sizes: ArrayLike | None = None,
) -> KnownConstants:
    """The constants on the box of `grid` (of the largest of `step_sizes`), each with its origin.

    Raises
    ------
    InputError
        If the minimum lies outside the box, or a constant that was given is refuted at points of the box.

    Examples
    --------
    >>> from alpt_ref.theory import Grid, Problem
    >>> bowl = Problem(lambda w: (w * w).sum(), lambda w: 2.0 * w, dim=1, mu=2.0, L=2.0, compiled=False)
    >>> for line in known_constants(bowl, Grid(0.5, 3)).lines():
    ...     print(line)
    G = 4 (|f'(u)| + L max |w - u|, u the minimum found)
    G1 = 4 (sqrt(d) G)
    g_max = 4 (G)
    D = 2 (the box)
    L = 2 (given)
    mu = 2 (given)
    pl = 2 (mu)
    gap = 0 (|f'(u)|^2/(2 mu))
    """
    require_problem(problem)
    require_batch(batch, problem)
    require_setting(grid, noise)
    noise = noise or Noise()
    sizes = sizes_of(step_sizes, problem.dim, grid)
    require_minimum_in_box(problem, grid, sizes)
    box = Grid(float(sizes.max()), grid.bits)
    if isinstance(problem, Problem):
        return _of_functions(problem, box, noise)
    if isinstance(problem, LinearModel):
        known, formula = problem.constants(box, noise, batch=int(batch)), "interval arithmetic"
    else:
        known, formula = problem.constants(box, noise), "formula"
    finite = math.isfinite(known.g_max)
    gap = problem.gap if isinstance(problem, LinearModel) else 0.0
    return KnownConstants(
        dim=known.dim,
        convex=known.convex,
        G=Constant(known.G, formula),
        G1=Constant(known.G1, formula),
        g_max=Constant(known.g_max, formula) if finite else Constant(None, "normal noise has no largest value"),
        D=Constant(known.D, "the box"),
        L=Constant(known.L, formula) if math.isfinite(known.L) else Constant(None, "f has a kink"),
        mu=Constant(known.mu, formula) if known.mu > 0.0 else Constant(None, "f is not strongly convex on the box"),
        pl=Constant(known.mu, "mu") if known.mu > 0.0 else Constant(None, "give it as mu or with Problem(pl=)"),
        w_star=known.w_star,
        gap=Constant(gap, "certified by duality" if gap else "the minimum is known"),
    )


def _of_functions(problem: Problem, grid: Grid, noise: Noise) -> KnownConstants:
    given, d = problem.given, problem.dim
    low, high = np.full(d, grid.low), np.full(d, grid.high)
    u = problem.minimum
    if problem.checks:
        _refute(problem, low, high)
    reach = None if u is None else float(np.linalg.norm(np.maximum(np.abs(low - u), np.abs(high - u))))
    G, G1, g_max = _gradient_sizes(problem, low, high, noise)
    mu = given["mu"]
    not_given = "it was not given"
    return KnownConstants(
        dim=d,
        convex=problem.convex,
        G=G,
        G1=G1,
        g_max=g_max,
        D=Constant(reach, "the box" if reach is not None else "no minimum is known; give minimum="),
        L=Constant(given["L"], "given" if given["L"] is not None else f"{not_given} (L=); f may have a kink"),
        mu=Constant(mu, "given" if mu is not None else f"{not_given} (mu=)"),
        pl=Constant(given["pl"] or mu, "given" if given["pl"] else "mu" if mu is not None else f"{not_given} (pl=)"),
        w_star=u,
        gap=_gap(problem, low, high),
    )


def _gradient_sizes(problem: Problem, low: Floats, high: Floats, noise: Noise) -> tuple[Constant, Constant, Constant]:
    """G, G1 and g_max, noise included."""
    given, d, sigma = problem.given, problem.dim, noise.sigma
    G, origin = given["G"], "given"
    if G is None and given["L"] is not None and not problem.stochastic:
        u = 0.5 * (low + high) if problem.minimum is None else problem.minimum
        farthest = float(np.linalg.norm(np.maximum(np.abs(low - u), np.abs(high - u))))
        where = "the centre of the box" if problem.minimum is None else "the minimum"
        where += " found" if problem.origin == "found" else ""
        G, origin = (
            float(np.linalg.norm(problem.gradient(u))) + given["L"] * farthest,
            f"|f'(u)| + L max |w - u|, u {where}",
        )
    if G is None:
        reason = "it was not given (G=)" + (", and covers the sampled gradient" if problem.stochastic else ", nor L")
        G_, most = Constant(None, reason), None
    else:
        most = G
        G_ = Constant(math.sqrt(G * G + d * sigma * sigma), origin + (" and the noise" if sigma else ""))
    if given["G1"] is not None:
        G1 = Constant(given["G1"] + d * sigma, "given" + (" and the noise" if sigma else ""))
    else:
        G1 = Constant(
            None if G_.value is None else math.sqrt(d) * G_.value, "sqrt(d) G" if most is not None else G_.origin
        )
    largest = given["g_max"] if given["g_max"] is not None else most
    if math.isinf(noise.largest):
        g_max = Constant(None, "normal noise has no largest value")
    elif largest is None or (given["g_max"] is None and problem.stochastic):
        g_max = Constant(None, "it was not given (g_max=)")
    else:
        g_max = Constant(largest + noise.largest, "given" if given["g_max"] is not None else "G")
    return G_, G1, g_max


def _gap(problem: Problem, low: Floats, high: Floats) -> Constant:
    """How far values may be counted from above the infimum."""
    u = problem.minimum
    if u is None:
        if problem.f_star is not None:
            return Constant(0.0, "the infimum is given")
        return Constant(None, "neither minimum nor infimum of f is known; give minimum= or infimum=")
    if problem.origin == "given":
        return Constant(0.0, "the minimum is given")
    slope, mu = problem.gradient(u), problem.given["mu"]
    by_box = float(np.maximum(slope * (u - low), slope * (u - high)).sum())
    if mu is not None:
        return Constant(float(slope @ slope) / (2.0 * mu), "|f'(u)|^2/(2 mu)")
    return Constant(by_box, "largest <f'(u), u - v> over the box")


def _refute(problem: Problem, low: Floats, high: Floats) -> None:
    """InputError where points of the box refute a number that was given."""
    given, points = problem.given, box_points(low, high, problem.minimum)
    f, g = problem.value(points), problem.gradient(points)
    if not (np.isfinite(f).all() and np.isfinite(g).all()):
        bad = int(np.argmin(np.isfinite(f) & np.isfinite(g).all(axis=1)))
        raise InputError(
            f"value or gradient is not finite at w = {shown(points[bad])}, a point of the box; take a smaller box"
        )
    if given["G"] is not None:
        require_bound("G", given["G"], np.linalg.norm(g, axis=1), points, "|f'|")
    if given["G1"] is not None:
        require_bound("G1", given["G1"], np.abs(g).sum(axis=1), points, "the sum of |f'_i|")
    if given["g_max"] is not None:
        require_bound("g_max", given["g_max"], np.abs(g).max(axis=1), points, "the largest |f'_i|")
    require_shape(f, g, points, convex=problem.convex, mu=given["mu"], L=given["L"])
    lowest = problem.f_star
    if lowest is None:
        return
    slack = 1e-9 * (1.0 + abs(lowest) + np.abs(f).max())
    if f.min() < lowest - slack and problem.origin == "given":
        j = int(np.argmin(f))
        raise InputError(
            f"the minimum or infimum that was given is none: it has the value {lowest:.6g}, and w = {shown(points[j])} "
            f"has {f[j]:.6g}"
        )
    if given["pl"] is not None:
        short = (g * g).sum(axis=1) - 2.0 * given["pl"] * (f - lowest) + slack
        if short.min() < 0.0:
            j = int(np.argmin(short))
            raise InputError(
                f"pl = {given['pl']:g} does not hold at w = {shown(points[j])}: |f'|^2 is below 2 pl (f - inf f)"
            )
