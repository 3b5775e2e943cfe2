"""Seconds an epoch and bytes of the table, all methods at 8 bits."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from alpt_ref.config import RunConfig
from alpt_ref.reproduce import Runs, Study
from alpt_ref.reproduce.columns import seconds_an_epoch
from alpt_ref.verify.figures import Figure

from ._runs import Row, column, label, legend

BITS = 8


def runs(study: Study) -> Mapping[str, RunConfig]:
    return {one: study.run(one, BITS) for one in study.methods}


def draw(found: Runs) -> tuple[Any, list[Row]]:
    figure, axes = column(4.8, rows=2)
    names = [one for one in found.study.methods if found[one]]
    places = range(len(names))
    seconds = [median(seconds_an_epoch(run.result) for run in found[one].values()) for one in names]
    axes[0].bar(places, seconds, color="0.55", edgecolor="black", linewidth=0.6)
    label(axes[0], y="seconds an epoch")
    rows: list[Row] = [{"method": one, "seconds_an_epoch": s} for one, s in zip(names, seconds, strict=True)]
    bars = (("training", "0.75", "", -0.2), ("serving", "0.35", "///", 0.2))
    reference = next(iter(found["fp32"].values())).result.serving_bytes
    for what, color, hatch, shift in bars:
        sizes = [getattr(next(iter(found[one].values())).result, f"{what}_bytes") for one in names]
        axes[1].bar(
            [place + shift for place in places], [size / reference for size in sizes], 0.4, color=color, hatch=hatch,
            edgecolor="black", linewidth=0.6, label=what,
        )  # fmt: skip
        for line, size in zip(rows, sizes, strict=True):
            line[f"{what}_bytes"] = size
    label(axes[1], y="bytes / FP32 table")
    for one in axes:
        one.set_xticks(list(places), [name.upper() for name in names], rotation=45, ha="right", rotation_mode="anchor")
        one.grid(axis="x", visible=False)
    legend(figure, axes, 2)
    return figure, rows


FIGURE = Figure("time_and_memory", f"Time and memory of all methods, {BITS} bits", (), draw, runs)
