"""The trade: test AUC against the bytes of the table, when serving and in training; who is on the front."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alpt_ref.compare.figure import SHIFT
from alpt_ref.compare.grid import Setting, make_settings
from alpt_ref.config import RunConfig
from alpt_ref.reproduce import Runs, Study
from alpt_ref.verify.figures import Figure

from ._runs import Mean, Row, column, difference, label, legend, over_seeds, row, style


def settings(study: Study) -> tuple[Setting, ...]:
    return make_settings(study.methods, study.bits)


def runs(study: Study) -> Mapping[str, RunConfig]:
    return {str(one): study.run(one.label, one.bits) for one in settings(study)}


def front(points: Mapping[str, tuple[float, Mean]]) -> list[tuple[float, float]]:
    """Points that no other beats in both bytes and mean AUC, by rising bytes."""
    best: list[tuple[float, float]] = []
    for size, auc in sorted(((size, auc.value) for size, auc in points.values()), key=lambda one: (one[0], -one[1])):
        if not best or auc > best[-1][1]:
            best.append((size, auc))
    return best


def draw(found: Runs) -> tuple[Any, list[Row]]:
    figure, axes = column(5.4, rows=2)
    rows = []
    for letter, one, what in zip("ab", axes, ("serving", "training"), strict=True):
        points: dict[str, tuple[float, Mean]] = {}
        for setting in settings(found.study):
            name = str(setting)
            auc = difference(found, name, "fp32", lambda run: run.test_auc)
            size = over_seeds(found, name, lambda run, what=what: float(getattr(run, f"{what}_bytes")))  # type: ignore[misc]
            if auc is not None and size is not None:
                points[name] = (size.value, auc)
        steps = front(points)
        one.step([x for x, _ in steps], [y for _, y in steps], where="post", color="0.75", linewidth=4, zorder=0,
                 label="front")  # fmt: skip
        for label_ in dict.fromkeys(setting.label for setting in settings(found.study)):
            ours = sorted(points[str(s)] for s in settings(found.study) if s.label == label_ and str(s) in points)
            shift = SHIFT.get(label_, 1.0) if what == "serving" else 1.0  # so that error bars can be told apart
            one.errorbar(
                [size * shift for size, _ in ours], [auc.value for _, auc in ours], [auc.half for _, auc in ours],
                label=label_.upper(), capsize=1.5, linewidth=0.8, elinewidth=0.6, **style(label_),
            )  # fmt: skip
        rows += [
            {**row(letter, name, size, auc), "front": (size, auc.value) in steps}
            for name, (size, auc) in points.items()
        ]
        one.set_xscale("log", base=2)
        scale_bytes(one, [size for size, _ in points.values()])
        label(one, x=f"bytes of the table, {what} (log scale)", y="test AUC − FP32")
    legend(figure, axes, 4)
    return figure, rows


def scale_bytes(axes: Any, sizes: list[float]) -> None:
    """Ticks at powers of two, or at their square roots where two lie far apart, in words."""
    low, high = min(sizes, default=1.0) / 1.15, max(sizes, default=2.0) * 1.15
    steps = 2 if high / low < 6 else 1
    ticks = [2 ** (power / steps) for power in range(60 * steps) if low <= 2 ** (power / steps) <= high]
    unit, divisor = next(
        (pair for pair in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)) if high >= pair[1]), ("B", 1)
    )
    axes.set_xlim(low, high)
    axes.set_xticks(ticks, [f"{tick / divisor:.3g} {unit}" for tick in ticks])
    axes.minorticks_off()


FIGURE = Figure(
    "accuracy_over_bytes", "Test AUC against FP32 over the bytes of the table (Pareto front)", (), draw, runs
)
