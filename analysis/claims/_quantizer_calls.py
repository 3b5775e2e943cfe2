"""R1, R2, R3 and R7 with a function of the user's: calls of it, many elements each, and the law of its errors.

Weights are built from codes near zero, so that a float32 number holds their place p between two codes exactly enough
under 16 bits too. Errors are differences of float32 values, in float64, in steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory.identities import sr_error_from_grid
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, Test, exact, sampled
from alpt_ref.verification.user_quantizer import DRAWS, UserQuantizer

from ._quantizer_cells import on
from ._rounding import generator_of

Floats = NDArray[np.float64]
RUNS = 64
SHAPE = (16384, 16)
"""Of the array of one call."""
NEAR = 64
"""Codes are below it in magnitude."""
PARTS = (2.0**-10, 0.25, 0.5, 0.8125)
WITHIN = 2.0**-8
"""Bias in steps that counts as none, times ``sqrt(p(1 - p))``, at most 1/2."""
WITHIN_SQUARE = 0.01
"""Relative: variance, and squared error from the grid."""
UPDATES = (-0.5, 0.0625, 0.5, 1.25, 1.75)
JITTER = 2.0**-10
"""Relative: places and updates differ so much from run to run, for Student's t needs values that differ.

A deterministic function would give the same error in every run where all sums are exact; the means move by 2^-20.
"""
BEYOND = (0.25, 0.5, 1.0, 3.0, 1e4)
"""Steps beyond an end of the range."""
GRID_CALLS = 64
"""Calls on values of codes: 2^24 elements."""
RARE = 2.0**-21
"""Of a step: how far from a code's value `_beside` looks; an event is a result that is not that value."""
FACTOR = 4.0
"""By which the chance of an event may differ from its distance, either way."""
BESIDE = "beside values"
BLOCK = 2**21
"""Elements of one call of `_beside`, one event on average; in one column, where a number for a row is one for each."""
NORMAL = Test(
    normal=f"a run's value is the mean over at least {SHAPE[0] * SHAPE[1] // 16:,} elements of one call, of numbers "
    "between -4 and 4 that are independent if each element has a random word of its own, and 64 runs are averaged; "
    "beside values, where a run says whether a block has an event, 0 or 1, it is betting instead",
    normal_in=lambda cell: cell["of"] != BESIDE,
)


def _codes(q: UserQuantizer, generator: np.random.Generator, sign: int) -> NDArray[np.int64]:
    """Codes of one sign, with a neighbour above: (rows, columns)."""
    low, high = (0, min(NEAR, q.high)) if sign > 0 else (max(-NEAR, q.low), 0)
    return generator.integers(low, high, SHAPE)


def _error(q: UserQuantizer, x: NDArray[np.float32], draw: int) -> Floats:
    """``(fn(x) - x)/Delta``."""
    return (q(x, draw).astype(np.float64) - x.astype(np.float64)) / np.float64(np.float32(q.step_size))


def _exact_codes(q: UserQuantizer) -> NDArray[np.int64]:
    """Codes whose value is the exact product with the step size: powers of two, and more where it has few digits.

    Of the others the value lies off it by a rounding to float32; a function that divides by the step size may move it
    so rarely that no theorem here sees it.
    """
    codes = np.arange(q.low, q.high + 1)
    return np.asarray(codes[q.values(codes).astype(np.float64) == codes * np.float64(np.float32(q.step_size))])


def _draws(seed: int, calls: int) -> range:
    first = seed % (DRAWS - calls)
    return range(first, first + calls)


