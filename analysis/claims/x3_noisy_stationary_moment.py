r"""X3: with gradient noise the stationary second moment of SR on a quadratic is ``Delta E|g|/(2 lambda)``.

Statement and proof: `alpt_ref.theory.quadratic_laws.noisy_quadratic_second_moment`.

The factor 2 compares with that sharp floor. S1's general floor has ``G >= E|g|`` and ``eta G^2/2`` more, and is nearly
reached by ``|w|`` (S1); so among quadratics the floor is tight up to 2, among convex functions up to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.theory import Chain, Grid, Noise, Schedule, quadratic, simulate
from alpt_ref.theory.quadratic_laws import noisy_quadratic_second_moment
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product, sampled

from ._left_out import CHAIN

CURVATURE, THETA = 2.0, 0.3
DIGITS = 1e-10
WITHIN = 0.05
LABELS = ("second moment / (step E|g|/(2 lambda))", "excess loss / (step E|g|/2)", "second moment, closed form")


def grid(budget: str) -> list[Cell]:
    """Noise in slopes of one step, largest update in steps, step sizes, exactly; and by simulation."""
    quick = budget == "quick"
    sigma = [0.4, 3.0, 20.0] if quick else [0.1, 0.4, 1.0, 3.0, 10.0, 20.0, 40.0]
    reach = [0.1, 1.0] if quick else [0.02, 0.1, 0.5, 1.0]
    counted = product(engine=["exact"], sigma=sigma, reach=reach, step_size=[0.1] if quick else [1e-4, 0.1, 8.0])
    return counted + product(
        engine=["runs"],
        sigma=[20.0],
        reach=[1.0],
        step_size=[0.1],
        noise=["two-point", "uniform"],
        runs=[60_000 if quick else 200_000],
    )


def _setting(cell: Cell) -> tuple[Any, Grid, Noise]:
    """A minimum between grid points in a box so wide that the law's mass at its ends is below 1e-14."""
    step_size = cell["step_size"]
    box = Grid(step_size, 8 if cell["engine"] == "exact" else 6)
    noise = Noise(cell.get("noise", "two-point"), CURVATURE * step_size * cell["sigma"])
    return quadratic(CURVATURE, THETA * step_size), box, noise


def constants(cell: Cell) -> Constants:
    """The learning rate that makes an update of the largest likely gradient `reach` steps: ten deviations out."""
    step_size, sigma = cell["step_size"], cell["sigma"]
    spread = np.sqrt(max(sigma, 1.0) / 2.0)  # of the stationary law, in steps
    noise = _setting(cell)[2]
    eta = cell["reach"] * step_size / (noise.largest + CURVATURE * step_size * 10.0 * spread)
    size = float(noise.absolute_mean(0.0))
    return {"eta": float(eta), "size": size, "curvature": CURVATURE, "step_size": step_size}


def bound(cell: Cell, constants: Constants) -> Any:
    """Ratios 1 and 1/2; the closed form ``step E|noise|/(2 lambda)`` where the noise exceeds every likely slope."""
    closed = _closed(constants)
    if cell["engine"] == "runs":
        return closed
    return np.array([1.0, 0.5, closed] if cell["sigma"] >= 20.0 else [1.0, 0.5])


def _closed(constants: Constants) -> float:
    step_size = constants["step_size"]
    moment = noisy_quadratic_second_moment(
        mean_abs_gradient=constants["size"], curvature=constants["curvature"], step_size=step_size
    )
    return float(moment / step_size**2)


def broken_bound(moment: float, loss: float) -> Callable[[Cell, Constants], Any]:
    """The bound with other factors on the two formulas."""

    def formula(cell: Cell, constants: Constants) -> Any:
        factors = [moment] if cell["engine"] == "runs" else [moment, loss, moment]
        whole = np.atleast_1d(bound(cell, constants))
        return whole * np.array(factors[: len(whole)])

    return formula


