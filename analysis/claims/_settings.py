"""Problems on a grid that claims S1 to S5 run low-precision SGD on: exactly where possible, by many runs elsewhere.

Separable problems without noise or with two-point noise are Markov chains: their expectations carry no sampling error.
Regression over data and other noise go to the Monte Carlo kernel. Constants come from the problem and the box alone.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory import (
    Grid,
    Noise,
    Schedule,
    Separable,
    SimulationResult,
    absolute,
    elastic,
    evolve_separable,
    huber,
    quadratic,
    saturating,
    simulate,
)
from alpt_ref.theory.linear import LinearModel, l1_regression, logistic_regression, synthetic_regression
from alpt_ref.verification import Assumption, Cell, Constants, Measurement, exact, sampled

Floats = NDArray[np.float64]
CELL = 0.125
"""Step size of the wider boxes."""
ROWS = 64


@dataclass(frozen=True, eq=False)
class Setting:
    """A problem, its grid and gradient noise, and the codes of ``w_1``: one number or one a coordinate."""

    problem: Separable | LinearModel
    grid: Grid
    noise: Noise
    start: int

    @property
    def exact(self) -> bool:
        """Whether the Markov engine takes it."""
        return isinstance(self.problem, Separable) and self.noise.kind in ("none", "two-point")


def _off_grid(d: int) -> Floats:
    """Minima between grid points, in another place in each coordinate."""
    return np.asarray(CELL * (np.arange(d) - d / 2 + 0.3), dtype=np.float64)


def _one_hot_rows(loss: str, fields: int, values: int) -> LinearModel:
    """Rows with one of `values` features on in each of `fields` fields, as click data have: sparse gradients."""
    generator = np.random.Generator(np.random.Philox(key=7))
    features = np.zeros((ROWS, fields * values))
    for field in range(fields):
        features[np.arange(ROWS), field * values + generator.integers(0, values, ROWS)] = 1.0
    signal = features @ generator.uniform(-0.5, 0.5, fields * values)
    if loss == "absolute":
        return l1_regression(features, signal + 0.1 * generator.standard_normal(ROWS))
    return logistic_regression(features, generator.random(ROWS) < 1.0 / (1.0 + np.exp(-2.0 * signal)), l2=0.02)


_WIDE = Grid(CELL, 6)
_SHAKEN = Noise("two-point", 0.5)
SETTINGS: dict[str, Callable[[], Setting]] = {
    # one coordinate, where the bounds are tight
    "kink": lambda: Setting(absolute(1.0, 0.0), Grid(1.0, 2), Noise(), 0),
    "bent kink": lambda: Setting(elastic(0.01, 1.0, 0.0), Grid(1.0, 2), Noise(), 0),
    "noisy bowl": lambda: Setting(quadratic(1.0, 0.0), Grid(1.0, 8), Noise("two-point", 400.0), 0),
    "corner bowl": lambda: Setting(quadratic(1.0, 0.0), Grid(1.0, 8), Noise(), -128),
    # one coordinate, where nearest rounding stalls
    "cliff": lambda: Setting(absolute(1.0, 0.0), Grid(1.0, 4), Noise(), 7),
    "far bowl": lambda: Setting(quadratic(1.0, 0.3), Grid(1.0, 5), Noise(), 15),
    "far elastic": lambda: Setting(elastic(0.05, 1.0, 0.0), Grid(1.0, 4), Noise(), 7),
    # several coordinates, minima between grid points
    "bowls": lambda: Setting(quadratic(np.geomspace(1.0, 0.1, 4), _off_grid(4)), _WIDE, _SHAKEN, 30),
    "slopes": lambda: Setting(absolute(np.geomspace(1.0, 0.1, 4), _off_grid(4)), _WIDE, _SHAKEN, -32),
    "hubers": lambda: Setting(huber(1.0, 4 * CELL, _off_grid(3)), _WIDE, _SHAKEN, 30),
    "elastics": lambda: Setting(elastic(0.5, 0.25, _off_grid(3)), _WIDE, Noise(), 30),
    "hollows": lambda: Setting(saturating(np.geomspace(2.0, 0.5, 3), _off_grid(3)), _WIDE, Noise(), 16),
    "inner bowls": lambda: Setting(quadratic(np.geomspace(1.0, 0.3, 4), _off_grid(4)), Grid(CELL, 7), _SHAKEN, 24),
    "sparse": lambda: Setting(absolute(np.r_[1.0, np.full(31, 1 / 64)], np.zeros(32)), Grid(CELL, 5), Noise(), 12),
    # by Monte Carlo
    "logistic": lambda: Setting(synthetic_regression("logistic", ROWS, 4, seed=1, l2=0.05), _WIDE, Noise(), 16),
    "L1 regression": lambda: Setting(synthetic_regression("absolute", ROWS, 4, seed=2), _WIDE, Noise(), 16),
    "least squares": lambda: Setting(synthetic_regression("square", ROWS, 4, seed=3, l2=0.05), _WIDE, Noise(), 16),
    "one-hot logistic": lambda: Setting(_one_hot_rows("logistic", 3, 8), _WIDE, Noise(), 8),
    "one-hot L1": lambda: Setting(_one_hot_rows("absolute", 3, 8), _WIDE, Noise(), 8),
    "hubers, normal noise": lambda: Setting(
        huber(1.0, 4 * CELL, _off_grid(3)), Grid(CELL, 8), Noise("normal", 0.5), 30
    ),
    "hollows, uniform noise": lambda: Setting(
        saturating(np.geomspace(2.0, 0.5, 3), _off_grid(3)), Grid(CELL, 8), Noise("uniform", 0.1), 16
    ),
}


@functools.cache
def setting(name: str) -> Setting:
    """A setting by name, built once a process."""
    return SETTINGS[name]()


def known(cell: Cell) -> dict[str, Any]:
    """Constants of the cell's problem: as the bounds name them, and ``eta``, the rate of the first update.

    ``reach`` of the cell is the largest first update in steps; without a finite one, the largest slope's.
    """
    made = setting(cell["problem"])
    found = made.problem.constants(made.grid, made.noise)
    largest = found.g_max if np.isfinite(found.g_max) else made.problem.constants(made.grid, Noise()).g_max
    w_1 = np.full(found.dim, made.start * made.grid.step_size)
    return {
        "step_size": made.grid.step_size,
        "dim": found.dim,
        "G": found.G,
        "G1": found.G1,
        "g_max": found.g_max,
        "D": found.D,
        "D1": float(made.problem.distance(w_1)),
        "L": found.L,
        "mu": found.mu,
        "gap": float(made.problem.value(w_1)) - found.f_star,
        "convex": found.convex,
        "eta": cell["reach"] * made.grid.step_size / largest if "reach" in cell else 1.0 / found.mu,
    }


def horizons(cell: Cell) -> list[int]:
    """Powers of ten up to the cell's T, and T; from the cell's `first` on."""
    T = int(cell["T"])
    return [*(10**k for k in range(1, 8) if cell.get("first", 1) <= 10**k < T), T]


@dataclass(frozen=True)
class Track:
    """What ran: rows are runs (one row of expectations if exact), columns are the horizons."""

    exact: bool
    average_value: Floats
    distance2: Floats
    average_gradient2: Floats
    observed: dict[str, Any]

    def measurement(self, values: Floats, times: Sequence[int], forms: Sequence[str]) -> Measurement:
        """`values` once for each form of the bound, with the horizons as labels."""
        labels = [f"T = {T}, {form}" for form in forms for T in times]
        every = np.tile(values, (1, len(forms)))
        if self.exact:
            return exact(every[0], rtol=1e-10, labels=labels, observed=self.observed)
        return sampled(every, labels=labels, observed=self.observed)


def track(cell: Cell, schedule: Schedule, seed: int, *, broken: str | None = None) -> Track:
    """Run the cell's setting to its T with stochastic rounding, or with nearest rounding where that is the control."""
    made, times = setting(cell["problem"]), horizons(cell)
    rounding = "dr" if broken == "nearest rounding" else "sr"
    if made.exact and isinstance(made.problem, Separable):
        return _exact_track(made, made.problem, schedule.rates(times[-1]), times, rounding)
    linear = isinstance(made.problem, LinearModel)
    runs = simulate(
        made.problem, made.grid, schedule, steps=times[-1], runs=int(cell["runs"]), start=made.start,
        rounding="dr" if rounding == "dr" else "sr", noise=made.noise, averages=True, check=True, seed=seed,
        checkpoints=range(1, times[-1] + 1) if linear and cell.get("every") else times,
    )  # fmt: skip
    rows = np.searchsorted(runs.checkpoints, times)
    gradients = runs.average_gradient2
    if gradients is None:  # regression: the kernel keeps the checkpoints alone
        gradients = runs.gradient2.cumsum(axis=0) / np.arange(1, len(runs.checkpoints) + 1)[:, None]
    values = runs.average_value if runs.average_value is not None else runs.value
    value, distance2, gradient2 = (np.ascontiguousarray(one[rows].T) for one in (values, runs.distance2, gradients))
    return Track(False, value, distance2, gradient2, _observed(made, runs))


