r"""R3: the error of one rounded update ``u = eta g`` that starts on the grid.

Statement and proof: `alpt_ref.theory.identities.sr_error_from_grid`.

The update is the one that low-precision tables make (`scalar.quantizer.moved_code`), counted over all words. It rounds
on the real grid of whole steps: nothing is multiplied by Delta before the weight is looked up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from alpt_ref.theory.identities import sr_error_from_grid
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product
from alpt_ref.verification.user_quantizer import UserQuantizer

from ._quantizer_calls import from_grid
from ._rounding import WORD_BIAS, WORD_BITS, count_moves, dyadic, generator_of

DIGITS = 10
EQUAL = {"halves": 0.5, "equal": 1 / 16}
"""Parts with the same update, in steps, in every coordinate: where a form of the bound is reached."""
DRAWS = 12
"""Update vectors a cell."""


def grid(budget: str) -> list[Cell]:
    """One coordinate (an equality), and vectors with updates of a given size in steps (an upper bound)."""
    quick = budget == "quick"
    one = product(
        part=["one"], step_size=[0.1] if quick else [1e-4, 0.1, 3.0], code=[-5, 0] if quick else [-8, -5, 0, 7]
    )
    halves = [{"part": "halves", "step_size": 0.1, "d": d} for d in ((4,) if quick else (1, 4, 64))]
    reach = [0.125, 1.0, 3.0] if quick else [0.015625, 0.125, 0.5, 1.0, 3.0, 20.0]
    vectors = product(part=["vector"], step_size=[0.1], d=[8] if quick else [1, 8, 64], reach=reach)
    return one + halves + vectors + product(part=["equal"], step_size=[0.1], d=[16] if quick else [4, 16, 64])


def _one_coordinate(cell: Cell) -> Any:
    """Updates from -2 to 2 steps, float32 (65,)."""
    return (np.arange(-32, 33) / 16).astype(np.float32)


def updates(cell: Cell) -> Any:
    """Update vectors in steps, float32 (draws, d); they are part of the cell, not of the seed."""
    if cell["part"] in EQUAL:
        return np.full((1, cell["d"]), EQUAL[cell["part"]], np.float32)
    generator = generator_of(cell["d"])
    return dyadic(generator, DRAWS * cell["d"], -cell["reach"], cell["reach"], DIGITS).reshape(DRAWS, cell["d"])


def changed(**factors: float) -> Callable[[Cell, Constants], Any]:
    """The bound with each of its terms, by name, multiplied by a factor."""
    return lambda cell, constants: _bound(cell, factors)


def over(name: str) -> Callable[[Cell, Constants], Any]:
    """The bound without its factor d or sqrt(d)."""
    return lambda cell, constants: _bound(cell, {name: cell["d"] ** (-1.0 if name == "quarter" else -0.5)})


def bound(cell: Cell, constants: Constants) -> Any:
    """The value itself; or ``min(Delta |u|_1, d Delta^2/4)`` and the looser ``sqrt(d) Delta |u|_2`` of each vector."""
    if cell["part"] == "one":
        step_size = cell["step_size"]
        value = sr_error_from_grid(step_size * _one_coordinate(cell).astype(np.float64), step_size)
        return value, value
    return _bound(cell, {})


def _bound(cell: Cell, factors: Mapping[str, float]) -> Any:
    step_size, u = cell["step_size"], cell["step_size"] * _all_updates(cell).astype(np.float64)
    if cell["part"] == "one":  # of one coordinate within a step of its grid point; beyond it is periodic
        part = np.abs(u[:, 0]) % step_size
        value = factors.get("linear", 1.0) * step_size * part - factors.get("square", 1.0) * part**2
        return value, value
    first = factors.get("norm 1", 1.0) * step_size * np.abs(u).sum(axis=1)
    close = np.minimum(first, factors.get("quarter", 1.0) * cell["d"] * step_size**2 / 4)
    loose = factors.get("norm 2", 1.0) * math.sqrt(cell["d"]) * step_size * np.sqrt((u**2).sum(axis=1))
    return -np.inf, np.concatenate([close, loose])


def _all_updates(cell: Cell) -> Any:
    return _one_coordinate(cell)[:, None] if cell["part"] == "one" else updates(cell)


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``E eps^2`` over all words, for every coordinate, then summed over the coordinates of a vector."""
    step_size = cell["step_size"]
    u = _all_updates(cell)
    code = np.full(u.size, cell.get("code", 1), np.int32)
    options: dict[str, Any] = {"less": WORD_BIAS if broken == "biased words" else 0}
    if broken == "off the grid":  # the codes belong to a step size 1.5 times as large: odd ones lie between the points
        code, options["ratio"] = code | 1, 1.5
    bias, variance = count_moves(code, u.ravel(), WORD_BITS, stochastic=broken != "nearest rounding", **options)
    error = step_size**2 * (variance + bias**2).reshape(u.shape).sum(axis=1)
    if cell["part"] == "one":
        return exact(error, rtol=1e-12, atol=1e-15 * step_size**2, labels=[f"u = {x:g} steps" for x in u[:, 0]])
    labels = [f"{form}, draw {draw}" for form in ("1-norm", "2-norm") for draw in range(len(u))]
    return exact(np.concatenate([error, error]), rtol=1e-12, labels=labels)


