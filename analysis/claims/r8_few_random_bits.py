r"""R8: stochastic rounding with few random bits stalls at a radius that halves with every bit.

Statement and proof: `alpt_ref.theory.few_bits.few_bits_stall`.

Two implementations are counted, code by code and word by word: the exact chain, and the update rule of the package's
tables (`moved_code`) over all ``2^r`` words whose low ``32 - r`` bits are ones, which is the rule that truncates; low
bits just below the middle of their range give the centred rule.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.jit import numba
from alpt_ref.scalar import quantizer
from alpt_ref.theory import Chain, Grid, Noise, quadratic
from alpt_ref.theory.few_bits import few_bits_stall
from alpt_ref.theory.stationary import closed_classes
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import WORDS
from ._pictures import COLOURS, MARKERS

CURVATURE, STEP_SIZE, BITS = 2.0, 0.5, 9
Matrix = NDArray[np.float64]
MEASURED = ("codes that are wrongly fixed or free", "nearest landing", "farthest end")
ONES: dict[str, Callable[[int], int]] = {
    "truncated": lambda free: (1 << free) - 1,
    "centred": lambda free: (1 << free >> 1) - 1,
    "rounded up": lambda free: 0,
}
"""The bits of a 32-bit word below its r random ones, `free` of them."""


def cells(budget: str) -> list[Cell]:
    """Rates ``eta lambda`` and random bits that stall inside the box; minima on a grid point and beside one."""
    full = budget == "full"
    every = product(
        rule=["truncated", "centred"],
        random_bits=[1, 2, 3, 4, 5, 6, 8, 10] if full else [1, 2, 3, 5, 8],
        rate=[0.5, 0.25, 0.07, 2.0**-5, 0.007, 2.0**-8, 0.0007] if full else [0.25, 2.0**-5, 0.007, 2.0**-8],
        theta=[0.0, 0.0625, 0.3, 0.5] if full else [0.0, 0.0625],
    )
    return [cell for cell in every if 1.0 <= reach(cell) <= 200.0]


def reach(cell: Cell) -> float:
    """``R_r`` in steps."""
    return float(2.0 ** -(cell["random_bits"] + (cell["rule"] == "centred")) / cell["rate"])


def constants(cell: Cell) -> Constants:
    return {"eta": cell["rate"] / CURVATURE, "curvature": CURVATURE, "step_size": STEP_SIZE}


def _ends(cell: Cell, nearest: float, farthest: float) -> tuple[list[float], list[float]]:
    """What is allowed for `MEASURED`, for each implementation."""
    ways = len(_ways(cell))
    return [0.0, nearest, nearest] * ways, [0.0, np.inf, farthest] * ways


def bound(cell: Cell, constants: Constants) -> Any:
    return _ends(cell, *_stall(cell, constants))


def _stall(cell: Cell, constants: Constants) -> tuple[float, float]:
    return few_bits_stall(random_bits=int(cell["random_bits"]), rule=cell["rule"], **constants)


def without(factor: float, lower: float = 1.0) -> Any:
    """The bound with R times `factor`, and with `lower` steps between its ends."""

    def changed(cell: Cell, constants: Constants) -> Any:
        radius = factor * _stall(cell, constants)[1]
        return _ends(cell, radius - lower * STEP_SIZE, radius)

    return changed


def _ways(cell: Cell) -> tuple[str, ...]:
    return ("exact chain", "moved_code") if cell["rule"] == "truncated" else ("moved_code",)


@functools.cache
def _counter(round_one: Any) -> Any:
    """Loop over codes and words around ``round_one(code, ratio, shift, stochastic, word)``."""

    @numba.njit(nogil=True, error_model="numpy")
    def count(shift: Any, low: int, bits: int, ones: int, stochastic: bool, ways: Any) -> None:  # pragma: no cover
        for i in range(len(shift)):
            for k in range(1 << bits):
                word = np.uint32((k << (32 - bits)) + ones)
                code = round_one(np.int32(low + i), np.float32(1.0), shift[i], stochastic, word)
                ways[i, min(max(code - low, 0), len(shift) - 1)] += 1.0

    return count


def by_package(update: Matrix, grid: Grid, bits: int, rule: str, stochastic: bool) -> Matrix:
    """Transition matrix of the package's update rule, counted over its ``2^bits`` words."""
    ways = np.zeros((len(update), len(update)))
    ones = ONES[rule](32 - bits)
    _counter(quantizer.moved_code)(update.astype(np.float32), grid.low_code, bits, ones, stochastic, ways)
    return ways / 2.0**bits


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """Codes whose stalling differs from the rule; where moves and runs end, as distances on the start's side."""
    grid, rate = Grid(STEP_SIZE, BITS), float(cell["rate"])
    bits = int(cell["random_bits"]) + (2 if broken == "two more bits" else 0)
    problem = quadratic(CURVATURE, cell["theta"] * STEP_SIZE)
    error = grid.values - problem.minimum[0]
    radius = few_bits_stall(random_bits=int(cell["random_bits"]), rule=cell["rule"], **constants(cell))[1]
    values: list[float] = []
    for way in _ways(cell):
        if way == "exact chain":
            chain = Chain(problem, grid, Noise(), "dr" if broken == "nearest rounding" else "sr", bits)
            matrix = chain.transition_matrix(rate / CURVATURE).toarray()
        else:
            rule = "rounded up" if broken == "words rounded up" else cell["rule"]
            matrix = by_package(rate * error / STEP_SIZE, grid, bits, rule, broken != "nearest rounding")
        values += _counted(matrix, error, radius)
    labels = [f"{what}, {way}" for way in _ways(cell) for what in MEASURED]
    return exact(values, rtol=1e-12, labels=labels, extra={"radius": radius / STEP_SIZE})


