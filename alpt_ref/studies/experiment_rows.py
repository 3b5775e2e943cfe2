"""The rows of an experiment's result: means over the runs, their intervals, and the tightest bound beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from alpt_ref._util.statistics import CONFIDENCE
from alpt_ref.studies.experiment_cells import MEASURED

if TYPE_CHECKING:
    from alpt_ref.studies.experiment_result import Bound, Entry

Floats = NDArray[np.float64]


def mean_and_half_width(values: Floats) -> tuple[Floats, Floats]:
    """Mean over the last axis and the half width of its 95 % t-interval: float64 (c,) each.

    NaN for one run; 0 where all runs agree, which the rounded mean would make a little more.
    """
    runs = values.shape[-1]
    mean = values.mean(axis=-1)
    if runs < 2:
        return mean, np.full(mean.shape, math.nan)
    quantile = float(stats.t.ppf(0.5 + 0.5 * CONFIDENCE, runs - 1))
    half = quantile * values.std(axis=-1, ddof=1) / math.sqrt(runs)
    return mean, np.where((values == values[..., :1]).all(axis=-1), 0.0, half)


def rows_of(entry: Entry, sweep: Sequence[str]) -> list[dict[str, Any]]:
    """One row for each checkpoint of an entry."""
    arrays, bound = entry.arrays, entry.tightest()
    measured = {name: mean_and_half_width(arrays[name]) for name in MEASURED if name in arrays}
    clipped = float((arrays["exceeded"] > 0).mean())
    rows = []
    for place, t in enumerate(arrays["checkpoints"].tolist()):
        row: dict[str, Any] = {"method": entry.method}
        row |= {key: entry.swept[key] for key in sweep}
        row |= {key: value for key, value in entry.facts.items() if key not in sweep}
        row |= {"t": t, "runs": int(arrays["value"].shape[1])}
        for name in MEASURED:
            mean, half = (float(one[place]) for one in measured[name]) if name in measured else (math.nan, math.nan)
            row |= {name: _number(mean), f"{name}_low": _number(mean - half), f"{name}_high": _number(mean + half)}
        rows.append({**row, "clipped": clipped, **_beside(bound, measured, place)})
    return rows


def _beside(bound: Bound | None, measured: dict[str, tuple[Floats, Floats]], place: int) -> dict[str, Any]:
    """The bound's columns."""
    if bound is None:
        return {"bound": None, "bound_of": None, "bound_value": None, "measured_over_bound": None}
    value, mean = float(bound.values[place]), float(measured[bound.metric][0][place])
    part = mean / value if value > 0.0 else math.nan
    return {
        "bound": bound.theorem, "bound_of": bound.metric, "bound_value": _number(value),
        "measured_over_bound": _number(part),
    }  # fmt: skip


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
