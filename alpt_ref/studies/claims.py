"""What claims about trained models share: they read the runs that `alpt-ref reproduce` stored, and train nothing.

The caller names the study's folder (`Inputs.runs`, ``alpt-ref verify --runs DIR``). The digest of its runs is part of
every cell, so a verdict belongs to exactly these runs. Without a folder a claim has one cell, NOT_APPLICABLE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from alpt_ref.studies.collected import is_collected
from alpt_ref.studies.paired_runs import Pair, PairedRuns, StudyRuns, study_runs
from alpt_ref.studies.stored import Stored
from alpt_ref.studies.study import Study
from alpt_ref.verification.claim import Assumption, Cell, Claim, Constants, Control, Test
from alpt_ref.verification.inputs import Inputs
from alpt_ref.verification.measurement import Measurement, sampled

__all__ = [
    "ABSENT",
    "LEVEL",
    "NONE",
    "STORED",
    "Pair",
    "digest_of",
    "for_new_rows",
    "on_stored_runs",
    "runs_with",
    "study_with",
]

LEVEL = 0.05
NONE = "none"
ABSENT: list[Cell] = [{"runs": NONE}]
STORED = Assumption(
    "runs of a full `alpt-ref reproduce` are given (--runs)", lambda cell, constants: cell["runs"] != NONE
)
NORMAL = (
    "a value is the difference of two methods on one seed, a mean over a thousand or more test rows; where every seed "
    "draws data of its own the values are independent, where the seeds split the same rows the corrected resampled t "
    "statistic is referred to Student's t (Nadeau and Bengio, 2003)"
)


def study_with(folder: Path | None, *plans: str) -> Stored | None:
    """The study in `folder`, if one is named and has runs of all these plans; a collected one has none."""
    found = None if folder is None or is_collected(folder) else Stored(folder)
    return found if found is not None and all(plan in found for plan in plans) else None


def runs_with(folder: Path | None, *plans: str) -> StudyRuns | None:
    """What the study in `folder` says of its runs, as far as it has all these plans; a collected study does, too."""
    found = None if folder is None else study_runs(folder)
    return found if found is not None and all(plan in found for plan in plans) else None


def digest_of(found: StudyRuns | Stored, *plans: str) -> str:
    """Digits that change with the runs."""
    return "-".join(found.digest(plan) for plan in plans)


def for_new_rows(runs: PairedRuns) -> Measurement:
    """The differences, moved apart around their mean so that their t-test is the one for new rows.

    Multiplying the deviations from the mean by `PairedRuns.widen` multiplies the standard error by it and leaves the
    mean: Student's t on these values is the corrected resampled t-test of Nadeau and Bengio, with n - 1 degrees of
    freedom. The differences as measured are kept beside them.
    """
    mean = sum(runs.values) / max(len(runs.values), 1)
    values = [mean + runs.widen * (one - mean) for one in runs.values]
    about = {"differences": list(runs.values), "widened_for_new_rows_by": runs.widen, "scatter_at_most": runs.at_most}
    return sampled(values, extra=about)


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
    """A claim on the mean paired difference of two variants, for new rows of the same source.

    It is judged on the seeds that the study has registered, all of them finished: with others it is not the registered
    analysis, and a cell is NOT_APPLICABLE. So it is where all seeds share one split, since then new rows play no part.

    Parameters
    ----------
    id, title, statement, plain, control : of the claim; the control is measured
    kind, margin : ``upper`` (the mean is at most 0) or ``equivalence`` (it is 0 within the margin)
    plans : tables whose runs must be stored
    grid : ``grid(study)`` -> cells
    pair : ``pair(cell, broken)`` -> what is compared, for the claim or for its control
    metric : ``auc`` or ``logloss``
    pairs : with fewer a cell is NOT_APPLICABLE, too
    assumptions : executed only where runs are stored
    """

    def claim_on(inputs: Inputs) -> Claim:
        found = runs_with(inputs.runs, *plans)

        def cells(budget: str) -> list[Cell]:
            if found is None:
                return ABSENT
            return [{"runs": digest_of(found, *plans), **one} for one in grid(found.study)]

        def constants(cell: Cell) -> Constants:
            if found is None:
                return {}
            runs = found.differences(pair(cell, False), metric)
            return {
                "pairs": len(runs.values),
                "seeds": runs.seeds,
                "own_data": runs.own_data,
                "registered": found.study.is_registered,
            }

        def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
            if found is None:
                raise LookupError("no runs are given")
            return for_new_rows(found.differences(pair(cell, broken is not None), metric))

        conditions = (
            Assumption(
                "the seeds are those that the study has registered; with others this is not the registered analysis",
                lambda cell, constants: constants["registered"],
            ),
            Assumption(
                "the runs of all its seeds are finished",
                lambda cell, constants: constants["pairs"] == constants["seeds"],
            ),
            Assumption(f"at least {pairs} pairs of runs", lambda cell, constants: constants["pairs"] >= pairs),
            Assumption("every seed has a split of its own", lambda cell, constants: constants["own_data"]),
        )
        every = (STORED, *(_where_stored(one) for one in (*assumptions, *conditions)))

        def silent(cell: Cell) -> bool:
            """All of them are conditions on the study that is named, of which none is a bug where it fails."""
            return not all(one.holds(cell, constants(cell)) for one in every)

        return Claim(
            id=id,
            left_out="about trained models",
            title=title,
            statement=statement,
            plain=plain,
            kind=kind,
            grid=cells,
            constants=constants,
            bound=lambda cell, constants: 0.0,
            margin=margin,
            measure=measure,
            assumptions=every,
            control=control,
            test=Test(alpha=LEVEL, normal=NORMAL),
            not_applicable=silent,
            of_inputs=claim_on,
        )

    return claim_on(Inputs())


def _where_stored(assumption: Assumption) -> Assumption:
    """The assumption, taken for granted where there are no runs: `STORED` says so already."""
    return Assumption(
        assumption.name, lambda cell, constants: cell["runs"] == NONE or assumption.holds(cell, constants)
    )
