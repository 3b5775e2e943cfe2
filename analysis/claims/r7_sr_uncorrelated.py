r"""R7: the rounding errors of different elements, rows, draws and seeds are uncorrelated.

Proof. Every element has its own random word, so given the weights the errors are independent with mean zero (R1):
``E eps_i eps_j = E eps_i E eps_j = 0``; hence ``E|sum_i eps_i|^2 = sum_i E eps_i^2``, not its d-fold. The errors are
those of the values that stand for the weights, ``dequantize(quantize(w)) - w``, under any step size.
What is tested is the generator behind `quantize`: a counter used twice, or one word for a whole row, keeps every
marginal law (R1 and R2 stay green) and is found here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref import quantizer
from alpt_ref.scalar.code_range import lowest_code
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, Test, product, sampled
from alpt_ref.verification.user_quantizer import UserQuantizer

from ._quantizer_correlations import uncorrelated
from ._rounding import generator_of

RUNS, PRODUCTS = 64, 8192
"""Runs, and the fewest products of pairs in each run's mean."""
WITHIN = 0.01
"""Correlation that counts as none."""
PAIRS = ("next column", "column + 4", "next row", "next draw", "next seed", "row sum")


def grid(budget: str) -> list[Cell]:
    """Widths of a row, bits, and the step size: a number, or one drawn for each row."""
    if budget == "quick":
        return product(d=[8], bits=[8], step_size=[0.1, "per row"])
    return product(d=[5, 8, 64], bits=[2, 4, 8, 16], step_size=[1.0, 0.1, 1 / 3, "per row"])


def bound(cell: Cell, constants: Constants) -> float:
    """No correlation."""
    return 0.0


def _step_sizes(cell: Cell, generator: np.random.Generator, rows: int) -> Any:
    if cell["step_size"] != "per row":
        return cell["step_size"]
    return (2.0 ** generator.uniform(-10, 10, rows)).astype(np.float32)


def _table(cell: Cell, steps: Any, generator: np.random.Generator, rows: int) -> tuple[Any, Any, Any]:
    """Weights float32 (rows, d), the codes below them and the place p of each between the values of two codes.

    p is the same along a row, but for the rounding of the weight to float32.
    """
    top = -lowest_code(cell["bits"])
    codes = generator.integers(-top, top - 1, (rows, cell["d"])).astype(np.int16)
    lower, upper = (quantizer.dequantize(codes + np.int16(k), steps).astype(np.float64) for k in (0, 1))
    w = (lower + generator.uniform(0.2, 0.8, (rows, 1)) * (upper - lower)).astype(np.float32)
    return w, codes, (w - lower) / (upper - lower)


def _errors(
    cell: Cell, table: tuple[Any, Any, Any], steps: Any, key: int, counter: int, broken: str | None
) -> NDArray[np.float64]:
    """``(value - w)/sd``, float64 (rows, d)."""
    w, codes, p = table
    spec = quantizer.QuantSpec(cell["bits"], "sr")
    up = quantizer.quantize(w, steps, spec, seed=key, counter=counter).astype(np.float64) - codes
    if broken == "one word a row":
        up = np.repeat(up[:, :1], w.shape[1], axis=1)  # (nearly) the same place, same word: the same way
    return np.asarray((up - p) / np.sqrt(p * (1.0 - p)))


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """Mean product of standardised errors for six kinds of pairs, one value for each run."""
    generator = generator_of(seed)
    values = np.empty((RUNS, len(PAIRS)))
    rows = max(PRODUCTS // (cell["d"] - 4), 512)
    for run in range(RUNS):
        key, counter = (int(word) for word in generator.integers(0, 1 << 50, 2))
        steps = _step_sizes(cell, generator, rows)
        table = _table(cell, steps, generator, rows)
        e = _errors(cell, table, steps, key, counter, broken)
        later = _errors(cell, table, steps, key, counter if broken == "counter not advanced" else counter + 1, broken)
        other = _errors(cell, table, steps, key + 1, counter, broken)
        total = e.sum(axis=1)
        values[run] = (
            (e[:, 1:] * e[:, :-1]).mean(),
            (e[:, 4:] * e[:, :-4]).mean(),
            (e[1:] * e[:-1]).mean(),
            (e * later).mean(),
            (e * other).mean(),
            (total**2 - (e**2).sum(axis=1)).mean() / (cell["d"] * (cell["d"] - 1)),
        )
    return sampled(values, labels=PAIRS)


def figure(axes: Any, result: Any) -> None:
    """Correlations with their limits, and what one word a row does."""
    places = np.arange(len(PAIRS))
    for cell in result.cells:
        middle = np.array([point.value for point in cell.points])
        ends = np.array([[point.value - point.lower, point.upper - point.value] for point in cell.points]).T
        axes.errorbar(places, middle, yerr=ends, fmt="o", markersize=4, color="#0072B2")
    for control in result.controls:
        axes.plot(places, [point.value for point in control.cells[0].points], "x", label=control.name)
    axes.axhspan(-WITHIN, WITHIN, alpha=0.2, label=f"counts as none: {WITHIN:g}")
    axes.set_xticks(places, PAIRS, rotation=20)
    axes.set_ylabel("correlation of rounding errors")
    axes.set_yscale("symlog", linthresh=2 * WITHIN)
    axes.legend(fontsize=8)


def of_quantizer(quantizer: UserQuantizer) -> Claim:
    """The claim about the user's rounding in place of the package's."""
    return uncorrelated(CLAIM, quantizer)


CLAIM = Claim(
    id="r7",
    title="rounding errors are uncorrelated",
    statement=r"$E\,\epsilon_i\epsilon_j = 0$ for $i \neq j$: one random word per element",
    plain="E eps_i eps_j = 0 for different elements, rows, draws and seeds (one random word per element); "
    f"found within {WITHIN:g} of zero.",
    source="ours",
    kind="identity",
    grid=grid,
    bound=bound,
    margin=WITHIN,
    measure=measure,
    of_quantizer=of_quantizer,
    test=Test(
        normal=f"a run's value is the mean of at least {PRODUCTS:,} products of errors with independent words, each "
        "between -4 and 4 (the row sums: -1 and 4), and 64 of them are averaged again"
    ),
    control=(
        Control("one word a row", "every element of a row is rounded with the row's first word"),
        Control("counter not advanced", "the second draw uses the counter of the first"),
    ),
    figure=figure,
)
