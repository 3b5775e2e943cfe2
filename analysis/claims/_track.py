"""Running the instances of S1 to S5, D1 and D2: what is measured along a run, and the assumptions executed on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alpt_ref.theory import Evolution, Schedule, SimulationResult, simulate
from alpt_ref.theory.linear import LinearModel
from alpt_ref.theory.markov import ExactRounding
from alpt_ref.verification import Assumption, Cell, Constants, Measurement, exact, sampled
from alpt_ref.verification.user_quantizer import UserQuantizer

from ._box import row_slopes
from ._instance import Floats, Instance
from ._instances import of


def known(cell: Cell) -> dict[str, Any]:
    """Constants of the cell's problem: as the bounds name them, and ``eta``, the rate of the first update.

    ``reach`` of the cell is the largest first update in steps; without it, ``eta = 1/mu``.
    """
    made = of(cell)
    return made.constants(made.rate(cell["reach"]) if "reach" in cell else None)


def horizons(cell: Cell) -> list[int]:
    """Powers of ten up to the cell's T, and T; from the cell's `first` on."""
    T = int(cell["T"])
    return [*(10**k for k in range(1, 8) if cell.get("first", 1) <= 10**k < T), T]


@dataclass(frozen=True)
class Track:
    """What ran: rows are runs (one row of expectations if exact), columns are the horizons.

    `foreign`: rounded by a function of the user's, which may leave the box.
    """

    exact: bool
    average_value: Floats
    distance2: Floats
    average_gradient2: Floats
    observed: dict[str, Any]
    foreign: bool = False

    def measurement(self, values: Floats, times: Sequence[int], forms: Sequence[str], most: float) -> Measurement:
        """`values`, from 0 to `most`, once for each form of the bound, with the horizons as labels."""
        labels = [f"T = {T}, {form}" for form in forms for T in times]
        every = np.tile(values, (1, len(forms)))
        if self.exact:
            return exact(every[0], rtol=1e-10, labels=labels, observed=self.observed)
        beyond = np.abs(every - every.clip(0.0, most)).max()
        inside = np.clip(every, 0.0, most) if beyond <= FLOAT32 * most else every
        left = self.foreign and beyond > FLOAT32 * most  # a function may leave the box: no upper end of the range then
        return sampled(inside, low=0.0, high=None if left else most, labels=labels, observed=self.observed)


def track(
    cell: Cell, schedule: Schedule, seed: int, *, broken: str | None = None, rounding: UserQuantizer | None = None
) -> Track:
    """Run the cell's setting to its T with stochastic rounding, or with nearest rounding where that is the control.

    With a `rounding` of the user's in place of both, and then always by Monte Carlo.
    """
    made, times = of(cell), horizons(cell)
    own: ExactRounding = "dr" if broken == "nearest rounding" else "sr"
    if made.exact and rounding is None:
        return _exact_track(made, made.evolve(schedule.rates(times[-1]), own), times)
    linear = isinstance(made.problem, LinearModel)
    runs = simulate(
        made.problem, made.grid, schedule, steps=times[-1], runs=int(cell["runs"]), start=made.start,
        rounding=own if rounding is None else _into(made, rounding), noise=made.noise, averages=True,
        check=rounding is None, seed=seed,
        checkpoints=range(1, times[-1] + 1) if linear and cell.get("every") else times,
    )  # fmt: skip
    rows = np.searchsorted(runs.checkpoints, times)
    gradients = runs.average_gradient2
    if gradients is None:  # regression: the kernel keeps the checkpoints alone
        gradients = runs.gradient2.cumsum(axis=0) / np.arange(1, len(runs.checkpoints) + 1)[:, None]
    values = runs.average_value if runs.average_value is not None else runs.value
    value, distance2, gradient2 = (np.ascontiguousarray(one[rows].T) for one in (values, runs.distance2, gradients))
    observed = _observed(made, runs) if rounding is None else {}
    return Track(False, value, distance2, gradient2, observed, rounding is not None)


def _into(made: Instance, rounding: UserQuantizer) -> Callable[[Any, int], Any]:
    """``Q(clip_B(.))`` with the function as Q: the box B may be smaller than the range of the function."""
    low, high = rounding.values([made.grid.low_code, made.grid.high_code])
    return lambda x, draw: rounding(np.clip(x, low, high), draw)


def _exact_track(made: Instance, run: Evolution, times: list[int]) -> Track:
    at, count = np.array(times) - 1, np.arange(1, len(run.value) + 1)
    return Track(
        True,
        (run.value.cumsum() / count)[None, at],
        run.distance2[None, at],
        (run.gradient2.cumsum() / count)[None, at],
        {
            **_largest(made, run),
            "G1": float(run.gradient1.max()),
            "clipped": float(run.clipped.sum()),
        },
    )


def _largest(made: Instance, run: Evolution) -> dict[str, float]:
    noise = made.problem.dim * made.noise.sigma**2
    return {"G2": float(run.gradient2.max()) + noise, "D2": float(run.distance2.max())}


def measured_average(run: Evolution, made: Instance, times: Sequence[int]) -> Measurement:
    """``(1/T) sum_{t=1..T} E f(w_t) - f*`` at each T of `times`, with what the assumptions look at."""
    values = np.cumsum(run.value)[np.array(times) - 1] / np.array(times)
    labels = [f"T = {T}" for T in times]
    return exact(values, labels=labels, observed=_largest(made, run), extra={"T": list(times)})


def largest_loss(cell: Cell, constants: Constants) -> float:
    """What no method can exceed, at no iterate and in no average: sup of ``f - f*`` over the box."""
    return of(cell).largest_loss() * (1 - FLOAT64)  # G D is the same number where f is |w|_1, up to its roundings


def loss_range(cell: Cell) -> float:
    """Largest value that an average of ``f - f*`` can have."""
    return of(cell).largest_loss()


def _observed(made: Instance, runs: SimulationResult) -> dict[str, Any]:
    """The second moment and 1-norm of a gradient at every last iterate, exactly, and the largest along the runs."""
    w = runs.final.astype(np.float64)
    noise = made.problem.dim * made.noise.sigma**2
    if isinstance(made.problem, LinearModel):
        each = row_slopes(made.problem, w)
        square = float((each**2).sum(axis=2).mean(axis=0).max())
        absolute_sum = float(np.abs(each).sum(axis=2).mean(axis=0).max())
    else:
        square = float(runs.max_gradient2.max())
        absolute_sum = float(made.noise.absolute_mean(made.problem.gradient(w)).sum(axis=1).max())
    return {
        "G2": max(square, float(runs.max_gradient2.max())) + noise,
        "G1": absolute_sum,
        "D2": float(runs.max_distance2.max()),
        "clipped": float(runs.exceeded.sum()),
    }


def _below(name: str, constant: str, power: int, slack: float) -> Callable[[Cell, Constants, Constants], bool]:
    def holds(cell: Cell, constants: Constants, seen: Constants) -> bool:
        return bool(seen[name] <= constants[constant] ** power * (1 + slack))

    return holds


FLOAT32, FLOAT64 = 1e-6, 1e-12
"""Relative excess over a constant that rounding explains."""


def _holds_in_box(cell: Cell, constants: Constants) -> bool:
    met = of(cell).sizes_in_box()
    wrong = [key for key in ("G", "G1", "g_max", "D", "L") if not met[key] <= constants[key] * (1 + FLOAT32)]
    return not wrong and (constants["mu"] == 0.0 or met["mu"] >= constants["mu"] * (1 - FLOAT32))


def _smooth_beyond(cell: Cell, constants: Constants) -> bool:
    made = of(cell)
    move = constants["eta"] * constants["g_max"] + made.grid.step_size
    beyond = min(move, made.grid.high - made.grid.low)  # a move may be of any length under normal noise
    return bool(made.sizes_in_box(beyond)["L"] <= constants["L"] * (1 + FLOAT32))


CONVEX = Assumption("f is convex", lambda cell, constants: bool(constants["convex"]), proved=True)
STRONGLY = Assumption("f is mu-strongly convex, mu > 0", lambda cell, constants: constants["mu"] > 0.0, proved=True)
IN_BOX = Assumption("G, G1, D, L and mu hold in the whole box", _holds_in_box, proved=True)
SMOOTH_BEYOND = Assumption("L holds one move beyond the box, too", _smooth_beyond, proved=True)
ALONG = (
    Assumption("E|g_t|^2 <= G^2 along the run", _below("G2", "G", 2, FLOAT32), along_run=True, proved=True),
    Assumption("E|g_t|_1 <= G1 along the run", _below("G1", "G1", 1, FLOAT32), along_run=True, proved=True),
    Assumption("|w_t - w*| <= D along the run", _below("D2", "D", 2, FLOAT32), along_run=True, proved=True),
)
AT_EVERY_ITERATE = (
    Assumption("E|g_t|^2 <= G^2 at every iterate", _below("G2", "G", 2, FLOAT64), along_run=True, proved=True),
    Assumption("E|w_t - w*|^2 <= D^2 at every iterate", _below("D2", "D", 2, FLOAT64), along_run=True, proved=True),
)


def against_time(ylabel: str, xlabel: str = "iterate T") -> Callable[[Any, Any], None]:
    """Picture of what was measured against T: a line a problem, its bound dashed, nearest rounding where it was run."""

    def draw(axes: Any, result: Any) -> None:
        shown: dict[str, Any] = {}
        for cell in result.cells:
            if cell.points and cell.cell["problem"] not in shown and len(shown) < 5:
                shown[cell.cell["problem"]] = cell
        for colour, (name, cell) in enumerate(shown.items()):
            times = horizons(cell.cell)
            axes.plot(
                times, [p.value for p in cell.points[: len(times)]], "o-", markersize=3, color=f"C{colour}", label=name
            )
            axes.plot(times, [p.high for p in cell.points[: len(times)]], "--", color=f"C{colour}")
        for control in result.controls:
            if control.remeasured and control.cells[0].points:
                cell = control.cells[0]
                values = [point.value for point in cell.points[: len(horizons(cell.cell))]]
                label = f"{cell.cell['problem']}: {control.name}"
                axes.plot(horizons(cell.cell), values, "x:", color="0.4", label=label)
        axes.plot([], [], "k--", label="bound")
        axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
        axes.legend(fontsize=7)

    return draw