def _counted(matrix: Matrix, error: Matrix, radius: float) -> list[float]:
    """The numbers of `MEASURED` for one implementation."""
    fixed, outside = np.diag(matrix) == 1.0, np.abs(error) >= radius
    moving = sum(len(members) > 1 for members in closed_classes(_sparse(matrix)))  # ends in which a run never rests
    start, end = np.nonzero((matrix > 0.0) & outside[:, None])
    landing = np.sign(error[start]) * error[end]
    rests = landing[fixed[end] & (end != start)]
    wrong = float((fixed == outside).sum() + moving)
    return [wrong, float(landing.min()), float(rests.max()) if rests.size else float(np.abs(error).max())]


def _sparse(matrix: Matrix) -> Any:
    from scipy import sparse

    return sparse.csr_array(matrix)


def figure(axes: Any, result: Any) -> None:
    """Where runs end against the number of random bits, for each rate: between D3 at one bit and X2."""
    rates = sorted({cell.cell["rate"] for cell in result.cells})
    for colour, mark, rate in zip(COLOURS, MARKERS, rates, strict=False):
        chosen = [
            cell for cell in result.cells
            if cell.points and (cell.cell["rate"], cell.cell["rule"]) == (rate, "truncated")
        ]  # fmt: skip
        bits = np.array([cell.cell["random_bits"] for cell in chosen])
        ends = np.array([cell.points[2].value / STEP_SIZE for cell in chosen])
        axes.plot(bits, ends, mark, color=colour, fillstyle="none", label=rf"$\eta\lambda$ = {rate:.3g}")
        axes.plot(bits, 2.0**-bits / rate, "-", color=colour, linewidth=1)
    axes.plot([], [], "-", color="0.4", linewidth=1, label=r"$R_r = 2^{-r}\Delta/(\eta\lambda)$")
    axes.set(xlabel="random bits r", ylabel=r"stalled distance ($\Delta$)", yscale="log")
    axes.legend(fontsize=8)


THEOREM = theorem(few_bits_stall)
CLAIM = Claim(
    id="r8",
    left_out=WORDS,
    title="where stochastic rounding with few random bits stalls",
    statement=THEOREM.statement,
    plain=THEOREM.plain + " Counted over all codes and words.",
    source=THEOREM.source,
    kind="identity",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    assumptions=(
        Assumption("eta lambda <= 1/2", lambda cell, constants: cell["rate"] <= 0.5),
        Assumption("R_r >= Delta", lambda cell, constants: reach(cell) >= 1.0),
    ),
    control=(
        Control(
            "two more bits",
            "r + 2 random bits",
            where=lambda cell: reach(cell) >= 2.0,
            removes=("2^-r Delta/(eta lambda)", "2^-r"),
        ),
        Control(
            "words rounded up",
            "a comparison that lets ceil(2^r p) words move on: no code stalls",
            where=lambda cell: reach(cell) > 1.0,
        ),
        Control(
            "nearest rounding",
            "DR, which stalls 2^(r-1) times farther out",
            where=lambda cell: cell["random_bits"] >= 3,
        ),
        Control("without lambda", "R without lambda", bound=without(CURVATURE), removes=("lambda",)),
        Control(
            "without eta",
            "R without eta",
            bound=lambda cell, known: without(known["eta"])(cell, known),
            where=lambda cell: reach(cell) >= 2.0,
            removes=("eta",),
        ),
        Control("without Delta", "R without Delta", bound=without(1.0 / STEP_SIZE), removes=("Delta",)),
        Control(
            "half a step",
            "runs that end within half a step of R",
            bound=without(1.0, 0.5),
            where=lambda cell: cell["theta"] == 0.0 and reach(cell).is_integer(),
        ),
    ),
    figure=figure,
)
