"""The comparison in words and columns: aligned text for the terminal, CSV, JSON, and one computed conclusion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from alpt_ref._util.notebook import html_table
from alpt_ref._util.statistics import CONFIDENCE, LEVEL, Interval, multiplicity_note
from alpt_ref._util.text import csv_lines
from alpt_ref.studies.comparison_rows import METRICS, ComparisonRow
from alpt_ref.studies.folds import folds_in_words
from alpt_ref.studies.grid import short_key, value_text
from alpt_ref.studies.render import aligned
from alpt_ref.training.quality import FURTHER, TITLES
from alpt_ref.training.results import RunResult

if TYPE_CHECKING:
    from alpt_ref.studies.comparison_rows import Comparison

NAMES = TITLES
HEADER = (
    "method", "bits", "runs", "test AUC", "test logloss", "AUC - FP32", "logloss - FP32",
    "train bytes", "serve bytes", "ratio", "samples/s",
)  # fmt: skip


def show(interval: Interval | None, *, signed: bool = False) -> str:
    """``0.7512 ± 0.0003``; ``n/a`` for what one seed, or seeds without scatter, cannot tell."""
    if interval is None:
        return "n/a"
    mean = f"{interval.mean:{'+' if signed else ''}.4f}"
    return f"{mean} ± n/a" if interval.half_width is None else f"{mean} ± {interval.half_width:.4f}"


def _count(value: float | None) -> str:
    return "n/a" if value is None else f"{value:,.0f}"


def _difference(row: ComparisonRow, metric: str) -> str:
    """The paired difference to FP32, starred where it is significant."""
    if row.is_reference:
        return "reference"
    p = row.p_value.get(metric)
    return show(row.difference.get(metric), signed=True) + ("" if p is None else " *" if p < LEVEL else "  ")


def _cells(row: ComparisonRow, varied: Sequence[str], further: Sequence[str] = ()) -> tuple[str, ...]:
    return (
        row.setting.label,
        "32" if row.setting.bits is None else str(row.setting.bits),
        *(value_text(row.varied[key]) if key in row.varied else "" for key in varied),
        f"{row.seeds - len(row.failures)}/{row.seeds}",
        *(show(row.metric.get(metric)) if row.metric else "failed" for metric in METRICS),
        *(show(row.further.get(metric)) if row.metric else "failed" for metric in further),
        *(_difference(row, metric) for metric in METRICS),
        _count(row.training_bytes),
        _count(row.serving_bytes),
        "n/a" if row.serving_ratio is None else f"{row.serving_ratio:.2f}x",
        _count(row.samples_per_s),
    )


def as_html(comparison: Comparison) -> str:
    """The same table for notebooks."""
    shown = [f"test {TITLES[metric]}" for metric in comparison.metrics]
    titles = (*HEADER[:2], *map(short_key, comparison.varied), *HEADER[2:5], *shown, *HEADER[5:])
    rows = [_cells(row, comparison.varied, comparison.metrics) for row in comparison.rows]
    return html_table(titles, rows, caption=comparison.dataset, notes=_notes(comparison))


def as_text(comparison: Comparison) -> str:
    """The table, aligned for a fixed-width font, and what its columns mean."""
    shown = [f"test {TITLES[metric]}" for metric in comparison.metrics]
    titles = (*HEADER[:2], *map(short_key, comparison.varied), *HEADER[2:5], *shown, *HEADER[5:])
    table = aligned(
        [_cells(row, comparison.varied, comparison.metrics) for row in comparison.rows], titles, 1, "simple"
    )
    text = [line.rstrip() for line in table.splitlines()]
    text += [f"failed: {failure}" for row in comparison.rows for failure in row.failures]
    return "\n".join([*text, "", *_notes(comparison)])


def _notes(comparison: Comparison) -> list[str]:
    many = len(comparison.seeds) > 1
    notes = []
    notes.append("Exploratory: nothing fixed the seeds and settings of a comparison before it ran; `reproduce` does.")
    if comparison.bayes:
        values = ", ".join(f"{NAMES[name]} {value:.4f}" for name, value in comparison.bayes.items())
        notes.append(f"Bayes optimum on the test rows (true probabilities known): {values}.")
    if comparison.weighted:
        notes.append("Rows are weighted: loss and metrics count each by its weight.")
    folds = comparison.folds
    drawn = "(initial weights, order, rounding)"
    where = f"{drawn}; {folds_in_words(folds, comparison.seeds)}" if folds else f"{drawn} on one split of the data"
    if many:
        notes.append(
            f"±: {CONFIDENCE:.0%} t-interval over {len(comparison.seeds)} seeds {where}; "
            "differences are paired by seed; * differs from FP32 after Holm's correction."
        )
    else:
        notes.append("n/a: one seed allows no interval; give more with --seeds.")
    notes.append(
        "Bytes and ratio are of the embedding table: train with optimiser state, serve without; ratio to FP32."
    )
    return [*notes, comparison.bits] if comparison.bits else notes


def conclusion(comparison: Comparison, metric: str = "auc") -> str:
    """How the settings differ from FP32 and by how much, computed from the rows; the undecided in one sentence."""
    others = [row for row in comparison.rows if not row.is_reference and metric in row.difference]
    if not others:
        return "No setting can be compared with FP32."
    known = [row for row in others if row.p_value[metric] is not None]
    name, seeds = NAMES[metric], len(comparison.seeds)
    if not known:
        parts = ", ".join(f"{row.name} {row.difference[metric].mean:+.4f}" for row in others)
        return f"With one pair of runs per setting no difference to FP32 in test {name} can be tested: {parts}."
    differ = [row for row in known if (row.p_value[metric] or 0.0) < LEVEL]
    rest = [row for row in known if row not in differ]
    tests = f"paired t-test over {seeds} seeds, Holm-corrected, {LEVEL:.0%} level"
    head = f"{len(differ)} of {len(known)} settings differ from FP32 in test {name} ({tests})"
    if differ:
        ordered = sorted(differ, key=lambda row: -abs(row.difference[metric].mean))
        head += ": " + ", ".join(f"{row.name} ({_interval(row, metric)})" for row in ordered)
    if not rest:
        return f"{head}."
    largest = max(rest, key=lambda row: abs(row.difference[metric].mean))
    halves = (row.difference[metric].half_width for row in rest)
    pairs = [
        (row.difference[metric].mean, math.inf if half is None else half)
        for row, half in zip(rest, halves, strict=True)
    ]
    note = multiplicity_note(pairs, len(known))
    other = f"the other {len(rest)}" if differ else f"the {len(rest)}"
    return (
        f"{head}. {seeds} seeds cannot tell {other} from FP32 (largest difference: {largest.name}, "
        f"{_interval(largest, metric)}{note})."
    )


def _interval(row: ComparisonRow, metric: str) -> str:
    return show(row.difference.get(metric), signed=True)


def _flat(row: ComparisonRow, varied: Sequence[str], further: Sequence[str]) -> dict[str, Any]:
    """One line of the CSV; what is unknown is empty, and so is a varied setting that the method does not have."""
    flat: dict[str, Any] = {
        "method": row.setting.label,
        "bits": 32 if row.setting.bits is None else row.setting.bits,
        **{key: row.varied.get(key) for key in varied},
        "seeds": row.seeds,
        "failed": len(row.failures),
    }
    for metric in METRICS:
        mean, difference = row.metric.get(metric), row.difference.get(metric)
        flat[f"test_{metric}"] = None if mean is None else mean.mean
        flat[f"test_{metric}_half_width"] = None if mean is None else mean.half_width
        flat[f"{metric}_minus_fp32"] = None if difference is None else difference.mean
        flat[f"{metric}_minus_fp32_half_width"] = None if difference is None else difference.half_width
        flat[f"{metric}_minus_fp32_p_holm"] = row.p_value.get(metric)
    for metric in further:
        mean = row.further.get(metric)
        flat[f"test_{metric}"] = None if mean is None else mean.mean
        flat[f"test_{metric}_half_width"] = None if mean is None else mean.half_width
    flat["training_bytes"] = row.training_bytes
    flat["serving_bytes"] = row.serving_bytes
    flat["serving_ratio"] = row.serving_ratio
    flat["samples_per_s"] = row.samples_per_s
    return flat


def as_csv(comparison: Comparison) -> str:
    """One line per row, full precision."""
    rows = [_flat(row, comparison.varied, comparison.metrics) for row in comparison.rows]
    return csv_lines([list(rows[0]), *(row.values() for row in rows)])


def as_json(comparison: Comparison, results: Sequence[RunResult]) -> dict[str, Any]:
    """Rows, the runs behind them, and what they are about."""
    return {
        "dataset": comparison.dataset,
        "fingerprint": comparison.fingerprint,
        "seeds": list(comparison.seeds),
        **({"folds": comparison.folds} if comparison.folds else {}),
        **({"weighted": True} if comparison.weighted else {}),
        "confidence": CONFIDENCE,
        "bits": comparison.bits,
        "bayes": comparison.bayes,
        "conclusion": {metric: conclusion(comparison, metric) for metric in METRICS},
        "rows": [{**_flat(row, comparison.varied, FURTHER), "failures": list(row.failures)} for row in comparison.rows],
        "runs": [run.as_dict() for run in results],
    }