def margin(cell: Cell, constants: Constants) -> float:
    """None where the law is exact; else relative to the closed form, the only number compared."""
    return 0.0 if cell["engine"] == "exact" else WITHIN * max(_closed(constants), 1.0)


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """Second moment and ``E|g|`` under the stationary law; in steps squared where compared with the closed form."""
    problem, box, noise = _setting(cell)
    eta, step_size = float(constants(cell)["eta"]), box.step_size
    dr = broken == "nearest rounding"
    if cell["engine"] == "runs":
        return _simulated(cell, seed, eta, dr)
    chain = Chain(problem, box, noise, "dr" if dr else "sr", 8 if broken == "8-bit words" else None)
    law = chain.stationary(eta, 0)
    error = box.values - float(problem.minimum[0])
    second = float(law @ error**2)
    size = float(law @ noise.absolute_mean(CURVATURE * error))
    largest = CURVATURE * np.abs(error[law > 1e-14]).max() + noise.sigma
    observed = {"move": eta * largest / step_size, "clipped": float(chain.evolve(law, [eta]).clipped[0])}
    values = [second / (step_size * size / (2 * CURVATURE)), CURVATURE / 2 * second / (step_size * size / 2)]
    if cell["sigma"] >= 20.0:
        values.append(second / step_size**2)
    return exact(values, rtol=DIGITS, labels=LABELS[: len(values)], observed=observed)


def _simulated(cell: Cell, seed: int, eta: float, dr: bool) -> Measurement:
    problem, box, noise = _setting(cell)
    steps = 20 + int(10 / (eta * CURVATURE))  # longer than it takes to forget the start
    runs = simulate(problem, box, Schedule("constant", eta), steps=steps, runs=cell["runs"], start=0, noise=noise,
                    rounding="dr" if dr else "sr", check=True, seed=seed)  # fmt: skip
    second = runs.distance2[-1] / box.step_size**2
    observed = {
        "move": eta * float(np.sqrt(runs.max_sampled_gradient2.max())) / box.step_size,
        "clipped": float(runs.exceeded.sum()),
    }
    farthest = float(np.ceil(max(abs(box.low_code), box.high_code) + 1)) ** 2
    return sampled(second, low=0.0, high=farthest, labels=LABELS[2:], observed=observed)


def figure(axes: Any, result: Any) -> None:
    """Second moment over ``Delta E|g|/(2 lambda)`` against the noise: one for SR, not for DR."""
    for name, cells in (("SR", result.cells), ("control: DR", result.controls[0].cells)):
        chosen = [cell for cell in cells if cell.points and cell.cell["engine"] == "exact"]
        x = [cell.cell["sigma"] for cell in chosen]
        mark = "o" if name == "SR" else "x"
        axes.plot(x, [cell.points[0].value for cell in chosen], mark, fillstyle="none", label=name)
    axes.axhline(1.0, color="k")
    axes.set(xscale="log", xlabel=r"noise $\sigma/(\lambda\Delta)$",
             ylabel=r"$E(w-w^*)^2\ /\ \frac{\Delta E|g|}{2\lambda}$")  # fmt: skip
    axes.legend(fontsize=8)


def exactly(cell: Cell) -> bool:
    """Cells without sampling."""
    return bool(cell["engine"] == "exact")


THEOREM = theorem(noisy_quadratic_second_moment)
CLAIM = Claim(
    id="x3",
    left_out=CHAIN,
    title="stationary second moment of SR on a noisy quadratic",
    statement=THEOREM.statement,
    plain=THEOREM.plain + " To ten digits.",
    source=THEOREM.source,
    kind="identity",
    grid=grid,
    constants=constants,
    bound=bound,
    margin=margin,
    measure=measure,
    assumptions=(
        Assumption("|eta g| <= Delta along the run", lambda cell, constants, seen: seen["move"] <= 1.0, along_run=True),
        Assumption("nothing clips", lambda cell, constants, seen: seen["clipped"] <= 1e-13, along_run=True),
    ),
    control=(
        Control("nearest rounding", "DR in place of SR"),
        Control("8-bit words", "random words of 8 bits", where=lambda cell: exactly(cell) and cell["sigma"] > 0.1),
        Control("half", "half of the moment", bound=broken_bound(0.5, 1.0), removes=("Delta E|g|/(2 lambda)",)),
        Control("without 1/2", "twice the moment", bound=broken_bound(2.0, 1.0), removes=("1/2",)),
        Control("without lambda", "lambda = 1", bound=broken_bound(CURVATURE, 1.0), removes=("lambda",)),
        Control("half of the loss", "1/8", bound=broken_bound(1.0, 0.5), where=exactly, removes=("Delta E|g|/4",)),
        Control("without 1/4", "1 for 1/4", bound=broken_bound(1.0, 4.0), where=exactly, removes=("1/4",)),
    ),
    figure=figure,
)
