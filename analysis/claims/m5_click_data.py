r"""M5: S2 for low-precision logistic regression on click data, with the package's own embedding table.

Proof. f(w) = mean log-loss of z = sum of the sample's weights is convex. S2's argument uses a comparator u in the box
only through f(u) - f(w) >= <g, u - w>; so it holds with u = the best point found in place of a minimiser. Per batch
E|g|_2^2 <= F s^2 and E|g|_1 <= F s for F ids a sample, s the steepest slope that the box allows for its label.

D is the distance from u to the farthest corner of the box. Nothing is fitted to the runs; u and f(u) come from L-BFGS-B
on all rows. A run's gap is the mean over its steps of loss(w_t) - loss(u) on the batch about to be used, drawn
independently of w_t: unbiased for f(w_t) - f(u).

Data: the package's synthetic click model, or (``alpt-ref verify --clicks STORE``) a store written by ``alpt-ref data``,
of which the first rows of the training part are taken (their number and the store's fingerprint become part of the
cell).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.synthetic.clicks import synthetic_clicks
from alpt_ref.tables import make_table
from alpt_ref.theory import bounds
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, product, sampled
from alpt_ref.verification.inputs import Inputs

from ._instances import RELATIVE
from ._pictures import over_time

STORES: dict[str, Path] = {}
"""Stores that the caller named, by what a cell says of them: their fingerprint."""
BETA = 1.0
"""The box is ``[-beta, beta - step]`` for every weight."""
BATCH, RUNS, OTHERS = 16, 5, 3
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Clicks:
    """Rows renumbered so that every id occurs: ids int64 (rows, fields), labels of -1 and 1 (rows,)."""

    ids: NDArray[np.int64]
    labels: FloatArray
    n: int

    def loss(self, w: FloatArray, rows: Any = slice(None)) -> FloatArray:
        """Log-loss of each row."""
        return np.asarray(np.logaddexp(0.0, -self.labels[rows] * w[self.ids[rows]].sum(axis=1)))

    def slopes(self, w: FloatArray, rows: Any = slice(None)) -> FloatArray:
        """Derivative of each row's loss by its logit."""
        y = self.labels[rows]
        return np.asarray(-y * special.expit(-y * w[self.ids[rows]].sum(axis=1)))


@functools.cache
def clicks(source: str, rows: int) -> Clicks:
    """Training rows of the synthetic model, or the first of a store's."""
    if source == "synthetic":
        data = synthetic_clicks(rows, fields=4, features=32, seed=11)
        chosen = np.arange(rows)
    else:
        data = ClickDataset.open(STORES[source])
        chosen = data.rows_of("train")[:rows]
    known, ids = np.unique(np.asarray(data.ids[chosen]), return_inverse=True)
    labels = 2.0 * np.asarray(data.labels[chosen], dtype=np.float64) - 1.0
    return Clicks(ids.reshape(len(chosen), -1).astype(np.int64), labels, len(known))


def cells(budget: str, source: str = "synthetic") -> list[Cell]:
    full = budget == "full"
    if source != "synthetic":
        rows = min(200_000 if full else 20_000, len(ClickDataset.open(STORES[source]).rows_of("train")))
    else:
        rows = 4_000
    return product(
        data=[source],
        rows=[rows],
        bits=[2, 4, 8],
        c=[1.0, 4.0, 8.0] if full else [4.0],
        steps=[30_000 if full else 1_500],
    )


def ends(cell: Cell) -> tuple[float, float, float]:
    """Step size, smallest and largest weight."""
    step_size = BETA / 2 ** (cell["bits"] - 1)
    return step_size, -BETA, BETA - step_size


