r"""E5: the constants of a problem are those of its box: G, G1, D, L and mu hold at every point, and no better ones do.

What the bounds need is computed from the problem and the box. Here every grid point of the box is visited in two
dimensions, and every outcome of the noise: the worst that is met, over the constant. It may never exceed 1; where the
worst lies in a corner of the box it is 1, so that a constant that is too large would be seen as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory import Grid, Noise, absolute, elastic, huber, quadratic, saturating
from alpt_ref.theory.linear import LinearModel, huber_regression, l1_regression, least_squares, logistic_regression
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import ENGINE

GRID = Grid(0.125, 5)
SIGMA = 0.75
FEATURES = np.array([[0.5, 1.0], [1.5, 0.25], [1.0, 1.0]])
"""Of one sign, so that one corner of the box is the worst for every row."""
MIXED = np.array([[0.5, -1.0], [-1.5, 0.25], [1.0, 1.0]])
LABELS = np.array([0.0, 1.0, 0.0])
NO_NOISE = "G without the noise"
ONE_SIDED = "D to the upper end alone"
LEAST = "least curvature for L"
HALVED = "G and L halved"
SLACK = 1e-9
TIGHT = {
    "bowl": ("G", "G1", "g_max", "D", "L", "mu"),
    "kink": ("G", "G1", "g_max", "D"),
    "elastic": ("G", "G1", "g_max", "D", "mu"),
    "huber": ("G", "G1", "g_max", "D", "L"),
    "saturating": ("D",),
    "rows": ("G", "g_max", "D", "L", "mu"),
    "mixed rows": ("D", "L", "mu"),
    "absolute rows": ("D",),
    "huber rows": ("D",),
    "logistic rows": ("D",),
}
"""Constants that are attained."""
NAMES = ("G", "G1", "g_max", "D", "L", "mu", "f_star")
Floats = NDArray[np.float64]


def problem_of(name: str) -> Any:
    """The problem by name, minima between grid points and nearer to the upper end."""
    minimum = [0.31, 0.17]
    made: dict[str, Callable[[], Any]] = {
        "bowl": lambda: quadratic([1.0, 0.25], minimum),
        "kink": lambda: absolute([1.0, 0.5], minimum),
        "elastic": lambda: elastic([1.0, 0.25], [0.5, 1.0], minimum),
        "huber": lambda: huber([2.0, 1.0], [0.3, 0.6], minimum),
        "saturating": lambda: saturating([2.0, 1.0], minimum),
        "rows": lambda: least_squares(FEATURES, FEATURES @ np.array(minimum)),
        "mixed rows": lambda: least_squares(MIXED, MIXED @ np.array(minimum), l2=0.1),
        "absolute rows": lambda: l1_regression(MIXED, MIXED @ np.array(minimum)),
        "huber rows": lambda: huber_regression(MIXED, MIXED @ np.array(minimum), width=0.5, l2=0.05),
        "logistic rows": lambda: logistic_regression(MIXED, LABELS, l2=0.5),
    }
    return made[name]()


def row_gradients(problem: Any, w: Floats) -> Floats:
    """Every gradient that a step may meet before noise, (rows, points, d): one a row, or the exact one."""
    if not isinstance(problem, LinearModel):
        return np.asarray(problem.gradient(w)[None])
    z = w @ problem.features.T - problem.offsets
    slope = {
        "square": z,
        "absolute": np.where(z >= 0, 1.0, -1.0),
        "huber": np.clip(z, -problem.width, problem.width),
        "logistic": -1.0 / (1.0 + np.exp(z)),
    }[problem.loss]
    return np.asarray(slope.T[:, :, None] * problem.features[:, None, :] + problem.l2 * w)


def worst(problem: Any, noise: Noise) -> dict[str, float]:
    """The worst that is met on the grid: E|g|^2, E|g|_1, largest entry, distance, secants of the gradient, least f."""
    axis = GRID.values
    w = np.stack([part.ravel() for part in np.meshgrid(axis, axis)], axis=1)
    rows = row_gradients(problem, w)
    signs = (-noise.sigma, noise.sigma) if noise.sigma else (0.0,)
    # every outcome of the noise of two coordinates: (outcomes, rows, points, d)
    g = np.stack([rows + np.array([a, b]) for a in signs for b in signs])
    slope = problem.gradient(w)
    pairs = np.arange(0, len(w) - 1)
    change, move = slope[pairs + 1] - slope[pairs], w[pairs + 1] - w[pairs]
    across = np.roll(slope, len(axis), axis=0) - slope, np.roll(w, len(axis), axis=0) - w
    change, move = np.concatenate([change, across[0]]), np.concatenate([move, across[1]])
    top = np.linalg.eigh(problem.features.T @ problem.features)[1][:, -1] if isinstance(problem, LinearModel) else None
    if top is not None:  # along the eigenvectors too, in which a quadratic attains L and mu
        for v in (top, np.array([-top[1], top[0]])):
            step = 0.01 * v
            change = np.concatenate([change, problem.gradient(w + step) - slope])
            move = np.concatenate([move, np.broadcast_to(step, w.shape)])
    far = (move**2).sum(axis=1)
    return {
        "G": math.sqrt(float((g**2).sum(axis=3).mean(axis=(0, 1)).max())),
        "G1": float(np.abs(g).sum(axis=3).mean(axis=(0, 1)).max()),
        "g_max": float(np.abs(g).max()),
        "D": float(problem.distance(w).max()),
        "L": float(np.sqrt((change**2).sum(axis=1) / far).max()),
        "mu": float(((change * move).sum(axis=1) / far).min()),
        "f_star": float(problem.value(w).min()),
    }


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """Worst over constant; for mu constant over least, for f* by how much it lies above the least value, plus 1."""
    problem = problem_of(cell["problem"])
    noise = Noise("two-point", cell["sigma"]) if cell["sigma"] else Noise()
    found = problem.constants(GRID, noise)
    known = {name: float(getattr(found, name)) for name in NAMES}
    met = worst(problem, noise)
    if broken == NO_NOISE:
        known["G"] = float(problem.constants(GRID, Noise()).G)
    elif broken == ONE_SIDED:
        known["D"] = float(np.linalg.norm(GRID.high - found.w_star))
    elif broken == LEAST:
        known["L"] = float(problem.curvature.min())
    elif broken == HALVED:
        known["G"], known["L"] = known["G"] / 2, known["L"] / 2
    parts = {name: met[name] / known[name] for name in ("G", "G1", "g_max", "D", "L")}
    parts["mu"] = known["mu"] / met["mu"] if met["mu"] > SLACK else float(known["mu"] > SLACK) * 2
    parts["f_star"] = 1.0 + max(known["f_star"] - met["f_star"], 0.0)
    return exact(list(parts.values()), rtol=SLACK, labels=list(parts))


def bound(cell: Cell, constants: Constants) -> tuple[Floats, Floats]:
    """At most 1; exactly 1 where the constant is attained (with noise of rows no E|g|_1 is)."""
    attained = np.array([name in TIGHT[cell["problem"]] for name in NAMES])
    return np.where(attained, 1.0, -np.inf), np.ones(len(NAMES))


def grid(budget: str) -> list[Cell]:
    """Every problem, with and without noise."""
    return product(problem=list(TIGHT), sigma=[0.0, SIGMA] if budget == "quick" else [0.0, 0.1, SIGMA, 4.0])


CLAIM = Claim(
    id="e5",
    left_out=ENGINE,
    title="constants of the problems on their box",
    statement=r"$\sup_B (E\,\|g\|^2)^{1/2} = G$, $\sup_B \|w - w^*\| = D$, $\sup_B L(w) = L$, $\inf_B \mu(w) = \mu$"
    "\n(at most, where a corner of the box does not attain them)",
    plain="On every grid point of the box (E|g|^2)^(1/2) is at most G, E|g|_1 at most G1, |g_i| at most g_max, "
    "|w - w*| at most D, secants of f' between mu and L, f at least f*; equal to them where a corner attains them.",
    kind="identity",
    grid=grid,
    bound=bound,
    measure=measure,
    control=(
        Control(NO_NOISE, "G forgets the noise", where=lambda c: c["sigma"] > 0.0 and "rows" not in c["problem"]),
        Control(ONE_SIDED, "D to the upper end of the box alone"),
        Control(LEAST, "L is the least curvature", where=lambda c: c["problem"] in ("bowl", "huber")),
        Control(HALVED, "G and L halved", where=lambda c: c["problem"] not in ("absolute rows", "logistic rows")),
    ),
)
