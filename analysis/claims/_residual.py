"""Nearest rounding that carries its error along (EF1), and ECO, which keeps it in the momentum, without noise.

Everything is deterministic: float64, step size 1 and a grid without ends (16 bits are enough: executed as an
assumption). The problems have subgradients that are known over all of space.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.verification import Assumption, Cell, Constants, Measurement, exact

Floats = NDArray[np.float64]
STEP_SIZE = 1.0
LARGEST_CODE = 2**15 - 1
FORMS = ("sqrt(d) G", "sup |g|_1")


@dataclass(frozen=True, eq=False)
class Problem:
    """A convex function with minimum 0 at `minimum`; `slope` (d,) is the largest ``|g_i|``, everywhere."""

    value: Callable[[Floats], float]
    gradient: Callable[[Floats], Floats]
    minimum: Floats
    slope: Floats


def problem(cell: Cell) -> Problem:
    """``kink``: equal slopes of ``1/sqrt(d)``; ``uneven kink``; ``ridge``: ``|<a, w>|``, which couples coordinates."""
    d = int(cell["d"])
    minimum = np.full(d, float(cell["theta"]))
    slope = np.full(d, 1.0 / math.sqrt(d))
    if cell["problem"] == "ridge":
        return Problem(
            lambda w: abs(float(slope @ (w - minimum))),
            lambda w: slope if float(slope @ (w - minimum)) >= 0.0 else -slope,
            minimum, slope,
        )  # fmt: skip
    if cell["problem"] == "huber":
        return Problem(
            lambda w: float((slope * _huber(w - minimum)).sum()),
            lambda w: slope * np.clip(w - minimum, -1.0, 1.0),
            minimum, slope,
        )  # fmt: skip
    if cell["problem"] == "uneven kink":
        slope = np.geomspace(1.0, 1.0 / 16.0, d)
    return Problem(
        lambda w: float(slope @ np.abs(w - minimum)),
        lambda w: np.where(w >= minimum, slope, -slope),
        minimum, slope,
    )  # fmt: skip


def _huber(e: Floats) -> Floats:
    return np.where(np.abs(e) <= 1.0, 0.5 * e**2, np.abs(e) - 0.5)


def horizons(cell: Cell) -> list[int]:
    return [T for T in (1, 10, 100, 1_000, 10_000) if cell["T"] > T] + [int(cell["T"])]


def constants(cell: Cell) -> Constants:
    """What the bounds take, from the problem and the start."""
    made = problem(cell)
    return {
        "eta": float(cell["eta"]), "step_size": STEP_SIZE, "dim": int(cell["d"]),
        "D1": float(np.linalg.norm(int(cell["start"]) - made.minimum)),
        "G": float(np.linalg.norm(made.slope)), "G1": float(made.slope.sum()), "g_max": float(made.slope.max()),
    }  # fmt: skip


def nearest(v: Floats) -> Floats:
    """DR with step size 1."""
    return np.floor(v + 0.5)


class Carried:
    """EF1: the residual beside the weights; `lost` drops it after every update."""

    def __init__(self, eta: float, d: int, *, lost: bool = False) -> None:
        self.eta, self.residual, self.lost = eta, np.zeros(d), lost

    def __call__(self, w: Floats, g: Floats) -> Floats:
        """The next weights."""
        v = w + self.residual - self.eta * g
        after = nearest(v)
        if not self.lost:
            self.residual = v - after
        return after


class Eco:
    """ECO with momentum `keep`; `lost` drops the rounding error."""

    def __init__(self, eta: float, d: int, keep: float, *, lost: bool = False) -> None:
        self.eta, self.keep, self.momentum, self.lost = eta, keep, np.zeros(d), lost

    def __call__(self, w: Floats, g: Floats) -> Floats:
        """The next weights."""
        momentum = self.keep * self.momentum + (1.0 - self.keep) * g
        v = w - self.eta * momentum
        after = nearest(v)
        back = 0.0 if self.lost else (1.0 / self.eta) * (1.0 - 1.0 / self.keep)
        self.momentum = momentum + back * (v - after)
        return after


def averages(cell: Cell, update: Callable[[Floats, Floats], Floats]) -> Measurement:
    """``(1/T) sum_t f(w_t) - f*`` at every horizon, for both forms of the bound."""
    made = problem(cell)
    w = np.full(int(cell["d"]), float(cell["start"]))
    values, steepest, farthest = np.empty(int(cell["T"])), 0.0, 0.0
    for t in range(len(values)):
        g = made.gradient(w)
        values[t] = made.value(w)
        steepest = max(steepest, float((np.abs(g) - made.slope).max()))
        farthest = max(farthest, float(np.abs(w).max()))
        w = update(w, g)
    at = np.array(horizons(cell))
    mean = np.cumsum(values)[at - 1] / at
    labels = [f"T = {T}, {form}" for form in FORMS for T in at]
    return exact(
        np.tile(mean, len(FORMS)), rtol=1e-10, labels=labels,
        observed={"excess": steepest, "farthest": farthest}, extra={"T": at, "average": mean},
    )  # fmt: skip


def both_forms(bound: Callable[..., float], *keys: str) -> Callable[[Cell, Constants], list[float]]:
    """``bound(T=..., keys...)`` at every horizon with ``sqrt(d) G``, then with ``sup |g|_1``."""

    def values(cell: Cell, constants: Constants) -> list[float]:
        known: dict[str, Any] = {key: constants[key] for key in keys}
        sparse = {**known, "G1": constants["G1"]}
        return [bound(T=T, **form) for form in (known, sparse) for T in horizons(cell)]

    return values


ALONG = (
    Assumption(
        "|g_i| at most its bound along the run",
        lambda cell, constants, seen: seen["excess"] <= 1e-15, along_run=True, proved=True,
    ),
    Assumption(
        "no code beyond 16 bits: nothing clips",
        lambda cell, constants, seen: seen["farthest"] <= LARGEST_CODE, along_run=True,
    ),
)  # fmt: skip


def figure(axes: Any, result: Any) -> None:
    """Average gap against T of a few cells, their bounds dashed, and the control without feedback dotted."""
    chosen = [cell for cell in result.cells if cell.points and cell.cell["problem"] == "kink" and cell.cell["d"] == 1]
    lost = {str(cell.cell): cell for control in result.controls if control.remeasured for cell in control.cells}
    for place, cell in enumerate(chosen[:4]):
        times = horizons(cell.cell)
        label = ", ".join(f"{key} {cell.cell[key]:g}" for key in ("eta", "b", "start") if key in cell.cell)
        axes.plot(times, [p.value for p in cell.points[: len(times)]], "o-", ms=3, color=f"C{place}", label=label)
        axes.plot(times, [p.high for p in cell.points[: len(times)]], "--", linewidth=1, color=f"C{place}")
        if str(cell.cell) in lost:
            without = lost[str(cell.cell)].points[: len(times)]
            axes.plot(times, [p.value for p in without], ":", linewidth=1, color=f"C{place}")
    axes.plot([], [], "k--", label="bound")
    axes.plot([], [], "k:", label="residual dropped")
    axes.set(xscale="log", yscale="log", xlabel="T", ylabel=r"average gap ($G\Delta$)")
    axes.legend(fontsize=7)
