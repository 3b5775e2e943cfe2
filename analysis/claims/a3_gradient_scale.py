r"""A3: where the gradient scale 1/sqrt(d q) keeps the step size's relative update comparable with the weights'.

Proof of the sizes, not of the limits. grad_Delta = sum_i grad_w_i r_i, r of R5; with gradients that do not know the
rounding errors, given the lengths, E|grad_Delta| = |grad_w| |r| E|u_1|, u uniform on the sphere: ratio ~ sqrt(2/(pi d))
|r| |w|/Delta. The number b of samples that share the row cancels, since both gradients are sums over them. |r|/sqrt(d)
~ sqrt(1/12) and |w|/(sqrt(d) Delta) = 1/Delta, so that with the scale the ratio is about 0.23/(Delta sqrt(q)).

That is near 1 only where Delta sqrt(q) is near 1/4: at the step of least error for 2 to 10 bits. Not for every m: this
step falls nearly like 1/q, and the ratio is 2 at 12 bits and 7 at 16. Not for every d: of many weights some lie beyond
the range, where R5 is a whole q (8 bits: 2 at d = 4,096). Not for every step: at the one that tables start with,
2 E|w|/sqrt(q), it is 0.14 to 0.19. These three are controls, as are no scale at all and 1/sqrt(b d q) (claim a3b). The
limits 1/3 and 3/2 are a convention for "comparable". Measured through `step_gradient` where the package has the width.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, Test, product, sampled

from ._left_out import LEARNED
from ._relative_update import SCALES, initial, ratios, scale_of

RANGE = (1 / 3, 3 / 2)
ELEMENTS, LEAST = 2**16, 2048
"""Weights a cell, and rows at the least."""
SMALL = {"d": 16, "b": 1}
WIDE = 4096


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    sizes = [4, 8, 16, 32, 64, 128] if full else [4, 16, 128]
    shapes = product(bits=[2, 4, 8], d=sizes, b=[1, 4, 16, 64, 256] if full else [1, 16])
    shapes += product(bits=[6, 10] if full else [10], d=sizes, b=[1])
    return [{**shape, "rows": rows_of(shape["d"])} for shape in shapes]


def rows_of(d: int) -> int:
    return max(ELEMENTS // d, LEAST)


def bound(cell: Cell, constants: Constants) -> Any:
    return RANGE


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    d, b, bits = int(cell["d"]), int(cell["b"]), int(cell["bits"])
    if broken in ("12 bits", "16 bits"):
        bits = int(broken.split()[0])
    if broken == "every-d":
        d = WIDE
    step_size = initial(bits) if broken == "first-step" else None
    rows = LEAST // 2 if broken == "every-d" else cell["rows"]
    raw = ratios(rows, d, b, bits, np.random.Generator(np.random.Philox(key=seed)), step_size)
    means = {scale: float(raw.mean()) * scale_of(scale, d, b, bits) for scale in SCALES}
    return sampled(raw * scale_of(broken if broken in SCALES else "dq", d, b, bits), extra={"means": means})


def _small_8(cell: Cell) -> bool:
    return bool(cell["bits"] == 8 and all(cell[key] == value for key, value in SMALL.items()))


CLAIM = Claim(
    id="a3",
    left_out=LEARNED,
    title="The gradient scale 1/√(d q) keeps the step size's relative update near the weights', at 2 to 10 bits",
    statement=(
        r"$\frac{1}{3} \;\leq\; E\,\frac{g\,|\nabla_\Delta|/\Delta}{\|\nabla_w\|/\|w\|} \;\leq\; \frac{3}{2},\quad"
        r" g = 1/\sqrt{d\,(2^{m-1}-1)}$"
        "\n"
        r"at the step size of least error, $2 \leq m \leq 10$, $4 \leq d \leq 128$, every $b$; not beyond"
    ),
    plain=(
        "With gradient scale g = 1/sqrt(d q_max) the mean of (g |grad_Delta|/Delta)/(|grad_w|/|w|) lies between 1/3 and"
        " 3/2 for m = 2 to 10 bits, d = 4 to 128 and every number b of samples of the row, at the step size of least"
        " error (random gradients, normal weights). Not at 12 bits (2.1) or 16 (7), not at d = 4,096 (2 at 8 bits),"
        " and not at the step size that tables start with (0.14 to 0.19)"
    ),
    source="ours; the scale and its argument: Esser et al., Learned step size quantization, ICLR 2020",
    kind="equivalence",
    grid=cells,
    bound=bound,
    measure=measure,
    test=Test(
        alpha=0.0005,
        normal=(
            "the mean of at least 2,048 independent values (1,024 in one control): rows with weights beyond the range,"
            " which would make it skew, are weighed by their probability where they are rare; the skewness of a value"
            " is below 3, that of the mean below 0.05, which may double the tail of 0.0005 at which it is tested"
        ),
    ),
    control=(
        Control(
            "none",
            "no gradient scale",
            where=lambda cell: cell["d"] >= 16 and cell["b"] == 1,
            removes=("1/sqrt(d q_max)",),
        ),
        Control("bdq", "the scale 1/sqrt(b d q_max)", where=lambda cell: cell["b"] >= 16 and cell["d"] == 16),
        Control("12 bits", "the same range at 12 bits", where=_small_8, removes=("m <= 10",)),
        Control("16 bits", "the same range at 16 bits", where=_small_8, removes=("m <= 10",)),
        Control("every-d", f"the same range at d = {WIDE:,}", where=_small_8, removes=("d <= 128",)),
        Control(
            "first-step",
            "the step size that tables start with in place of the one of least error",
            where=lambda cell: cell["b"] == 1,
            removes=("step size of least error",),
        ),
    ),
)
