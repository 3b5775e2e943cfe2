"""The columns that a table can name: how a number comes out of runs, with its interval and its test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from alpt_ref._util.statistics import LEVEL, corrected, paired_p_value, t_interval
from alpt_ref.studies.row import Row
from alpt_ref.studies.stored import Runs, StoredRun
from alpt_ref.training.results import RunResult

OfSeed = Mapping[int, StoredRun]
Form = Literal["metric", "signed", "count", "ratio", "share", "number", "bytes", "seconds", "p"]


@dataclass(frozen=True)
class Value:
    """One entry; `number` is None where there is nothing to say, `half` and `p` where there is no interval or test."""

    number: float | None = None
    half: float | None = None
    p: float | None = None
    bold: bool = False

    @property
    def star(self) -> bool:
        """Whether the difference is significant."""
        return self.p is not None and self.p < LEVEL


Filled = Sequence[Value]


@dataclass(frozen=True)
class TableColumn:
    """One column.

    Attributes
    ----------
    title : plain text
    form : how it is printed
    of_run : number of one run, given the run and that of the same seed which it is compared with (None: no such number)
    paired : whether the values are differences to that run, to be tested against 0
    interval : whether the mean over seeds carries an interval
    better : whether more or less is better, where a best value can be named
    """

    title: str
    form: Form
    of_run: Callable[[StoredRun, StoredRun | None], float | None]
    paired: bool = False
    interval: bool = False
    better: Literal["more", "less", ""] = ""


def _difference(metric: str) -> Callable[[StoredRun, StoredRun | None], float | None]:
    def of_run(run: StoredRun, other: StoredRun | None) -> float | None:
        if other is None or other is run:
            return None
        first: float = getattr(run.result, metric)
        return first - float(getattr(other.result, metric))

    return of_run


def _ratio(what: str) -> Callable[[StoredRun, StoredRun | None], float | None]:
    def of_run(run: StoredRun, other: StoredRun | None) -> float | None:
        return None if other is None else float(getattr(other.result, what)) / float(getattr(run.result, what))

    return of_run


def _share(name: str) -> Callable[[StoredRun, StoredRun | None], float | None]:
    """Mean over the epochs of a statistic of the table; None where the method has none."""

    def of_run(run: StoredRun, other: StoredRun | None) -> float | None:
        found = [record.table[name] for record in run.result.history if name in record.table]
        return sum(found) / len(found) if found else None

    return of_run


def _last(name: str) -> Callable[[StoredRun, StoredRun | None], float | None]:
    return lambda run, other: run.result.history[-1].table.get(name)


def _plain(value: Callable[[RunResult], float]) -> Callable[[StoredRun, StoredRun | None], float | None]:
    return lambda run, other: float(value(run.result))


def _known(name: str) -> Callable[[StoredRun, StoredRun | None], float | None]:
    """A metric that runs of release 0.2, or runs without a group, do not have."""

    def of_run(run: StoredRun, other: StoredRun | None) -> float | None:
        value: float | None = getattr(run.result, name)
        return value

    return of_run


def seconds_an_epoch(result: RunResult) -> float:
    """Median over the epochs of a run, training alone."""
    return float(median(record.timing["seconds"] for record in result.history))


COLUMNS: dict[str, TableColumn] = {
    "auc": TableColumn("AUC", "metric", _plain(lambda run: run.test_auc), interval=True, better="more"),
    "logloss": TableColumn("logloss", "metric", _plain(lambda run: run.test_logloss), interval=True, better="less"),
    "ne": TableColumn("NE", "metric", _known("test_ne"), interval=True, better="less"),
    "calibration": TableColumn("calibration", "metric", _known("test_calibration"), interval=True),
    "ece": TableColumn("ECE", "metric", _known("test_ece"), interval=True, better="less"),
    "gauc": TableColumn("GAUC", "metric", _known("test_gauc"), interval=True, better="more"),
    "auc_difference": TableColumn("AUC − ref.", "signed", _difference("test_auc"), paired=True, interval=True),
    "logloss_difference": TableColumn(
        "logloss − ref.", "signed", _difference("test_logloss"), paired=True, interval=True
    ),
    "epochs": TableColumn("epochs", "count", _plain(lambda run: run.tested_epoch)),
    "training_ratio": TableColumn("training ratio", "ratio", _ratio("training_bytes")),
    "serving_ratio": TableColumn("serving ratio", "ratio", _ratio("serving_bytes")),
    "training_bytes": TableColumn("training bytes", "bytes", _plain(lambda run: run.training_bytes)),
    "serving_bytes": TableColumn("serving bytes", "bytes", _plain(lambda run: run.serving_bytes)),
    "state_bytes": TableColumn(
        "bytes of training alone", "bytes", _plain(lambda run: run.training_bytes - run.serving_bytes)
    ),
    "code_kept": TableColumn("code kept", "share", _share("stalled_share")),
    "clipped": TableColumn("clipped", "share", _share("clipped_share")),
    "step_size": TableColumn("mean step size", "number", _last("step_size_mean")),
    "seconds_an_epoch": TableColumn("seconds an epoch", "seconds", _plain(seconds_an_epoch)),
    "samples_per_s": TableColumn("samples/s", "bytes", _plain(lambda run: run.samples_per_s)),
}


def values_by_seed(column: TableColumn, row: Row, runs: Runs) -> dict[int, float]:
    """The column's number for every seed of a row that has one."""
    ours: OfSeed = runs[row.run] if row.run else {}
    others: OfSeed = runs[row.reference] if row.reference else {}
    found = {seed: column.of_run(run, others.get(seed)) for seed, run in ours.items()}
    return {seed: number for seed, number in found.items() if number is not None}


