r"""C4: the average gap of stochastic rounding falls like T^(-1/2), learning rate c/sqrt(t), until it meets the floor.

Proof. Upper: S2. Lower, |w| with updates eta_t > step: the iterate crosses the kink and back, at a mean distance of a
constant times eta_t ~ t^(-1/2), and the average of t^(-1/2) over 1..T is 2 T^(-1/2) up to 1/T.
When eta_t falls below a step the gap settles at the floor slope Delta/2 (S2's last term, reached by |w|): power 0.

Two declared windows, one on each side. The intervals: before, from the limit -1/2 to the slope that the average of
t^(-1/2) itself has on the window (-0.477: the 1/T is not yet gone); after, a thousandth around 0, since the iterates
before the window differ from the floor by at most its own size and count for less than that in an average over 3,000.
Controls: a constant learning rate, power -1, and power -1/2 after the floor is reached.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.theory import Chain, Grid, Noise, Schedule, absolute, bounds
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, curve, product

from ._instances import RELATIVE
from ._left_out import FITTED
from ._pictures import slopes
from ._slopes import slope_of

SETTING: dict[str, dict[str, Any]] = {
    "before": {"step": 2.0**-10, "bits": 12, "c": 1.0, "window": (30, 3_000)},
    "after": {"step": 2.0**-2, "bits": 4, "c": 0.25, "window": (3_000, 300_000)},
}
SIGMA = 0.5
WIDTH = 1e-3


def cells(budget: str) -> list[Cell]:
    return product(side=list(SETTING), sigma=[0.0, SIGMA] if budget == "full" else [SIGMA])


def bound(cell: Cell, constants: Constants) -> Any:
    if cell["side"] == "after":
        return -WIDTH, WIDTH
    first, last = SETTING["before"]["window"]
    T = horizons(last)
    averages = np.cumsum(np.arange(1, last + 1) ** -0.5)[T - 1] / T
    return -0.5, slope_of(T[first <= T], averages[first <= T])


def horizons(last: int) -> Any:
    """Where the average is looked at: int64, spaced evenly on a logarithmic scale."""
    return np.unique(np.geomspace(1, last, 60).astype(np.int64))


def wrong_power(cell: Cell, constants: Constants) -> Any:
    if cell["side"] == "after":
        return bound({"side": "before"}, constants)
    return -1.0 - WIDTH, -1.0 + WIDTH


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    of, noise = SETTING[cell["side"]], Noise("two-point", cell["sigma"]) if cell["sigma"] else Noise()
    grid, problem, last = Grid(of["step"], of["bits"]), absolute(1.0, 0.0), of["window"][1]
    schedule = Schedule("constant", of["c"] / 4) if broken else Schedule("inverse-sqrt", of["c"])
    run = Chain(problem, grid, noise).evolve(0, schedule.rates(last))
    averages = np.cumsum(run.value) / np.arange(1, last + 1)
    known = problem.constants(grid, noise)
    T = horizons(last)
    s2 = {"c": of["c"], "step_size": of["step"], "D": known.D, "G": known.G, "dim": 1}
    bound_at = np.array([bounds.sr_convex_sqrt(T=int(t), **s2) for t in T])
    extra = {"T": T, "average": averages[T - 1], "bound": bound_at, "floor": 0.5 * of["step"] * known.G1}
    return curve(T, averages[T - 1], window=of["window"], extra=extra)


CLAIM = Claim(
    id="c4",
    left_out=FITTED,
    title="Scaling: stochastic rounding, convex: T^(-1/2) until the floor",
    statement=(
        r"$\eta_t = c/\sqrt{t}:\quad \frac{1}{T}\sum_{t=1}^{T} E f(w_t) - f^* \propto T^{-1/2}$  while"
        r" $\eta_t > \Delta$,  $\;\propto T^{\,0}$  after"
    ),
    plain=(
        "SR on |w|, learning rate c/sqrt(t): the average gap falls like T^(-1/2) while updates exceed a step (window"
        " T = 30 to 3,000) and is constant at the floor (window T = 3,000 to 300,000 with a coarser step)"
    ),
    source=RELATIVE,
    kind="rate",
    grid=cells,
    bound=bound,
    measure=measure,
    control=(
        Control("constant-rate", "a constant learning rate", where=lambda cell: cell["side"] == "before"),
        Control("wrong-power", "power -1 before the floor, -1/2 after it", bound=wrong_power, removes=("T^(-1/2)",)),
    ),
    figure=slopes("side", "$T$", "average gap"),
)
