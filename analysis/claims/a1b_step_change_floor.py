r"""A1 in S1: what learned step sizes add to the floor of stochastic rounding.

Statement and proof: `alpt_ref.theory.bounds.step_size_change_floor`.

Measured exactly: the law over the codes under a step size that alternates or shrinks. The control holds it to S1 alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory import Grid, bounds
from alpt_ref.theory.bounds import step_size_change_floor
from alpt_ref.theory.problems import Separable, absolute, quadratic
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product

STEP_SIZE, BITS, TARGET = 1.0 / 16.0, 8, 100
LOSS_MINIMUM = TARGET * STEP_SIZE * 0.97


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    return product(
        problem=["kink", "bowl"],
        path=["alternating", "shrinking"],
        change=[1e-5, 1e-4, 1e-3, 1e-2] if full else [1e-4, 1e-2],
        reach=[0.01, 0.1, 1.0] if full else [0.01, 0.3],
        longest=[20_000 if full else 3_000],
    )


def problem(cell: Cell) -> Separable:
    return absolute(1.0, LOSS_MINIMUM) if cell["problem"] == "kink" else quadratic(0.3, LOSS_MINIMUM)


def step_sizes(cell: Cell) -> NDArray[np.float64]:
    """``Delta_1 .. Delta_{T+1}``: to and fro by `change`, or ever closer to 95 % of the first."""
    t = np.arange(cell["longest"] + 1)
    if cell["path"] == "alternating":
        return np.asarray(STEP_SIZE * (1.0 + cell["change"] * (t % 2)))
    return np.asarray(STEP_SIZE * (0.98 + 0.02 * (1.0 - cell["change"]) ** t))


def horizons(cell: Cell) -> list[int]:
    return [10, 100, 1_000, int(cell["longest"])]


def constants(cell: Cell) -> Constants:
    steps, one = step_sizes(cell), problem(cell)
    known = one.constants(Grid(float(steps.max()), BITS))
    eta = cell["reach"] * STEP_SIZE / known.g_max
    D1 = abs(TARGET * float(steps[0]) - LOSS_MINIMUM)
    return {"eta": eta, "step_size": float(steps.max()), "D1": D1, "G": known.G, "dim": 1, "reach": known.D}


def bound(cell: Cell, constants: Constants) -> list[float]:
    steps = step_sizes(cell)
    largest = np.full(len(steps) - 1, 2.0 ** (BITS - 1))
    changes = np.diff(steps)
    alone = without_change(cell, constants)
    return [
        value + bounds.step_size_change_floor(eta=constants["eta"], step_sizes=steps[1 : T + 1], changes=changes[:T],
                                         codes_1=largest[:T])
        for T, value in zip(horizons(cell), alone, strict=True)
    ]  # fmt: skip


def without_change(cell: Cell, constants: Constants) -> list[float]:
    known = {key: constants[key] for key in ("eta", "step_size", "D1", "G", "dim")}
    return [bounds.sr_convex_constant(T=T, **known) for T in horizons(cell)]


def values_along(cell: Cell, eta: float) -> NDArray[np.float64]:
    """``E f(w_t) - f*`` for t = 1..T, from the law over the codes."""
    one, steps, codes = problem(cell), step_sizes(cell), Grid(STEP_SIZE, BITS).codes.astype(np.float64)
    law = np.zeros(len(codes))
    law[TARGET - int(codes[0])] = 1.0
    values = np.empty(cell["longest"])
    for t in range(cell["longest"]):
        w = codes * steps[t]
        values[t] = law @ one.value(w[:, None])
        x = np.clip((w - eta * one.gradient(w[:, None])[:, 0]) / steps[t + 1], codes[0], codes[-1])
        below = np.minimum(np.floor(x), codes[-1] - 1)
        place = (below - codes[0]).astype(np.int64)
        up, law, before = law * (x - below), np.zeros(len(codes)), law
        np.add.at(law, place, before - up)
        np.add.at(law, place + 1, up)
    return values


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    averages = np.cumsum(values_along(cell, constants(cell)["eta"])) / np.arange(1, cell["longest"] + 1)
    T = horizons(cell)
    return exact([float(averages[t - 1]) for t in T], labels=[f"T = {t}" for t in T])


def _inside(cell: Cell, constants: Constants) -> bool:
    smallest: Any = step_sizes(cell).min()
    return Grid(float(smallest), BITS).high >= LOSS_MINIMUM


THEOREM = theorem(step_size_change_floor)
CLAIM = Claim(
    id="a1b",
    title="Learned step sizes add a floor to stochastic rounding's",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    assumptions=(Assumption("w* lies in the box of every step size", _inside),),
    control=Control(
        "s1-alone",
        "the bound without the term for the changes",
        bound=without_change,
        where=lambda cell: cell["change"] == 0.01 and cell["path"] == "alternating" and cell["reach"] == 0.01,
    ),
)
