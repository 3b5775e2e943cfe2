r"""S6: Adagrad with stochastic rounding, element by element and row by row.

Statement and proof: `alpt_ref.theory.bounds.sr_adagrad`.

Measured exactly where the accumulators are known beforehand or have two magnitudes (`_adagrad`), and on LPT(SR) tables
with the package's row-wise Adagrad, one row a run. The named cases are those in which a term of the bound is needed:
``far`` (a start far from w*), ``swing`` (first updates from end to end of the box), ``floor`` (a long run), ``eps``
(an eps that outweighs the accumulator), ``stall`` (a first update below half a step).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alpt_ref.tables import make_table
from alpt_ref.theory import Grid, Separable, absolute, quadratic
from alpt_ref.theory.bounds import sr_adagrad, sr_adagrad_rows
from alpt_ref.theory.bounds.adagrad import Accumulator
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Assumption, Cell, Claim, Constants, Control, Measurement, exact, product, sampled

from ._adagrad import Gradients, average_gaps, average_gaps_two_magnitudes, expected_root, gradients
from ._instance import Floats
from ._left_out import CHAIN
from ._terms import WHOLE, Broken, is_its_terms, needed, needed_factors

STEP_SIZE = 1.0 / 64.0
SIGNS = 1.5
"""Magnitude of the gradients that are +s or -s, in largest slopes."""
TABLE_EPS = 1e-8
"""Of the package's row-wise Adagrad."""


@dataclass(frozen=True)
class Case:
    """A problem with slopes of at most 1, its box, Adagrad's rate `c` and the start in steps, and the horizons."""

    problem: str
    bits: int
    start: int
    c: float
    horizons: tuple[int, ...]
    signs: float = 0.0
    sigma: float = 0.0
    eps: float = 0.0
    falling: bool = False


CASES = {
    "far": Case("kink", 7, -64, 25.6, (1, 2, 16)),
    "swing": Case("kink", 7, -64, 128.0, (2, 8)),
    "floor": Case("kink", 2, 0, 2.0**0.5, (64, 512)),
    "eps": Case("kink", 7, -64, 50.0, (128,), eps=100.0),
    "stall": Case("kink", 3, -4, 0.4, (50, 200)),
    "slopes, slow": Case("kink", 6, -32, 2.0, (16, 256), falling=True),
    "slopes, fast": Case("kink", 6, -32, 16.0, (16, 256), falling=True),
    "bowls, signs": Case("bowl", 6, 31, 8.0, (16, 256), signs=SIGNS, falling=True),
    "kinks, signs": Case("kink", 6, -32, 8.0, (16, 256), signs=SIGNS),
    "two magnitudes": Case("kink", 5, -16, 4.0, (8, 64), sigma=1.5),
    "large noise": Case("kink", 5, -16, 4.0, (8, 64), sigma=6.0),
    "table, kinks": Case("kink", 4, -8, 4.0, (16, 64), signs=SIGNS, eps=TABLE_EPS),
    "table, bowls": Case("bowl", 4, -8, 4.0, (16, 64), signs=SIGNS, eps=TABLE_EPS),
}
ALONE = ("two magnitudes", "large noise")
FORMS = ("element", "row mean", "row sum")


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    exactly = [name for name in CASES if name not in ALONE and not name.startswith("table")]
    tables = product(case=[n for n in CASES if n.startswith("table")], form=["row mean"], d=[1, 4, 16],
                     runs=[4096 if full else 1024])  # fmt: skip
    dims = [1, 2, 4, 16, 64] if full else [1, 4, 16]
    return product(case=exactly, form=FORMS, d=dims) + product(case=ALONE, form=["element"], d=[1]) + tables


def setting(cell: Cell) -> tuple[Case, Separable, Grid, float]:
    """The case with its problem, grid and rate; for a row's sum rate and eps grow by sqrt(d): equal updates."""
    case, d = CASES[cell["case"]], int(cell["d"])
    grows = math.sqrt(d) if cell["form"] == "row sum" else 1.0
    case = replace(case, eps=grows * case.eps)
    grid = Grid(STEP_SIZE, case.bits)
    slope = np.linspace(1.0, 0.5, d) if case.falling else np.ones(d)
    bowl = quadratic(slope / (grid.high - grid.low), 0.3 * STEP_SIZE)
    problem = absolute(slope, 0.0) if case.problem == "kink" else bowl
    return case, problem, grid, grows * case.c * STEP_SIZE


