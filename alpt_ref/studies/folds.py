"""K-fold cross-validation over seeds: which fold a seed tests on, which seeds go together, and how to say it."""

from __future__ import annotations

from collections.abc import Sequence

from alpt_ref._util.statistics import new_rows_factor
from alpt_ref.errors import InputError

TEST_TO_TRAIN = 1 / 8
"""Test rows per training row of the 8:1:1 split."""


def overlap(pairs: int, folds: int = 0) -> float:
    """How much wider an interval over seeds is for new rows, of the usual split or of `folds`.

    Where a dataset is at hand `Runs.widen` takes the rows that are there.
    """
    return new_rows_factor(pairs, 1 / (folds - 2) if folds else TEST_TO_TRAIN)


def require_different_folds(folds: int, seeds: Sequence[int]) -> None:
    """InputError where two seeds would test on the same rows: their runs would not be independent. 0 folds: no rule."""
    first: dict[int, int] = {}
    for seed in dict.fromkeys(seeds) if folds else ():
        other = first.setdefault(seed % folds, seed)
        if other != seed:
            raise InputError(
                f"seeds must fall on different folds, at most {folds} seeds for data.folds={folds}, but seeds {other} "
                f"and {seed} both test on fold {seed % folds}; give fewer seeds or more folds"
            )


def folds_in_words(folds: int, seeds: Sequence[int]) -> str:
    """What the seeds of one table cover: every row, or which folds."""
    tested = sorted({seed % folds for seed in seeds})
    if len(tested) == folds:
        return f"{folds}-fold cross-validation: every row is a test row once"
    which = f"fold{'s' if len(tested) > 1 else ''} {', '.join(map(str, tested))}"
    return f"{which} of {folds}-fold cross-validation: the rows of {len(tested)} of {folds} parts are test rows, once"
