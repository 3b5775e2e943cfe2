"""The trade: test AUC against the bytes of the table, when serving and in training; who is on the front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alpt_ref.studies.grid import MethodSetting, make_settings
from alpt_ref.studies.reproduce import Runs, Study
from alpt_ref.training.config import RunConfig
from alpt_ref.verification.figures import Figure

from ._runs import Mean, PlottedRow, column, difference, intervals, label, legend, named, over_seeds, row, style, widen

SHIFT = 0.022
"""Sideways, as a share of the axis: methods of the same bytes lie on each other."""


def settings(study: Study) -> tuple[MethodSetting, ...]:
    return make_settings(study.methods, study.bits)


def runs(study: Study) -> Mapping[str, RunConfig]:
    return {str(one): study.run(one.label, one.bits) for one in settings(study)}


def front(points: Mapping[str, tuple[float, Mean]]) -> list[str]:
    """Names of the points that no other beats in both bytes and mean AUC, by rising bytes."""
    best: list[str] = []
    for name in sorted(points, key=lambda name: (points[name][0], -points[name][1].value)):
        if not best or points[name][1].value > points[best[-1]][1].value:
            best.append(name)
    return best


def draw(found: Runs) -> tuple[Any, list[PlottedRow]]:
    figure, axes = column(5.7, rows=2)
    rows = []
    shown = [one for one in settings(found.study) if found.shows(str(one))]
    for letter, one, what in zip("ab", axes, ("serving", "training"), strict=True):
        points: dict[str, tuple[float, Mean]] = {}
        for setting in shown:
            name = str(setting)
            auc = difference(found, name, "fp32", lambda run: run.test_auc)
            size = over_seeds(found, name, lambda run, what=what: float(getattr(run, f"{what}_bytes")))  # type: ignore[misc]
            if auc is not None and size is not None:
                points[name] = (size.value, auc)
        sizes = [size for size, _ in points.values()]
        low, high = min(sizes, default=1.0), max(sizes, default=2.0)
        shifts = sideways(found.study, {name: size for name, (size, _) in points.items()}, (high / low) ** SHIFT)
        best = front(points)
        one.step([points[name][0] * shifts[name] for name in best], [points[name][1].value for name in best],
                 where="post", color="0.75", linewidth=4, zorder=0, label="front")  # fmt: skip
        for label_ in dict.fromkeys(setting.label for setting in shown):
            names = [str(s) for s in shown if s.label == label_ and str(s) in points]
            ours = sorted((points[name][0] * shifts[name], points[name][1]) for name in names)
            one.errorbar(
                [size for size, _ in ours], [auc.value for _, auc in ours], [auc.half for _, auc in ours],
                label=label_.upper(), capsize=1.5, linewidth=0.8, elinewidth=0.6, **style(label_),
            )  # fmt: skip
        rows += [{**row(letter, name, size, auc), "front": name in best} for name, (size, auc) in points.items()]
        one.set_xscale("log", base=2)
        places = [size * shifts[name] for name, (size, _) in points.items()]
        scale_bytes(one, min(places, default=low), max(places, default=high))
        label(one, x=f"bytes of the table, {what} (log scale)", y="test AUC − FP32")
        widen(one)
    legend(figure, axes, 3, f"{intervals(found)}; equal bytes side by side")
    return figure, rows


def sideways(study: Study, sizes: Mapping[str, float], apart: float) -> dict[str, float]:
    """A factor a point, so that methods whose bytes differ by less than the factor `apart` stand side by side."""
    method = {str(one): one.label for one in settings(study)}
    shifts: dict[str, float] = {}
    for size in sorted(set(sizes.values())):
        near = [name for name, other in sizes.items() if size <= other < size * apart and name not in shifts]
        places = list(dict.fromkeys(method[name] for name in sorted(near, key=lambda name: sizes[name])))
        shifts |= {name: apart ** (places.index(method[name]) - (len(places) - 1) / 2) for name in near}
    return shifts


def scale_bytes(axes: Any, smallest: float, largest: float) -> None:
    """Ticks at powers of two, and between them where they lie far apart, in words."""
    from matplotlib.ticker import MaxNLocator

    low, high = smallest / (largest / smallest) ** 0.1, largest * (largest / smallest) ** 0.1
    steps = (1.0, 1.25, 1.5) if high / low < 4 else (1.0,)
    ticks = [step * 2**power for power in range(60) for step in steps if low <= step * 2**power <= high]
    if len(ticks) < 2:
        ticks = [float(tick) for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]
    unit, divisor = next(
        (pair for pair in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)) if low >= pair[1]), ("B", 1)
    )
    axes.set_xlim(low, high)
    axes.set_xticks(ticks, [f"{tick / divisor:.4g} {unit}" for tick in ticks])
    axes.minorticks_off()


def caption(rows: Sequence[Mapping[str, Any]]) -> str:
    """Which methods no other beats."""
    best = [named(str(one["series"])) for one in rows if one["panel"] == "a" and one["front"]]
    return f"No other method serves fewer bytes with a higher mean AUC than {', '.join(best)}." if best else ""


FIGURE = Figure(
    "accuracy_over_bytes",
    "Which method gives the most accuracy for its bytes?",
    (),
    draw,
    runs,
    caption=caption,
    alt="Two panels, serving and training, of test AUC less that of FP32 over the bytes of the table on a logarithmic "
    "axis, one marker a method and width, with error bars; a wide grey staircase joins the methods that no other beats "
    "in both.",
    notes="The front is that of the means. Methods of equal bytes stand side by side.",
)
