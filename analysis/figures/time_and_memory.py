"""Seconds an epoch and bytes of the table, all methods at 8 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alpt_ref.studies.columns import seconds_an_epoch
from alpt_ref.studies.reproduce import Runs, Study
from alpt_ref.training.config import RunConfig
from alpt_ref.verification.figures import Figure

from ._runs import PlottedRow, column, intervals, label, legend, over_seeds

BITS = 8


def runs(study: Study) -> Mapping[str, RunConfig]:
    return {one: study.run(one, BITS) for one in study.methods}


def mean_bytes(found: Runs, name: str, what: str) -> float:
    """Mean over seeds, whose splits may differ in their vocabulary; NaN without runs."""
    found_ = over_seeds(found, name, lambda run: float(getattr(run, f"{what}_bytes")))
    return found_.value if found_ else float("nan")


def draw(found: Runs) -> tuple[Any, list[PlottedRow]]:
    figure, axes = column(4.8, rows=2)
    names = [one for one in found.study.methods if found.shows(one) and found[one]]
    places = range(len(names))
    seconds = [one for one in (over_seeds(found, name, seconds_an_epoch) for name in names) if one is not None]
    axes[0].bar(
        places, [one.value for one in seconds], yerr=[one.half for one in seconds], capsize=2, color="0.75",
        edgecolor="black", linewidth=0.6, error_kw={"elinewidth": 0.8},
    )  # fmt: skip
    label(axes[0], y="seconds an epoch")
    rows: list[PlottedRow] = [
        {"method": name, "seconds_an_epoch": one.value, "half_width": one.half, "runs": one.runs}
        for name, one in zip(names, seconds, strict=True)
    ]
    bars = (("training", "0.75", "", -0.2), ("serving", "0.35", "///", 0.2))
    reference = mean_bytes(found, "fp32", "serving")
    for what, color, hatch, shift in bars:
        sizes = [mean_bytes(found, one, what) for one in names]
        axes[1].bar(
            [place + shift for place in places], [size / reference for size in sizes], 0.4, color=color, hatch=hatch,
            edgecolor="black", linewidth=0.6, label=what,
        )  # fmt: skip
        for line, size in zip(rows, sizes, strict=True):
            line[f"{what}_bytes"] = size
    label(axes[1], y="bytes over those of\nthe served FP32 table")
    for one in axes:
        one.set_xticks(list(places), [name.upper() for name in names], rotation=45, ha="right", rotation_mode="anchor")
        one.grid(axis="x", visible=False)
    legend(figure, axes, 2, intervals(found))
    return figure, rows


def caption(rows: Sequence[Mapping[str, Any]]) -> str:
    """What LPT(SR) and ALPT(SR) cost over FP32."""
    known = {str(one["method"]): one for one in rows}
    reference, parts = known.get("fp32"), []
    for name in ("lpt-sr", "alpt-sr"):
        if reference is not None and name in known:
            took, bytes_ = (known[name][key] / reference[key] for key in ("seconds_an_epoch", "serving_bytes"))
            parts.append(
                f"{name.upper()} {took:.2f} times the seconds an epoch and {bytes_:.2f} times the served bytes"
            )
    return f"At {BITS} bits, over FP32: {'; '.join(parts)}." if parts else ""


FIGURE = Figure(
    "time_and_memory",
    "What does each method cost in time and memory?",
    (),
    draw,
    runs,
    seeds="all",
    caption=caption,
    alt="Two bar charts by method: seconds an epoch with error bars, and bytes of the table in training and serving "
    "over those of the FP32 table in serving.",
    notes="Times are those of the machine that ran the study. The table in training "
    "has the optimiser's state beside it.",
)
