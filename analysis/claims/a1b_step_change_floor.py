r"""A1 in S1: what a changing step size adds to the floor of stochastic rounding.

Statement and proof: `alpt_ref.theory.bounds.step_size_change_floor`.

One step size for all coordinates, on a path that is fixed beforehand (to and fro, or shrinking). ALPT's own step sizes,
one a row and learned from the gradients that move the weights, are not covered by it.

Measured exactly: the law over the codes of every coordinate. The minima lie near the ends of the range, so that the
largest code, which the bound takes for ``|k_i|``, is near the codes that occur. Controls drop or halve the new term and
each of its factors.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory import Grid, bounds
from alpt_ref.theory.bounds import step_size_change_floor
from alpt_ref.theory.problems import Separable, absolute, quadratic
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import LEARNED

STEP_SIZE, BITS = 1.0 / 16.0, 8
STARTS = (100, -100, 96, -104)
"""Codes of ``w_1``; coordinate i has the one at ``i mod 4``."""
OFF = 0.97
"""Where the minimum lies, as a part of the start."""
LARGEST = 2.0 ** (BITS - 1)
WITHIN = {"change": 1e-3, "reach": 0.01}
"""Where the new term is nearly all of the bound, and the box wide enough for what it does."""


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    longest = [5_000 if full else 3_000]
    one = product(
        problem=["kink", "bowl"],
        path=["alternating", "shrinking"],
        change=[1e-4, 1e-3, 1e-2] if full else [1e-3, 1e-2],
        reach=[0.01, 0.3, 1.0] if full else [0.01, 0.3],
        longest=longest,
        d=[1],
    )
    many = product(problem=["kink", "bowl"], path=["alternating"], change=[WITHIN["change"]], reach=[WITHIN["reach"]],
                   longest=longest, d=[4, 16, 64])  # fmt: skip
    return one + many


def decisive(cell: Cell) -> bool:
    """Where the change of the step size is what moves the weights."""
    kink = cell["problem"] == "kink" and cell["path"] == "alternating"
    return kink and all(cell[key] == value for key, value in WITHIN.items())


def minima() -> NDArray[np.float64]:
    return np.array(STARTS) * STEP_SIZE * OFF


def problem(cell: Cell) -> Separable:
    """The objective of four neighbouring coordinates."""
    return absolute(np.ones(4), minima()) if cell["problem"] == "kink" else quadratic(np.full(4, 0.3), minima())


def multiplicity(cell: Cell) -> NDArray[np.float64]:
    """How many of the d coordinates start at each of `STARTS`."""
    return np.bincount(np.arange(cell["d"]) % 4, minlength=4).astype(np.float64)


def step_sizes(cell: Cell) -> NDArray[np.float64]:
    """``Delta_1 .. Delta_{T+1}``: to and fro by `change`, or ever closer to 98 % of the first."""
    t = np.arange(cell["longest"] + 1)
    if cell["path"] == "alternating":
        return np.asarray(STEP_SIZE * (1.0 + cell["change"] * (t % 2)))
    return np.asarray(STEP_SIZE * (0.98 + 0.02 * (1.0 - cell["change"]) ** t))


def horizons(cell: Cell) -> list[int]:
    return [10, 100, 1_000, int(cell["longest"])]


def slopes(cell: Cell, step_size: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Largest ``|f'|`` and ``f - f*`` of each of the four coordinates over the box of a step size."""
    ends = Grid(step_size, BITS)
    w = np.array([[ends.low] * 4, [ends.high] * 4])
    one = problem(cell)
    return np.abs(one.gradient(w)).max(axis=0), one.values(w).max(axis=0)


def constants(cell: Cell) -> Constants:
    steps, many = step_sizes(cell), multiplicity(cell)
    largest, highest = slopes(cell, float(steps.max()))
    apart = np.array(STARTS) * steps[0] - minima()
    return {
        "eta": cell["reach"] * STEP_SIZE / float(largest.max()),
        "step_size": float(steps.max()),
        "D1": math.sqrt(float(many @ apart**2)),
        "G": math.sqrt(float(many @ largest**2)),
        "dim": cell["d"],
        "gap": float(many @ highest),
    }


def change_floor(cell: Cell, constants: Constants, codes_1: float, part: float = 1.0) -> list[float]:
    """S1 and `part` of what the changes add, with `codes_1` for ``sum_i |k_i|``."""
    steps = step_sizes(cell)
    changes, codes = np.diff(steps), np.full(len(steps) - 1, codes_1)
    return [
        value + part * bounds.step_size_change_floor(eta=constants["eta"], step_sizes=steps[1 : T + 1],
                                                     changes=changes[:T], codes_1=codes[:T])
        for T, value in zip(horizons(cell), without_change(cell, constants), strict=True)
    ]  # fmt: skip


