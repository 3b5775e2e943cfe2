"""The cells of the claims about the Monte Carlo driver: problem, rounding, noise, and what is special about the run."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from alpt_ref.theory import Grid, Noise, Schedule, Separable, absolute, elastic, huber, quadratic, saturating
from alpt_ref.theory.linear import LinearModel
from alpt_ref.verification import Cell, product

from ._engine_twin import GROUP

STEP_SIZE = 0.125
ROUNDINGS = ("sr", "dr", "full")
NOISES = {
    "none": Noise(),
    "two-point": Noise("two-point", 0.5),
    "uniform": Noise("uniform", 0.6),
    "normal": Noise("normal", 0.8),
}
SEPARABLE = ("bowl", "kink", "elastic", "huber", "saturating")
LINEAR = ("square", "absolute", "huber rows", "logistic")
KINKED = ("kink", "absolute")
"""With minima, or rows, on the grid: the right slope at the kink counts."""
PLAIN, SIZES, GROUPS, ENDS = "plain", "a step size each", "several groups", "at the ends"
LONG = 70
"""Iterates of a run: two-point noise takes a third word, averages are moved into float64 twice."""


class Case(NamedTuple):
    """What the driver and its twin are called with."""

    problem: Separable | LinearModel
    grid: Grid
    schedule: Schedule
    options: dict[str, Any]


def _separable(name: str) -> Separable:
    made = {
        "bowl": quadratic([1.0, 2.5, 0.3], [0.31, -0.2, 0.05]),
        "kink": absolute([1.0, 1.5, 0.5], [0.0, STEP_SIZE, -2 * STEP_SIZE]),
        "elastic": elastic([0.5, 0.0, 1.0], [1.0, 0.7, 0.2], [0.0, 0.125, -0.3]),
        "huber": huber([1.0, 2.0, 0.5], [0.3, 0.1, 0.2], [0.2, -0.1, 0.0]),
        "saturating": saturating([1.0, 3.0, 0.5], [0.2, -0.1, 0.0]),
    }
    return made[name]


def _linear(name: str) -> LinearModel:
    """Twelve rows of three small dyadic numbers, so that residuals of zero occur on the grid."""
    generator = np.random.Generator(np.random.Philox(key=12))
    features = generator.integers(-2, 3, (12, 3)) / 2.0
    offsets = np.zeros(12) if name == "logistic" else generator.integers(-4, 5, 12) * STEP_SIZE / 2
    loss: Any = name.split()[0]
    l2 = 0.0 if name == "absolute" else 0.05
    # the driver reads neither minimum nor certificate
    return LinearModel(loss, features, offsets, np.array([0.1, -0.2, 0.3]), 0.0, 0.0, width=0.2, l2=l2)


def case_of(cell: Cell, seed: int) -> Case:
    """The run of a cell: three coordinates, five runs (in `GROUPS` more than a group holds), 70 iterates (there 6)."""
    layout, problem = cell["run"], cell["problem"]
    options: dict[str, Any] = {
        "steps": 6 if layout == GROUPS else LONG,
        "runs": GROUP + 400 if layout == GROUPS else 5,
        "start": [0, 1, -2] if problem in KINKED else [5, -6, 2],
        "rounding": cell["rounding"],
        "noise": NOISES[cell["noise"]],
        "seed": 2**40 + 3 + seed % 2**32,
        "batch": cell.get("batch", 1),
    }
    if layout == SIZES:
        options["step_sizes"] = [STEP_SIZE, STEP_SIZE / 2, 2 * STEP_SIZE]
    made: Separable | LinearModel = _linear(problem) if problem in LINEAR else _separable(problem)
    if layout == ENDS:  # minima outside the box, so that updates leave it again and again; one update is enormous
        options["start"] = [7, -8, 0]
        made = elastic([0.5, 0.5, 0.0], [1.0, 1.0, 1e8], [3.0, -3.0, 3.0])
    schedule = Schedule("inverse", 0.9) if layout == SIZES else Schedule("inverse-sqrt", 0.3)
    if problem in KINKED:  # dyadic updates: ties
        schedule = Schedule("constant", 0.0625)
    return Case(made, Grid(STEP_SIZE, 4), schedule, options)


def cells(budget: str) -> list[Cell]:
    """Every problem with every rounding, noises in turn (full budget: all of them); and the special runs."""
    noises = list(NOISES)
    if budget == "full":
        plain = product(problem=SEPARABLE + LINEAR, rounding=ROUNDINGS, noise=noises, run=[PLAIN])
        plain += product(problem=LINEAR, rounding=ROUNDINGS, noise=["none"], run=[PLAIN], batch=[0, 3])
    else:
        plain = [
            {"problem": problem, "rounding": rounding, "noise": noises[(i + j) % 4], "run": PLAIN}
            for i, problem in enumerate(SEPARABLE + LINEAR)
            for j, rounding in enumerate(ROUNDINGS)
        ]
        plain += product(problem=["square", "logistic"], rounding=["sr"], noise=["none"], run=[PLAIN], batch=[0, 3])
    plain += [
        cell for cell in product(problem=KINKED, rounding=ROUNDINGS, noise=["none"], run=[PLAIN]) if cell not in plain
    ]
    special = product(problem=["elastic", "square"], rounding=ROUNDINGS, noise=["normal"], run=[SIZES])
    special += product(problem=["bowl", "square"], rounding=ROUNDINGS, noise=["two-point"], run=[GROUPS])
    return plain + special + product(problem=["elastic"], rounding=ROUNDINGS, noise=["none", "uniform"], run=[ENDS])
