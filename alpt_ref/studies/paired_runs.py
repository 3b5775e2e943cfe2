"""Paired differences of two variants of a study, and what is needed to say what their mean means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from alpt_ref.errors import InputError
from alpt_ref.studies.stored import Stored
from alpt_ref.studies.study import Study

Pair = tuple[str, str, str]
"""Plan and the names of two of its runs; the difference is the first minus the second."""


class PairedRuns(NamedTuple):
    """First less second by seed.

    Attributes
    ----------
    values : one a seed that both finished
    seeds : how many the plan asks for
    widen : factor on the standard error of the mean that makes it one for new rows; see `Runs.widen`
    own_data : whether every seed has a split, or data, of its own; otherwise new rows play no part in the scatter
    at_most : whether the scatter of the values is not known and the largest that it can be stands in its place
    """

    values: Sequence[float]
    seeds: int
    widen: float
    own_data: bool
    at_most: bool = False


class StudyRuns(Protocol):
    """What a claim about the runs of a study reads."""

    @property
    def study(self) -> Study:
        """The study's settings."""
        ...

    def __contains__(self, plan: str) -> bool:
        """Whether it has runs of the plan."""
        ...

    def digest(self, plan: str) -> str:
        """Digits that change with the plan's runs."""
        ...

    def differences(self, pair: Pair, metric: str) -> PairedRuns:
        """Paired differences of a test metric, ``auc`` or ``logloss``."""
        ...


class OfStored:
    """The runs of a study on disk."""

    def __init__(self, stored: Stored) -> None:
        """`stored` is read as plans are asked for."""
        self._stored = stored

    @property
    def study(self) -> Study:
        """The study's settings."""
        return self._stored.index.study

    def __contains__(self, plan: str) -> bool:
        """Whether runs of the plan were asked for."""
        return plan in self._stored

    def digest(self, plan: str) -> str:
        """Digits that change with the plan's runs and with their seeds."""
        return self._stored.digest(plan)

    def differences(self, pair: Pair, metric: str) -> PairedRuns:
        """Of the runs that are finished."""
        plan, first, second = pair
        runs = self._stored.plan(plan)
        ours, others = runs[first], runs[second]
        values = [
            getattr(run.result, f"test_{metric}") - getattr(others[seed].result, f"test_{metric}")
            for seed, run in ours.items()
            if seed in others
        ]
        fingerprints = {runs.data[seed].fingerprint for seed in runs.seeds}
        return PairedRuns(values, len(runs.seeds), runs.widen(len(values)), len(fingerprints) == len(runs.seeds))


def study_runs(folder: Path) -> StudyRuns:
    """The study in a folder: runs of `alpt-ref reproduce`, or what was collected of them.

    Raises
    ------
    InputError
        There is none, or a damaged one.
    """
    from alpt_ref.studies.collected import Collected, is_collected

    if is_collected(folder):
        return Collected(folder)
    try:
        return OfStored(Stored(folder))
    except KeyError as error:
        raise InputError(f"{folder} holds a damaged study ({error})") from None
