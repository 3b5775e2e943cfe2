"""What the figures about trained models share: means over seeds with intervals, and one look for each method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from alpt_ref._util.looks import look
from alpt_ref._util.plotting import legend_below
from alpt_ref._util.statistics import t_interval
from alpt_ref.studies.reproduce import Runs
from alpt_ref.training.results import RunResult
from alpt_ref.verification.figures import new_figure

WIDTH = 3.3
"""Inches of a column of print."""
FONT = 8
LINEAR = 0.01
"""Differences up to this are drawn to scale; larger ones logarithmically where some are much larger."""
MOST_TICKS = 10
"""Of an axis that is drawn logarithmically beyond `LINEAR`."""
PlottedRow = dict[str, Any]


class Mean(NamedTuple):
    """A mean over seeds with the half width of its 95 % t-interval (0 for one seed)."""

    value: float
    half: float
    runs: int


def mean(numbers: Iterable[float], runs: Runs) -> Mean | None:
    """None where there are no numbers; the interval is for new rows, as the tables' are."""
    known = list(numbers)
    if not known:
        return None
    interval = t_interval(known, widen=runs.widen(len(known)))
    return Mean(interval.mean, interval.half_width or 0.0, interval.n)


def over_seeds(runs: Runs, name: str, of: Callable[[RunResult], float]) -> Mean | None:
    """Mean of a number of each run of a variant."""
    return mean((of(run.result) for run in runs[name].values()), runs)


def difference(runs: Runs, first: str, second: str, of: Callable[[RunResult], float]) -> Mean | None:
    """Mean of first - second, paired by seed."""
    ours, others = runs[first], runs[second]
    return mean((of(ours[seed].result) - of(others[seed].result) for seed in ours if seed in others), runs)


def by_epoch(runs: Runs, name: str, of: Callable[[Any], float | None]) -> list[Mean]:
    """Mean over seeds of a number of each epoch's record."""
    found = runs[name]
    epochs = min((len(run.result.history) for run in found.values()), default=0)
    numbers = [[of(run.result.history[epoch]) for run in found.values()] for epoch in range(epochs)]
    means = [mean((number for number in of_epoch if number is not None), runs) for of_epoch in numbers]
    return [one for one in means if one is not None]


def style(label: str) -> dict[str, Any]:
    """Marker, line and colour of a method."""
    return look(label) | {"markersize": 6 if label == "fp32" else 4, "markerfacecolor": "white"}


def column(height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Any, list[Any]]:
    """A figure of a column's width, and its axes row by row, lettered if there are several."""
    figure = new_figure(WIDTH, height)
    grid = figure.subplots(rows, columns, squeeze=False, **options)
    axes = list(grid.ravel())
    for place, one in enumerate(axes):
        one.tick_params(which="both", labelsize=FONT - 1)
        if len(axes) > 1:
            one.set_title(f"({'abcdefghijkl'[place]})", loc="left", fontsize=FONT, fontweight="bold")
    return figure, axes


def label(axes: Any, x: str = "", y: str = "") -> None:
    """Axis labels in the figure's size."""
    if x:
        axes.set_xlabel(x, fontsize=FONT)
    if y:
        axes.set_ylabel(y, fontsize=FONT)


def intervals(found: Runs, what: str = "bars") -> str:
    """What bars are, for the legend; "" for one seed, which has no interval."""
    seeds = len(found.seeds)
    return f"{what}: 95 % t-intervals over {seeds} seeds" if seeds > 1 else ""


def widen(axes: Any) -> None:
    """A difference axis, drawn to scale near 0 and logarithmically beyond `LINEAR`, if one value dwarfs the others."""
    reach = max(abs(end) for end in axes.get_ylim())
    if reach <= 3 * LINEAR:
        return
    axes.set_yscale("symlog", linthresh=LINEAR, linscale=1.0)
    axes.margins(y=0.07)
    axes.autoscale_view()
    low, high = axes.get_ylim()
    for steps in ((1, 2, 5), (1,)):  # powers of ten alone where more would lie on each other
        beyond = [LINEAR * step * 10**power for power in range(6) for step in steps]
        sizes = [*([LINEAR / 2] if len(steps) > 1 else []), *(one for one in beyond if one <= 10 * reach)]
        ticks = [tick for tick in (*(-one for one in reversed(sizes)), 0.0, *sizes) if low <= tick <= high]
        if len(ticks) <= MOST_TICKS:
            break
    axes.set_yticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
    axes.minorticks_off()
    axes.set_ylabel(f"{axes.get_ylabel()}\n(log scale beyond {LINEAR:g})", fontsize=FONT)


def legend(figure: Any, axes: Sequence[Any], columns: int, title: str = "") -> None:
    """One legend below all panels, each name once: nothing of it can lie on the data; `title` says what bars are."""
    found: dict[str, Any] = {}
    for one in axes:
        for handle, name in zip(*one.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)

    def make(count: int) -> Any:
        for earlier in list(figure.legends):
            earlier.remove()
        return figure.legend(
            list(found.values()), list(found), loc="outside lower center", ncols=count, fontsize=FONT - 1,
            handlelength=2.6, columnspacing=1.2, title=title, title_fontsize=FONT - 1,
        )  # fmt: skip

    legend_below(figure, columns, lambda: float(figure.get_figwidth() * figure.dpi), make)


def row(panel: str, series: str, x: float, value: Mean) -> PlottedRow:
    """A line of the table behind a figure."""
    return {
        "panel": panel,
        "series": series,
        "x": x,
        "value": value.value,
        "half_width": value.half,
        "runs": value.runs,
    }


def named(series: str) -> str:
    """``ALPT-SR 4-bit`` for ``alpt-sr 4-bit``: a method as legends write it."""
    label_, _, rest = series.partition(" ")
    return f"{label_.upper()} {rest}".strip()


def point(rows: Sequence[Mapping[str, Any]], **wanted: Any) -> Mapping[str, Any] | None:
    """The first row behind a figure with these entries; None where there is none."""
    return next((one for one in rows if all(one.get(key) == value for key, value in wanted.items())), None)


def latest(rows: Sequence[Mapping[str, Any]], panel: str) -> tuple[float, list[Mapping[str, Any]]]:
    """The largest x of a panel (0 where it has no rows), and the rows there."""
    shown = [one for one in rows if one["panel"] == panel]
    last = max((one["x"] for one in shown), default=0)
    return last, [one for one in shown if one["x"] == last]


def size(one: Mapping[str, Any], digits: int = 4) -> str:
    """``−0.0012 ± 0.0003`` of a row behind a figure: its value with the half width of its interval, if it has one."""
    value = round(float(one["value"]), digits) + 0.0  # no "−0.0000"
    text = f"{value:+.{digits}f}".replace("-", "−")
    return text if one["runs"] < 2 else f"{text} ± {one['half_width']:.{digits}f}"
