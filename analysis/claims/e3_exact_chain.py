r"""E3: the exact chain computes the law of the definition.

Statement: the law of ``w_t`` that `alpt_ref.theory.Chain` follows, its expectations, its transition matrix and its
stationary law are those of ``w' = w + Q(-eta (f'(w) + n))`` with the move clipped to the box.

Here the law is sent along in `Fraction`s, state by state and outcome by outcome; nothing is rounded but the slopes
and moves themselves, which both take as the same float64 numbers. Most claims about bounds stand on this chain.
"""

from __future__ import annotations

import math
from collections import defaultdict
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from alpt_ref.theory import Chain, Grid, Noise, absolute, elastic, evolve_separable, huber, quadratic, saturating
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import ENGINE

STEP_SIZE = 0.25
PROBLEMS = {
    "bowl": quadratic(1.0, 0.31),
    "kink": absolute(1.0, 0.0),
    "elastic": elastic(0.5, 0.75, 0.25),
    "huber": huber(2.0, 0.375, -0.125),
    "saturating": saturating(3.0, 0.1),
}
STEPS = 8
FALLING = 0.75, 0.5, 0.375, 0.25, 0.25, 0.1875, 0.125, 0.125
"""Learning rates; the last is not used."""
CONSTANT = 0.375
MANY = 20
"""The stationary law is compared with the transition matrix to the power ``2**20``."""
ROUND_OFF = 1e-12
AWAY = "ties away from zero"
WORDS = "one random bit more"
ONE_SIDED = "noise of one sign"
UNCLIPPED = "leaving is not counted"
LEFT = "left slope at a kink"
Law = dict[int, Fraction]


class Move(NamedTuple):
    """Where one outcome sends a code, and whether the move left the box."""

    targets: Law
    left: bool


def slope(problem: Any, w: float, broken: str | None) -> float:
    """``f'(w)`` of one coordinate, the right one at a kink, written anew."""
    a, b, e = float(problem.curvature[0]), float(problem.shape[0]), w - float(problem.minimum[0])
    if problem.kind == "elastic":
        return a * e + (b if e > 0 or (e == 0 and broken != LEFT) else -b)
    if problem.kind == "huber":
        return a * min(max(e, -b), b)
    return a * e / (1 + e * e) ** 2


def loss(problem: Any, w: float) -> float:
    """``f(w)`` of one coordinate, written anew."""
    a, b, e = float(problem.curvature[0]), float(problem.shape[0]), abs(w - float(problem.minimum[0]))
    if problem.kind == "elastic":
        return a * e * e / 2 + b * e
    if problem.kind == "huber":
        return a * e * e / 2 if e <= b else a * b * e - a * b * b / 2
    return a * e * e / (2 + 2 * e * e)


def rounded(move: Fraction, cell: Cell, broken: str | None) -> Law:
    """Laws of the rounded move in steps: DR with ties up, SR by exact or by `random_bits` words."""
    below = math.floor(move)
    up = move - below
    if cell["rounding"] == "dr":
        tie_up = broken != AWAY or move > 0
        return {below + (1 if up > Fraction(1, 2) or (up == Fraction(1, 2) and tie_up) else 0): Fraction(1)}
    bits = cell["random_bits"]
    if bits:  # away from zero for floor(|part after the point| * 2^bits) words
        size = abs(move)
        whole, words = math.floor(size), 2 ** (bits + (broken == WORDS))
        away = Fraction(math.floor((size - whole) * words), words)
        sign = 1 if move > 0 else -1
        return {sign * whole: 1 - away, sign * (whole + 1): away}
    return {below: 1 - up, below + 1: up}


