r"""X4: on a quadratic the mean of the iterates of SR goes below every floor that binds an iterate.

Statement and proof: `alpt_ref.theory.averaging.averaged_second_moment`.

The second moment of the mean is computed from the transition matrices alone, by carrying the first two moments of the
sum along with the law: nothing of the claimed correlations is put in. V comes from X2 (no noise, ``eta lambda <= 1``),
from X3 (two-point noise that exceeds every reachable slope, so that ``E|g|`` is known), else from the stationary law.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory import Chain, Grid, Noise, quadratic
from alpt_ref.theory.averaging import averaged_second_moment
from alpt_ref.theory.quadratic_laws import noisy_quadratic_second_moment, quadratic_stationary
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import CHAIN
from ._pictures import COLOURS

Floats = NDArray[np.float64]
BOX = Grid(0.25, 6)
MASS = 1e-300
"""Probability below which a code counts as not reached: the exact laws have true zeros outside their closed class."""


def cells(budget: str) -> list[Cell]:
    """Rates in units of the largest curvature; `noise` in slopes of one step (0: none)."""
    full = budget == "full"
    d = [1, 4, 16]
    quiet = product(noise=[0.0], rate=[1e-3, 0.01, 0.1, 0.3, 1.0] if full else [0.01, 0.3, 1.0], d=d)
    fast = product(noise=[0.0], rate=[1.2, 1.5, 1.9] if full else [1.5], d=d)
    loud = product(noise=[2.0, 4.5, 8.0] if full else [2.0, 4.5], rate=[0.005, 0.02, 0.05] if full else [0.02], d=d)
    return [{**cell, "T": 2_000 if full else 1_000} for cell in quiet + fast + loud]


def horizons(cell: Cell) -> list[int]:
    return [T for T in (1, 2, 10, 100, 1_000, 2_000) if cell["T"] >= T]


def chains(cell: Cell) -> tuple[Floats, list[Floats], float, Noise]:
    """Curvatures, minima, the learning rate and the noise; every coordinate is a chain of its own."""
    d, noise = int(cell["d"]), float(cell["noise"])
    curvature = np.linspace(1.0, 0.5, d) if noise == 0.0 else np.ones(d)
    places = (np.arange(d) + 0.5) / d * 0.7 + 0.1 if noise == 0.0 else np.full(d, noise % 1.0)
    shaken = Noise("two-point", noise * BOX.step_size) if noise else Noise()
    return curvature, [np.array([place * BOX.step_size]) for place in places], float(cell["rate"]), shaken


def constants(cell: Cell) -> Constants:
    curvature, minima, eta, noise = chains(cell)
    moments = [second_moment(a, w, eta, noise) for a, w in zip(curvature, minima, strict=True)]
    return {"eta": eta, "curvature": curvature.tolist(), "V": moments}


def second_moment(curvature: float, minimum: Floats, eta: float, noise: Noise) -> float:
    """V of one coordinate, in closed form where there is one."""
    if noise.sigma:
        return noisy_quadratic_second_moment(
            mean_abs_gradient=noise.sigma, curvature=curvature, step_size=BOX.step_size
        )
    if eta * curvature <= 1.0:
        return quadratic_stationary(float(minimum[0]), BOX)[1]
    law = Chain(quadratic(curvature, minimum), BOX, noise).stationary(eta, 0)
    return float(law @ (BOX.values - minimum[0]) ** 2)


def moments(cell: Cell, constants: Constants) -> tuple[Floats, Floats]:
    """The second moment of the mean at every horizon, and its bound, added over the coordinates."""
    found = np.array(
        [
            [
                averaged_second_moment(T=T, second_moment=V, eta=constants["eta"], curvature=a)
                for a, V in zip(constants["curvature"], constants["V"], strict=True)
            ]
            for T in horizons(cell)
        ]
    ).sum(axis=1)
    return found[:, 0], found[:, 1]


def bound(cell: Cell, constants: Constants) -> Any:
    """Equality with the first form, and at most the second."""
    value, limit = moments(cell, constants)
    return np.concatenate([value, np.full(len(limit), -np.inf)]), np.concatenate([value, limit])


def bracket(term: str) -> Any:
    """The bound with a wrong bracket ``T + 2 sum (T - k) rho^k``, or half of the second form."""

    def changed(cell: Cell, constants: Constants) -> Any:
        value, limit = moments(cell, constants)
        if term == "2":
            return np.concatenate([value, np.full(len(limit), -np.inf)]), np.concatenate([value, limit / 2.0])
        wrong = np.zeros(len(value))
        for a, V in zip(constants["curvature"], constants["V"], strict=True):
            for place, T in enumerate(horizons(cell)):
                k = np.arange(1, T)
                weights = np.full(T - 1, float(T)) if term == "- k" else T - k.astype(np.float64)
                tail = 2.0 * float(weights @ (1.0 - constants["eta"] * a) ** k)
                kept = tail if term == "T" else T + (0.0 if term == "sum" else tail)
                wrong[place] += V / T**2 * kept
        return np.concatenate([wrong, np.full(len(limit), -np.inf)]), np.concatenate([wrong, limit])

    return changed


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``E|mean - w*|^2`` at every horizon, twice: for the equality and for the bound."""
    curvature, minima, eta, noise = chains(cell)
    made = [Chain(quadratic(a, w), BOX, noise) for a, w in zip(curvature, minima, strict=True)]
    laws = np.stack([chain.stationary(eta, 0) for chain in made])
    errors = np.stack([BOX.values - w[0] for w in minima])
    if broken == "nearest rounding":
        made = [Chain(chain.problem, BOX, noise, "dr") for chain in made]
    matrices = np.stack([chain.transition_matrix(eta).toarray() for chain in made])
    clipped = max(float(chain.evolve(law, [eta]).clipped[0]) for chain, law in zip(made, laws, strict=True))
    reached = np.abs(errors[laws > MASS]).max() if noise.sigma else 0.0
    values, last = of_mean(laws, errors, matrices, horizons(cell))
    if broken == "last iterate":
        values = last
    labels = [f"{what}, T = {T}" for what in ("second moment", "bound") for T in horizons(cell)]
    return exact(
        np.tile(values, 2), rtol=1e-11, labels=labels,
        observed={"clipped": clipped, "steepest": float(reached), "sigma": noise.sigma},
        extra={"T": horizons(cell), "mean": values, "last": last, "grid": float((errors**2).min(axis=1).sum())},
    )  # fmt: skip


