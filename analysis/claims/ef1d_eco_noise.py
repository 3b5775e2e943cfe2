r"""EF1D: the floor of ECO on a quadratic with gradient noise, measured on the table that trains.

Statements and proofs: `alpt_ref.theory.bounds.eco_noise`. The control without feedback is the claim's point: momentum
with plain SR passes ECO's bound, and with plain DR it stalls. Every element of the table is a run: 8-bit codes, lazy
momentum, step size 1, float32.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from alpt_ref.kernels.cpu.lowbit import PendingRows
from alpt_ref.tables import make_table
from alpt_ref.tables.eco import EcoTable
from alpt_ref.theory import bounds
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, sampled

from ._left_out import CARRIED
from ._terms import WHOLE, Broken, is_its_terms, needed, needed_factors

D, CURVATURE, THETA = 16, 1.0, 0.3
TERMS = 5_000
"""Of a sum of responses: all of them that float64 sees."""


def cells(budget: str) -> list[Cell]:
    """`sigma` in steps; T so long that the start is forgotten after half of it."""
    named = [
        ("reached", "sr", 0.5, 1.0, 1.0, 0, 80), ("loud", "sr", 0.5, 0.5, 2.5, 0, 100),
        ("small rate", "sr", 0.5, 0.02, 3.0, 0, 1_000), ("loud", "dr", 0.1, 0.3, 40.0, 0, 100),
        ("far start", "dr", 0.5, 0.02, 1.0, 8, 1_400), ("quiet", "dr", 0.5, 0.1, 0.0, 0, 400),
    ]  # fmt: skip
    if budget == "full":
        named += [(name, rounding, 0.9, 0.005, 10.0, 0, 5_000) for name in ("sketch",) for rounding in ("sr", "dr")]
    keys = ("name", "rounding", "b", "eta", "sigma", "start", "T")
    runs = 40_000 if budget == "full" else 12_800
    return [{**dict(zip(keys, one, strict=True)), "runs": runs} for one in named]


def constants(cell: Cell) -> Constants:
    return {"eta": cell["eta"], "keep": cell["b"], "curvature": CURVATURE, "sigma": cell["sigma"], "step_size": 1.0}


def bound(cell: Cell, constants: Constants) -> list[float]:
    """On ``E (w - w*)^2``."""
    if cell["rounding"] == "sr":
        return [bounds.eco_noisy_quadratic(**constants)]
    return [bounds.eco_noisy_quadratic_nearest(**constants) ** 2]


def of_terms(cell: Cell, constants: Constants, broken: Broken = WHOLE) -> list[float]:
    """The same, from the terms that the theorems list."""
    eta, b, a = constants["eta"], constants["keep"], constants["eta"] * CURVATURE
    c = 2.0 * (1.0 + b) - (1.0 - b) * a
    wrong = broken.within("nearest" if cell["rounding"] == "dr" else "")
    first = eta * constants["sigma"] ** 2 * wrong.factor("(1+b)", 1.0 + b) / (CURVATURE * c)
    if cell["rounding"] == "dr":
        rho = math.sqrt((1.0 + b - (1.0 - b) * a) ** 2 - 4.0 * b)
        root = wrong.term("sqrt(eta sigma^2 (1+b)/(lambda c))", math.sqrt(first)) + wrong.term("Delta/rho", 1.0 / rho)
        return [root**2]
    second = wrong.factor("1/(1-b)", 1.0 / (1.0 - b)) / (2.0 * c)
    noise = wrong.term("eta sigma^2 (1+b)/(lambda c)", first)
    return [noise + wrong.term("Delta^2/(2 (1-b) c)", second)]


class Forgets(EcoTable):
    """ECO with the coefficient 0: lazy momentum with plain rounding."""

    def _feed_back(self, pending: PendingRows, before: Any, lr: float) -> None:
        pass


def farthest(cell: Cell, fed_back: bool) -> float:
    """What ``|w - w*|`` cannot exceed: sums of absolute responses to noise, errors and start, from the recursion."""
    b, eta = cell["b"], cell["eta"]
    p = 1.0 + b - (1.0 - b) * eta * CURVATURE
    response = np.zeros(TERMS)
    response[0], response[1] = 1.0, p
    for k in range(2, TERMS):
        response[k] = p * response[k - 1] - b * response[k - 2]
    errors = response.copy()
    errors[1:] -= (1.0 if fed_back else b) * response[:-1]
    start = abs(cell["start"] - THETA) * (np.abs(response).max() * (1.0 + b))
    noise = (1.0 - b) * eta * math.sqrt(3.0) * cell["sigma"] * np.abs(response).sum()
    return float(start + noise + np.abs(errors).sum() * (1.0 if cell["rounding"] == "sr" else 0.5))


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``(w - w*)^2`` of each element, the mean over the second half of its run; uniform noise."""
    rows, T = cell["runs"] // D, cell["T"]
    table = make_table(
        Forgets if broken else EcoTable, rows, D, bits=8, rounding=cell["rounding"], optimizer="momentum",
        lr=cell["eta"], momentum=cell["b"], seed=seed, granularity="table", init_step=1.0,
        weights=np.full((rows, D), cell["start"], np.float32),
    )  # fmt: skip
    ids, draw = np.arange(rows), np.random.Generator(np.random.SFC64(seed))
    width, total, ends = np.float32(2.0 * math.sqrt(3.0) * cell["sigma"]), np.zeros((rows, D)), 0.0
    for t in range(T):
        w = table.lookup(ids)
        if t >= T // 2:
            total += (w - THETA) ** 2
            ends = max(ends, float(np.abs(w).max()))
        noise = width * (draw.random((rows, D), np.float32) - np.float32(0.5))
        table.apply_gradients(ids, np.float32(CURVATURE) * (w - np.float32(THETA)) + noise)
    high = farthest(cell, broken is None) ** 2
    moved = np.abs(np.roots([1.0, -(1.0 + cell["b"] - (1.0 - cell["b"]) * cell["eta"] * CURVATURE), cell["b"]])).max()
    observed = {"ends": ends, "start": float(moved ** (T // 2))}
    return sampled(total.reshape(-1) / (T - T // 2), low=0.0, high=high * (1.0 + 1e-5), observed=observed)


def named(name: str, rounding: str) -> Any:
    return lambda cell: (cell["name"], cell["rounding"]) == (name, rounding)


THEOREM, NEAREST = theorem(bounds.eco_noisy_quadratic), theorem(bounds.eco_noisy_quadratic_nearest)
CLAIM = Claim(
    id="ef1d",
    left_out=CARRIED,
    title="floor of ECO under gradient noise, stochastic and nearest rounding",
    statement=THEOREM.statement + "\n" + NEAREST.statement,
    plain=f"{THEOREM.plain} {NEAREST.plain}",
    source=THEOREM.source,
    kind="upper",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    trivial=lambda cell, constants: 128.0**2,
    assumptions=(
        is_its_terms(of_terms, bound),
        Assumption("nothing clips", lambda cell, constants, seen: seen["ends"] < 127.0, along_run=True),
        Assumption(
            "the start is forgotten", lambda cell, constants, seen: seen["start"] <= 1e-4, along_run=True, proved=True
        ),
    ),
    control=(
        Control(
            "coefficient 0",
            "momentum with plain rounding: SR's floor, and DR stalls at its start",
            where=lambda cell: cell["name"] in ("small rate", "far start"),
        ),
        *needed(
            of_terms,
            {"eta sigma^2 (1+b)/(lambda c)": named("loud", "sr"), "Delta^2/(2 (1-b) c)": named("reached", "sr")},
        ),
        *needed_factors(of_terms, {"(1+b)": named("loud", "sr"), "1/(1-b)": named("small rate", "sr")}),
        *needed(of_terms, {"sqrt(eta sigma^2 (1+b)/(lambda c))": named("loud", "dr")}, "nearest"),
        *needed(of_terms, {"Delta/rho": named("quiet", "dr")}, "nearest", scale=0.0),
    ),
)
