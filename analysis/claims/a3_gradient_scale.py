r"""A3: which gradient scale keeps the step size's relative update comparable with the weights'.

Proof of the sizes. grad_Delta = sum_i grad_w_i r_i, r of R5; with gradients that do not know the rounding errors, given
the lengths, E|grad_Delta| = |grad_w| |r| E|u_1|, u uniform on the sphere: ratio ~ sqrt(2/(pi d)) |r| |w|/Delta.
|w|/Delta ~ sqrt(d) q times what depends on m slowly, |r| ~ sqrt(d): unscaled the ratio grows like sqrt(d) and nearly
like q, and not with the number b of samples that share the row, since both gradients are sums over them.

1/sqrt(d q) (LSQ's argument) leaves a ratio near 1 for every b, d and m. Without a scale it passes 100; 1/sqrt(b d q)
falls below 1/3 as soon as several samples share a row (claim a3b). Both are the controls. Measured through
`step_gradient` at the best step size for the weights; the random-gradient model is the assumption.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, product, sampled

from ._relative_update import SCALES, ratios, scale_of

RANGE = (1 / 3, 3 / 2)
ELEMENTS = 2**19
"""Weights a cell: at 8 bits one in 20,000 lies beyond the range, and these few weigh much in a small row."""


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    sizes = [4, 8, 16, 32, 64, 128] if full else [4, 16, 128]
    shapes = product(bits=[2, 4, 8], d=sizes, b=[1, 4, 16, 64, 256] if full else [1, 16])
    return [{**shape, "rows": ELEMENTS // shape["d"]} for shape in shapes]


def bound(cell: Cell, constants: Constants) -> Any:
    return RANGE


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    size = int(cell["d"]), int(cell["b"]), int(cell["bits"])
    raw = ratios(cell["rows"], *size, np.random.Generator(np.random.Philox(key=seed)))
    means = {scale: float(raw.mean()) * scale_of(scale, *size) for scale in SCALES}
    return sampled(raw * scale_of(broken or "dq", *size), extra={"means": means})


CLAIM = Claim(
    id="a3",
    title="The gradient scale 1/√(d q) keeps the step size's relative update near the weights'",
    statement=(
        r"$\frac{1}{3} \;\leq\; E\,\frac{g\,|\nabla_\Delta|/\Delta}{\|\nabla_w\|/\|w\|} \;\leq\; \frac{3}{2},\quad"
        r" g = 1/\sqrt{d\,(2^{m-1}-1)}$,  for every $b, d, m$"
    ),
    plain=(
        "With gradient scale g = 1/sqrt(d q_max) the mean of (g |grad_Delta|/Delta)/(|grad_w|/|w|) lies between 1/3 and"
        " 3/2 for every d, m and number b of samples of the row (random gradients, normal weights, best step size)"
    ),
    source="ours; the scale and its argument: Esser et al., Learned step size quantization, ICLR 2020",
    kind="equivalence",
    grid=cells,
    bound=bound,
    measure=measure,
    control=(
        Control("none", "no gradient scale", where=lambda cell: cell["d"] > 4),
        Control("bdq", "the scale 1/sqrt(b d q_max)", where=lambda cell: cell["b"] >= 16),
    ),
)