def _by_part(q: UserQuantizer, seed: int, of: Callable[[Floats], Floats]) -> Measurement:
    """Means of a function of the errors for each place p, of positive and of negative numbers, one for each run."""
    generator, columns = generator_of(seed), []
    labels = [f"p = {p:g}, {word} numbers" for word in ("positive", "negative") for p in PARTS]
    draws = iter(_draws(seed, 2 * RUNS))
    step = np.float64(np.float32(q.step_size))
    parts = np.resize(np.array(PARTS), SHAPE[0])[:, None]
    for sign in (1, -1):
        found = np.empty((RUNS, len(PARTS)))
        for run in range(RUNS):
            place = parts * (1.0 + JITTER * generator.uniform(-1.0, 1.0))
            x = (q.values(_codes(q, generator, sign)).astype(np.float64) + place * step).astype(np.float32)
            found[run] = of(_error(q, x, next(draws))).reshape(-1, len(PARTS), SHAPE[1]).mean(axis=(0, 2))
        columns.append(found)
    return sampled(np.concatenate(columns, axis=1), labels=labels)


def _spread() -> Floats:
    p = np.tile(np.array(PARTS), 2)
    return np.asarray(np.sqrt(p * (1 - p)))


def _derived(claim: Claim, q: UserQuantizer, title: str, **changes: Any) -> Claim:
    return replace(
        claim, title=title, test=NORMAL, assumptions=(), constants=lambda cell: {},
        figure=None, of_quantizer=None, left_out="", **changes,
    )  # fmt: skip


def _moved(bound: Callable[[Cell, Constants], Any], what: Callable[[Cell], bool]) -> Control:
    """A control: the same width elsewhere, where the measured value cannot be."""

    def elsewhere(cell: Cell, constants: Constants) -> Any:
        low, high = bound(cell, constants)
        return low + 2 * (high - low), high + 2 * (high - low)

    return Control("moved", "another value, two widths of what counts as equal away", bound=elsewhere, where=what)


def _is(what: str) -> Callable[[Cell], bool]:
    return lambda cell: bool(cell["of"] == what)


def unbiased(claim: Claim, q: UserQuantizer) -> Claim:
    """R1: no bias anywhere between two codes, right beside them too, and a value of a code is not moved."""

    def bound(cell: Cell, constants: Constants) -> Any:
        if cell["of"] == BESIDE:
            return -np.expm1(-1 / FACTOR), -np.expm1(-FACTOR)
        within = WITHIN * _spread() if cell["of"] == "mean" else 0.0
        return -within, within

    def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
        if cell["of"] == "mean":
            return _by_part(q, seed, lambda e: e)
        if cell["of"] == BESIDE:
            return _beside(q, seed)
        generator, furthest, codes = generator_of(seed), 0.0, _exact_codes(q)
        for draw in _draws(seed, GRID_CALLS):
            x = q.values(generator.choice(codes, SHAPE))
            furthest = max(furthest, float(np.abs(np.rint(_error(q, x, draw))).max()))
        return exact(furthest, rtol=0.0, labels=["largest move of a value, in steps"])

    return _derived(
        claim, q, "Stochastic rounding is unbiased",
        plain=f"the mean error at each place p between two codes is 0, within 2^-8 sqrt(p (1 - p)) of a step; "
        f"{GRID_CALLS * SHAPE[0] * SHAPE[1]:,} values of codes (those that are exact products) are not moved; and "
        f"2^-21 of a step from such a value one of {BLOCK:,} elements becomes another: the chance that a block of so "
        f"many has one is between 1 - exp(-1/{FACTOR:g}) and 1 - exp(-{FACTOR:g})",
        grid=lambda budget: on(q, [{"of": "mean"}, {"of": BESIDE}, {"of": "values of codes"}]),
        bound=bound, measure=measure, control=_moved(bound, _is("mean")),
    )  # fmt: skip


def _beside(q: UserQuantizer, seed: int) -> Measurement:
    """Whether one of `BLOCK` elements so near a value becomes another, on both sides of zero and of a step.

    Between code 0 and its neighbours a float32 number holds the distance up to 2^-24 of a step, an eighth of it.
    """
    step, draws = np.float64(np.float32(q.step_size)), iter(_draws(seed, 4 * RUNS))
    places = [(sign * near, sign * (near + (RARE if near == 0 else -RARE))) for near in (0, 1) for sign in (1, -1)]
    found = np.empty((RUNS, len(places)))
    for point, (code, place) in enumerate(places):
        x = np.full((BLOCK, 1), place * step, np.float32)
        for run in range(RUNS):
            found[run, point] = (q(x, next(draws)) != q.values(code)).any()
    labels = [f"w = {code} {'+' if place > code else '-'} 2^-21" for code, place in places]
    return sampled(found, low=0.0, high=1.0, labels=labels)