def figure(axes: Any, result: Any) -> None:
    """Counted error of one coordinate, and the two lines that bound it."""
    u = np.linspace(-2, 2, 401)
    axes.plot(u, np.minimum(np.abs(u), 0.25), "k-", label=r"bound $\min(\Delta|u|,\ \Delta^2/4)$")
    cell = next(one for one in result.cells if one.cell["part"] == "one")
    values = [point.value / cell.cell["step_size"] ** 2 for point in cell.points]
    axes.plot(_one_coordinate(cell.cell), values, "o", markersize=3, label=r"SR, all words")
    axes.set(xlabel=r"update $u$ ($\Delta$)", ylabel=r"$E\,\epsilon^2$ ($\Delta^2$)")
    axes.legend(fontsize=8)


def of_quantizer(quantizer: UserQuantizer) -> Claim:
    """The claim about the user's rounding in place of the package's."""
    return from_grid(CLAIM, quantizer)


THEOREM = theorem(sr_error_from_grid)
CLAIM = Claim(
    id="r3",
    title="error of one rounded update from a grid point",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=grid,
    bound=bound,
    measure=measure,
    of_quantizer=of_quantizer,
    control=(
        Control("shrunk", "0.99 of the bound, at updates of half a step", 0.99, where=lambda c: c["part"] == "halves"),
        Control(
            "off the grid",
            "the update starts between grid points",
            where=lambda cell: cell["part"] == "vector" and cell["reach"] <= 0.125,
        ),
        Control("biased words", "every word is 2^-8 too small", where=lambda cell: cell["part"] == "one"),
        Control("nearest rounding", "DR in place of SR", where=lambda cell: cell["part"] == "one"),
        Control(
            "half-linear",
            "Delta|u|/2 - u^2",
            bound=changed(linear=0.5),
            where=lambda c: c["part"] == "one",
            removes=("Delta |u_i|",),
        ),
        Control(
            "no-square", "Delta|u|", bound=changed(square=0.0), where=lambda c: c["part"] == "one", removes=("u_i^2",)
        ),
        Control(
            "half-norm-1",
            "half of Delta eta |g|_1",
            bound=changed(**{"norm 1": 0.5}),
            where=lambda c: c["part"] == "equal",
            removes=("Delta eta |g|_1",),
        ),
        Control(
            "half-quarter",
            "d Delta^2/8",
            bound=changed(quarter=0.5),
            where=lambda c: c["part"] == "halves",
            removes=("d Delta^2/4",),
        ),
        Control(
            "without-d",
            "Delta^2/4",
            bound=over("quarter"),
            where=lambda c: c["part"] == "halves" and c["d"] > 1,
            removes=("d",),
        ),
        Control(
            "half-norm-2",
            "half of sqrt(d) Delta eta |g|_2",
            bound=changed(**{"norm 2": 0.5}),
            where=lambda c: c["part"] == "equal",
            removes=("sqrt(d) Delta eta |g|_2",),
        ),
        Control(
            "without-sqrt(d)",
            "Delta eta |g|_2",
            bound=over("norm 2"),
            where=lambda c: c["part"] == "equal",
            removes=("sqrt(d)",),
        ),
    ),
    figure=figure,
)
