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

from ._left_out import CHAIN
from ._rounded_walk import RoundedWalk
from ._terms import WHOLE, Broken, is_its_terms, needed

Bound = Callable[[Cell, Constants], list[float]]

STEP_SIZE = 1.0 / 16.0
HORIZONS = (1, 64, 4096, 262_144)
SAME = 1e-9
"""Relative difference of two ways to the same moment of an update."""
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
        "convex": problem.convex,
        "largest": float(worst.sum()),
    }


def forms(cell: Cell) -> tuple[str, ...]:
    return ("unbiased",) if cell["rounding"] == "sr" else ("exact", "D5")


def bound_with(change: Callable[[Cell, dict[str, Any]], dict[str, Any]] | None = None) -> Bound:
    """U1 for every form and horizon; a control changes what it is given."""

    def bound(cell: Cell, constants: Constants) -> list[float]:
        found = []
        for form in forms(cell):
            known = {key: constants[key] for key in ("eta", "D1", "D", "bias", "second_moment")}
            if form == "D5":
                known["bias"] = np.full(int(cell["d"]), constants["d5"])
            found += [unified_convex(T=T, **(change(cell, known) if change else known)) for T in HORIZONS]
        return found

    return bound


def of_terms(cell: Cell, constants: Constants, broken: Broken = WHOLE) -> list[float]:
    """The same, from the terms that the theorem lists; SR's second moment, too, where it is constant."""
    eta, D, second = constants["eta"], np.asarray(constants["D"]), constants["second_moment"]
    if cell["rounding"] == "sr" and cell["noise"] == "none" and cell["problem"] == "kink":
        moves = eta * _problem("kink", int(cell["d"])).shape
        p = moves / STEP_SIZE - np.floor(moves / STEP_SIZE)
        second = broken.term("E(eta g_i)^2", float((moves**2).sum()))
        second += broken.term("E Delta^2 p(1-p)", float((STEP_SIZE**2 * p * (1.0 - p)).sum()))

    def value(form: str, T: int) -> float:
        beta = np.full(len(D), constants["d5"]) if form == "D5" else np.asarray(constants["bias"])
        first = broken.term("D1^2/(2 eta T)", constants["D1"] ** 2 / (2.0 * eta * T))
        biased = broken.term("(1/eta) sum_i D_i beta_i", float((D * beta).sum()) / eta)
        return first + biased + broken.term("sup E|M|^2/(2 eta)", second / (2.0 * eta))

    return [value(form, T) for form in forms(cell) for T in HORIZONS]


def half_distance(cell: Cell, known: dict[str, Any]) -> dict[str, Any]:
    return {**known, "D": 0.5 * np.asarray(known["D"])}


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
    """The largest bias of the chain is the one that the bound is given, and at most D5's."""
    largest, slack = np.asarray(seen["bias"]), 1e-12 * STEP_SIZE * max(1.0, float(cell["reach"]))
    if cell["rounding"] == "dr" and (largest > constants["d5"] * (1.0 + SAME) + slack).any():
        return False
    return bool((np.abs(largest - constants["bias"]) <= SAME * largest + slack).all())


def second_moment_holds(cell: Cell, constants: Constants, seen: Constants) -> bool:
    return bool(abs(seen["second_moment"] - constants["second_moment"]) <= SAME * seen["second_moment"])


def stalled(cell: Cell) -> bool:
    alike = {"rounding": "dr", "noise": "none", "problem": "kink", "reach": 0.05}
    return all(cell[key] == value for key, value in alike.items())


def quiet_kink(*reaches: float) -> Callable[[Cell], bool]:
    alike = {"rounding": "sr", "noise": "none", "problem": "kink"}
    return lambda cell: cell["reach"] in reaches and all(cell[key] == value for key, value in alike.items())


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
    left_out=CHAIN,
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
        is_its_terms(of_terms, bound_with()),
        Assumption("beta_i is the largest |E M_i + eta f'_i| over the codes", biases_hold, along_run=True, proved=True),
        Assumption("sup E|M|^2 is the largest E|M|^2 over the codes", second_moment_holds, along_run=True, proved=True),
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
            "half the distance",
            "D_i/2 in place of D_i",
            bound=bound_with(half_distance),
            where=stalled,
            removes=("D_i",),
        ),
        *needed(
            of_terms,
            {
                "D1^2/(2 eta T)": quiet_kink(0.5),
                "(1/eta) sum_i D_i beta_i": stalled,
                "sup E|M|^2/(2 eta)": quiet_kink(0.05, 8.0),
                "E(eta g_i)^2": quiet_kink(8.0),
                "E Delta^2 p(1-p)": quiet_kink(0.05),
            },
        ),
    ),
    figure=draw,
)
