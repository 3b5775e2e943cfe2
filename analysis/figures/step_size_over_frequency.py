"""Learned step sizes over how often a row was met in training: one a row, ALPT(SR)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alpt_ref._util.looks import bits as look_of
from alpt_ref.studies.reproduce import Runs, Study
from alpt_ref.training.config import RunConfig
from alpt_ref.verification.figures import Figure

from ._runs import PlottedRow, column, label, legend


def name(bits: int) -> str:
    return f"alpt-sr {bits}-bit"


def runs(study: Study) -> Mapping[str, RunConfig]:
    return {name(bits): study.run("alpt-sr", bits) for bits in study.bits}


def pooled(found: Runs, bits: int) -> dict[int, np.ndarray[Any, Any]]:
    """Frequency -> quantiles (3,), averaged over seeds with the number of rows as weight."""
    parts: dict[int, list[tuple[int, list[float]]]] = {}
    for run in found[name(bits)].values():
        seen = run.observed.get("step_size", {"count": [], "rows": [], "quantiles": []})
        for count, rows, quantiles in zip(seen["count"], seen["rows"], seen["quantiles"], strict=True):
            parts.setdefault(count, []).append((rows, quantiles))
    return {
        count: np.average([q for _, q in found_], axis=0, weights=[rows for rows, _ in found_])
        for count, found_ in sorted(parts.items())
    }


def draw(found: Runs) -> tuple[Any, list[PlottedRow]]:
    figure, (axes,) = column(2.9)
    rows: list[PlottedRow] = []
    for bits in found.study.bits:
        of = pooled(found, bits)
        x = [count * 1.5 for count in of]
        look = look_of(bits)
        quantiles = np.array(list(of.values())).reshape(-1, 3)
        axes.plot(x, quantiles[:, 1], label=f"{bits} bits", markersize=4, markerfacecolor="white", **look)
        axes.fill_between(x, quantiles[:, 0], quantiles[:, 2], color=look["color"], alpha=0.2, linewidth=0)
        rows += [{"bits": bits, "at_least": count, "q10": q[0], "median": q[1], "q90": q[2]} for count, q in of.items()]
    axes.set_xscale("log")
    axes.set_yscale("log")
    label(axes, x="occurrences of the row in training", y=r"learned step size $\Delta$")
    legend(figure, [axes], 4, "median of the rows; band: 10 % to 90 % of them")
    return figure, rows


def caption(rows: Sequence[Mapping[str, Any]]) -> str:
    """Median step sizes of the rarest and of the most frequent rows."""
    parts = []
    for bits in dict.fromkeys(one["bits"] for one in rows):
        of = sorted((one for one in rows if one["bits"] == bits), key=lambda one: one["at_least"])
        parts.append(f"{of[0]['median']:.2g} and {of[-1]['median']:.2g} at {bits} bits")
    return f"Median step size of the rarest and of the most frequent rows: {', '.join(parts)}." if parts else ""


FIGURE = Figure(
    "step_size_over_frequency",
    "Do frequent rows learn other step sizes than rare ones?",
    (),
    draw,
    runs,
    caption=caption,
    alt="Learned step size over occurrences of the row on logarithmic axes, one line and band a number of bits; fewer "
    "bits have larger step sizes.",
    notes="Lines are medians of the rows, bands 10 % to 90 % of them.",
)