@functools.cache
def comparator(source: str, rows: int, high: float) -> tuple[FloatArray, float]:
    """The best point of the box, and a certified bound on how far its loss is above the least (Frank and Wolfe)."""
    data = clicks(source, rows)

    def objective(w: FloatArray) -> tuple[float, FloatArray]:
        pull = np.repeat(data.slopes(w), data.ids.shape[1]) / rows
        return float(data.loss(w).mean()), summed(data, slice(None), pull)

    box = [(-BETA, high)] * data.n
    found = optimize.minimize(
        objective, np.zeros(data.n), jac=True, method="L-BFGS-B", bounds=box, options={"ftol": 1e-15, "gtol": 1e-10}
    )
    u = np.clip(found.x, -BETA, high)
    gradient = objective(u)[1]
    return u, float((gradient * u - np.minimum(gradient * -BETA, gradient * high)).sum())


def constants(cell: Cell) -> Constants:
    step_size, low, high = ends(cell)
    data = clicks(cell["data"], cell["rows"])
    u, gap = comparator(cell["data"], cell["rows"], high)
    fields = data.ids.shape[1]
    steepest = np.where(data.labels > 0, special.expit(-fields * low), special.expit(fields * high))
    return {
        "c": cell["c"],
        "step_size": step_size,
        "D": float(np.linalg.norm(np.maximum(u - low, high - u))),
        "G": math.sqrt(fields * float((steepest**2).mean())),
        "G1": fields * float(steepest.mean()),
        "dim": data.n,
        "comparator_gap": gap,
    }


def bound(cell: Cell, constants: Constants) -> list[float]:
    known = {key: constants[key] for key in ("c", "step_size", "D", "G", "G1", "dim")}
    return [bounds.sr_convex_sqrt(T=T, **known) for T in horizons(cell)]


def summed(data: Clicks, rows: Any, pull: FloatArray) -> FloatArray:
    """The gradient: `pull` of every occurrence added up a weight."""
    return np.asarray(np.bincount(data.ids[rows].ravel(), pull, data.n), dtype=np.float64)


