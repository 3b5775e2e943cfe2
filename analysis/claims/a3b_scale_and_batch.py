r"""A3, the batch: a gradient scale with 1/sqrt(b) is a smaller learning rate in disguise.

Proof. grad_w = sum_j g_j and grad_Delta = sum_j <g_j, r> = <grad_w, r> over the b samples that share the row (R5).
So |grad_Delta|/|grad_w| = |<u, r>| with u the direction of grad_w: the number of samples cancels.
A scale with 1/sqrt(b) therefore makes the step size's relative update fall like b^(-1/2) against the weights'.

The powers are exact for the means; what is measured has the sampling error of some thousand rows a point, which the
declared half width leaves room for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, Test, curve, product

from ._left_out import LEARNED
from ._pictures import slopes
from ._relative_update import SCALES, ratios, scale_of

SAMPLES = (1, 2, 4, 8, 16, 32, 64)
SLOPE = {"none": 0.0, "dq": 0.0, "bdq": -0.5}
WIDTH = 0.06
"""Half width of the range around the power: six standard errors of a slope fitted to 4,096 rows a point."""


def cells(budget: str) -> list[Cell]:
    cells = product(scale=list(SCALES), bits=[4], d=[16], rows=[4096])
    if budget == "full":
        cells += product(scale=list(SCALES), bits=[2, 8], d=[16], rows=[16384])
    return cells


def bound(cell: Cell, constants: Constants) -> Any:
    return SLOPE[cell["scale"]] - WIDTH, SLOPE[cell["scale"]] + WIDTH


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    generator = np.random.Generator(np.random.Philox(key=seed))
    size = int(cell["d"]), int(cell["bits"])
    columns = []
    for b in SAMPLES:
        raw = ratios(cell["rows"], size[0], b, size[1], generator)
        columns.append(raw * scale_of(cell["scale"], size[0], b, size[1]))
    return curve(SAMPLES, np.stack(columns, axis=1))


CLAIM = Claim(
    id="a3b",
    left_out=LEARNED,
    title="The step size's relative update does not depend on the samples of a row; 1/√b makes it fall",
    statement=(
        r"$\frac{g\,|\nabla_\Delta|/\Delta}{\|\nabla_w\|/\|w\|} \propto b^p:\quad p = 0$  for $g = 1$ and"
        r" $g = 1/\sqrt{d\,q}$;  $\;p = -1/2$  for $g = 1/\sqrt{b\,d\,q}$"
    ),
    plain=(
        "Relative update of the step size over that of the weights as a power b^p of the samples that share the row:"
        " p = 0 without a scale and with 1/sqrt(d q_max), p = -1/2 with 1/sqrt(b d q_max)"
    ),
    kind="rate",
    grid=cells,
    bound=bound,
    measure=measure,
    test=Test(
        normal=(
            "a slope is a weighted sum of logarithms of means over at least 4,096 independent rows, whose skewness is"
            " below 4 and that of their mean below 0.07"
        )
    ),
    control=(
        Control(
            "scale-independent",
            "that 1/sqrt(b d q_max) keeps the ratio too",
            bound=lambda cell, constants: (-WIDTH, WIDTH),
            where=lambda cell: cell["scale"] == "bdq",
            removes=("b^(-1/2)",),
        ),
        Control(
            "batch-dependent",
            "that the ratio falls like b^(-1/2) without 1/sqrt(b) too",
            bound=lambda cell, constants: (-0.5 - WIDTH, -0.5 + WIDTH),
            where=lambda cell: cell["scale"] != "bdq",
            removes=("b^0",),
        ),
    ),
    figure=slopes("scale", "samples $b$ of the row", "relative update, step size over weights"),
)
