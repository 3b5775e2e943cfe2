r"""X5: training with SR on click data is a supermartingale, with the package's own embedding table (X).

Statement and proof: `alpt_ref.theory.supermartingale.increment`.

The data, their order and the comparator u (the best point of the box) are fixed; the random words of the table alone
are random, so the runs of a cell are independent. The table holds all of them: a copy of every weight for each run.

X_T has no natural range. So each run is stopped, which keeps ``E <= 0``: a supermartingale stopped by a rule that looks
at the past alone is one. The words of different coordinates are independent, so one may look at them in turn: with
``y_i = (w'_i - u_i)^2 - (w_i - u_i)^2 + 2 eta g_i (w_i - u_i) - eta^2 g_i^2 - eta Delta |g_i|``, of conditional mean at
most 0 each, an update adds ``-2 eta (<g, w - u> - l(w) + l(u)) <= 0``, which the past knows, and the y_i. A run stops
before whatever could take it below ``-R``, and once it is at R or above, ``R = |w_1 - u|^2``; it counts as R then. What
is tested lies in ``[-R, R]``: no law is assumed. The whole X_t are kept beside it for the pictures.

Data: the package's synthetic click model, or (``alpt-ref verify --clicks STORE``) a store written by ``alpt-ref data``,
of which the first rows of the training part are taken (their number and the store's fingerprint become part of the
cell).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import special

from alpt_ref.tables import make_table
from alpt_ref.theory.supermartingale import Update, increment
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product, sampled
from alpt_ref.verification.inputs import Inputs

from ._clicks import FloatArray, best_point, clicks, named_store, rows_used
from ._left_out import CHAIN
from ._pictures import colour_of
from ._rounding import generator_of

BETA = 1.0
"""The box is ``[-beta, beta - step]`` for every weight; a run starts in its highest corner."""
BATCH, RUNS = 16, 64
WITHOUT_WORDS = ("nearest rounding", "never trains")
"""Controls in which nothing is random: one run says all."""


def cells(budget: str, source: str = "synthetic") -> list[Cell]:
    full = budget == "full"
    kept: dict[str, list[Any]] = {"data": [source], "rows": [rows_used(source, budget)], "steps": [1_500]}
    found = product(order=["shuffled epochs"], bits=[2, 4, 8], c=[0.05, 0.3, 4.0], **kept)
    found += product(order=["shuffled epochs"], bits=[2, 4, 8] if full else [8], c=[1.0], **kept)
    return found + product(order=["drawn"] if full else [], bits=[2, 4, 8], c=[0.3], **kept)


def ends(cell: Cell) -> tuple[float, float, float]:
    """Step size, smallest and largest weight."""
    step_size = BETA / 2 ** (cell["bits"] - 1)
    return step_size, -BETA, BETA - step_size


def constants(cell: Cell) -> Constants:
    """R, the first squared distance from the comparator."""
    _, low, high = ends(cell)
    u = best_point(cell["data"], cell["rows"], low, high)
    return {"R": float(((high - u) ** 2).sum())}


def batches(cell: Cell, seed: int) -> Any:
    """Rows of every update: int64 (steps, BATCH)."""
    generator, rows, steps = generator_of(seed), int(cell["rows"]), int(cell["steps"])
    if cell["order"] == "drawn":
        return generator.integers(0, rows, (steps, BATCH))
    epochs = -(-steps * BATCH // rows)
    return np.concatenate([generator.permutation(rows) for _ in range(epochs)])[: steps * BATCH].reshape(steps, BATCH)


class Weights:
    """A copy of all weights for each run, in one LPT table; `lift` moves every update up by so many steps."""

    def __init__(self, cell: Cell, n: int, runs: int, seed: int, broken: str | None) -> None:
        self.step_size, _, high = ends(cell)
        self.lift = 0.5 * self.step_size if broken == "half a step up" else 0.0
        self.copies = np.arange(runs)[:, None] * n
        self.fixed = high if broken == "never trains" else None
        if self.fixed is not None:
            return
        self.table = make_table(
            "lpt", runs * n, 1, bits=cell["bits"], rounding="dr" if broken == "nearest rounding" else "sr",
            optimizer="sgd", seed=seed, weights=np.full((runs * n, 1), high, np.float32), granularity="table",
            init_step=("range", BETA),
        )  # fmt: skip

    def values(self, ids: Any) -> FloatArray:
        """Weights `ids` of every run: float64 (runs, len(ids))."""
        if self.fixed is not None:
            return np.full((len(self.copies), len(ids)), self.fixed)
        found = self.table.lookup((self.copies + ids).ravel())[:, 0]
        return np.asarray(found.astype(np.float64).reshape(len(self.copies), -1))

    def update(self, ids: Any, gradient: Any, eta: float) -> None:
        """One SGD step of every run on these weights, `gradient` float32 (runs, len(ids))."""
        if self.fixed is None:
            moved = (gradient - np.float32(self.lift / eta)).reshape(-1, 1)
            self.table.apply_gradients((self.copies + ids).ravel(), moved, lr=eta)


def train(cell: Cell, seed: int, broken: str | None) -> tuple[FloatArray, FloatArray]:
    """``X_t`` after every update (steps, runs), and what the stopped runs end with (runs,)."""
    data, step_size, barrier = clicks(cell["data"], cell["rows"]), ends(cell)[0], constants(cell)["R"]
    best = best_point(cell["data"], cell["rows"], *ends(cell)[1:])
    loss_of_best = data.loss(best)
    runs = 1 if broken in WITHOUT_WORDS else RUNS
    weights = Weights(cell, data.n, runs, seed, broken)
    held = weights.values(np.arange(data.n))  # what the table holds; an update changes the ids of its batch alone
    path, stopped, free = np.zeros((cell["steps"], runs)), np.zeros(runs), np.ones(runs, dtype=bool)
    for t, rows in enumerate(batches(cell, seed)):
        eta = cell["c"] / math.sqrt(t + 1)
        ids, place = np.unique(data.ids[rows], return_inverse=True)
        place = place.reshape(data.ids[rows].shape)
        y, u, w = data.labels[rows], best[ids], held[:, ids]
        logits = w[:, place[:, 0]]
        for field in place.T[1:]:
            logits += w[:, field]
        pull = np.repeat(-y * special.expit(-y * logits) / BATCH, place.shape[1], axis=1)
        at = np.arange(runs)[:, None] * len(ids) + place.ravel()
        g = np.bincount(at.ravel(), pull.ravel(), w.size).reshape(w.shape).astype(np.float32)
        weights.update(ids, g, eta)
        gain = np.logaddexp(0.0, -y * logits).mean(axis=1) - loss_of_best[rows].mean()
        held[:, ids] = weights.values(ids)
        step = Update(w, held[:, ids], g, gain)
        path[t] = increment(step, comparator=u, eta=eta, step_size=step_size)
        if free.any():
            stopped, free = play(stopped, free, step, u, eta, step_size, barrier)
    return path.cumsum(axis=0), np.minimum(stopped, barrier)


def play(
    stopped: FloatArray, free: Any, step: Update, u: FloatArray, eta: float, step_size: float, barrier: float
) -> tuple[FloatArray, Any]:
    """The runs that still go on, coordinate by coordinate, up to where they stop; and which go on after that."""
    w, g = np.asarray(step.before), np.asarray(step.gradient, dtype=np.float64)
    paid = 2.0 * eta * g * (w - u) - eta**2 * g**2 - eta * step_size * np.abs(g)
    known = 2.0 * eta * (np.asarray(step.gain) - (g * (w - u)).sum(axis=1))
    added = np.concatenate(
        [known[:, None], (np.asarray(step.after) - w) * (np.asarray(step.after) + w - 2 * u) + paid], 1
    )
    target = np.floor((w - eta * g) / step_size)
    near = np.rint(u / step_size)  # of the two neighbours and one more on either side, the landing closest to u
    landing = np.clip(near, target - 1.0, target + 2.0)
    landing = np.clip(landing * step_size, -BETA, BETA - step_size)  # an update that leaves the box ends at its end
    lowest = (landing - u) ** 2 - (w - u) ** 2 + paid
    worst = np.concatenate([known[:, None], lowest], axis=1)
    reached = stopped[:, None] + added.cumsum(axis=1)
    before = reached - added
    stop = (before + np.minimum(worst, 0.0) < -barrier) | (before >= barrier)
    first = stop.argmax(axis=1)
    ends_now = np.where(stop.any(axis=1), before[np.arange(len(first)), first], reached[:, -1])
    return np.where(free, ends_now, stopped), free & ~stop.any(axis=1)


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    path, stopped = train(cell, seed, broken)
    T = np.unique(np.geomspace(1, cell["steps"], 40).astype(np.int64))
    extra: dict[str, Any] = {"T": T, "X": np.ascontiguousarray(path[T - 1].T), "R": constants(cell)["R"]}
    if broken in WITHOUT_WORDS:
        return exact(stopped, labels=["X, stopped"], extra=extra)
    barrier = float(constants(cell)["R"])
    return sampled(stopped, low=-barrier, high=barrier, labels=["X, stopped"], extra=extra)


def figure(axes: Any, result: Any) -> None:
    """``X_t`` at 4 bits and c = 0.3: runs of SR below 0 on average, the controls above."""
    shown = [("SR", result.cells), *((control.name, control.cells) for control in result.controls)]
    for place, (name, measured) in enumerate(shown):
        colour = colour_of({"nearest rounding": "DR"}.get(name, name), place)
        chosen = [one for one in measured if one.points and (one.cell["bits"], one.cell["c"]) == (4, 0.3)][:1]
        for cell in chosen:
            kept = cell.measurement.extra
            paths = np.atleast_2d(kept["X"])
            axes.plot(kept["T"], paths.mean(axis=0), color=colour, label=name)
            if len(paths) > 1:
                axes.fill_between(kept["T"], paths.min(axis=0), paths.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    axes.axhline(0.0, color="0.4", linestyle="--", linewidth=1, label="bound on E X")
    axes.set(xscale="log", xlabel="updates t", ylabel=r"$X_t$")
    axes.legend(fontsize=8)


def claim_on(inputs: Inputs) -> Claim:
    """The claim about a store that the caller names."""
    if inputs.clicks is None:
        return CLAIM
    source = named_store(inputs.clicks)
    return replace(CLAIM, grid=lambda budget: cells(budget, source))


def _stalls(cell: Cell) -> bool:
    return bool(cell["c"] == 0.05 or (cell["c"] == 0.3 and cell["bits"] <= 4))


THEOREM = theorem(increment)
CLAIM = Claim(
    id="x5",
    left_out=CHAIN,
    title="training with SR on click data is a supermartingale",
    statement=THEOREM.statement,
    plain=(
        THEOREM.plain
        + " Logistic regression on clicks with the package's LPT table, eta_t = c/sqrt(t), u the best point"
        " of the box; tested on runs stopped at |X| = |w_1 - u|^2; synthetic clicks, or the store named by --clicks."
    ),
    source=THEOREM.source,
    kind="upper",
    grid=cells,
    constants=constants,
    bound=lambda cell, constants: 0.0,
    measure=measure,
    trivial=lambda cell, constants: constants["R"],
    control=(
        Control("nearest rounding", "DR, which stalls in these cells", where=_stalls),
        Control("half a step up", "SR half a step too high on average"),
        Control("never trains", "no update at all"),
    ),
    figure=figure,
    of_inputs=claim_on,
)