def _exact_track(made: Setting, problem: Separable, rates: Floats, times: list[int], rounding: str) -> Track:
    run = evolve_separable(
        problem, made.grid, made.start, rates, noise=made.noise, rounding="dr" if rounding == "dr" else "sr"
    )
    at, count = np.array(times) - 1, np.arange(1, len(rates) + 1)
    return Track(
        True,
        (run.value.cumsum() / count)[None, at],
        run.distance2[None, at],
        (run.gradient2.cumsum() / count)[None, at],
        {
            "G2": float(run.gradient2.max()) + problem.dim * made.noise.sigma**2,
            "G1": float(run.gradient1.max()),
            "D2": float(run.distance2.max()),
            "clipped": float(run.clipped.sum()),
        },
    )


def _observed(made: Setting, runs: SimulationResult) -> dict[str, Any]:
    """The second moment and 1-norm of a gradient at every last iterate, exactly, and the largest along the runs."""
    w = runs.final.astype(np.float64)
    noise = made.problem.dim * made.noise.sigma**2
    if isinstance(made.problem, LinearModel):
        model = made.problem
        each = [
            dataclasses.replace(model, features=model.features[i : i + 1], offsets=model.offsets[i : i + 1]).gradient(w)
            for i in range(len(model.offsets))
        ]
        square = float((np.stack(each) ** 2).sum(axis=2).mean(axis=0).max())
        absolute_sum = float(np.abs(np.stack(each)).sum(axis=2).mean(axis=0).max())
    else:
        square = float(runs.max_gradient2.max())
        absolute_sum = float(made.noise.absolute_mean(made.problem.gradient(w)).sum(axis=1).max())
    return {
        "G2": max(square, float(runs.max_gradient2.max())) + noise,
        "G1": absolute_sum,
        "D2": float(runs.max_distance2.max()),
        "clipped": float(runs.exceeded.sum()),
    }


def _below(name: str, constant: str, power: int) -> Callable[[Cell, Constants, Constants], bool]:
    def holds(cell: Cell, constants: Constants, seen: Constants) -> bool:
        return bool(seen[name] <= constants[constant] ** power * (1 + 1e-6))  # runs are in float32

    return holds


CONVEX = Assumption("f is convex", lambda cell, constants: bool(constants["convex"]))
STRONGLY = Assumption("f is mu-strongly convex, mu > 0", lambda cell, constants: constants["mu"] > 0.0)
ALONG = (
    Assumption("E|g_t|^2 <= G^2 along the run", _below("G2", "G", 2), along_run=True),
    Assumption("E|g_t|_1 <= G1 along the run", _below("G1", "G1", 1), along_run=True),
    Assumption("|w_t - w*| <= D along the run", _below("D2", "D", 2), along_run=True),
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
