r"""U1: any rounding with known bias and second moment, convex f, constant learning rate.

Statement and proof: `alpt_ref.theory.bounds.unified_convex`.

Measured exactly (a dense chain for each coordinate, normal and uniform noise included). SR has the bound without bias;
DR the one with its largest bias over the codes ("exact") and with D5's, which knows the noise alone ("D5"). The
assumptions look at the moments of every rounded update as the chain has them, before clipping.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.theory import Grid, Noise, Separable, absolute, elastic, huber, quadratic
from alpt_ref.theory.bounds import unified_convex
from alpt_ref.theory.dither import dither_bias_bound
from alpt_ref.theory.rounded_update import largest_rounded_update
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product

from ._instances import Floats
from ._rounded_walk import RoundedWalk

STEP_SIZE = 1.0 / 16.0
HORIZONS = (1, 64, 4096, 262_144)
PROVED = 1.0 + 1e-9
ONE_STEP = 12.0**-0.5
"""Standard deviation of uniform noise one step wide, under which DR has the law of SR."""


def cells(budget: str) -> list[Cell]:
    """Kinks and smooth problems in d coordinates, from updates that DR undoes to some of several steps."""
    full = budget == "full"
    axes: dict[str, Any] = {"rounding": ["sr", "dr"], "d": [1, 4, 16]}
    quiet = product(problem=["kink", "bowl"], **axes, noise=["none"], spread=[0.0], reach=[0.05, 0.5, 8.0])
    noisy = product(
        problem=["kink", "bowl", "huber", "elastic"] if full else ["kink", "bowl"],
        **axes,
        noise=["normal", "uniform", "two-point"],
        spread=[0.2, 0.35, 0.5, 1.0, 2.0] if full else [0.5, 1.0],
        reach=[0.02, 0.05, 0.2, 1.0] if full else [0.05],
    )
    dithered = product(problem=["kink"], **axes, noise=["uniform"], spread=[ONE_STEP], reach=[0.05])
    return quiet + dithered + noisy


@functools.lru_cache(maxsize=4)
def _problem(name: str, d: int) -> Separable:
    """Slopes from 1 to 1/2 over the coordinates; kinks on the grid, smooth minima between grid points."""
    slope, off = np.linspace(1.0, 0.5, d), STEP_SIZE * (np.arange(d) % 5 - (d > 1) + 0.3)
    made = {
        "kink": lambda: absolute(slope, 0.0),
        "bowl": lambda: quadratic(slope, off),
        "huber": lambda: huber(slope, 8.0 * STEP_SIZE, off),
        "elastic": lambda: elastic(0.5 * slope, 0.5, 0.0),
    }
    return made[name]()


def setting(cell: Cell) -> tuple[Separable, Grid, Noise, float]:
    """Problem, grid, noise and rate: `reach` is the largest update without noise, `spread` its noise, in steps."""
    problem, grid = _problem(cell["problem"], int(cell["d"])), Grid(STEP_SIZE, 6)
    eta = cell["reach"] * STEP_SIZE / problem.constants(grid).g_max
    noise = Noise(cell["noise"], cell["spread"] * STEP_SIZE / eta) if cell["spread"] else Noise()
    return problem, grid, noise, eta


def start(grid: Grid, reach: float) -> int:
    """The lowest code; from the minimum where updates are whole steps of several codes."""
    return 0 if reach > 1.0 else grid.low_code


def constants(cell: Cell) -> Constants:
    problem, grid, noise, eta = setting(cell)
    moved = largest_rounded_update(problem, grid, noise, eta=eta, rounding=cell["rounding"])
    ends = np.array([[grid.low], [grid.high]])
    worst = problem.values(ends + np.zeros(problem.dim)).max(axis=0)
    return {
        "eta": eta,
        "D1": float(problem.distance(np.full(problem.dim, start(grid, cell["reach"]) * STEP_SIZE))),
        "D": np.abs(ends - problem.minimum).max(axis=0),
        "bias": moved.bias,
        "second_moment": moved.second_moment,
        "d5": STEP_SIZE * dither_bias_bound(noise, eta, STEP_SIZE),
        "G2": problem.constants(grid, noise).G ** 2,
        "convex": problem.convex,
        "largest": float(worst.sum()),
    }


def forms(cell: Cell) -> tuple[str, ...]:
    return ("unbiased",) if cell["rounding"] == "sr" else ("exact", "D5")


def bound_with(
    change: Callable[[Cell, dict[str, Any]], dict[str, Any]] | None = None, factor: float = 1.0
) -> Callable[[Cell, Constants], Floats]:
    """U1 for every form and horizon, some of what it is given changed; `factor` on the term of D1."""

    def bound(cell: Cell, constants: Constants) -> Floats:
        found = []
        for form in forms(cell):
            known = {key: constants[key] for key in ("eta", "D1", "D", "bias", "second_moment")}
            if form == "D5":
                known["bias"] = np.full(int(cell["d"]), constants["d5"])
            known = change(cell, known) if change else known
            known["D1"] *= np.sqrt(factor)
            found += [unified_convex(T=T, **known) for T in HORIZONS]
        return np.array(found)

    return bound


def scaled(**factors: float) -> Callable[[Cell, dict[str, Any]], dict[str, Any]]:
    return lambda cell, known: {key: value * factors.get(key, 1.0) for key, value in known.items()}


def without_variance(cell: Cell, constants: Constants) -> Floats:
    """SR held to ``E(eta g)^2`` alone."""
    square = constants["eta"] ** 2 * constants["G2"]
    plain = bound_with(lambda cell, known: {**known, "second_moment": min(square, known["second_moment"])})
    return plain(cell, constants)


def as_if_normal(cell: Cell, known: dict[str, Any]) -> dict[str, Any]:
    """The bias that normal noise of this spread would leave."""
    peak = dither_bias_bound(Noise("normal", cell["spread"]), 1.0, 1.0)
    return {**known, "bias": np.full(int(cell["d"]), STEP_SIZE * peak)}


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    problem, grid, noise, eta = setting(cell)
    total, bias, square = np.zeros(len(HORIZONS)), [], 0.0
    for j in range(problem.dim):
        walk = RoundedWalk(problem.coordinate(j), grid, noise, eta, cell["rounding"])
        total += walk.averages(start(grid, cell["reach"]), HORIZONS)
        mean, second = walk.moments()
        bias.append(float(np.abs(mean + eta * walk.slopes()).max()))
        square += float(second.max())
    values = np.tile(total, len(forms(cell)))
    labels = [f"T = {T}, {form}" for form in forms(cell) for T in HORIZONS]
    return exact(values, rtol=1e-10, labels=labels, observed={"bias": bias, "second_moment": square})


def biases_hold(cell: Cell, constants: Constants, seen: Constants) -> bool:
    largest = np.asarray(seen["bias"])
    slack = 1e-12 * STEP_SIZE * max(1.0, float(cell["reach"]))
    at_most_d5 = cell["rounding"] == "sr" or bool((largest <= constants["d5"] * PROVED + slack).all())
    return at_most_d5 and bool((largest <= np.asarray(constants["bias"]) * PROVED + slack).all())


def second_moment_holds(cell: Cell, constants: Constants, seen: Constants) -> bool:
    return bool(seen["second_moment"] <= constants["second_moment"] * PROVED)


def stalled(cell: Cell) -> bool:
    return cell["rounding"] == "dr" and cell["noise"] == "none" and cell["reach"] == 0.05 and cell["problem"] == "kink"


def quiet_kink(reach: float) -> Callable[[Cell], bool]:
    return lambda cell: (
        cell["rounding"] == "sr" and cell["noise"] == "none" and cell["problem"] == "kink" and cell["reach"] == reach
    )


def two_points(cell: Cell) -> bool:
    where = {"rounding": "dr", "noise": "two-point", "problem": "kink", "spread": 1.0, "reach": 0.05}
    return all(cell[key] == value for key, value in where.items())


def draw(axes: Any, result: Any) -> None:
    """Average gap of DR under normal noise with U1 and the trivial bound, against T."""
    chosen = [cell for cell in result.cells if cell.cell["problem"] == "kink" and cell.cell["d"] == 1 and cell.points]
    shown = [c for c in chosen if (c.cell["noise"], c.cell["reach"]) in (("normal", 0.05), ("none", 0.05))]
    for place, cell in enumerate(shown):
        name = f"{cell.cell['rounding'].upper()}, {cell.cell['noise']} noise, {cell.cell['spread']:g} steps"
        points = cell.points[: len(HORIZONS)]
        axes.plot(HORIZONS, [p.value for p in points], "o-", markersize=3, color=f"C{place}", label=name)
        axes.plot(HORIZONS, [p.high for p in points], "--", color=f"C{place}")
    axes.axhline(shown[0].constants["largest"], color="0.5", linewidth=1, label="largest gap in the box")
    axes.plot([], [], "k--", label="U1")
    axes.set(xscale="log", yscale="log", xlabel="iterate T", ylabel=r"$\frac{1}{T}\sum_t E f(w_t) - f^*$")
    axes.legend(fontsize=7)


THEOREM = theorem(unified_convex)
CLAIM = Claim(
    id="u1",
    title="Any rounding, convex, constant learning rate",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=cells,
    constants=constants,
    bound=bound_with(),
    measure=measure,
    trivial=lambda cell, constants: constants["largest"],
    assumptions=(
        Assumption("f is convex", lambda cell, constants: bool(constants["convex"])),
        Assumption("|E M_i + eta f'_i| <= beta_i at every code", biases_hold, along_run=True, proved=True),
        Assumption("E|M|^2 <= its supremum at every code", second_moment_holds, along_run=True, proved=True),
    ),
    control=(
        Control(
            "two-point as normal",
            "DR under two-point noise held to the bias that normal noise leaves",
            bound=bound_with(as_if_normal),
            where=two_points,
            removes=("beta_i",),
        ),
        Control(
            "no bias",
            "without the term of the bias",
            bound=bound_with(scaled(bias=0.0)),
            where=stalled,
            removes=("beta_i",),
        ),
        Control(
            "half the distance",
            "D_i/2 in place of D_i",
            bound=bound_with(scaled(D=0.5)),
            where=stalled,
            removes=("D_i",),
        ),
        Control(
            "no p(1-p)",
            "SR held to the second moment of full precision",
            bound=without_variance,
            where=quiet_kink(0.05),
            removes=("Delta^2 p(1-p)",),
        ),
        Control(
            "half of E|M|^2",
            "half of the second moment",
            bound=bound_with(scaled(second_moment=0.5)),
            where=lambda cell: quiet_kink(0.05)(cell) or quiet_kink(8.0)(cell),
            removes=("E|M|^2", "1/2 of E|M|^2"),
        ),
        Control(
            "no start",
            "without the term of D1",
            bound=bound_with(factor=0.0),
            where=quiet_kink(0.5),
            removes=("D1^2",),
        ),
        Control(
            "half of D1^2",
            "half of the term of D1",
            bound=bound_with(factor=0.5),
            where=quiet_kink(0.5),
            removes=("1/2 of D1^2",),
        ),
    ),
    figure=draw,
)
