"""How the codes spread over training: shares of all codes after a number of epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alpt_ref.scalar.code_range import lowest_code
from alpt_ref.studies.reproduce import Runs, Study
from alpt_ref.training.config import RunConfig
from alpt_ref.verification.figures import Figure

from ._runs import FONT, PlottedRow, column, label, legend
from ._trace import checkpoints, name, traced

LABELS = ("lpt-dr", "lpt-sr", "alpt-sr")


def runs(study: Study) -> Mapping[str, RunConfig]:
    return traced(study, LABELS)


def shares(found: Runs, variant: str) -> np.ndarray[Any, Any]:
    """Share of each code, mean over seeds; empty where nothing was observed."""
    counts = [np.asarray(run.observed["codes"], float) for run in found[variant].values() if "codes" in run.observed]
    return np.mean([one / one.sum() for one in counts], axis=0) if counts else np.empty(0)


def draw(found: Runs) -> tuple[Any, list[PlottedRow]]:
    figure, axes = column(4.9, rows=len(LABELS), sharex=True, sharey=True)
    bits, after = found.study.trace, checkpoints(found.study)
    lowest = lowest_code(bits)
    rows: list[PlottedRow] = []
    for one, label_ in zip(axes, LABELS, strict=True):
        for place, epochs in enumerate(after):
            share = shares(found, name(label_, epochs))
            codes = np.arange(lowest, lowest + len(share))
            dark = 0.75 * (1 - (place + 1) / len(after))
            dashes = ("-", "--", ":", "-.")[(len(after) - 1 - place) % 4]
            edges = np.arange(lowest, lowest + len(share) + 1) - 0.5
            one.stairs(share, edges, baseline=None, color=str(dark), linestyle=dashes, linewidth=1.2,
                       label=f"epoch {epochs}")  # fmt: skip
            rows += [
                {"method": label_, "epoch": epochs, "code": int(code), "share": float(value)}
                for code, value in zip(codes, share, strict=True)
            ]
        one.set_title(f"{label_.upper()}, {bits} bits", fontsize=8)
    axes[0].set_ylim(bottom=0.0)
    axes[0].set_xticks([lowest, lowest // 2, 0, -lowest // 2, -lowest - 1])
    figure.supylabel("share of all codes, mean over seeds", fontsize=FONT)
    label(axes[-1], x="code")
    legend(figure, axes, 4)
    return figure, rows


def caption(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many codes stand at an end of the range after the last checkpoint."""
    last = max((one["epoch"] for one in rows), default=0)
    ends = {min((one["code"] for one in rows), default=0), max((one["code"] for one in rows), default=0)}
    parts = []
    for name_ in LABELS:
        at = [one["share"] for one in rows if (one["method"], one["epoch"]) == (name_, last) and one["code"] in ends]
        if at:
            parts.append(f"{name_.upper()} {100 * sum(at):.0f} %")
    return f"Codes at either end of their range after epoch {last}: {', '.join(parts)}." if parts else ""


FIGURE = Figure(
    "code_histograms",
    "How do the codes spread in training?",
    (),
    draw,
    runs,
    caption=caption,
    alt="Three panels, LPT-DR, LPT-SR and ALPT-SR, of the share of each code as staircases, one for each checkpoint, "
    "later ones darker.",
    notes="Means over seeds.",
)
