r"""D7: until which touch nearest rounding undoes every update of lazy Adam.

Statement and proof: `alpt_ref.theory.adam_stall.adam_dr_first_move`.

Measured on codes: real LPT tables (DR, lazy Adam, float32), one row a sequence of gradients, and the touch at which a
code of the row first changes. The extremal sequence must move exactly at the predicted touch; random, sparse and
alternating ones may move there at the earliest. The control c = 1 is the short form "DR stalls for eta/Delta < 1/2",
which holds for a row's first touch only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.tables import make_table
from alpt_ref.theory.adam_stall import adam_dr_first_move, adam_update_bound, extremal_gradients, largest_update
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product

from ._instance import Floats
from ._left_out import DETERMINISTIC

STEP_SIZE = 2.0**-6
SEQUENCES = ("extremal", "zeros, then extremal", "random", "sparse", "alternating", "constant")
OPEN_END = 3
"""A run ends after this many times the predicted touch; a row that has not moved by then counts as moving then."""


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    ratios = [0.49, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1] if full else [0.49, 0.4, 0.25, 0.15]
    return product(ratio=ratios, dim=[1, 4, 16], bits=[2, 8] if full else [4])


def first_move(cell: Cell) -> int:
    return int(adam_dr_first_move(cell["ratio"]))


def length(cell: Cell) -> int:
    return min(OPEN_END * first_move(cell), first_move(cell) + 200)


def sequences(cell: Cell, seed: int) -> dict[str, Floats]:
    """Gradients (length, dim) of one row each, with other signs and scales in other columns."""
    generator = np.random.Generator(np.random.Philox(key=seed))
    steps, dim, t = length(cell), int(cell["dim"]), first_move(cell)
    growing = extremal_gradients(t, steps)[:, None]
    signs = np.where(np.arange(dim) % 2, 1.0, -1.0) * 2.0 ** (np.arange(dim) % 5)
    normal = generator.standard_normal((steps, dim))
    return {
        "extremal": growing * signs,
        "zeros, then extremal": growing * signs * (np.arange(steps)[:, None] >= t // 3),
        "random": normal,
        "sparse": normal * np.exp(2.0 * normal) * (generator.random((steps, dim)) < 0.1),
        "alternating": np.where(np.arange(steps)[:, None] % 2, 1.0, -0.9) * signs,
        "constant": np.broadcast_to(signs, (steps, dim)),
    }


def predicted(cell: Cell, touch: float) -> tuple[Any, Any]:
    """No code moves before `touch` (or the run's end); the extremal sequence moves one then."""
    low = np.full(len(SEQUENCES), min(touch, length(cell) + 1.0))
    return low, np.where(np.arange(len(SEQUENCES)) == 0, low, np.inf)


def bound(cell: Cell, constants: Constants) -> tuple[Any, Any]:
    return predicted(cell, first_move(cell))


def first_where(c: Floats, half: float = 0.5) -> Callable[[Cell, Constants], tuple[Any, Any]]:
    """Bound of a control, with `c` (touches,) in place of c_t and `half` of 1/2."""

    def wrong(cell: Cell, constants: Constants) -> tuple[Any, Any]:
        reached = np.flatnonzero(cell["ratio"] * c >= half)
        return predicted(cell, float(reached[0]) + 1.0 if reached.size else math.inf)

    return wrong


TOUCHES = np.arange(1, 2_001)
C = adam_update_bound(TOUCHES)
C_T = "sqrt(sum_s a_s^2/b_s)"


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    given = sequences(cell, seed)
    rounding = "sr" if broken == "stochastic rounding" else "dr"
    table = make_table(
        "lpt", len(given), int(cell["dim"]), bits=int(cell["bits"]), rounding=rounding, optimizer="adam", seed=seed,
        lr=cell["ratio"] * STEP_SIZE, granularity="row", init_step=STEP_SIZE, init_std=0.0,
    )  # fmt: skip
    steps, rows = np.stack(list(given.values()), axis=1).astype(np.float32), np.arange(len(given))
    moved = np.full(len(given), length(cell) + 1)
    start: NDArray[Any] = table.codes().copy()
    for t, gradients in enumerate(steps, start=1):
        table.apply_gradients(rows, gradients)
        changed = (table.codes() != start).any(axis=1)
        moved[changed] = np.minimum(moved[changed], t)
        if changed.all():
            break
    return exact(moved.astype(np.float64), rtol=0.0, labels=list(given), extra={"ratio": cell["ratio"]})


def draw(axes: Any, result: Any) -> None:
    """The first touch at which a code moved against eta/Delta, and the predicted one."""
    ratios = np.linspace(0.075, 0.4999, 400)
    axes.plot(ratios, adam_dr_first_move(ratios), color="0.4", label="predicted: no move before")
    for place, name in enumerate(("extremal", "random", "sparse", "constant")):
        points = [(c.cell["ratio"], p.value) for c in result.cells for p in c.points if p.label == name]
        axes.plot(*zip(*sorted(points), strict=True), "osv^"[place], markersize=4, color=f"C{place}", label=name)
    axes.axvline(0.5, color="0.7", linewidth=1)
    axes.set(yscale="log", xlabel=r"$\eta/\Delta$", ylabel="touches until a code moves (run's end at the latest)")
    axes.legend(fontsize=7)


THEOREM = theorem(adam_dr_first_move)
CLAIM = Claim(
    id="d7",
    left_out=DETERMINISTIC,
    title="Deterministic rounding under lazy Adam: no code moves before a known touch",
    statement=THEOREM.statement,
    plain=THEOREM.plain + ". Measured: the touch at which a code of an LPT(DR) row first changes",
    source=THEOREM.source,
    kind="lower",
    grid=cells,
    bound=bound,
    measure=measure,
    trivial=lambda cell, constants: 1.0,
    assumptions=(Assumption("eta c_t reaches Delta/2 at some t", lambda cell, c: first_move(cell) < math.inf),),
    control=(
        Control(
            "c = 1",
            "the short form: DR stalls whenever eta/Delta < 1/2",
            bound=first_where(np.ones(len(TOUCHES))),
            removes=(C_T,),
        ),
        Control("no root", "c_t^2 in place of c_t", bound=first_where(C**2), removes=(C_T,)),
        Control(
            "limit",
            "the limit of c_t in place of c_t",
            bound=first_where(np.full(len(TOUCHES), largest_update())),
            removes=(C_T,),
        ),
        Control("whole step", "Delta in place of Delta/2", bound=first_where(C, 1.0), removes=("Delta/2",)),
        Control("stochastic rounding", "SR in place of DR"),
    ),
    figure=draw,
)
