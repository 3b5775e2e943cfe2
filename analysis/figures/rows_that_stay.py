"""Rows that no longer move: under nearest rounding their share rises as updates fall below half a step."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alpt_ref.studies.reproduce import Runs, Study
from alpt_ref.training.config import RunConfig
from alpt_ref.verification.figures import Figure

from ._runs import Mean, PlottedRow, by_epoch, column, intervals, label, latest, legend, mean, row, style
from ._trace import checkpoints, name, traced

LABELS = ("lpt-dr", "lpt-sr", "alpt-dr", "alpt-sr")
SHIFTS = (-0.09, -0.03, 0.09, 0.03)
"""Sideways in epochs of four: methods of the same rounding often lie on each other."""


def runs(study: Study) -> Mapping[str, RunConfig]:
    return {**traced(study, LABELS), **{label_: study.run(label_, study.trace) for label_ in LABELS}}


def unmoved(found: Runs, before: str, after: str) -> Mean | None:
    """Share of rows whose codes are the same in both runs, mean over seeds."""
    shares = []
    for seed, late in found[after].items():
        early = found[before].get(seed)
        if early is not None and "digests" in late.observed and "digests" in early.observed:
            same = np.equal(early.observed["digests"], late.observed["digests"])
            shares.append(float(same.mean()))
    return mean(shares, found)


def draw(found: Runs) -> tuple[Any, list[PlottedRow]]:
    figure, axes = column(4.6, rows=2, sharex=True)
    after, bits = checkpoints(found.study), found.study.trace
    rows: list[PlottedRow] = []
    wide = max(found.study.base.train.epochs - 1, 1) / 3
    for label_, shift in zip(LABELS, SHIFTS, strict=True):
        pairs = itertools.pairwise(after)
        found_ = {late: unmoved(found, name(label_, early), name(label_, late)) for early, late in pairs}
        stays = {epoch: one for epoch, one in found_.items() if one is not None}
        kept = dict(enumerate(by_epoch(found, label_, lambda record: record.table.get("stalled_share")), start=1))
        for letter, one, values in (("a", axes[0], stays), ("b", axes[1], kept)):
            one.errorbar(
                [epoch + shift * wide for epoch in values], [m.value for m in values.values()],
                [m.half for m in values.values()],
                label=f"{label_.upper()}, {bits} bits", capsize=2, linewidth=1.1, elinewidth=0.7, **style(label_),
            )  # fmt: skip
            rows += [row(letter, label_, epoch, m) for epoch, m in values.items()]
    label(axes[0], y="share of rows unmoved\nsince the last checkpoint")
    label(axes[1], x="epoch", y="share of updates that\nleft the code unchanged")
    axes[0].set_ylim(-0.04, 1.04)
    for one in axes:
        one.xaxis.get_major_locator().set_params(integer=True)
    legend(figure, axes, 2, intervals(found))
    return figure, rows


def caption(rows: Sequence[Mapping[str, Any]]) -> str:
    """Shares of unmoved rows after the last checkpoint."""
    _, known = latest(rows, "a")
    parts = [f"{one['series'].upper()} {100 * one['value']:.0f} ± {100 * one['half_width']:.0f} %" for one in known]
    return f"Rows of which no code changed between the last two checkpoints: {', '.join(parts)}." if parts else ""


FIGURE = Figure(
    "rows_that_stay",
    "Do rows stop moving under nearest rounding?",
    (),
    draw,
    runs,
    caption=caption,
    alt="Two panels over epochs for LPT and ALPT with deterministic and stochastic rounding: rows that have not "
    "moved since the last checkpoint, and the share of updates that left the code as it was.",
    notes="Methods are moved sideways so that error bars can be told apart.",
)
