r"""X5b: the supermartingale of X5, exactly, on one weight; and the equality behind it.

Statement and proof: `alpt_ref.theory.supermartingale.increment`. The mean is a sum over the transitions of a Markov
chain; two-point noise plays the part of the data: ``l_t(w) = f(w) + noise_t w``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory import Grid, Noise, Separable, absolute, huber, quadratic
from alpt_ref.theory.identities import sr_variance
from alpt_ref.theory.supermartingale import Update, increment
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Control, Measurement, exact, product

from ._left_out import CHAIN

Floats = NDArray[np.float64]
GRID = Grid(0.5, 8)
START = 6
"""Code of w_1."""
HORIZONS = (1, 10, 100)
DIGITS = 1e-10


def cells(budget: str) -> list[Cell]:
    """`reach`: eta times a unit slope, in steps; `u`: the comparator, in steps."""
    full = budget == "full"
    return product(
        problem=["kink", "bowl", "huber"],
        sigma=[0.0, 0.75],
        reach=[0.1, 0.5, 2.0] if full else [0.5, 2.0],
        u=[-3.2, 0.0, 4.0] if full else [-3.2, 0.0],
    )


def problem(cell: Cell) -> Separable:
    made = {"kink": absolute(1.0, 0.0), "bowl": quadratic(0.25, 0.3), "huber": huber(0.5, 2.0, 0.1)}
    return made[cell["problem"]]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``E X_T`` at every horizon, and the form that is 0 on average."""
    f, w, step_size = problem(cell), GRID.values, GRID.step_size
    u, eta = float(cell["u"]) * step_size, float(cell["reach"]) * step_size
    noise = Noise("two-point", cell["sigma"]) if cell["sigma"] else Noise()
    added, equal, matrix = np.zeros(len(w)), np.zeros(len(w)), np.zeros((len(w), len(w)))
    for outcome, chance in zip(*noise.outcomes(), strict=True):
        g = f.gradient(w[:, None])[:, 0] + outcome
        gain = f.value(w[:, None]) - float(f.value([u])) + outcome * (w - u)
        before, after, probability = transitions(g, eta, broken == "nearest rounding")

        update = Update(w[before, None], w[after, None], g[before, None], gain[before])
        known: dict[str, Any] = {"comparator": [u], "eta": eta, "step_size": step_size}
        sharp = update._replace(gain=(g * (w - u))[before])
        linear, rounding = eta * step_size * np.abs(g), step_size**2 * sr_variance(eta * g / step_size)
        more = {"without eta^2 |g|^2": eta**2 * g**2, "without eta Delta |g|": linear}.get(broken or "", 0.0)
        added += chance * (np.bincount(before, probability * increment(update, **known), len(w)) + more)
        equal += chance * (np.bincount(before, probability * increment(sharp, **known), len(w)) + linear - rounding)
        np.add.at(matrix, (before, after), chance * probability)
    law, sums, found, ends = np.eye(len(w))[START - GRID.low_code], np.zeros(2), [], 0.0
    for t in range(1, HORIZONS[-1] + 1):
        sums = sums + np.array([law @ added, law @ equal])
        law = law @ matrix
        ends = max(ends, float(law[:8].sum() + law[-8:].sum()))
        if t in HORIZONS:
            found.append(sums)
    values = np.array(found).T
    if broken == "without |w_1 - u|^2":
        values[0] += (START * step_size - u) ** 2
    labels = [f"{what}, T = {T}" for what in ("E X", "equality") for T in HORIZONS]
    return exact(values.ravel(), rtol=0.0, atol=DIGITS, labels=labels, observed={"ends": ends})


def transitions(g: Floats, eta: float, nearest: bool) -> tuple[Any, Any, Floats]:
    """Codes before and after one update with these gradients, as places in the grid, and their probabilities."""
    place = np.arange(len(g)) - eta * g / GRID.step_size
    below = np.floor(place + 0.5) if nearest else np.floor(place)
    p = np.zeros(len(g)) if nearest else place - below
    after = np.clip(np.concatenate([below, below + 1.0]), 0, len(g) - 1).astype(np.int64)
    return np.tile(np.arange(len(g)), 2), after, np.concatenate([1.0 - p, p])


THEOREM = theorem(increment)
CLAIM = Claim(
    id="x5b",
    left_out=CHAIN,
    title="the supermartingale of SR, exactly, on one weight",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="identity",
    grid=cells,
    bound=lambda cell, constants: (np.repeat([-np.inf, 0.0], len(HORIZONS)), np.zeros(2 * len(HORIZONS))),
    measure=measure,
    assumptions=(Assumption("nothing clips", lambda cell, constants, seen: seen["ends"] < 1e-12, along_run=True),),
    control=(
        Control("nearest rounding", "DR in place of SR", where=lambda c: c["reach"] == 0.5 and c["sigma"] == 0.0),
        Control(
            "without |w_1 - u|^2",
            "a price without it",
            removes=("|w_1 - u|^2",),
            where=lambda c: c["problem"] == "kink" and c["reach"] == 0.5,
        ),
        Control(
            "without eta^2 |g|^2",
            "a price without it",
            removes=("eta_t^2 |g_t|^2",),
            where=lambda c: c["problem"] == "kink" and c["reach"] == 2.0 and c["sigma"] == 0.0 and c["u"] == 0.0,
        ),
        Control(
            "without eta Delta |g|",
            "a price without it",
            removes=("eta_t Delta |g_t|_1",),
            where=lambda c: c["problem"] == "kink" and c["reach"] == 0.5 and c["sigma"] == 0.0 and c["u"] == 0.0,
        ),
    ),
)
