r"""E1: the Monte Carlo driver computes the iterates of the definition, bit for bit.

The other claims that run the driver say something about low-precision SGD only if this holds. The definition, in NumPy
and with the same random words, is the twin in `_engine_twin.py`, which shares no code with the driver. Random words are
those of Philox block ``element // 4`` under (step, purpose), so that a word is used for one thing only: roundings,
noises, runs and groups of runs are independent.

The driver in NumPy, which takes a user's functions, walks the same runs where it can be asked for them (`IN_NUMPY`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.theory import FewBits, LearnedSteps, simulate
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact

from . import _engine_twin as twin
from ._engine_cases import ENDS, GROUPS, KINKED, PLAIN, SIZES, STEP_SIZE, case_of, cells
from ._left_out import ENGINE

CLOSE = 1e-5
"""Of squared distances, which the driver takes of float32 differences: relative to 1 plus their size."""


IN_NUMPY = ("bowl", "square", "elastic", "logistic")
"""Problems whose runs the driver in NumPy repeats, except in several groups."""


def in_numpy(options: dict[str, Any]) -> dict[str, Any] | None:
    """Options that mean the same run and that the compiled driver does not take; None where there are none."""
    if options["rounding"] == "sr":
        return {**options, "rounding": FewBits(32)}
    if options["rounding"] == "full":
        sizes = np.array(options.get("step_sizes", STEP_SIZE))
        return {**options, "start": sizes * options["start"]}
    return None if "step_sizes" in options else {**options, "step_sizes": LearnedSteps(0.0)}


def bound(cell: Cell, constants: Constants) -> float:
    """No difference."""
    return 0.0


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """How many weights of the last iterate differ in a bit, and how many squared distances along the run."""
    problem, grid, schedule, options = case_of(cell, seed)
    wanted = twin.simulate(problem, grid, schedule, **options, broken=broken).w
    got = simulate(
        problem, grid, schedule, **options, checkpoints=range(1, len(wanted) + 1), device="cpu", minimum_outside=True
    )
    distance2 = problem.distance(wanted.astype(np.float64)) ** 2
    apart = np.abs(got.distance2 - distance2) > CLOSE * (1.0 + distance2)
    differ = got.final.view(np.uint32) != wanted[-1].view(np.uint32)
    counts, labels = (
        [np.count_nonzero(differ), np.count_nonzero(apart)],
        ["weights of the last iterate", "squared distances"],
    )
    same = in_numpy(options) if cell["problem"] in IN_NUMPY and cell["run"] != GROUPS else None
    if same is not None:
        other = simulate(problem, grid, schedule, **same, minimum_outside=True)
        counts.append(np.count_nonzero(other.final.view(np.uint32) != wanted[-1].view(np.uint32)))
        labels.append("weights of the last iterate, driver in NumPy")
    return exact(counts, rtol=0.0, labels=labels)


CLAIM = Claim(
    id="e1",
    left_out=ENGINE,
    title="the Monte Carlo driver's iterates are those of the definition",
    statement=r"$w_{t+1} = clip_B\,(w_t + Q(-\eta_t (f'(w_t) + \xi_t)))$ in every bit,"
    "\nwith words of their own for roundings, noises, runs and steps",
    plain="w_{t+1} = clip(w_t + Q(-eta_t (f'(w_t) + noise_t))) in every bit, for every loss, rounding and noise of the "
    "Monte Carlo driver, with words of their own for roundings, noises, runs and steps: values that differ, at most 0.",
    kind="upper",
    grid=cells,
    bound=bound,
    measure=measure,
    control=(
        Control(
            twin.NOISE_ON_ROUNDING,
            "the noise is made from the words of the rounding",
            where=lambda c: c["run"] == PLAIN and c["noise"] != "none" and c["rounding"] != "dr",
        ),
        Control(
            twin.SAME_WORDS,
            "every group of runs draws the words of the first",
            where=lambda c: c["run"] == GROUPS,
        ),
        Control(twin.NO_CLIPPING, "weights leave the box", where=lambda c: c["run"] == ENDS),
        Control(twin.ONE_CODE_MORE, "the largest code is one larger", where=lambda c: c["run"] == ENDS),
        Control(
            twin.LEFT_KINK,
            "the left slope at a kink",
            where=lambda c: c["problem"] in KINKED and c["noise"] == "none" and "batch" not in c,
        ),
        Control(
            twin.SAME_PAIR,
            "both numbers of a normal pair are the first one",
            where=lambda c: c["noise"] == "normal" and c["rounding"] != "dr",
        ),
        Control(
            twin.TIES_DOWN,
            "nearest rounding takes ties down",
            where=lambda c: c["problem"] == "kink" and c["rounding"] == "dr" and c["noise"] == "none",
        ),
        Control(
            twin.NO_WIDTH,
            "Huber's slope grows beyond its width",
            where=lambda c: c["run"] == PLAIN and c["problem"].startswith("huber"),
        ),
        Control(
            twin.LATE_RATE,
            "the learning rate of the step after",
            where=lambda c: c["problem"] in ("bowl", "elastic") and c["rounding"] != "dr" and c["run"] == PLAIN,
        ),
        Control(twin.ONE_STEP_SIZE, "the first step size for all coordinates", where=lambda c: c["run"] == SIZES),
    ),
)
