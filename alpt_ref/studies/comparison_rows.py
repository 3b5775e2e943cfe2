"""From the runs of a comparison to one row per setting: intervals over seeds and paired differences to FP32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from alpt_ref._util.statistics import Interval, t_interval
from alpt_ref.errors import InputError
from alpt_ref.studies.columns import COLUMNS, fill, values_by_seed
from alpt_ref.studies.grid import FP32, GridEntry, MethodSetting, name_of
from alpt_ref.studies.row import Row as TableRow
from alpt_ref.studies.stored import Runs
from alpt_ref.training.config import RunConfig
from alpt_ref.training.quality import FURTHER, Quality

METRICS = ("auc", "logloss")
"""Of the paired tests; `FURTHER` have means and intervals."""


@dataclass(frozen=True)
class ComparisonRow:
    """One row of a comparison.

    `metric` holds test AUC and logloss over the seeds that finished, `difference` setting - FP32 over the seeds that
    both finished, `p_value` the paired t-test of that difference, Holm-corrected over all rows; None where fewer than
    two seeds allow no such test, or for FP32 itself. Bytes are of the table alone. `varied` holds the varied settings
    that this method has a use for, `further` the other metrics (`quality.FURTHER`) where every run has them.
    """

    setting: MethodSetting
    seeds: int
    failures: tuple[str, ...]
    metric: Mapping[str, Interval]
    difference: Mapping[str, Interval]
    p_value: Mapping[str, float | None]
    training_bytes: int | None
    serving_bytes: int | None
    serving_ratio: float | None
    samples_per_s: float | None
    varied: Mapping[str, Any] = field(default_factory=dict)
    further: Mapping[str, Interval] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``alpt-sr 4-bit step_lr=2e-05``."""
        return name_of(self.setting, self.varied)

    @property
    def is_reference(self) -> bool:
        """Whether this is FP32, which the others are compared with."""
        return self.setting == FP32


def make_rows(
    runs: Runs, grid: Sequence[GridEntry], rows: Sequence[TableRow], failures: Mapping[str, Sequence[str]]
) -> tuple[ComparisonRow, ...]:
    """One `ComparisonRow` per entry of the grid; `rows` are those of its table, `failures` reasons by name."""
    tested = {metric: fill(f"{metric}_difference", rows, runs) for metric in METRICS}
    made = []
    for place, (entry, row) in enumerate(zip(grid, rows, strict=True)):
        ours = [run.result for run in runs[entry.name].values()]
        reference = next((run.result for run in runs[entry.reference].values()), None)
        first = ours[0] if ours else None
        paired = {
            metric: list(values_by_seed(COLUMNS[f"{metric}_difference"], row, runs).values()) for metric in METRICS
        }
        made.append(
            ComparisonRow(
                setting=entry.setting,
                seeds=len(runs.seeds),
                failures=tuple(failures.get(entry.name, ())),
                metric={
                    metric: t_interval([getattr(run, f"test_{metric}") for run in ours], widen=runs.widen(len(ours)))
                    for metric in METRICS
                    if ours
                },
                difference={
                    metric: t_interval(values, widen=runs.widen(len(values)))
                    for metric, values in paired.items()
                    if values
                },
                p_value={metric: tested[metric][place].p for metric in METRICS},
                training_bytes=None if first is None else first.training_bytes,
                serving_bytes=None if first is None else first.serving_bytes,
                serving_ratio=reference.serving_bytes / first.serving_bytes if first and reference else None,
                samples_per_s=median(run.samples_per_s for run in ours) if ours else None,
                varied=entry.varied,
                further=_further([run.quality for run in ours], runs.widen(len(ours))),
            )
        )
    return tuple(made)


def _further(found: Sequence[Quality], widen: float) -> dict[str, Interval]:
    """Means over the runs of the metrics that every run has."""
    values = {name: [getattr(one, name) for one in found] for name in FURTHER if found}
    return {name: t_interval(numbers, widen=widen) for name, numbers in values.items() if None not in numbers}


@dataclass(frozen=True)
class Comparison:
    """The rows of the table and what they are about.

    Attributes
    ----------
    rows : one per method, bits and combination of varied settings
    dataset, fingerprint : of the data
    seeds : those that every row should have
    bayes : Bayes-optimal ``auc`` and ``logloss`` of the test part where the data are synthetic, else empty
    folder : where the runs and results are
    folds : of cross-validation, the dataset named being that of fold 0; 0: all seeds saw one split
    varied : dotted names of the varied settings
    bits : one sentence on the versions that the runs were trained with
    metrics : further metrics that the table shows as columns; results.json has all
    weighted : whether the rows have weights, which loss and metrics count
    """

    rows: tuple[ComparisonRow, ...]
    dataset: str
    fingerprint: str
    seeds: tuple[int, ...]
    bayes: dict[str, float]
    folder: Path
    folds: int = 0
    varied: tuple[str, ...] = ()
    bits: str = ""
    metrics: tuple[str, ...] = ()
    weighted: bool = False

    def _repr_html_(self) -> str:
        """The table of ``alpt-ref compare``, for notebooks."""
        from alpt_ref.studies.comparison_text import as_html

        return as_html(self)

    def plot(self) -> Any:
        """The figure of ``alpt-ref compare``: test AUC over the bytes of the table."""
        from alpt_ref.studies.comparison_figure import figure_of

        return figure_of(self)


def further_metrics(names: Sequence[str], config: RunConfig) -> tuple[str, ...]:
    """Checked names of further columns.

    Raises
    ------
    InputError
        No such metric, or a grouped AUC without ``train.group``.
    """
    for name in names:
        if name not in FURTHER:
            raise InputError(f"metrics must be among {', '.join(FURTHER)}, got {name!r}")
    if "gauc" in names and config.train.group is None:
        raise InputError("metrics 'gauc' needs the field that groups the rows; name it with --set train.group=FIELD")
    return tuple(dict.fromkeys(names))