def squares(cell: Cell, given: Gradients) -> Floats:
    """What one gradient adds to the accumulator of each element."""
    if cell["form"] == "element":
        return given.square
    row = given.square.sum() if cell["form"] == "row sum" else given.square.mean()
    return np.full(int(cell["d"]), row)


def constants(cell: Cell) -> Constants:
    case, problem, grid, c = setting(cell)
    ends = np.array([[grid.low], [grid.high]]) + np.zeros(problem.dim)
    T = np.array(case.horizons, dtype=np.float64)
    each = gradients(problem, grid, case.signs)
    roots, norm_1 = np.sqrt(T[:, None] * squares(cell, each)), T * np.sqrt(each.square).sum()
    if case.sigma:
        roots = np.array([[expected_root(1.0, case.sigma, t)] for t in case.horizons])
        norm_1 = T * max(1.0, case.sigma)
    return {
        "c": c,
        "D": np.abs(ends - problem.minimum).max(axis=0),
        "roots": roots,
        "norm_1": norm_1,
        "eps": case.eps,
        "largest": float(problem.values(ends).max(axis=0).sum()),
        "convex": problem.convex,
    }


def bound(cell: Cell, constants: Constants) -> list[float]:
    found = []
    for T, root, norm_1 in zip(CASES[cell["case"]].horizons, constants["roots"], constants["norm_1"], strict=True):
        known = {"T": T, "c": constants["c"], "step_size": STEP_SIZE, "norm_1": norm_1, "eps": constants["eps"]}
        if cell["form"] == "element":
            found.append(sr_adagrad(**known, D=constants["D"], root=root))
        else:
            distance = float(np.sqrt((np.asarray(constants["D"]) ** 2).sum()))
            how: Accumulator = "sum" if cell["form"] == "row sum" else "mean"
            row = {"D": distance, "root": root[0], "row_dim": int(cell["d"])}
            found.append(sr_adagrad_rows(**known, **row, accumulator=how))
    return found


def of_terms(cell: Cell, constants: Constants, broken: Broken = WHOLE) -> list[float]:
    """The same, from the terms that the theorem and its form for rows list."""
    rows, c, eps, d = cell["form"] != "element", constants["c"], constants["eps"], float(cell["d"])
    wrong, i = broken.within("rows" if rows else ""), "r" if rows else "i"
    square = float((np.asarray(constants["D"]) ** 2).sum())  # D_r^2, or of elements that have equal roots

    def value(T: int, root: Floats, norm_1: float) -> float:
        if rows:
            length = wrong.factor("d_r", d) if cell["form"] == "row mean" else 1.0
            distance, rate = square * root[0], wrong.term("sum_r c d_r R_r/T", c * length * root[0] / T)
        else:
            distance = float((np.asarray(constants["D"]) ** 2 * root).sum())
            rate = wrong.term("sum_i c R_i/T", c * float(root.sum()) / T)
        first = wrong.term(f"sum_{i} D_{i}^2 R_{i}/(2 c T)", distance / (2.0 * c * T))
        rounding = wrong.term("Delta sum_t E|g_t|_1/(2 T)", STEP_SIZE * norm_1 / (2.0 * T))
        return first + rate + rounding + wrong.term(f"sum_{i} D_{i}^2 eps/(2 c T)", square * eps / (2.0 * c * T))

    horizons = CASES[cell["case"]].horizons
    return [value(*one) for one in zip(horizons, constants["roots"], constants["norm_1"], strict=True)]


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    case, problem, grid, c = setting(cell)
    rounding, labels = "dr" if broken == "nearest rounding" else "sr", [f"T = {T}" for T in case.horizons]
    at = np.array(case.horizons) - 1
    if cell["case"].startswith("table"):
        values, high = by_table(case, problem, grid, c, int(cell["runs"]), seed)[:, at], constants(cell)["largest"]
        return sampled(values, low=0.0, high=high, labels=labels)
    if case.sigma:
        gaps = average_gaps_two_magnitudes(grid, 1.0, case.sigma, c, case.horizons[-1], case.start, rounding=rounding)
    else:
        each, t = gradients(problem, grid, case.signs), np.arange(1.0, case.horizons[-1] + 1.0)[:, None]
        rates = c / (np.sqrt(t * squares(cell, each)) + case.eps)
        gaps = average_gaps(problem, grid, each, rates, case.start, rounding=rounding)
    return exact(gaps[at], labels=labels)