def of_mean(laws: Floats, errors: Floats, matrices: Floats, times: list[int]) -> tuple[Floats, Floats]:
    """``E(mean_T - w*)^2`` and ``E(w_T - w*)^2`` at each T, added over coordinates.

    `laws`, `errors` (d, codes) and `matrices` (d, codes, codes); `first` and `second` are ``E[S 1{w_t}]`` and ``E[S^2
    1{w_t}]`` of the sum S of errors so far.
    """
    law, first, second = laws, errors * laws, errors**2 * laws
    mean, last = [], []
    for t in range(1, times[-1] + 1):
        if t > 1:
            law, first, second = np.matmul(np.stack([law, first, second])[:, :, None, :], matrices)[:, :, 0]
            second = second + 2.0 * errors * first + errors**2 * law
            first = first + errors * law
        if t in times:
            mean.append(float(second.sum()) / t**2)
            last.append(float((errors**2 * law).sum()))
    return np.array(mean), np.array(last)


def figure(axes: Any, result: Any) -> None:
    """The mean's second moment against T, the last iterate's, and that of the best point of the grid."""
    chosen = [c for c in result.cells if c.points and c.cell["d"] == 1 and c.cell["noise"] == 0.0][:3]
    for colour, cell in zip(COLOURS, chosen, strict=False):
        kept = cell.measurement.extra
        axes.plot(
            kept["T"], kept["mean"], "o-", color=colour, markersize=3, label=rf"mean, $\eta$ = {cell.cell['rate']:g}"
        )
        half = len(kept["T"])
        axes.plot(kept["T"], [point.high for point in cell.points[half:]], "--", color=colour, linewidth=1)
    if chosen:
        kept = chosen[0].measurement.extra
        axes.plot(kept["T"], kept["last"], "k:", label="last iterate")
        axes.axhline(kept["grid"], color="0.6", label="best point of the grid")
    axes.plot([], [], "k--", linewidth=1, label=r"$2V/(\eta\lambda T)$")
    axes.set(xscale="log", yscale="log", xlabel="T", ylabel=r"$E(\bar w_T - w^*)^2$")
    axes.legend(fontsize=7)


THEOREM = theorem(averaged_second_moment)
CLAIM = Claim(
    id="x4",
    left_out=CHAIN,
    title="the mean of the iterates beats the floor of the iterates",
    statement=THEOREM.statement,
    plain=THEOREM.plain + " To eleven digits; d coordinates add up.",
    source=THEOREM.source,
    kind="identity",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    assumptions=(
        Assumption("0 < eta lambda < 2", lambda cell, constants: 0.0 < cell["rate"] < 2.0),
        Assumption("nothing clips", lambda cell, constants, seen: seen["clipped"] == 0.0, along_run=True),
        Assumption(
            "the noise exceeds every reachable slope, no update a step (V in closed form)",
            lambda cell, constants, seen: (
                seen["steepest"] <= seen["sigma"] * (1 + 1e-12) and 2.0 * seen["sigma"] * cell["rate"] <= BOX.step_size
            ),
            along_run=True,
        ),
    ),
    control=(
        Control("last iterate", "the last iterate in place of the mean"),
        Control("nearest rounding", "DR, started with the stationary law of SR"),
        Control(
            "without the sum",
            "iterates taken for independent",
            bound=bracket("sum"),
            where=lambda cell: cell["rate"] != 1.0 or cell["d"] > 1,
            removes=("2 V/T^2 sum_{k<T} (T - k)(1 - eta lambda)^k",),
        ),
        Control("without T", "a bracket without T", bound=bracket("T"), removes=("V/T",)),
        Control(
            "without - k",
            "weights T in place of T - k",
            bound=bracket("- k"),
            where=lambda cell: cell["rate"] != 1.0 or cell["d"] > 1,
            removes=("- k",),
        ),
        Control(
            "half the bound",
            "V/(eta lambda T)",
            bound=bracket("2"),
            where=lambda cell: 0.005 <= cell["rate"] <= 0.3,
            removes=("2 V/(eta lambda T)",),
        ),
    ),
    figure=figure,
)