def fill(name: str, rows: Sequence[Row], runs: Runs) -> Filled:
    """The column of every row, differences with Holm-corrected p-values."""
    column = COLUMNS[name]
    values: list[Value] = []
    raw: dict[int, float | None] = {}
    for place, row in enumerate(rows):
        numbers = list(values_by_seed(column, row, runs).values())
        if not numbers:
            values.append(Value(row.fixed.get(name)))
            continue
        widen = runs.widen(len(numbers))
        interval = t_interval(numbers, widen=widen)
        values.append(Value(interval.mean, interval.half_width if column.interval else None))
        raw[place] = paired_p_value(numbers, widen) if column.paired and row.run != row.reference else None
    for place, p in corrected(raw).items():
        values[place] = replace(values[place], p=p)
    return values


def best(name: str, values: Filled, rows: Sequence[Row], runs: Runs) -> Filled:
    """`values` with the best of each group in bold, where paired tests tell it from all others of the group.

    Holm's correction is over the comparisons of all groups, as that of the differences is over the table: a row in
    bold beside a difference without a star would contradict it.
    """
    column, marked = COLUMNS[name], list(values)
    if not column.better:
        return marked
    sign = 1.0 if column.better == "more" else -1.0
    tested: dict[tuple[int, int], float | None] = {}
    for group in dict.fromkeys(row.group for row in rows):
        numbers = {
            place: values_by_seed(column, row, runs) for place, row in enumerate(rows) if row.run and row.group == group
        }
        numbers = {place: of_seed for place, of_seed in numbers.items() if of_seed}
        if len(numbers) < 2:
            continue
        first = max(numbers, key=lambda place: sign * (values[place].number or 0.0))
        tested |= {(first, place): _paired(numbers[first], numbers[place], runs) for place in numbers if place != first}
    adjusted = corrected(tested)
    for first in dict.fromkeys(first for first, _ in tested):
        if all(adjusted.get(pair, 1.0) < LEVEL for pair in tested if pair[0] == first):
            marked[first] = replace(marked[first], bold=True)
    return marked


def _paired(first: Mapping[int, float], second: Mapping[int, float], runs: Runs) -> float | None:
    differences = [first[seed] - second[seed] for seed in first if seed in second]
    return paired_p_value(differences, runs.widen(len(differences)))
