"""X1 and X2 with a rounding of the user's in place of SR: the mean and the stationary law on a quadratic, by runs.

A bias of b steps an update moves the mean by ``b/(eta lambda)`` steps in the end: small learning rates magnify it.
Everything is in steps; the minimum lies 0.3 above code 0, so that the runs stay among the lowest codes of any lattice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from alpt_ref.theory import Grid, Noise, Schedule, quadratic, simulate
from alpt_ref.theory.quadratic_laws import mean_error, quadratic_stationary
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product, sampled
from alpt_ref.verification.user_quantizer import UserQuantizer

from ._quantizer_cells import on

THETA = 0.3
WITHIN_MEAN, WITHIN_LAW = 0.1, 0.03
"""Steps that the mean may be off; what probabilities and second moments (steps squared) may."""
RUNS = 16384
MEANS: list[Cell] = [
    {"rate": 1 / 1024, "T": 500, "sigma": 0.0, "runs": RUNS},
    {"rate": 1 / 1024, "T": 4_000, "sigma": 0.0, "runs": RUNS},
    {"rate": 0.05, "T": 10, "sigma": 0.5, "runs": RUNS},
    {"rate": 0.05, "T": 100, "sigma": 0.5, "runs": RUNS},
]
FINE: list[Cell] = [{"rate": 2.0**-14, "T": 50_000, "sigma": 0.0, "runs": RUNS}]
"""With the full budget: a bias of 2^-16 of a step is seen."""
LAWS: list[Cell] = [{"rate": 0.3, "T": 220, "runs": 20_000}, {"rate": 0.01, "T": 3_000, "runs": 20_000}]
LABELS = ("second moment", "code above", "code below")


def _box(cell: Cell) -> Grid:
    """The lattice, or its inner 4 bits."""
    return Grid(cell["step_size"], min(cell["bits"], 4))


def _errors(cell: Cell, seed: int, quantizer: UserQuantizer) -> Any:
    """``(w_T - w*)/Delta`` of every run, float64 (runs,)."""
    box = _box(cell)
    noise = Noise("two-point", cell["sigma"] * box.step_size) if cell.get("sigma") else Noise()
    problem = quadratic(1.0, THETA * box.step_size)
    runs = simulate(problem, box, Schedule("constant", cell["rate"]), steps=cell["T"], runs=cell["runs"],
                    start=box.low_code, noise=noise, rounding=quantizer, seed=seed)  # fmt: skip
    return runs.final[:, 0].astype(np.float64) / box.step_size - THETA


def mean_law(claim: Claim, quantizer: UserQuantizer) -> Claim:
    """X1: the mean follows full-precision SGD."""

    def bound_of(factor: float) -> Callable[[Cell, Constants], Any]:
        def bound(cell: Cell, constants: Constants) -> float:
            rates = np.full(cell["T"], cell["rate"])
            return factor * float(mean_error(error=constants["error"], rates=rates, curvature=1.0)[-1])

        return bound

    def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
        e, box = _errors(cell, seed, quantizer), _box(cell)
        low, high = box.low_code - THETA - 1e-3, box.high_code - THETA + 1e-3
        inside = low <= e.min() and e.max() <= high  # a function may leave the box: no ends of the range then
        return sampled(e, low=low if low <= e.min() else None, high=high if inside else None, labels=["E w - w*"])

    def grid(budget: str) -> list[Cell]:
        return on(quantizer, MEANS if budget == "quick" else MEANS + FINE)

    def early(cell: Cell) -> bool:
        return bool(cell["T"] in (10, 500))

    return replace(
        claim,
        title="The mean follows full-precision SGD on a quadratic",
        plain=f"E w_T - w* is that of full-precision SGD, within {WITHIN_MEAN:g} steps.",
        grid=grid,
        constants=lambda cell: {"error": _box(cell).low_code - THETA},
        bound=bound_of(1.0),
        margin=WITHIN_MEAN,
        measure=measure,
        assumptions=(),
        control=Control("half of the error", "half of the formula", bound=bound_of(0.5), where=early),
        figure=None,
        of_quantizer=None,
        left_out="",
    )


def stationary_law(claim: Claim, quantizer: UserQuantizer) -> Claim:
    """X2: the stationary law on a quadratic without noise."""

    def bound_of(change: str) -> Callable[[Cell, Constants], Any]:
        def bound(cell: Cell, constants: Constants) -> Any:
            box = _box(cell)
            law, second = quadratic_stationary(THETA * box.step_size, box)
            moment = second / box.step_size**2
            moment = {"": moment, "half": moment / 2, "theta": 1 - THETA, "1 - theta": THETA}[change]
            return np.array([moment, law[1 - box.low_code], law[-box.low_code]])

        return bound

    def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
        e = _errors(cell, seed, quantizer)
        code = np.rint(e + THETA)
        within = np.where((code == 0) | (code == 1), np.minimum(e**2, 1.0), 0.0)
        return sampled(np.stack([within, code == 1, code == 0], axis=1), low=0.0, high=1.0, labels=LABELS)

    changed = product(change=["half", "theta", "1 - theta"])
    return replace(
        claim,
        title="Stationary law on a quadratic without noise",
        plain=f"Without noise the long-run law is theta on the code above the minimum and 1 - theta on the one below, "
        f"whatever the learning rate, within {WITHIN_LAW:g}.",
        grid=lambda budget: on(quantizer, LAWS),
        bound=bound_of(""),
        margin=WITHIN_LAW,
        measure=measure,
        assumptions=(),
        control=tuple(
            Control(f"another moment: {one['change']}", "the second moment halved or without a factor",
                    bound=bound_of(one["change"]))
            for one in changed
        ),
        figure=None,
        of_quantizer=None,
        left_out="",
    )  # fmt: skip
