r"""RP1: what replaying missed momentum steps does to SR's floor: nothing while moves are small, at most double beyond.

Statement and proof: `alpt_ref.theory.bounds.replay.sr_replayed_moves`. Measured exactly, on ``|w|_1/sqrt(d)`` and on
the same with two-point noise: a touch takes the coordinate through two roundings, of the first move and of the sum of
the missed ones, each to one of two neighbours.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory import bounds
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import CHAIN
from ._terms import WHOLE, Broken, at, is_its_terms, needed, needed_factors

KEYS = ("eta", "step_size", "D1", "G", "dim")
BOXES = {"kink": (-2, 1), "noisy kink": (-64, 63), "corner kink": (-128, 127), "wide kink": (-128, 127)}
"""Codes of the box, with ``w* = 0``; all start there but the corner, which starts at its lower end."""
NOISE = 3.0
"""Of the noisy kink, in slopes."""


def grid(budget: str) -> list[Cell]:
    """`reach`: a touch's whole move in steps, `beta` of it when the row is read again."""
    full = budget == "full"
    T = 20_000 if full else 1_000
    cells = product(problem=["kink"], dim=[1, 4, 16], reach=[0.01, 1.0], beta=[0.5], T=[T])
    cells += product(problem=["noisy kink"], dim=[1, 4] if full else [1], reach=[0.1, 0.5, 3.0], beta=[0.5, 0.9], T=[T])
    cells += product(problem=["corner kink"], dim=[1], reach=[1.0], beta=[0.5], T=[128])
    cells += product(problem=["corner kink"], dim=[1], reach=[16.0], beta=[0.5], T=[8])
    cells += product(problem=["corner kink"], dim=[1], reach=[0.4], beta=[0.5], T=[T])
    return cells + product(problem=["wide kink"], dim=[1], reach=[4.0, 64.0], beta=[0.5], T=[500])


def constants(cell: Cell) -> dict[str, Any]:
    """As the bounds name them; one step is 1, and the slopes' 2-norm is 1."""
    d = int(cell["dim"])
    sigma = NOISE if cell["problem"] == "noisy kink" else 0.0
    start = BOXES[cell["problem"]][0] if cell["problem"] == "corner kink" else 0
    return {
        "eta": float(cell["reach"]) * math.sqrt(d),
        "step_size": 1.0,
        "D1": math.sqrt(d) * abs(start),
        "G": math.sqrt(1.0 + sigma**2),
        "dim": d,
        "start": start,
        "sigma": sigma,
    }


def bound(cell: Cell, known: Constants) -> list[float]:
    """At the cell's T."""
    given: dict[str, Any] = {key: known[key] for key in KEYS}
    return [bounds.sr_replayed_moves(T=int(cell["T"]), **given)]


def of_terms(cell: Cell, known: Constants, broken: Broken = WHOLE) -> list[float]:
    """The same, from the terms that the theorem lists."""
    eta, step, d, G, D1 = (known[key] for key in ("eta", "step_size", "dim", "G", "D1"))
    linear = broken.term("sqrt(d) Delta G/2", broken.factor("sqrt(d)", math.sqrt(d)) * step * G / 2)
    square = broken.term("d Delta^2/(4 eta)", broken.factor("d", d) * step**2 / (4 * eta))
    first = broken.term("D1^2/(2 eta T)", D1**2 / (2 * eta * int(cell["T"])))
    return [first + broken.term("eta G^2/2", eta * G**2 / 2) + min(linear, square)]


def rounded(values: NDArray[np.float64], low: int, high: int, nearest: bool) -> NDArray[np.float64]:
    """Probabilities (len(values), codes) of the codes that these values are rounded to, clipped to the box before."""
    values = np.clip(values, low, high)
    below = np.floor(values + 0.5) if nearest else np.floor(values)
    share = np.zeros_like(values) if nearest else values - below
    out = np.zeros((len(values), high - low + 1))
    at_, rows = below.astype(int) - low, np.arange(len(values))
    np.add.at(out, (rows, at_), 1.0 - share)
    np.add.at(out, (rows, np.minimum(at_ + 1, high - low)), share)
    return out


def touched(cell: Cell, broken: str | None) -> NDArray[np.float64]:
    """Transition matrix of a coordinate's code from one read to the next."""
    known, (low, high) = constants(cell), BOXES[cell["problem"]]
    codes = np.arange(low, high + 1, dtype=np.float64)
    beta, whole = float(cell["beta"]), float(cell["reach"])
    found = np.zeros((len(codes), len(codes)))
    for side in (-1.0, 1.0):
        move = whole * (np.where(codes >= 0, 1.0, -1.0) + side * known["sigma"])
        law = rounded(codes - (1.0 - beta) * move, low, high, broken == "nearest rounding")
        parts = (beta * move,) if broken != "each move rounded" else [(1 - beta) * beta**j * move for j in range(1, 20)]
        for part in parts:  # the move does not depend on where the first rounding led
            law = np.stack(
                [row @ rounded(codes - one, low, high, broken == "nearest rounding")
                 for row, one in zip(law, part, strict=True)]
            )  # fmt: skip
        found += 0.5 * law
    return found


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``(1/T) sum_t E f(w_t) - f*`` over the values that the row is read at."""
    known, (low, high) = constants(cell), BOXES[cell["problem"]]
    loss = math.sqrt(known["dim"]) * np.abs(np.arange(low, high + 1))
    step, law = touched(cell, broken), np.zeros(high - low + 1)
    law[int(known["start"]) - low] = 1.0
    total = 0.0
    for _ in range(int(cell["T"])):
        total += float(law @ loss)
        law = law @ step
    return exact([total / int(cell["T"])], rtol=1e-10, labels=[f"T = {cell['T']}"])


def trivial(cell: Cell, known: Constants) -> float:
    """The largest value in the box."""
    return float(math.sqrt(known["dim"]) * max(abs(code) for code in BOXES[cell["problem"]]))


def once_is_least(cell: Cell, known: Constants) -> bool:
    """Rounding the sum of the missed moves once has at most the variance of rounding each."""
    beta, first = float(cell["beta"]), (1.0 - float(cell["beta"])) * float(cell["reach"])
    once, each = bounds.replay_variance([first * beta**j for j in range(1, 40)], 1.0)
    return once <= each * (1 + 1e-12)


THEOREM = theorem(bounds.sr_replayed_moves)
CLAIM = Claim(
    id="rp1",
    left_out=CHAIN,
    title="missed momentum steps, replayed and rounded once",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=grid,
    constants=constants,
    bound=bound,
    measure=measure,
    trivial=trivial,
    assumptions=(
        is_its_terms(of_terms, bound),
        Assumption("one rounding of the sum has the least variance", once_is_least, proved=True),
    ),
    control=(
        Control("nearest rounding", "DR in place of SR", where=at("corner kink", reach=0.4)),
        Control("each move rounded", "a rounding for each missed move", where=at("wide kink", reach=4.0)),
        *needed(
            of_terms,
            {
                "D1^2/(2 eta T)": lambda cell: at("corner kink")(cell) and cell["reach"] >= 1.0,
                "eta G^2/2": at("wide kink", reach=64.0),
                "sqrt(d) Delta G/2": at("kink", reach=0.01),
                "d Delta^2/(4 eta)": at("kink", reach=1.0),
            },
        ),
        *needed_factors(
            of_terms,
            {
                "sqrt(d)": lambda cell: at("kink", reach=0.01)(cell) and cell["dim"] > 1,
                "d": lambda cell: at("kink", reach=1.0)(cell) and cell["dim"] > 1,
            },
        ),
    ),
)