def horizons(cell: Cell) -> list[int]:
    return [int(cell["steps"]) // 10, int(cell["steps"])]


class Weights:
    """The weights of one run: the package's LPT table, or plain float64 for full precision."""

    def __init__(self, cell: Cell, n: int, seed: int, rounding: str) -> None:
        self.step_size, self.low, self.high = ends(cell)
        self.lift = -1.5 * self.step_size if rounding == "one-too-high" else 0.0  # nearest of v + 3/2 steps
        self.all = np.arange(n)
        self.plain = np.full(n, self.high) if rounding == "full" else None
        self.table = make_table(
            "lpt", n, 1, bits=cell["bits"], rounding="sr" if rounding == "sr" else "dr", optimizer="sgd", seed=seed,
            weights=np.full((n, 1), self.high, np.float32), granularity="table", init_step=("range", BETA),
        )  # fmt: skip

    def values(self) -> FloatArray:
        """All weights."""
        return self.table.lookup(self.all)[:, 0].astype(np.float64) if self.plain is None else self.plain

    def update(self, gradient: FloatArray, touched: NDArray[np.int64], eta: float) -> None:
        """One step on the touched weights."""
        if self.plain is not None:
            self.plain = np.clip(self.plain - eta * gradient, self.low, self.high)
            return
        moved = (gradient[touched] + self.lift / eta).astype(np.float32)
        self.table.apply_gradients(touched, moved[:, None], lr=eta)


def run(cell: Cell, seed: int, rounding: str) -> tuple[FloatArray, float, float]:
    """Gap of each step of one run, mean ``|g|_2^2`` and largest ``|w - u|_2``; ``one-too-high`` is biased."""
    data, (u, _) = clicks(cell["data"], cell["rows"]), comparator(cell["data"], cell["rows"], ends(cell)[2])
    weights = Weights(cell, data.n, seed, rounding)
    batches = np.random.Generator(np.random.Philox(key=seed)).integers(0, cell["rows"], (cell["steps"], BATCH))
    gaps, norms, farthest = np.empty(cell["steps"]), np.empty(cell["steps"]), 0.0
    for t, rows in enumerate(batches):
        w = weights.values()
        gaps[t] = float((data.loss(w, rows) - data.loss(u, rows)).mean())
        ids = data.ids[rows].ravel()
        gradient = summed(data, rows, np.repeat(data.slopes(w, rows) / BATCH, data.ids.shape[1]))
        norms[t], farthest = gradient @ gradient, max(farthest, float(np.linalg.norm(w - u)))
        weights.update(gradient, np.unique(ids), cell["c"] / math.sqrt(t + 1))
    return gaps, float(norms.mean()), farthest


def running(gaps: FloatArray) -> FloatArray:
    return np.asarray(np.cumsum(gaps) / np.arange(1, len(gaps) + 1))


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    runs = [run(cell, (seed + k) % (1 << 63), broken or "sr") for k in range(RUNS)]
    averages = np.stack([running(gaps) for gaps, _, _ in runs])
    T = np.unique(np.geomspace(10, cell["steps"], 30).astype(np.int64))
    extra: dict[str, Any] = {"T": T, "SR": averages[:, T - 1]}
    if broken is None:
        known = constants(cell)
        kept = {key: known[key] for key in ("c", "step_size", "D", "G", "G1", "dim")}
        extra["bound"] = np.array([bounds.sr_convex_sqrt(T=int(t), **kept) for t in T])
        for name, rounding in (("DR", "dr"), ("full precision", "full")):
            others = [run(cell, (seed + k) % (1 << 63), rounding)[0] for k in range(OTHERS)]
            extra[name] = np.stack([running(gaps)[T - 1] for gaps in others])
    return sampled(
        averages[:, np.array(horizons(cell)) - 1],
        labels=[f"T = {t}" for t in horizons(cell)],
        observed={"gradient2": float(np.mean([norm for _, norm, _ in runs])), "distance": max(far for *_, far in runs)},
        extra=extra,
    )


def _gradient(cell: Cell, constants: Constants, seen: Constants) -> bool:
    return bool(seen["gradient2"] <= constants["G"] ** 2)


def _distance(cell: Cell, constants: Constants, seen: Constants) -> bool:
    return bool(seen["distance"] <= constants["D"] * (1 + 1e-6))


def claim_on(inputs: Inputs) -> Claim:
    """The claim about a store that the caller names."""
    if inputs.clicks is None:
        return CLAIM
    source = f"store {ClickDataset.open(inputs.clicks).fingerprint[:16]}"
    STORES[source] = inputs.clicks
    return replace(CLAIM, grid=lambda budget: cells(budget, source))


CLAIM = Claim(
    id="m5",
    title="S2 holds for low-precision logistic regression on click data",
    statement=(
        r"$\eta_t = c/\sqrt{t}:\quad \frac{1}{T}\sum_{t=1}^{T} E f(w_t) - f(u) \leq"
        r" \frac{D^2/(2c) + cG^2}{\sqrt{T}} + \frac{\Delta\,\sup E\|g\|_1}{2}$"
        "\n"
        r"$f$: log-loss of logistic regression on clicks, $u$ its best point in the box"
    ),
    plain=(
        "LPT(SR) logistic regression on click data, eta_t = c/sqrt(t): (1/T) sum_t E f(w_t) - f(u) <="
        " (D^2/(2c) + c G^2)/sqrt(T) + Delta sup E|g|_1/2, with G, E|g|_1 and D computed from the data and the box;"
        " synthetic clicks, or the store named by --clicks"
    ),
    source=RELATIVE,
    kind="upper",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    assumptions=(
        Assumption(
            "u is the best point of the box to 1e-4", lambda cell, constants: constants["comparator_gap"] < 1e-4
        ),
        Assumption("mean |g_t|^2 <= G^2 along the runs", _gradient, along_run=True),
        Assumption("|w_t - u| <= D along the runs", _distance, along_run=True),
    ),
    control=Control(
        "one-too-high",
        "a biased rounding: up, and one code further",
        where=lambda cell: cell["bits"] == 4 and cell["c"] == 4.0,
    ),
    figure=over_time(1, "SR", "DR", "full precision", "bound"),
    of_inputs=claim_on,
)
