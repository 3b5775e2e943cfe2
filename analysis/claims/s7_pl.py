r"""S7: stochastic rounding under the Polyak-Lojasiewicz inequality, convex or not.

Statement and proof: `alpt_ref.theory.bounds.pl.sr_pl_constant`.

Measured exactly (one Markov chain for each coordinate). The visited set is known too: the codes that the chains can
reach from the start in the cell's number of updates; suprema are taken over it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory import Chain, Grid, Noise, Separable, bounds, evolve_separable, huber, quadratic, saturating
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import CHAIN
from ._pictures import over_time

Floats = NDArray[np.float64]
STEP_SIZE = 0.125
GRID = Grid(STEP_SIZE, 9)
FORMS = ("sqrt(d) G", "sup E|g|_1")


class Setting(NamedTuple):
    """A separable problem, its noise, start code and learning rate."""

    problem: Separable
    noise: Noise
    start: int
    eta: float


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    d, T = [1, 4, 16], [10_000 if full else 1_000]
    return [
        *product(problem=["bowl"], sigma=[0.0], rate=[0.5, 0.1, 0.02] if full else [0.5, 0.02], d=d, T=T),
        *product(problem=["narrow bowls"], sigma=[0.0, 1.0], rate=[0.1], d=d, T=T),
        *product(problem=["huber", "hollow"], sigma=[0.0, 0.2], rate=[0.25, 0.05] if full else [0.05], d=d, T=T),
        *product(problem=["at the minimum"], sigma=[4.0], rate=[0.2, 0.02, 0.001] if full else [0.2, 0.001], d=d, T=T),
        *product(problem=["loud"], sigma=[8.0], rate=[0.2], d=d, T=[1]),
        *product(problem=["ill-conditioned"], sigma=[1.0], rate=[0.1, 0.01, 0.001] if full else [0.01], d=[2], T=[1]),
    ]


def setting(cell: Cell) -> Setting:
    """`rate` is the learning rate times the largest curvature."""
    name, d, sigma = cell["problem"], int(cell["d"]), float(cell["sigma"])
    off = STEP_SIZE * (0.3 + 0.4 * np.arange(d) / d)
    problem = {
        "bowl": lambda: quadratic(np.ones(d), off),
        "narrow bowls": lambda: quadratic(np.geomspace(1.0, 0.3, d), off),
        "huber": lambda: huber(1.0, 1.0, off),
        "hollow": lambda: saturating(2.0, off),
        "at the minimum": lambda: quadratic(np.ones(d), 0.0),
        "loud": lambda: quadratic(np.ones(d), 0.0),
        "ill-conditioned": lambda: quadratic([1.0, 100.0], 0.0),
    }[name]()
    start = {"bowl": 100, "narrow bowls": 40, "huber": 20, "hollow": 8}.get(name, 0)
    noise = Noise("two-point", sigma) if sigma else Noise()
    return Setting(problem, noise, start, float(cell["rate"] / problem.curvature.max()))


def horizons(cell: Cell) -> list[int]:
    return [t for t in (1, 10, 100, 1_000, 10_000) if t <= cell["T"]]


def reachable(chain: Chain, start: int, eta: float, updates: int) -> Floats:
    """Values that ``w_1 .. w_updates`` can take."""
    matrix = (chain.transition_matrix(eta) > 0.0).astype(np.float64)
    seen = chain.start_law(start) > 0.0
    for _ in range(updates - 1):
        wider = seen | (seen.astype(np.float64) @ matrix > 0.0)
        if (wider == seen).all():
            break
        seen = wider
    return np.asarray(chain.grid.values[seen])


def pl_constant(problem: Separable, farthest: float) -> float:
    """mu of one coordinate up to this distance from its minimum: ``|f'|^2 / (2 f)`` falls with the distance."""
    a, b = float(problem.curvature[0]), float(problem.shape[0])
    if problem.kind == "saturating":
        return a / (1.0 + farthest**2) ** 3
    if problem.kind == "huber" and farthest > b:
        return a * b / (2.0 * farthest - b)
    return a


def constants(cell: Cell) -> Constants:
    """Suprema over the visited set; mu and L from the problem."""
    made = setting(cell)
    squares, sizes, mu, slack = 0.0, 0.0, math.inf, math.inf
    for j in range(made.problem.dim):
        one = made.problem.coordinate(j)
        visited = reachable(Chain(one, GRID, made.noise), made.start, made.eta, int(cell["T"]))[:, None]
        slope = np.abs(one.gradient(visited))
        squares += float(slope.max()) ** 2 + made.noise.sigma**2
        sizes += float(made.noise.absolute_mean(slope).max())
        own = pl_constant(one, float(np.abs(visited - one.minimum).max()))
        mu = min(mu, own)
        slack = min(slack, float((slope**2 - 2.0 * own * one.values(visited)).min()))
    w_1 = np.full(made.problem.dim, made.start * STEP_SIZE)
    return {
        "mu": mu, "L": float(made.problem.curvature.max()), "eta": made.eta, "step_size": STEP_SIZE,
        "gap": float(made.problem.value(w_1)), "G": math.sqrt(squares), "G1": sizes, "dim": made.problem.dim,
        "slack": slack,
    }  # fmt: skip


def bound(cell: Cell, constants: Constants) -> list[float]:
    return changed()(cell, constants)


