r"""T1: no bound of S1-S5, D1, D2 can be improved by more than a tenth: each is nearly reached by a stated instance.

Proof. By example, one dimension, measured exactly (`alpt_ref.theory.tightness` says what makes each instance tight).
A ratio above 1 would refute the theorem itself, so the same test must refuse a claim of more than 1.
"""

from __future__ import annotations

import functools

from alpt_ref.theory.tightness import TightInstance, tightness_instances
from alpt_ref.verification import Cell, Claim, Control, Measurement, exact, product


@functools.cache
def instances() -> dict[str, TightInstance]:
    """The instances by theorem; about a second, once per process."""
    return {instance.theorem: instance for instance in tightness_instances()}


def cells(budget: str) -> list[Cell]:
    return product(theorem=list(instances()))


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    instance = instances()[cell["theorem"]]
    return exact(instance.ratio, labels=[instance.description])


CLAIM = Claim(
    id="t1",
    title="Every bound is nearly reached: measured / bound of one explicit instance each",
    statement=r"$\sup\ \frac{\mathrm{measured}}{\mathrm{bound}} \geq 0.9$ for each of S1-S5, D1, D2",
    plain="for each of S1-S5, D1, D2 there is an instance whose measured value is at least 0.9 of the bound",
    kind="lower",
    grid=cells,
    bound=lambda cell, constants: 0.9,
    measure=measure,
    control=Control("more than all", "a claim of more than the bound itself", bound=lambda cell, constants: 1.001),
)