def sent(cell: Cell, code: int, outcome: float, eta: float, broken: str | None) -> Move:
    """One update of one code."""
    lowest, highest = -(2 ** (cell["bits"] - 1)), 2 ** (cell["bits"] - 1) - 1
    g = slope(PROBLEMS[cell["problem"]], code * STEP_SIZE, broken) + outcome
    move = Fraction(-(eta / STEP_SIZE) * g)
    left = not lowest <= code + move <= highest
    move = min(max(move, Fraction(lowest - code)), Fraction(highest - code))
    return Move({code + jump: weight for jump, weight in rounded(move, cell, broken).items() if weight}, left)


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """Largest differences between chain and definition: law, expectations, matrix, stationary law."""
    problem, grid = PROBLEMS[cell["problem"]], Grid(STEP_SIZE, cell["bits"])
    noise = Noise("two-point", cell["sigma"]) if cell["sigma"] else Noise()
    outcomes = [-cell["sigma"], cell["sigma"]] if cell["sigma"] else [0.0]
    if broken == ONE_SIDED:
        outcomes = outcomes[1:]
    chance = Fraction(1, len(outcomes))
    start, lowest = cell["start"], grid.low_code
    law: Law = {start: Fraction(1)}
    curves = np.zeros((6, STEPS))
    for t, eta in enumerate(FALLING):
        after: defaultdict[int, Fraction] = defaultdict(Fraction)
        for code, weight in law.items():
            w, p = code * STEP_SIZE, float(weight)
            e, g = w - float(problem.minimum[0]), slope(problem, w, broken)
            curves[:4, t] += p * loss(problem, w), p * e, p * e * e, p * g * g
            for outcome in outcomes:
                curves[4, t] += p / len(outcomes) * abs(g + outcome)
                move = sent(cell, code, outcome, eta, broken)
                curves[5, t] += p / len(outcomes) * (move.left and t + 1 < STEPS and broken != UNCLIPPED)
                for target, part in move.targets.items():
                    after[target] += weight * chance * part
        law = dict(after) if t + 1 < STEPS else law
    options: dict[str, Any] = {"noise": noise, "rounding": cell["rounding"], "random_bits": cell["random_bits"]}
    got = evolve_separable(problem, grid, start, FALLING, **options)
    wanted = np.zeros(2 ** cell["bits"])
    for code, weight in law.items():
        wanted[code - lowest] = float(weight)
    matrix = np.zeros((len(wanted), len(wanted)))
    for code in range(lowest, grid.high_code + 1):
        for outcome in outcomes:
            for target, part in sent(cell, code, outcome, CONSTANT, broken).targets.items():
                matrix[code - lowest, target - lowest] += float(chance * part)
    chain = Chain(problem, grid, noise, cell["rounding"], cell["random_bits"])
    found = chain.transition_matrix(CONSTANT).toarray()
    power = matrix
    for _ in range(MANY):  # rows are kept at sum 1, or their errors would double each time
        power = power @ power
        power /= power.sum(axis=1, keepdims=True)
    settled = power[start - lowest]
    names = ("value", "error", "distance2", "gradient2", "gradient1", "clipped")
    parts = {name: np.abs(getattr(got, name) - curve).max() for name, curve in zip(names, curves, strict=True)}
    parts["law"] = np.abs(got.laws[0] - wanted).max()
    parts["transition matrix"] = np.abs(found - matrix).max()
    if np.abs(settled @ matrix - settled).max() < ROUND_OFF:  # else it goes round in a cycle
        parts["stationary law"] = np.abs(chain.stationary(CONSTANT, start) - settled).max()
    return exact(list(parts.values()), rtol=0.0, labels=list(parts))


def grid(budget: str) -> list[Cell]:
    """Every loss and rounding, with and without noise; starts inside and at an end of the box."""
    full = budget == "full"
    found = product(
        problem=list(PROBLEMS), rounding=["sr", "dr"], sigma=[0.0, 0.5], bits=[4], start=[3], random_bits=[None]
    )
    ends = [-8, 7] if full else [7]
    found += product(problem=["elastic"], rounding=["sr"], sigma=[2.0], bits=[4], start=ends, random_bits=[None])
    bits = [1, 2, 3, 8] if full else [2]
    return found + product(problem=["bowl"], rounding=["sr"], sigma=[0.5], bits=[4], start=[3], random_bits=bits)


def bound(cell: Cell, constants: Constants) -> float:
    """A few roundings of float64."""
    return ROUND_OFF


CLAIM = Claim(
    id="e3",
    left_out=ENGINE,
    title="the exact chain's law is that of the definition",
    statement=r"$w' = clip_B\,(w + Q(-\eta (f'(w) + \xi)))$: laws, expectations, stationary laws"
    "\nof the exact chain, against Fractions",
    plain="w' = clip(w + Q(-eta (f'(w) + noise))): the exact chain's laws, expectations, transition matrix and "
    "stationary law differ from those counted in Fractions by at most 1e-12.",
    kind="upper",
    grid=grid,
    bound=bound,
    measure=measure,
    control=(
        Control(
            AWAY,
            "nearest rounding takes ties away from zero",
            where=lambda c: c["rounding"] == "dr" and c["problem"] == "kink" and c["sigma"] == 0.5,
        ),
        Control(WORDS, "one random bit more", where=lambda c: c["random_bits"] is not None),
        Control(ONE_SIDED, "the noise has one sign", where=lambda c: c["sigma"] > 0.0),
        Control(UNCLIPPED, "updates that leave the box are not counted", where=lambda c: c["start"] in (-8, 7)),
        Control(
            LEFT,
            "the left slope at a kink",
            where=lambda c: c["problem"] == "kink" and c["rounding"] == "sr",
        ),
    ),
)
