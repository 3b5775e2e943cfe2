r"""R5: the straight-through derivative of a quantised weight by its step size.

Statement and proof: `alpt_ref.theory.identities.expected_step_size_derivative`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref import quantizer
from alpt_ref.scalar.code_range import code_range, lowest_code
from alpt_ref.theory.identities import expected_step_size_derivative
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import LEARNED
from ._rounding import count_values

POINTS = 48
WIDTH = 2.0**-12
"""Half width of the central difference, relative to the step size."""
FLOAT32 = 2.0**-23


INSTEAD: dict[str, Callable[[Any, int, int], tuple[Any, Any, Any]]] = {
    "code alone": lambda x, low, high: (low, np.floor(x + 0.5), high),
    "rest alone": lambda x, low, high: (low, -x, high),
    "symmetric range": lambda x, low, high: (low + 1, np.floor(x + 0.5) - x, high),
    "one more above": lambda x, low, high: (low, np.floor(x + 0.5) - x, high + 1),
}
"""Controls: the derivative below, inside and above the range."""


def grid(budget: str) -> list[Cell]:
    """Bits, step sizes, and what the specification says about rounding: the derivative must not depend on it."""
    quick = budget == "quick"
    bits, steps = ([2, 4, 8], [0.01]) if quick else ([2, 4, 8, 16], [1e-4, 0.01, 0.25])
    return product(bits=bits, step_size=steps, rounding=["dr", "sr"])


def weights(cell: Cell) -> NDArray[np.float32]:
    """From 1.5 times below the range to 1.5 times above it, ties among them, clear of the ends by the difference."""
    half = -lowest_code(cell["bits"])
    x = np.linspace(-1.5 * half, 1.5 * half, 2 * POINTS + 1) + 0.003
    x = np.concatenate([x, [-0.5, 0.5, 0.25 - half, half - 1.25]])
    x = x[(np.abs(x + half) > 0.01 * half) & (np.abs(x - half + 1) > 0.01 * half)]
    return np.asarray(x * np.float32(cell["step_size"]), dtype=np.float32)


def bound(cell: Cell, constants: Constants) -> NDArray[np.float64]:
    """Central difference of ``Delta (clip(w/Delta) + c)`` with the offset c of nearest rounding frozen, in float64."""
    w, step_size = weights(cell).astype(np.float64), float(np.float32(cell["step_size"]))
    low, high = code_range(cell["bits"])
    x = (weights(cell) / np.float32(step_size)).astype(np.float64)  # ties as the float32 division gives
    x = np.clip(x, low, high)
    offset = np.floor(x + 0.5) - x
    ends = [(s, s * (np.clip(w / s, low, high) + offset)) for s in (step_size * (1 - WIDTH), step_size * (1 + WIDTH))]
    return np.asarray((ends[1][1] - ends[0][1]) / (ends[1][0] - ends[0][0]))


def margin(cell: Cell, constants: Constants) -> float:
    """Spacings of float32 at the end of the range: kernel and weights are float32."""
    return float(2 * FLOAT32 * 1.5 * -lowest_code(cell["bits"]) + 1e-9)


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """The package's step-size gradient of one weight per row, with a loss gradient of 1."""
    w, bits = weights(cell), cell["bits"]
    x = w / np.float32(cell["step_size"])
    low, high = code_range(bits)
    if broken == "floor":
        value = np.where(x < low, low, np.where(x > high, high, np.floor(x) - x))
    elif broken in INSTEAD:
        below, inside_range, above = INSTEAD[broken](x, low, high)
        value = np.where(x < low, below, np.where(x > high, above, inside_range))
    elif broken == "no range":
        value = np.floor(x + 0.5) - x
    elif broken == "stochastic rounding":
        inside = (x >= low) & (x <= high)
        value = np.where(x < low, low, np.where(x > high, high, 0.0))
        value[inside] = count_values(x[inside], bits, 12)[0]  # expected SR(x) - x
    else:
        spec = quantizer.QuantSpec(bits, cell["rounding"])
        value = quantizer.step_gradient(w[:, None], np.ones((len(w), 1), np.float32), cell["step_size"], spec)
    return exact(value, rtol=0.0, labels=[f"w/step = {one:.4g}" for one in x])


def figure(axes: Any, result: Any) -> None:
    """The sawtooth inside the range and the end codes outside."""
    cell = next(one for one in result.cells if one.cell["bits"] == 4)
    x = [float(point.label.split("=")[1]) for point in cell.points]
    order = np.argsort(x)
    axes.plot(np.array(x)[order], [(cell.points[i].low + cell.points[i].high) / 2 for i in order], "k-",
              label="finite difference, rounding frozen")  # fmt: skip
    axes.plot(x, [point.value for point in cell.points], "o", markersize=3, label="package, 4 bits")
    axes.set(xlabel=r"$w/\Delta$", ylabel=r"$\partial Q/\partial\Delta$")
    axes.legend(fontsize=8)


THEOREM = theorem(expected_step_size_derivative)
CLAIM = Claim(
    id="r5",
    left_out=LEARNED,
    title="step-size derivative, straight through the rounding",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="identity",
    grid=grid,
    bound=bound,
    margin=margin,
    measure=measure,
    control=(
        Control("floor", "floor in place of nearest rounding"),
        Control("no range", "DR(s) - s outside the range too"),
        Control("stochastic rounding", "expected SR(s) - s in place of DR(s) - s"),
        Control("code alone", "DR(s) inside the range, the derivative with frozen codes", removes=("s",)),
        Control("rest alone", "-s inside the range", removes=("DR(s)",)),
        Control("symmetric range", "-2^(m-1) + 1 below the range", removes=("2^(m-1)",)),
        Control("one more above", "2^(m-1) above the range", removes=("2^(m-1) - 1", "1")),
    ),
    figure=figure,
)
