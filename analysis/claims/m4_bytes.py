r"""M4: the bytes of a table, counted in the arrays that it holds, follow the formula, in serving and in training.

Proof. A row of d codes of m bits takes ceil(d m / 32) words of 4 bytes; one fp32 step size per row takes 4, one a field
4 F in all, one for the table 4. Where 32 divides d m the ratio to fp32 is 4 d / (d m / 8 + 4) = 32 d / (d m + 32) with
one step size per row. ECO holds what LPT holds; rowmax has a step size per row, and on an affine grid a bias of 4 more
bytes. In training come the states of the optimisers: lazy Adam 8 d + 4 a row (two moments, a count), 12 a learned step,
lazy momentum 4 d and 4, row-wise Adagrad 4 and 4, SGD none.

Tables are made here and their arrays counted; where runs of `alpt-ref reproduce` are stored, what these measured, too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from alpt_ref._util.parts import find
from alpt_ref.studies.claims import digest_of, study_with
from alpt_ref.studies.reproduce import Stored, StoredRun
from alpt_ref.tables import make_table
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product
from alpt_ref.verification.inputs import Inputs

from ._left_out import TRAINED

PLAN = "bits"
ROWS, FIELDS = 1000, 4
OF_ROW: dict[str, Callable[[int], int]] = {
    "adam": lambda d: 8 * d + 4, "momentum": lambda d: 4 * d, "adagrad": lambda d: 4, "sgd": lambda d: 0,
}  # fmt: skip
OF_STEP = {"adam": 12, "momentum": 4, "adagrad": 4, "sgd": 0}
METHODS, GRANULARITIES = ("lpt", "alpt", "eco", "rowmax"), ("row", "field", "table")
STORED = ("lpt", "alpt")
"""Methods whose runs a study of bits has."""
FEEDBACK = ("adam", "momentum")
"""Optimisers of ECO."""


class Kind(NamedTuple):
    """What the bytes of a table of low precision depend on, but for its bits."""

    method: str
    n: int
    fields: int
    d: int
    optimizer: str
    granularity: str
    grid: str = "symmetric"


def made_here(d: int) -> list[Kind]:
    """Every method with every optimiser and granularity that it has."""
    found = []
    for method, optimizer, granularity in itertools.product(METHODS, OF_ROW, GRANULARITIES):
        if method == "rowmax":
            grids = ("affine", "symmetric") if granularity == "row" else ()
            found += [Kind(method, ROWS, FIELDS, d, optimizer, granularity, grid) for grid in grids]
        elif method != "eco" or optimizer in FEEDBACK:
            found.append(Kind(method, ROWS, FIELDS, d, optimizer, granularity))
    return found


class Counted:
    """The tables that are made here, and those of the runs of a study where one is given."""

    def __init__(self, found: Stored | None) -> None:
        """`found` : the study."""
        self.found = found

    def cells(self, budget: str) -> list[Cell]:
        """What is counted."""
        made = product(made=["here"], bits=[2, 4, 8, 16], d=[5, 16, 32] if budget == "full" else [5, 16])
        if self.found is None:
            return made
        bits = sorted({16, *self.found.index.study.bits})
        return made + product(made=["stored"], runs=[digest_of(self.found, PLAN)], bits=bits)

    def first_run(self, method: str, bits: int) -> tuple[int, StoredRun]:
        """Seed and run of one of the study's tables."""
        if self.found is None:
            raise LookupError("no runs are given")
        return next(iter(self.found.plan(PLAN)[f"{method}-sr {bits}-bit"].items()))

    def kinds(self, cell: Cell) -> list[Kind]:
        """The tables of a cell."""
        if cell["made"] == "here" or self.found is None:
            return made_here(cell["d"])
        kinds = []
        for method in STORED:
            seed, run = self.first_run(method, cell["bits"])
            data, table = self.found.index.data[seed], run.config.table
            dim = find("model", run.config.model.kind, "model.kind").load().table_dim(run.config.model.dim)
            kinds.append(Kind(method, data.features, data.fields, dim, table.optimizer, table.granularity))
        return kinds

    def bound(self, cell: Cell, constants: Constants) -> list[float]:
        """The formula's values."""
        return [value for kind in self.kinds(cell) for value in formula(kind, cell["bits"])]

    def without(self, part: str) -> Callable[[Cell, Constants], list[float]]:
        """The formula's values with one part of it left out: a control's."""
        return lambda cell, constants: [
            value for kind in self.kinds(cell) for value in formula(kind, cell["bits"], without=part)
        ]

    def held(self, cell: Cell, kind: Kind) -> tuple[int, int]:
        """Bytes when serving and in training, counted."""
        if cell["made"] == "stored":
            result = self.first_run(kind.method, cell["bits"])[1].result
            return result.serving_bytes, result.training_bytes
        table = make_table(
            kind.method, kind.n, kind.d, bits=cell["bits"], rounding="sr", optimizer=kind.optimizer, seed=0,
            granularity=kind.granularity, grid=kind.grid,
            field_offsets=np.linspace(0, kind.n, kind.fields + 1).astype(np.int64),
        )  # fmt: skip
        return table.nbytes("serving"), table.nbytes("training")

    def measure(self, cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
        """Bytes, and how many times fewer than fp32 when serving."""
        values, labels = [], []
        for kind in self.kinds(cell):
            serving, training = self.held(cell, kind)
            values += [serving, training, 4 * kind.d * kind.n / serving]
            name = f"{kind.method} {kind.optimizer} {kind.granularity if kind.method != 'rowmax' else kind.grid}"
            labels += [f"{name}: {what}" for what in ("serving", "training", "ratio")]
        return exact(values, labels=labels)


def formula(kind: Kind, bits: int, *, without: str = "") -> list[float]:
    """Bytes when serving, in training, and how many times fewer than fp32 when serving; controls leave a part out."""
    steps = {"row": kind.n, "field": kind.fields, "table": 1}[kind.granularity] if without != "steps" else 0
    words = kind.d * bits / 32 if without == "whole words" else -(-kind.d * bits // 32)
    biases = kind.n if kind.grid == "affine" and without != "biases" else 0
    serving = 4 * kind.n * words + 4 * steps + 4 * biases
    learned = OF_STEP[kind.optimizer] * steps if kind.method == "alpt" and without != "states of steps" else 0
    rows = OF_ROW[kind.optimizer](kind.d) * kind.n if without != "states of rows" else 0
    return [serving, serving + rows + learned, 4 * kind.d * kind.n / serving]


def controls(counted: Counted) -> tuple[Control, ...]:
    """The formula without each of its parts."""
    return (
        Control("no-steps", "step sizes not counted", bound=counted.without("steps")),
        Control(
            "no-whole-words",
            "d m / 32 words a row, not rounded up",
            bound=counted.without("whole words"),
            where=lambda cell: cell["made"] == "here" and cell["d"] * cell["bits"] % 32 > 0,
        ),
        Control(
            "no-biases",
            "biases of affine grids not counted",
            bound=counted.without("biases"),
            where=lambda cell: cell["made"] == "here",
        ),
        Control(
            "no-row-states",
            "the rows' optimiser not counted",
            bound=counted.without("states of rows"),
            where=lambda cell: cell["made"] == "here",
        ),
        Control(
            "no-step-states",
            "the learned step sizes' optimiser not counted",
            bound=counted.without("states of steps"),
            where=lambda cell: cell["made"] == "here",
        ),
    )


def claim_on(inputs: Inputs) -> Claim:
    """The claim about the tables made here and those of a study that the caller names."""
    both = Counted(study_with(inputs.runs, PLAN))
    return replace(CLAIM, grid=both.cells, bound=both.bound, measure=both.measure, control=controls(both))


HERE = Counted(None)
CLAIM = Claim(
    id="m4",
    left_out=TRAINED,
    title="Bytes held in serving and in training follow the formula",
    statement=(
        r"serving: $4n\lceil dm/32 \rceil + 4s$, affine grids $4n$ more; training: with the optimisers' states"
        "\n"
        r"one step size per row, $32 \mid dm$:  fp32 / low precision $= 32d/(md + 32)$"
    ),
    plain=(
        "n rows of d codes of m bits with s step sizes hold 4 n ceil(d m / 32) + 4 s bytes, and 4 n more with a"
        " bias a row (rowmax); in training 8 d + 4 (lazy Adam), 4 d (lazy momentum), 4 (row-wise Adagrad) or 0 (SGD)"
        " more a row and 12, 4, 4 or 0 more a learned step size; with one step size"
        " per row and 32 dividing d m that is 32 d / (m d + 32) times fewer than fp32 in serving"
    ),
    kind="identity",
    grid=HERE.cells,
    bound=HERE.bound,
    measure=HERE.measure,
    control=controls(HERE),
    of_inputs=claim_on,
)
