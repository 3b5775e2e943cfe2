r"""X2: without gradient noise the stationary law of SR on a quadratic is ``SR(w*)``, whatever the learning rate.

Statement and proof: `alpt_ref.theory.quadratic_laws.quadratic_stationary`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.theory import Chain, Grid, Noise, Schedule, quadratic, simulate
from alpt_ref.theory.quadratic_laws import quadratic_stationary
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product, sampled
from alpt_ref.verification.user_quantizer import UserQuantizer

from ._quantizer_laws import stationary_law

BITS = 5
DIGITS = 1e-10
WITHIN = 0.02
"""Absolute: probabilities and second moments (steps squared) of simulated runs."""
LABELS = ("second moment", "code above", "code below")
"""The second moment of simulated runs is that within the pair of codes, whose weights are the other two."""


def grid(budget: str) -> list[Cell]:
    """Positions of the minimum between grid points, learning rates, step sizes, exactly; and by simulation."""
    quick = budget == "quick"
    theta = [0.1, 0.5, 0.7] if quick else [0.01, 0.1, 0.25, 0.5, 0.7, 0.99]
    rate = [0.01, 0.3, 1.0] if quick else [1e-4, 1e-3, 0.01, 0.1, 0.3, 0.7, 1.0]
    counted = product(engine=["exact"], theta=theta, rate=rate, step_size=[0.1] if quick else [1e-4, 0.1, 8.0])
    runs = 20_000 if quick else 200_000
    return counted + product(engine=["runs"], theta=[0.3], rate=[0.3], step_size=[0.1], runs=[runs])


def _setting(cell: Cell) -> tuple[Any, Grid]:
    """Curvature 2 and a minimum theta above code 3."""
    return quadratic(2.0, (3.0 + cell["theta"]) * cell["step_size"]), Grid(cell["step_size"], BITS)


def bound(cell: Cell, constants: Constants) -> Any:
    """``theta(1 - theta)`` steps squared, and the law ``theta``, ``1 - theta``, as the package computes them."""
    problem, box = _setting(cell)
    law, second = quadratic_stationary(float(problem.minimum[0]), box)
    above = 4 - box.low_code
    return np.array([second / box.step_size**2, law[above], law[above - 1]])


def broken_bound(change: str) -> Callable[[Cell, Constants], Any]:
    """The bound with another second moment: half of it, or without one of its factors."""

    def formula(cell: Cell, constants: Constants) -> Any:
        theta = cell["theta"]
        moment = {"half": theta * (1 - theta) / 2, "theta": 1 - theta, "1 - theta": theta}[change]
        return np.array([moment, *bound(cell, constants)[1:]])

    return formula


def margin(cell: Cell, constants: Constants) -> float:
    """None where the law is exact."""
    return 0.0 if cell["engine"] == "exact" else WITHIN


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """Second moment in steps squared, and the weights of the two codes around the minimum."""
    problem, box = _setting(cell)
    eta = cell["rate"] / 2.0
    noise = Noise("two-point", 2.0 * box.step_size) if broken == "gradient noise" else Noise()
    dr = broken == "nearest rounding"
    start = box.low_code
    if cell["engine"] == "exact":
        bits = 8 if broken == "8-bit words" else None
        law = Chain(problem, box, noise, "dr" if dr else "sr", bits).stationary(eta, start)
        error = box.codes - float(problem.minimum[0]) / box.step_size
        above = 4 - box.low_code
        return exact([law @ error**2, law[above], law[above - 1]], rtol=DIGITS, atol=1e-14, labels=LABELS)
    steps = 20 + int(60 / cell["rate"])  # longer than it takes to forget the start
    runs = simulate(problem, box, Schedule("constant", eta), steps=steps, runs=cell["runs"], start=start, noise=noise,
                    rounding="dr" if dr else "sr", seed=seed)  # fmt: skip
    code = np.rint(runs.final[:, 0] / box.step_size)
    square = (code - float(problem.minimum[0]) / box.step_size) ** 2
    within = np.where((code == 3) | (code == 4), square, 0.0)
    return sampled(np.stack([within, code == 4, code == 3], axis=1), low=0.0, high=1.0, labels=LABELS)


def figure(axes: Any, result: Any) -> None:
    """Second moment against theta for every learning rate, on one parabola."""
    p = np.linspace(0, 1, 101)
    axes.plot(p, p * (1 - p), "k-", label=r"$\theta(1-\theta)$")
    marks = "osv^D<>p"
    cells = [cell for cell in result.cells if cell.cell["engine"] == "exact"]
    for mark, rate in zip(marks, sorted({cell.cell["rate"] for cell in cells}), strict=False):
        chosen = [cell for cell in cells if cell.cell["rate"] == rate]
        values = [cell.points[0].value for cell in chosen]
        theta = [cell.cell["theta"] for cell in chosen]
        axes.plot(theta, values, mark, fillstyle="none", label=rf"$\eta\lambda$ = {rate:g}")
    axes.set(xlabel=r"$\theta = frac(w^*/\Delta)$", ylabel=r"stationary $E(w-w^*)^2$ ($\Delta^2$)")
    axes.legend(fontsize=8)


def coarse(cell: Cell) -> bool:
    """Where 8 bits do not happen to give the probabilities exactly."""
    return bool(cell["engine"] == "exact" and cell["rate"] == 0.3 and cell["theta"] not in (0.25, 0.5))


def of_quantizer(quantizer: UserQuantizer) -> Claim:
    """The claim about the user's rounding in place of the package's."""
    return stationary_law(CLAIM, quantizer)


THEOREM = theorem(quadratic_stationary)
CLAIM = Claim(
    id="x2",
    title="stationary law of SR on a quadratic without noise",
    statement=THEOREM.statement,
    plain=THEOREM.plain + " To ten digits.",
    source=THEOREM.source,
    kind="identity",
    grid=grid,
    bound=bound,
    margin=margin,
    measure=measure,
    of_quantizer=of_quantizer,
    assumptions=(Assumption("0 < eta lambda <= 1", lambda cell, constants: 0.0 < cell["rate"] <= 1.0),),
    control=(
        Control("nearest rounding", "DR in place of SR"),
        Control("gradient noise", "noise of one step's slope"),
        Control("8-bit words", "random words of 8 bits", where=coarse),
        Control(
            "half", "half of the second moment", bound=broken_bound("half"), removes=("Delta^2 theta (1 - theta)",)
        ),
        *(
            Control(
                f"without {factor}", f"second moment without {factor}", bound=broken_bound(factor), removes=(factor,)
            )
            for factor in ("theta", "1 - theta")
        ),
    ),
    figure=figure,
)