def bound(cell: Cell, constants: Constants) -> list[float]:
    return change_floor(cell, constants, cell["d"] * LARGEST)


def without_change(cell: Cell, constants: Constants) -> list[float]:
    known = {key: constants[key] for key in ("eta", "step_size", "D1", "G", "dim")}
    return [bounds.sr_convex_constant(T=T, **known) for T in horizons(cell)]


@functools.lru_cache(maxsize=32)
def values_along(name: str, path: str, change: float, longest: int, eta: float) -> NDArray[np.float64]:
    """``E f(w_t) - f*`` of each of the four coordinates for t = 1..T, from the laws over the codes: (4, T)."""
    cell = {"problem": name, "path": path, "change": change, "longest": longest}
    one, steps, codes = problem(cell), step_sizes(cell), Grid(STEP_SIZE, BITS).codes.astype(np.float64)
    count = len(codes)
    rows = (np.arange(4) * count)[:, None]
    law = np.zeros((4, count))
    law[np.arange(4), np.array(STARTS) - int(codes[0])] = 1.0
    values = np.empty((4, longest))
    for t in range(longest):
        w = np.repeat((codes * steps[t])[:, None], 4, axis=1)
        values[:, t] = (law * one.values(w).T).sum(axis=1)
        x = np.clip((w - eta * one.gradient(w)).T / steps[t + 1], codes[0], codes[-1])
        below = np.minimum(np.floor(x), codes[-1] - 1)
        place = ((below - codes[0]).astype(np.int64) + rows).ravel()
        up = (law * (x - below)).ravel()
        moved: NDArray[np.float64] = np.bincount(place, law.ravel() - up, 4 * count).astype(np.float64)
        moved += np.bincount(place + 1, up, 4 * count)
        law = moved.reshape(4, count)
    return values


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    arguments = cell["problem"], cell["path"], cell["change"], cell["longest"], constants(cell)["eta"]
    along = multiplicity(cell) @ values_along(*arguments)
    averages = np.cumsum(along) / np.arange(1, cell["longest"] + 1)
    T = horizons(cell)
    return exact([float(averages[t - 1]) for t in T], labels=[f"T = {t}" for t in T])


def _inside(cell: Cell, constants: Constants) -> bool:
    smallest = Grid(float(step_sizes(cell).min()), BITS)
    return bool(smallest.low <= minima().min() and minima().max() <= smallest.high)


TERM = "(1/(2 eta T)) sum_t Delta_{t+1} |delta_t| sum_i |k_{t,i}|"


def change_alone(cell: Cell, constants: Constants) -> list[float]:
    """The new term without S1."""
    both = zip(bound(cell, constants), without_change(cell, constants), strict=True)
    return [value - alone for value, alone in both]


def _replaced(name: str, description: str, codes_1: Any, part: float, *removes: str, least_d: int = 1) -> Control:
    return Control(
        name,
        description,
        bound=lambda cell, constants: change_floor(cell, constants, codes_1(cell), part),
        where=lambda cell: decisive(cell) and cell["d"] >= least_d,
        removes=removes,
    )


def all_codes(cell: Cell) -> float:
    return float(cell["d"] * LARGEST)


THEOREM = theorem(step_size_change_floor)
CLAIM = Claim(
    id="a1b",
    left_out=LEARNED,
    title="A step size that changes on a given path adds a floor to stochastic rounding's",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    assumptions=(Assumption("w* lies in the box of every step size", _inside),),
    trivial=lambda cell, constants: constants["gap"],
    control=(
        Control(
            "s1-alone",
            "the bound without the term for the changes",
            bound=without_change,
            where=decisive,
            removes=(TERM,),
        ),
        Control(
            "change-alone",
            "the new term without S1",
            bound=change_alone,
            where=lambda cell: cell["path"] == "shrinking" and cell["problem"] == "kink",
            removes=("S1",),
        ),
        _replaced("halved", "half of the term for the changes", all_codes, 0.5, TERM),
        _replaced(
            "max-for-sum", "max_i |k_i| in place of the sum over i", lambda cell: LARGEST, 1.0, "sum_i", least_d=4
        ),
        _replaced("without-codes", "d in place of sum_i |k_i|", lambda cell: float(cell["d"]), 1.0),
    ),
)
