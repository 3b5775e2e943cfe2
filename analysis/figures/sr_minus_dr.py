"""Where stochastic rounding wins: test logloss of LPT(SR) - LPT(DR) over eta/Delta, and the updates that DR undoes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alpt_ref._util.looks import GUIDE
from alpt_ref._util.looks import bits as look_of
from alpt_ref.studies.reproduce import Runs, Study
from alpt_ref.studies.sweep import STALLS_BELOW, SweepPoint, make_sweep, name_of
from alpt_ref.training.config import RunConfig
from alpt_ref.training.results import RunResult
from alpt_ref.verification.figures import Figure

from ._runs import PlottedRow, column, difference, intervals, label, legend, over_seeds, point, row, size, widen


def runs(study: Study) -> Mapping[str, RunConfig]:
    return make_sweep(study.base.replace("train", milestones=()), "lpt", study.bits, study.ratios)


def stalled(run: RunResult) -> float:
    shares = [record.table["stalled_share"] for record in run.history]
    return sum(shares) / len(shares)


def pair(bits: int, ratio: float) -> tuple[str, str]:
    return name_of("lpt", SweepPoint(bits, "sr", ratio)), name_of("lpt", SweepPoint(bits, "dr", ratio))


def draw(found: Runs) -> tuple[Any, list[PlottedRow]]:
    figure, axes = column(6.2, rows=3, sharex=True)
    study, rows = found.study, list[PlottedRow]()
    panels: tuple[tuple[str, Any], ...] = (
        ("test AUC, SR − DR", lambda run: run.test_auc),
        ("test logloss, SR − DR", lambda run: run.test_logloss),
    )
    for place, bits in enumerate(study.bits):
        shift = 1 + 0.1 * (place - (len(study.bits) - 1) / 2)  # so that error bars can be told apart
        look = look_of(bits)
        for letter, one, (title, of) in zip("ab", axes, panels, strict=False):
            means = {ratio: difference(found, *pair(bits, ratio), of) for ratio in study.ratios}
            known = {ratio: m for ratio, m in means.items() if m is not None}
            one.errorbar(
                [ratio * shift for ratio in known], [m.value for m in known.values()], [m.half for m in known.values()],
                label=f"{bits} bits", capsize=2, linewidth=1.1, elinewidth=0.7, markersize=4, markerfacecolor="white",
                **look,
            )  # fmt: skip
            label(one, y=title)
            rows += [row(letter, f"{bits} bits", ratio, m) for ratio, m in known.items()]
        kept = {
            ratio: over_seeds(found, name_of("lpt", SweepPoint(bits, "dr", ratio)), stalled) for ratio in study.ratios
        }
        share = {ratio: m for ratio, m in kept.items() if m is not None}
        axes[2].errorbar(
            [ratio * shift for ratio in share], [m.value for m in share.values()], [m.half for m in share.values()],
            capsize=2, linewidth=1.1, elinewidth=0.7, markersize=4, markerfacecolor="white", **look,
        )  # fmt: skip
        rows += [row("c", f"{bits} bits", ratio, m) for ratio, m in share.items()]
    label(axes[2], x=r"learning rate over step size, $\eta/\Delta$", y="DR: share of updates\nthat changed no code")
    axes[2].set_ylim(-0.04, 1.04)
    for one in axes:
        one.axvline(STALLS_BELOW, **GUIDE, label=r"$\eta/\Delta$ = 1/2")
        one.set_xscale("log")
        one.set_xticks(list(study.ratios), [f"{ratio:g}" for ratio in study.ratios])
        one.minorticks_off()
    for one in axes[:2]:
        one.axhline(0.0, color="black", linewidth=0.7)
        widen(one)
    legend(figure, axes, 2, intervals(found))
    return figure, rows


def caption(rows: Sequence[Mapping[str, Any]]) -> str:
    """The difference at the smallest and at the largest ratio, most bits."""
    ratios = sorted({one["x"] for one in rows})
    series = next((one["series"] for one in rows), "")
    ends = [point(rows, panel="a", series=series, x=ratio) for ratio in (ratios[:1] + ratios[-1:])]
    parts = [f"{size(one)} at η/Δ = {one['x']:g}" for one in ends if one is not None]
    return f"SR less DR in test AUC at {series}: {', '.join(parts)}." if parts else ""


FIGURE = Figure(
    "sr_minus_dr",
    "When does stochastic rounding matter?",
    (),
    draw,
    runs,
    caption=caption,
    alt="Three panels over the learning rate in steps, one line a number of bits: test AUC and test logloss of LPT-SR "
    "less LPT-DR, and the share of updates that DR undoes. A dotted line marks one half.",
    notes="Left of 1/2, DR undoes a first step of lazy Adam.",
)
