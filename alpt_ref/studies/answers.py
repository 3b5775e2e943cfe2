"""Answers: what a study says to a question in one sentence, with size, interval and number of pairs.

A table may have some (`alpt_ref.studies.table.Table.answers`). They are what ``alpt-ref reproduce --quick`` prints,
the first screen of the report, and ``answers.json``. A sentence is computed from the runs; what comes from the full
study that the package holds (``analysis/results``) is marked ``stored``.
"""

from __future__ import annotations

import csv
import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from alpt_ref._util.files import write_text
from alpt_ref._util.old_paths import analysis_folder
from alpt_ref._util.statistics import t_interval

FILE = "answers.json"
WIDTH = 120
Source = Literal["run", "stored"]


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A number with its 95 % interval.

    Attributes
    ----------
    what : which number it is
    estimate : the mean of `n` values
    low, high : ends of the interval, equal to `estimate` where it is exact; None where the values show no scatter
    n : how many values, pairs of runs as a rule; 1 for an exact number
    source : ``run``, computed by this command, or ``stored``, of the full study that comes with the package
    unit : of the three numbers
    """

    what: str
    estimate: float
    low: float | None
    high: float | None
    n: int
    source: Source = "run"
    unit: str = "test AUC"

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of 0, else 0.

        Examples
        --------
        >>> Estimate(what="SR - DR", estimate=0.3, low=0.2, high=0.4, n=5).sign
        1
        """
        if self.low is None or self.high is None:
            return 0
        return 1 if self.low > 0 else -1 if self.high < 0 else 0

    def text(self, digits: int = 4) -> str:
        """``+0.2612 ± 0.0443``; without an interval where there is none."""
        half = "" if self.high is None else f" ± {self.high - self.estimate:.{digits}f}"
        return f"{self.estimate:+.{digits}f}{half}".replace("-", "−")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One question and its answer; `parts` holds every number of the sentence, the answer's own first."""

    question: str
    sentence: str
    parts: tuple[Estimate, ...]

    def plain(self) -> dict[str, Any]:
        """As it stands in ``answers.json``."""
        first = msgspec.to_builtins(self.parts[0])
        del first["what"]
        return {
            "question": self.question,
            **first,
            "sentence": self.sentence,
            "parts": msgspec.to_builtins(self.parts),
        }


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """All answers of a table, what they rest on, and what its runs cannot tell: one line each."""

    about: str
    answers: tuple[Answer, ...]
    untold: str = ""


def exact(what: str, value: float, unit: str) -> Estimate:
    """A number that is computed without sampling."""
    return Estimate(what=what, estimate=value, low=value, high=value, n=1, unit=unit)


def mean_of(what: str, values: Sequence[float], *, widen: float = 1.0, unit: str = "test AUC") -> Estimate:
    """Mean and 95 % t-interval of values, one a seed; `widen` as `alpt_ref.studies.stored.Runs.widen` gives it."""
    interval = t_interval(values, widen=widen)
    low, high = None, None
    if interval.half_width is not None:
        low, high = interval.mean - interval.half_width, interval.mean + interval.half_width
    return Estimate(what=what, estimate=interval.mean, low=low, high=high, n=interval.n, unit=unit)


def stored_difference(what: str, study: str, table: str, labels: Mapping[str, str]) -> Estimate | None:
    """A row's ``auc_difference`` in a table of a collected study; None where this installation has no such row.

    Parameters
    ----------
    what : which number it is
    study, table : ``small`` and ``schedule``: ``analysis/results/small/tables/schedule.csv``
    labels : what the row's label columns hold
    """
    folder = analysis_folder()
    file = (folder or Path()) / "results" / study / "tables" / f"{table}.csv"
    if folder is None or not file.is_file():
        return None
    with file.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if all(row.get(name) == value for name, value in labels.items()) and row.get("auc_difference"):
                mean, half = float(row["auc_difference"]), float(row["auc_difference_half_width"])
                return Estimate(
                    what=what, estimate=mean, low=mean - half, high=mean + half, n=int(row["runs"]), source="stored"
                )
    return None


def answers_text(found: Answers) -> str:
    """What the command prints: a question, its sentence below it, and in the last line what is not told."""
    lines = [found.about]
    for one in found.answers:
        lines += [one.question, *_wrapped(one.sentence)]
    return "\n".join([*lines, *(_wrapped(found.untold, "") if found.untold else ())])


def _wrapped(text: str, indent: str = "    ") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def write_answers(folder: Path, found: Sequence[Answers]) -> None:
    """Write ``answers.json``: a list of objects with the keys of `Answer.plain`."""
    plain = [one.plain() for part in found for one in part.answers]
    write_text(folder / FILE, json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
