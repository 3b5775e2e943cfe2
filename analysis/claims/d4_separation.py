r"""D4: a function on which deterministic rounding keeps its gap for ever and stochastic rounding does not.

Statement and proof: `alpt_ref.theory.crossover.separation`.

Measured exactly; the curves of SR, DR and full precision are kept for the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory import Chain, Evolution, Grid, Noise, Schedule, absolute, bounds
from alpt_ref.theory.crossover import separation
from alpt_ref.theory.markov import ExactRounding
from alpt_ref.theory.stalling import dr_convex_constant
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import DETERMINISTIC
from ._pictures import over_time

STEP_SIZE = 1.0 / 16.0


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    return product(
        code=[4, 8, 15, 31] if full else [4, 15],
        slope=[1.0, 4.0] if full else [1.0],
        reach=[0.02, 0.05, 0.1, 0.25, 0.5] if full else [0.05, 0.2, 0.5],
        longest=[200_000 if full else 20_000],
    )


def horizons(cell: Cell) -> list[int]:
    """From where SR must have come at least half way."""
    first = int(2 * cell["code"] / cell["reach"])
    return [T for T in (first, 4 * first, 16 * first) if cell["longest"] >= T]


def constants(cell: Cell) -> Constants:
    return {
        "eta": cell["reach"] * STEP_SIZE / cell["slope"],
        "step_size": STEP_SIZE,
        "D1": cell["code"] * STEP_SIZE,
        "G1": cell["slope"],
        "g_max": cell["slope"],
    }


def bound(cell: Cell, constants: Constants) -> list[float]:
    kept, _ = separation(slope=cell["slope"], code=cell["code"], eta=constants["eta"], step_size=STEP_SIZE)
    return [kept - bounds.sr_convex_constant_small_updates(T=T, **constants) for T in horizons(cell)]


def parts(kept: float, start: float, floor: float) -> Callable[[Cell, Constants], list[float]]:
    """The bound with these parts of its three terms."""

    def value(cell: Cell, constants: Constants) -> list[float]:
        gap, level = separation(slope=cell["slope"], code=cell["code"], eta=constants["eta"], step_size=STEP_SIZE)
        first = [constants["D1"] ** 2 / (2.0 * constants["eta"] * T) for T in horizons(cell)]
        return [kept * gap - start * of_start - floor * level for of_start in first]

    return value


def evolve(cell: Cell, rounding: ExactRounding) -> Evolution:
    chain = Chain(absolute(cell["slope"], 0.0), Grid(STEP_SIZE, 6), Noise(), rounding)
    rates = Schedule("constant", constants(cell)["eta"]).rates(cell["longest"])
    return chain.evolve(cell["code"], rates)


def full_precision(cell: Cell) -> NDArray[np.float64]:
    """``f(w_t)`` without rounding: straight down, then to and fro across the kink."""
    eta, slope, w = constants(cell)["eta"], cell["slope"], cell["code"] * STEP_SIZE
    values = []
    for _ in range(cell["longest"]):
        values.append(slope * abs(w))
        w -= eta * slope if w >= 0 else -eta * slope
    return np.array(values)


def averages(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.cumsum(values) / np.arange(1, len(values) + 1))


def curves(cell: Cell, sr: Evolution, dr: Evolution) -> dict[str, Any]:
    """Running averages and bounds at log-spaced horizons, for the figures."""
    T = np.unique(np.geomspace(1, cell["longest"], 60).astype(np.int64))
    known = constants(cell)
    kept = {key: known[key] for key in ("eta", "step_size", "D1")}
    box = -Grid(STEP_SIZE, 6).low
    series = {"SR": averages(sr.value), "DR": averages(dr.value), "full precision": averages(full_precision(cell))}
    return {
        "T": T,
        **{name: values[T - 1] for name, values in series.items()},
        "S1 bound": [bounds.sr_convex_constant_small_updates(T=int(t), **known) for t in T],
        "D1 bound": [dr_convex_constant(T=int(t), **kept, D=box, G=cell["slope"], dim=1) for t in T],
    }


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    sr = evolve(cell, "sr")
    dr = sr if broken == "stochastic" else evolve(cell, "dr")
    difference = averages(dr.value) - averages(sr.value)
    T = horizons(cell)
    value = [float(difference[t - 1]) for t in T]
    return exact(value, labels=[f"T = {t}" for t in T], extra=curves(cell, sr, dr))


def _small(cell: Cell, constants: Constants) -> bool:
    return bool(constants["eta"] * cell["slope"] <= 0.5 * STEP_SIZE)


THEOREM = theorem(separation)
CLAIM = Claim(
    id="d4",
    left_out=DETERMINISTIC,
    title="Separation: deterministic rounding keeps a gap that stochastic rounding loses",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="separation",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    assumptions=(Assumption("eta G <= Delta/2", _small),),
    trivial=lambda cell, constants: 0.0,
    control=(
        Control("stochastic", "SR in place of DR: nothing separates a method from itself"),
        Control("twice-the-gap", "2 G k Delta", bound=parts(2.0, 1.0, 1.0), removes=("G k Delta",)),
        Control(
            "no-start", "without the term for the start", bound=parts(1.0, 0.0, 1.0), removes=("(k Delta)^2/(2 eta T)",)
        ),
        Control("half-start", "half of the term for the start", bound=parts(1.0, 0.5, 1.0)),
        Control("no-floor", "without SR's floor", bound=parts(1.0, 1.0, 0.0), removes=("G Delta/2",)),
        Control("half-floor", "half of SR's floor", bound=parts(1.0, 1.0, 0.5)),
    ),
    figure=over_time(0, "SR", "DR", "full precision", "S1 bound", "D1 bound"),
)
