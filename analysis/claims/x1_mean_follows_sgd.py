r"""X1: on a quadratic stochastic rounding follows full-precision SGD in the mean, for every step size.

Statement and proof: `alpt_ref.theory.quadratic_laws.mean_error`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.theory import Chain, Grid, Noise, Schedule, quadratic, simulate
from alpt_ref.theory.quadratic_laws import mean_error
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product, sampled
from alpt_ref.verification.user_quantizer import UserQuantizer

from ._quantizer_laws import mean_law

TIMES = (2, 3, 5, 10, 20, 50, 100)
START = -14
DIGITS = 1e-10
WITHIN = 0.1
"""Steps that the mean of simulated runs may be off; half of what its first updates move."""


def grid(budget: str) -> list[Cell]:
    """Learning rates, their schedules, step sizes and noise, exactly; and by simulation."""
    quick = budget == "quick"
    counted = product(
        engine=["exact"],
        rate=[0.05, 0.3, 1.5, 2.0] if quick else [0.01, 0.05, 0.1, 0.3, 0.7, 1.0, 1.5, 1.9, 2.0],
        schedule=["constant", "inverse-sqrt"],
        step_size=[0.1] if quick else [1e-3, 0.1, 4.0],
        sigma=[0.0, 0.5],
        bits=[9],
    )
    simulated = product(engine=["runs"], rate=[0.05] if quick else [0.02, 0.05, 0.2], schedule=["constant"],
                        step_size=[0.1], sigma=[0.0, 0.5], bits=[6], runs=[32768 if quick else 65536])  # fmt: skip
    return counted + simulated


def _setting(cell: Cell) -> tuple[Any, Grid, Noise, Schedule]:
    """Curvature 2, a minimum between grid points; `rate` is ``eta lambda``, `sigma` in slopes of one step."""
    step_size = cell["step_size"]
    noise = Noise("two-point", 2.0 * step_size * cell["sigma"]) if cell["sigma"] else Noise()
    return (
        quadratic(2.0, 0.3 * step_size),
        Grid(step_size, cell["bits"]),
        noise,
        Schedule(cell["schedule"], cell["rate"] / 2.0),
    )


def constants(cell: Cell) -> Constants:
    """Curvature and the distance of ``w_1`` from the minimum."""
    return {"curvature": 2.0, "error": (START - 0.3) * cell["step_size"]}


def bound(cell: Cell, constants: Constants) -> Any:
    """The mean error of full-precision SGD."""
    rates = _setting(cell)[3].rates(TIMES[-1])
    return mean_error(error=constants["error"], rates=rates, curvature=constants["curvature"])[np.array(TIMES) - 1]


def broken_bound(left: str) -> Callable[[Cell, Constants], Any]:
    """The formula with something of it left out."""

    def formula(cell: Cell, constants: Constants) -> Any:
        times = np.array(TIMES)
        curvature = 1.0 if left == "lambda" else constants["curvature"]
        rates = _setting(cell)[3].rates(TIMES[-1] + 1)
        return constants["error"] * np.cumprod(1.0 - rates * curvature)[times - (1 if left == "t-1" else 2)]

    def half(cell: Cell, constants: Constants) -> Any:
        return bound(cell, constants) / 2

    return formula if left else half


def margin(cell: Cell, constants: Constants) -> float:
    """None where the expectation is exact."""
    return 0.0 if cell["engine"] == "exact" else WITHIN * float(cell["step_size"])


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``E w_t - w*``."""
    problem, box, noise, schedule = _setting(cell)
    dr = broken == "nearest rounding"
    labels = [f"t = {t}" for t in TIMES]
    if cell["engine"] == "exact":
        chain = Chain(problem, box, noise, "dr" if dr else "sr", 8 if broken == "8-bit words" else None)
        run = chain.evolve(START, schedule.rates(TIMES[-1]))
        observed = {"clipped": float(run.clipped.sum())}
        small = 1e-14 * abs(START) * cell["step_size"]
        return exact(run.error[np.array(TIMES) - 1], rtol=DIGITS, atol=small, labels=labels, observed=observed)
    last = []
    clipped = 0
    for t in TIMES:  # fresh runs for every t: the kernel keeps signed errors of the last iterate
        runs = simulate(problem, box, schedule, steps=t, runs=cell["runs"], start=START, noise=noise,
                        rounding="dr" if dr else "sr", check=True, seed=(seed + t) % (1 << 64))  # fmt: skip
        last.append(runs.final[:, 0].astype(np.float64) - problem.minimum[0])
        clipped += int(runs.exceeded.sum())
    low, high = box.low - problem.minimum[0], box.high - problem.minimum[0]
    ends = (float(np.float32(low) - 1e-6), float(np.float32(high) + 1e-6))
    return sampled(np.stack(last, axis=1), low=ends[0], high=ends[1], labels=labels,
                   observed={"clipped": float(clipped)})  # fmt: skip