def variance(claim: Claim, q: UserQuantizer) -> Claim:
    """R2: the mean squared error is ``p(1 - p)`` steps squared."""

    def bound(cell: Cell, constants: Constants) -> Any:
        value = _spread() ** 2
        within = np.maximum(4 * WITHIN_SQUARE * value, WITHIN_SQUARE / 64)
        return value - within, value + within

    return _derived(
        claim, q, "Variance of stochastic rounding",
        plain="the mean squared error at each place p between two codes is p (1 - p) steps squared, within 4 %",
        grid=lambda budget: on(q, [{"of": "square"}]),
        bound=bound,
        measure=lambda cell, seed, *, broken=None: _by_part(q, seed, lambda e: e**2),
        control=_moved(bound, _is("square")),
    )  # fmt: skip


def from_grid(claim: Claim, q: UserQuantizer) -> Claim:
    """R3: the squared error of a rounded update that starts on the grid; and the ends of the range."""

    def bound(cell: Cell, constants: Constants) -> Any:
        if cell["of"] == "ends":
            return 0.0, 0.0
        value = np.array([float(sr_error_from_grid(np.array([abs(u)]), 1.0)[0]) for u in UPDATES])
        within = WITHIN_SQUARE * np.maximum(value, 0.25)
        return value - within, value + within

    def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
        if cell["of"] == "ends":
            return _ends(q, seed)
        generator, found = generator_of(seed), np.empty((RUNS, len(UPDATES)))
        step = np.float64(np.float32(q.step_size))
        room = 2 if q.bits == 2 else 3
        for run, draw in enumerate(_draws(seed, RUNS)):
            low = max(-NEAR, q.low) + room
            codes = generator.integers(low, max(min(NEAR, q.high - 1), low) + 1, (SHAPE[0], len(UPDATES), 3))
            u = np.array(UPDATES)[:, None] * (1.0 + JITTER * generator.uniform(-1.0, 1.0)) * step
            x = (q.values(codes).astype(np.float64) - u).astype(np.float32)
            flat = x.reshape(SHAPE[0], -1)
            error = _error(q, flat, draw).reshape(codes.shape)
            found[run] = (error**2).mean(axis=(0, 2))
        return sampled(found, labels=[f"u = {u:g} steps" for u in UPDATES])

    return _derived(
        claim, q, "Error of one rounded update from the grid",
        plain=f"E (fn(w - u) - (w - u))^2 for w on the grid is Delta |u| - u^2 within a step and periodic beyond, "
        f"within {WITHIN_SQUARE:g} of itself or of a quarter; beyond an end of the range that end comes back",
        grid=lambda budget: on(q, [{"of": "updates"}, {"of": "ends"}]),
        bound=bound, measure=measure, control=_moved(bound, _is("updates")),
    )  # fmt: skip


def _ends(q: UserQuantizer, seed: int) -> Measurement:
    """Largest distance, in steps, from the end of the range that a number beyond it gets; any value may come back."""
    step, furthest = np.float64(np.float32(q.step_size)), []
    draws = iter(_draws(seed, 2 * len(BEYOND)))
    for end, sign in ((q.low, -1.0), (q.high, 1.0)):
        value = np.float64(q.values(end))
        for steps in BEYOND:
            x = np.full((256, 16), value + sign * steps * step, np.float32)
            furthest.append(float(np.abs(q.raw(x, next(draws)).astype(np.float64) - value).max() / step))
    labels = [f"{steps:g} steps {where}" for where in ("below", "above") for steps in BEYOND]
    return exact(furthest, rtol=0.0, atol=1e-6, labels=labels)
