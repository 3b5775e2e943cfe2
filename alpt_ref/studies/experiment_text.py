"""An experiment's summary: how near each run comes to its bound, and why other theorems do not apply."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from alpt_ref.studies.experiment_rows import mean_and_half_width

if TYPE_CHECKING:
    from alpt_ref.studies.experiment_result import Entry, ExperimentResult


OTHER = "it is about "
"""How the reason of a theorem begins that is about another update rule or rounding."""


def summary(result: ExperimentResult) -> str:
    """Lines of plain text."""
    runs = len(result.seeds) * result.runs
    lines = [f"{len(result.entries)} combinations of method and point, {runs} runs each; at the last iterate:"]
    lines += [_line(entry) for entry in result.entries]
    reasons: dict[tuple[str, str], list[str]] = {}
    for entry in result.entries:
        for bound in entry.bounds:
            if not bound.holds and not bound.why.startswith(OTHER):
                reasons.setdefault((bound.theorem, bound.why), []).append(entry.method)
    if reasons:
        lines.append("Theorems about these methods that do not apply here:")
    for (theorem, why), methods in reasons.items():
        lines.append(f"  {theorem} ({_those(result, methods)}): {why}")
    silent = [
        name
        for name in result.methods
        if not any(
            bound.holds or not bound.why.startswith(OTHER)
            for entry in result.entries
            if entry.method == name
            for bound in entry.bounds
        )
    ]
    if silent:
        lines.append(f"No theorem is about {', '.join(silent)}.")
    return "\n".join(lines)


def _line(entry: Entry) -> str:
    bound = entry.tightest()
    metric = bound.metric if bound else ("average_value" if "average_value" in entry.arrays else "value")
    mean, half = (float(one[-1]) for one in mean_and_half_width(entry.arrays[metric]))
    spread = "" if math.isnan(half) else f" ± {half:.2g}" if half else " in every run"
    text = f"  {entry.name}: {metric} {mean:.4g}{spread}"
    if bound is None:
        return f"{text}; no theorem holds"
    value = float(bound.values[-1])
    part = f", measured/bound {mean / value:.2g}" if value > 0.0 else ""
    others = [one.theorem for one in entry.bounds if one.holds and one is not bound]
    also = f"; also {', '.join(others)}" if others else ""
    return f"{text}; {bound.theorem} bounds it by {value:.4g}{part}{also}"


def _those(result: ExperimentResult, methods: list[str]) -> str:
    """``sr, dr``, with how many of a method's points where not all are meant."""
    points = {name: sum(entry.method == name for entry in result.entries) for name in result.methods}
    counts = {name: methods.count(name) for name in result.methods if name in methods}
    if counts == points:
        return "all"
    return ", ".join(
        name if count == points[name] else f"{name} at {count} of {points[name]} points"
        for name, count in counts.items()
    )
