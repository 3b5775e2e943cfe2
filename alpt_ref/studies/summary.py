"""From the cells' results to one row per setting: intervals over seeds and paired differences to FP32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from alpt_ref._util.statistics import Interval, paired_p_value, t_interval
from alpt_ref.studies.grid import FP32, Setting
from alpt_ref.training.results import RunResult
from alpt_ref.verification.stats import holm

METRICS = ("auc", "logloss")


@dataclass(frozen=True)
class Row:
    """One line of the comparison table.

    `metric` holds test AUC and logloss over the seeds that finished, `difference` setting - FP32 over the seeds that
    both finished, `p_value` the paired t-test of that difference, Holm-corrected over the settings; None where fewer
    than two seeds allow no such claim, or for FP32 itself. Bytes are of the table alone.
    """

    setting: Setting
    seeds: int
    failures: tuple[str, ...]
    metric: Mapping[str, Interval]
    difference: Mapping[str, Interval]
    p_value: Mapping[str, float | None]
    training_bytes: int | None
    serving_bytes: int | None
    serving_ratio: float | None
    samples_per_s: float | None


Results = Mapping[Setting, Mapping[int, RunResult]]
"""Setting -> seed -> result; a failed run is absent."""


def _value(result: RunResult, metric: str) -> float:
    return result.test_auc if metric == "auc" else result.test_logloss


def _differences(results: Results, setting: Setting, metric: str) -> list[float]:
    ours, reference = results[setting], results[FP32]
    return [_value(ours[seed], metric) - _value(reference[seed], metric) for seed in ours if seed in reference]


def _adjusted(results: Results, metric: str) -> dict[Setting, float]:
    """Holm-corrected p-values of all settings that have one."""
    raw = {one: paired_p_value(_differences(results, one, metric)) for one in results if one != FP32}
    known = {one: p for one, p in raw.items() if p is not None}
    return dict(zip(known, holm(list(known.values())).tolist(), strict=True))


def summarise(results: Results, failures: Mapping[Setting, Sequence[str]], seeds: int) -> tuple[Row, ...]:
    """One `Row` per setting, in the order of `results`."""
    adjusted = {metric: _adjusted(results, metric) for metric in METRICS}
    reference = next(iter(results[FP32].values()), None)
    rows = []
    for setting, runs in results.items():
        first = next(iter(runs.values()), None)
        paired = {metric: _differences(results, setting, metric) if setting != FP32 else [] for metric in METRICS}
        ratio = None
        if first is not None and reference is not None:
            ratio = reference.serving_bytes / first.serving_bytes
        rows.append(
            Row(
                setting=setting,
                seeds=seeds,
                failures=tuple(failures.get(setting, ())),
                metric={
                    metric: t_interval([_value(run, metric) for run in runs.values()]) for metric in METRICS if runs
                },
                difference={metric: t_interval(values) for metric, values in paired.items() if values},
                p_value={metric: adjusted[metric].get(setting) for metric in METRICS},
                training_bytes=None if first is None else first.training_bytes,
                serving_bytes=None if first is None else first.serving_bytes,
                serving_ratio=ratio,
                samples_per_s=median(run.samples_per_s for run in runs.values()) if runs else None,
            )
        )
    return tuple(rows)