def changed(*, quarter: float = 1.0, **other: float) -> Callable[[Cell, Constants], list[float]]:
    """The bound with some constants times a factor, and the floor's ``L/(4 mu)`` times `quarter`."""

    def wrong(cell: Cell, constants: Constants) -> list[float]:
        known = {key: value for key, value in constants.items() if key != "slack"}
        for key, factor in other.items():
            known[key] *= factor
        dense = {**known, "G1": None}
        found = []
        for form in (dense, known):
            for t in horizons(cell):
                first = bounds.sr_pl_constant(t=t, **{**form, "G": 0.0, "G1": 0.0})
                found.append(first + quarter * (bounds.sr_pl_constant(t=t, **form) - first))
        return found

    return wrong


def without_floor_term(name: str) -> Callable[[Cell, Constants], list[float]]:
    """The bound without ``eta G^2``, or without the term in Delta."""

    def wrong(cell: Cell, constants: Constants) -> list[float]:
        sharp = {**constants, "G1": min(constants["G1"], math.sqrt(constants["dim"]) * constants["G"])}
        both = np.array(bound(cell, constants))
        only = np.array(changed(step_size=1e-300)(cell, sharp))
        first = np.array(changed(quarter=0.0)(cell, constants))
        return list(only if name == "Delta" else both - (only - first))

    return wrong


def without_ratio(cell: Cell, constants: Constants) -> list[float]:
    """The bound with 1 for L/mu."""
    return list(changed(quarter=constants["mu"] / constants["L"])(cell, constants))


def without_root(cell: Cell, constants: Constants) -> list[float]:
    """The dense form with 1 for sqrt(d)."""
    alone = {**constants, "G1": constants["G"]}
    half = len(horizons(cell))
    return bound(cell, alone)[half:] + bound(cell, constants)[half:]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``E f(w_{t+1}) - f*`` at every horizon, for both forms."""
    made = setting(cell)
    rates = np.full(int(cell["T"]) + 1, made.eta)
    run = evolve_separable(
        made.problem, GRID, made.start, rates, noise=made.noise, rounding="dr" if broken == "nearest rounding" else "sr"
    )
    values = np.tile(run.value[horizons(cell)], len(FORMS))
    labels = [f"t = {t}, {form}" for form in FORMS for t in horizons(cell)]
    every = np.unique(np.geomspace(1, int(cell["T"]), 30).astype(np.int64))
    known = {key: value for key, value in constants(cell).items() if key != "slack"}
    return exact(
        values, rtol=1e-10, labels=labels, observed={"clipped": float(run.clipped[:-1].sum())},
        extra={
            "T": every, "SR": run.value[every],
            "bound": np.array([bounds.sr_pl_constant(t=int(t), **known) for t in every]),
        },
    )  # fmt: skip


def trivial(cell: Cell, constants: Constants) -> float:
    """The largest value in the box."""
    problem = setting(cell).problem
    ends = np.stack([np.full(problem.dim, GRID.low), np.full(problem.dim, GRID.high)])
    return float(problem.values(ends).max(axis=0).sum())


def _named(*names: str) -> Any:
    return lambda cell: cell["problem"] in names


THEOREM = theorem(bounds.sr_pl_constant)
CLAIM = Claim(
    id="s7",
    left_out=CHAIN,
    title="SR, PL inequality, constant learning rate: linear to a floor",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    trivial=trivial,
    assumptions=(
        Assumption("eta <= 1/(2 mu)", lambda cell, constants: 2.0 * constants["eta"] * constants["mu"] <= 1.0),
        Assumption(
            "|f'|^2 >= 2 mu (f - f*) on the visited set",
            lambda cell, constants: constants["slack"] >= -1e-12,
            proved=True,
        ),
        Assumption("nothing clips", lambda cell, constants, seen: seen["clipped"] == 0.0, along_run=True),
    ),
    control=(
        Control("without L/mu", "1 for L/mu", bound=without_ratio, where=_named("ill-conditioned"), removes=("L",)),
        Control(
            "half the floor",
            "1/8 for 1/4",
            bound=changed(quarter=0.5),
            where=lambda c: c["problem"] == "at the minimum" and c["rate"] <= 0.001,
            removes=("1/4",),
        ),
        Control(
            "without the start",
            "without k (f(w_1) - f*)",
            bound=changed(gap=0.0),
            where=lambda c: c["problem"] == "bowl" and c["rate"] == 0.02,
            removes=("k (f(w_1) - f*)",),
        ),
        Control(
            "without eta G^2",
            "a floor of the rounding alone",
            bound=without_floor_term("eta"),
            where=_named("loud"),
            removes=("(1 - k) L/(4 mu) eta G^2",),
        ),
        Control(
            "without Delta",
            "the floor of full precision",
            bound=without_floor_term("Delta"),
            where=lambda c: c["problem"] == "at the minimum" and c["rate"] <= 0.001,
            removes=("(1 - k) L/(4 mu) sqrt(d) Delta G",),
        ),
        Control(
            "without sqrt(d)",
            "Delta G in the dense form",
            bound=without_root,
            where=lambda c: c["problem"] == "at the minimum" and c["rate"] <= 0.001 and c["d"] > 1,
            removes=("sqrt(d)",),
        ),
        Control("nearest rounding", "DR, which stalls", where=lambda c: c["problem"] == "bowl" and c["rate"] <= 0.02),
    ),
    figure=over_time(1, "SR", "bound"),
)