def by_table(case: Case, problem: Separable, grid: Grid, c: float, runs: int, seed: int) -> Floats:
    """Average gaps (runs, T) of an LPT(SR) table with row-wise Adagrad: a row is a run, its gradients +s or -s."""
    d, rows = problem.dim, np.arange(runs)
    generator = np.random.Generator(np.random.Philox(key=seed))
    table = make_table(
        "lpt", runs, d, bits=grid.bits, rounding="sr", optimizer="adagrad", lr=c, granularity="table", seed=seed,
        init_step=STEP_SIZE, weights=np.full((runs, d), case.start * STEP_SIZE, np.float32),
    )  # fmt: skip
    gaps = np.empty((runs, case.horizons[-1]))
    for t in range(case.horizons[-1]):
        w = table.codes() * STEP_SIZE
        gaps[:, t] = problem.value(w)
        up = generator.random((runs, d)) < 0.5 * (1.0 + problem.gradient(w) / case.signs)
        table.apply_gradients(rows, np.where(up, case.signs, -case.signs).astype(np.float32))
    return np.asarray(gaps.cumsum(axis=1) / np.arange(1, case.horizons[-1] + 1))


def case_is(case: str, *forms: str) -> Callable[[Cell], bool]:
    return lambda cell: cell["case"] == case and cell["form"] in forms


def long_rows(cell: Cell) -> bool:
    return case_is("swing", "row mean")(cell) and int(cell["d"]) > 1


ROWS = FORMS[1:]


def draw(axes: Any, result: Any) -> None:
    """Measured over the bound by case, for the elementwise and the row-wise forms."""
    names = [name for name in CASES if any(cell.cell["case"] == name and cell.points for cell in result.cells)]
    for place, form in enumerate(FORMS):
        chosen = [cell for cell in result.cells if cell.cell["form"] == form and cell.points]
        x = [names.index(cell.cell["case"]) + 0.2 * (place - 1) for cell in chosen for _ in cell.points]
        y = [point.value / point.high for cell in chosen for point in cell.points]
        axes.plot(x, y, "osv"[place], markersize=4, color=f"C{place}", label=form)
    axes.axhline(1.0, color="0.5", linewidth=1)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=7)
    axes.set(ylabel="measured / bound", ylim=(0.0, 1.05))
    axes.legend(fontsize=7)


THEOREM = theorem(sr_adagrad)
CLAIM = Claim(
    id="s6",
    left_out=CHAIN,
    title="SR, convex, Adagrad by elements and by rows",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="upper",
    grid=cells,
    constants=constants,
    bound=bound,
    measure=measure,
    trivial=lambda cell, constants: constants["largest"],
    assumptions=(
        Assumption("f is convex", lambda cell, constants: bool(constants["convex"])),
        is_its_terms(of_terms, bound),
    ),
    control=(
        Control("nearest rounding", "DR in place of SR", where=case_is("stall", *FORMS)),
        *needed(
            of_terms,
            {
                "sum_i D_i^2 R_i/(2 c T)": case_is("far", "element"),
                "sum_i c R_i/T": case_is("swing", "element"),
                "Delta sum_t E|g_t|_1/(2 T)": case_is("floor", "element"),
                "sum_i D_i^2 eps/(2 c T)": case_is("eps", "element"),
            },
        ),
        *needed(
            of_terms,
            {
                "sum_r D_r^2 R_r/(2 c T)": case_is("far", *ROWS),
                "sum_r c d_r R_r/T": case_is("swing", *ROWS),
                "Delta sum_t E|g_t|_1/(2 T)": case_is("floor", *ROWS),
                "sum_r D_r^2 eps/(2 c T)": case_is("eps", *ROWS),
            },
            "rows",
        ),
        *needed_factors(of_terms, {"d_r": long_rows}, "rows"),
    ),
    figure=draw,
)
