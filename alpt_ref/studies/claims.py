"""What claims about trained models share: they read the runs that `alpt-ref reproduce` stored, and train nothing.

The caller names the study's folder (`Inputs.runs`, ``alpt-ref verify --runs DIR``). The digest of its runs is part of
every cell, so a verdict belongs to exactly these runs. Without a folder a claim has one cell, NOT_APPLICABLE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from alpt_ref.studies.stored import Stored
from alpt_ref.studies.study import Study
from alpt_ref.verification.claim import Assumption, Cell, Claim, Constants, Control, Test
from alpt_ref.verification.inputs import Inputs
from alpt_ref.verification.measurement import Measurement, paired

LEVEL = 0.05
NONE = "none"
ABSENT: list[Cell] = [{"runs": NONE}]
STORED = Assumption("runs of `alpt-ref reproduce` are given (--runs)", lambda cell, constants: cell["runs"] != NONE)

Pair = tuple[str, str, str]
"""Plan and the names of two of its runs; the claim is about the first minus the second."""


def study_with(folder: Path | None, *plans: str) -> Stored | None:
    """The study in `folder`, if one is named and has runs of all these plans."""
    found = None if folder is None else Stored(folder)
    return found if found is not None and all(plan in found for plan in plans) else None


def digest_of(found: Stored, *plans: str) -> str:
    """Digits that change with the runs."""
    return "-".join(found.digest(plan) for plan in plans)


def paired_values(found: Stored, pair: Pair, metric: str) -> Measurement:
    """first - second of a test metric (``auc``, ``logloss``), seed by seed."""
    runs = found.plan(pair[0])
    first, second = runs[pair[1]], runs[pair[2]]
    seeds = [seed for seed in first if seed in second]
    one, two = ([getattr(of[seed].result, f"test_{metric}") for seed in seeds] for of in (first, second))
    return paired(one, two)


def on_stored_runs(
    *,
    id: str,
    title: str,
    statement: str,
    plain: str,
    kind: str,
    plans: Sequence[str],
    grid: Callable[[Study], list[Cell]],
    pair: Callable[[Cell, bool], Pair],
    metric: str,
    pairs: int,
    control: Control,
    assumptions: Sequence[Assumption] = (),
    margin: float = 0.0,
) -> Claim:
    """A claim on the mean paired difference of two variants.

    Parameters
    ----------
    id, title, statement, plain, control : of the claim; the control is measured
    kind, margin : ``upper`` (the mean is at most 0) or ``equivalence`` (it is 0 within the margin)
    plans : tables whose runs must be stored
    grid : ``grid(study)`` -> cells
    pair : ``pair(cell, broken)`` -> what is compared, for the claim or for its control
    metric : ``auc`` or ``logloss``
    pairs : with fewer a cell is NOT_APPLICABLE
    assumptions : executed only where runs are stored
    """

    def claim_on(inputs: Inputs) -> Claim:
        found = study_with(inputs.runs, *plans)

        def cells(budget: str) -> list[Cell]:
            if found is None:
                return ABSENT
            return [{"runs": digest_of(found, *plans), **one} for one in grid(found.index.study)]

        def constants(cell: Cell) -> Constants:
            if found is None:
                return {}
            plan, first, second = pair(cell, False)
            runs = found.plan(plan)
            return {"pairs": len(set(runs[first]) & set(runs[second]))}

        def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
            if found is None:
                raise LookupError("no runs are given")
            return paired_values(found, pair(cell, broken is not None), metric)

        enough = Assumption(f"at least {pairs} pairs of runs", lambda cell, constants: constants["pairs"] >= pairs)
        return Claim(
            id=id,
            title=title,
            statement=statement,
            plain=plain,
            kind=kind,
            grid=cells,
            constants=constants,
            bound=lambda cell, constants: 0.0,
            margin=margin,
            measure=measure,
            assumptions=(STORED, *(_where_stored(one) for one in (*assumptions, enough))),
            control=control,
            test=Test(alpha=LEVEL),
            of_inputs=claim_on,
        )

    return claim_on(Inputs())


def _where_stored(assumption: Assumption) -> Assumption:
    """The assumption, taken for granted where there are no runs: `STORED` says so already."""
    return Assumption(
        assumption.name, lambda cell, constants: cell["runs"] == NONE or assumption.holds(cell, constants)
    )
