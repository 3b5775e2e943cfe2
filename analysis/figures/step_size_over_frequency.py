"""Learned step sizes over how often a row was met in training: one a row, ALPT(SR)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from alpt_ref.studies.reproduce import Runs, Study
from alpt_ref.training.config import RunConfig
from alpt_ref.verification.figures import Figure

from ._runs import PlottedRow, column, label, legend

LOOKS = ("o", "s", "^", "D")
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")


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
    for place, bits in enumerate(found.study.bits):
        of = pooled(found, bits)
        x = [count * 1.5 for count in of]
        look = {"marker": LOOKS[place % 4], "color": COLORS[place % 4], "linestyle": ("-", "--", ":", "-.")[place % 4]}
        quantiles = np.array(list(of.values())).reshape(-1, 3)
        axes.plot(x, quantiles[:, 1], label=f"{bits} bits", markersize=4, markerfacecolor="white", **look)
        axes.fill_between(x, quantiles[:, 0], quantiles[:, 2], color=look["color"], alpha=0.2, linewidth=0)
        rows += [{"bits": bits, "at_least": count, "q10": q[0], "median": q[1], "q90": q[2]} for count, q in of.items()]
    axes.set_xscale("log")
    axes.set_yscale("log")
    label(axes, x="occurrences of the row in training", y=r"learned step size $\Delta$")
    legend(figure, [axes], 4, "median of the rows; band: 10 % to 90 % of them")
    return figure, rows


FIGURE = Figure("step_size_over_frequency", "Learned step sizes by frequency of the row, ALPT(SR)", (), draw, runs)