def figure(axes: Any, result: Any) -> None:
    """Mean error against t in steps: SR on the curve of full precision, DR off it."""
    t = np.arange(1, TIMES[-1] + 1)
    for cell in [one for one in result.cells if one.cell["engine"] == "exact" and one.cell["sigma"] == 0.0][:2]:
        step_size = cell.cell["step_size"]
        line = mean_error(error=START - 0.3, rates=_setting(cell.cell)[3].rates(TIMES[-1]), curvature=2.0)
        axes.plot(t, -line, "k-", linewidth=0.8)
        name = rf"SR, $\eta_1\lambda$ = {cell.cell['rate']:g}, {cell.cell['schedule']}"
        axes.plot(TIMES, [-point.value / step_size for point in cell.points], "o", markersize=4, label=name)
    control = result.controls[0].cells[0]
    values = [-point.value / control.cell["step_size"] for point in control.points]
    axes.plot(TIMES, values, "x:", color="0.4", label=f"DR, $\\eta_1\\lambda$ = {control.cell['rate']:g}")
    axes.plot([], [], "k-", linewidth=0.8, label="full precision")
    axes.set(xscale="log", yscale="symlog", xlabel="iterate t", ylabel=r"$w^* - E\,w_t$ ($\Delta$)")
    axes.legend(fontsize=8)


def lasting(cell: Cell) -> bool:
    """Rates that do not end the mean error with the first update."""
    return bool(cell["engine"] == "exact" and cell["rate"] != 1.0)


def slow(cell: Cell) -> bool:
    """Rates at which the mean does not change its side."""
    return bool(cell["engine"] == "exact" and cell["rate"] < 1.0)


def of_quantizer(quantizer: UserQuantizer) -> Claim:
    """The claim about the user's rounding in place of the package's."""
    return mean_law(CLAIM, quantizer)


THEOREM = theorem(mean_error)
FORMULA = "(1 - eta lambda)^(t-1) (w_1 - w*)"
CLAIM = Claim(
    id="x1",
    title="SR follows full-precision SGD in the mean on a quadratic",
    statement=THEOREM.statement,
    plain=THEOREM.plain + " To ten digits.",
    source=THEOREM.source,
    kind="identity",
    grid=grid,
    constants=constants,
    bound=bound,
    margin=margin,
    measure=measure,
    of_quantizer=of_quantizer,
    assumptions=(Assumption("nothing clips", lambda cell, constants, seen: seen["clipped"] <= 1e-14, along_run=True),),
    control=(
        Control("nearest rounding", "DR in place of SR", where=lambda cell: cell["rate"] < 0.1),
        Control("8-bit words", "random words of 8 bits", where=slow),
        Control("half of the error", "half of the formula", bound=broken_bound(""), where=lasting, removes=(FORMULA,)),
        Control(
            "one update too many",
            "exponent t in place of t - 1",
            bound=broken_bound("t-1"),
            where=lasting,
            removes=("t-1",),
        ),
        Control("without lambda", "lambda = 1", bound=broken_bound("lambda"), where=slow, removes=("lambda",)),
    ),
    figure=figure,
)
