"""Training and validation curves: stochastic against nearest rounding, and full precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alpt_ref.studies.reproduce import Runs, Study
from alpt_ref.training.config import RunConfig
from alpt_ref.verification.figures import Figure

from ._runs import Mean, PlottedRow, by_epoch, column, intervals, label, latest, legend, mean, row, size, style

LABELS = ("fp32", "lpt-dr", "lpt-sr", "alpt-dr", "alpt-sr")


def runs(study: Study) -> Mapping[str, RunConfig]:
    return {one: study.run(one, None if one == "fp32" else study.trace) for one in LABELS}


def draw(found: Runs) -> tuple[Any, list[PlottedRow]]:
    figure, axes = column(5.8, rows=3, sharex=True)
    panels = (("training logloss", "train_loss"), ("validation logloss", "valid_logloss"))
    rows, wide = [], max(found.study.base.train.epochs - 1, 1) / 3
    for place, name in enumerate(LABELS):
        bits = "" if name == "fp32" else f", {found.study.trace} bits"
        look = style(name) | ({"linestyle": "-"} if name == "fp32" else {})
        for letter, one, (title, field) in zip("ab", axes, panels, strict=False):
            means = by_epoch(found, name, lambda record, field=field: float(getattr(record, field)))  # type: ignore[misc]
            epochs = list(range(1, len(means) + 1))
            one.plot(epochs, [m.value for m in means], label=f"{name.upper()}{bits}", linewidth=1.1, **look)
            label(one, y=title)
            rows += [row(letter, name, epoch, m) for epoch, m in zip(epochs, means, strict=True)]
        if name != "fp32":
            gaps = over_fp32(found, name)
            x = [epoch + 0.04 * wide * (place - 2.5) for epoch in gaps]  # so that error bars can be told apart
            y, half = [m.value for m in gaps.values()], [m.half for m in gaps.values()]
            axes[2].errorbar(x, y, half, capsize=2, linewidth=1.1, elinewidth=0.7, **look)
            rows += [row("c", name, epoch, m) for epoch, m in gaps.items()]
    axes[2].axhline(0.0, color="black", linewidth=0.7)
    axes[2].xaxis.get_major_locator().set_params(integer=True)
    label(axes[2], x="epoch", y="validation logloss\n− FP32")
    legend(figure, axes, 2, intervals(found, "curves: means; bars"))
    return figure, rows


def over_fp32(found: Runs, name: str) -> dict[int, Mean]:
    """Validation logloss less that of FP32 after the same epoch, paired by seed."""
    pairs = [(run.result.history, found["fp32"][seed].result.history) for seed, run in found[name].items()
             if seed in found["fp32"]]  # fmt: skip
    epochs = min((len(history) for pair in pairs for history in pair), default=0)
    means = {
        epoch + 1: mean((ours[epoch].valid_logloss - others[epoch].valid_logloss for ours, others in pairs), found)
        for epoch in range(epochs)
    }
    return {epoch: one for epoch, one in means.items() if one is not None}


def caption(rows: Sequence[Mapping[str, Any]]) -> str:
    """Validation logloss over FP32 after the last epoch."""
    last, known = latest(rows, "c")
    parts = [f"{one['series'].upper()} {size(one)}" for one in known]
    return f"Validation logloss less that of FP32 after epoch {last:g}: {', '.join(parts)}." if parts else ""


FIGURE = Figure(
    "training_curves",
    "How does training with low precision proceed?",
    (),
    draw,
    runs,
    caption=caption,
    alt="Three panels over epochs, one line a method: training logloss, validation logloss, and the latter less "
    "that of FP32 with error bars.",
    notes="Curves are means over seeds.",
)
