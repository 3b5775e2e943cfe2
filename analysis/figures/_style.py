"""What the figures about claims share: lettered panels, bands, and tables of what is drawn.

What a colour, a marker and a dash mean stands in `alpt_ref._util.looks`, for every figure of the package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from alpt_ref._util.looks import BOUND, ROUNDINGS
from alpt_ref._util.plotting import legend_below
from alpt_ref.verification.figures import new_figure
from alpt_ref.verification.results import CellResult, ClaimResult

FloatArray = NDArray[np.float64]
PlottedRow = dict[str, Any]

METHODS: Mapping[str, dict[str, Any]] = ROUNDINGS
CONFIDENCE = 0.95
SMALL = 7.0
"""Points of a legend's letters."""
PANEL = 0.79
"""Share of its place that a panel has beside its labels."""

__all__ = [
    "BOUND", "METHODS", "PlottedRow", "band", "below", "cell_where", "extra", "fitted", "line", "nearest", "panels",
    "rows_of", "slope_text",
]  # fmt: skip


def panels(columns: int, rows: int = 1, width: float = 7.0, height: float = 2.9) -> tuple[Any, list[Any]]:
    """A figure as wide as a page with `rows` rows of lettered panels."""
    figure = new_figure(width, height * rows)
    axes = [figure.add_subplot(rows, columns, place + 1) for place in range(rows * columns)]
    for place, one in enumerate(axes):
        letter = "abcdefgh"[place]
        one.set_title(f"({letter})", loc="left", fontsize=9, fontweight="bold")
    return figure, axes


def below(axes: Any, columns: int = 2, size: float = SMALL) -> None:
    """The legend under the panel, where it can lie on no data and needs no empty decades; at most `columns` wide.

    It takes fewer columns where it would be wider than the panel.
    """
    from matplotlib.transforms import ScaledTranslation

    figure = axes.figure
    under = axes.transAxes + ScaledTranslation(0.0, -34 / 72, figure.dpi_scale_trans)

    def room() -> float:
        return float(PANEL * figure.get_figwidth() * figure.dpi / axes.get_subplotspec().get_gridspec().ncols)

    def make(count: int) -> Any:
        return axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, 0.0), bbox_transform=under, ncols=count, fontsize=size,
            borderaxespad=0.0, borderpad=0.1, columnspacing=1.0, handlelength=2.2, handletextpad=0.5, labelspacing=0.3,
        )  # fmt: skip

    legend_below(figure, columns, room, make)


def line(axes: Any, x: Any, y: Any, label: str, style: Mapping[str, Any], every: int = 1) -> None:
    """A line with open markers, one in `every` points."""
    axes.plot(x, y, label=label, markersize=4, markerfacecolor="white", markevery=every, **style)


def band(axes: Any, x: Any, runs: FloatArray, color: str) -> tuple[FloatArray, FloatArray]:
    """95 % interval (Student) of the mean over runs (runs, k), as a band; returns its ends."""
    mean, count = runs.mean(axis=0), len(runs)
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1) * runs.std(axis=0, ddof=1) / count**0.5
    axes.fill_between(x, mean - half, mean + half, color=color, alpha=0.25, linewidth=0)
    return mean - half, mean + half


def rows_of(
    panel: str,
    series: str,
    x: Iterable[Any],
    value: Iterable[Any],
    low: Iterable[Any] | None = None,
    high: Iterable[Any] | None = None,
) -> list[PlottedRow]:
    """Rows of the table behind a figure: one a point, with the ends of its interval or claimed range, if any."""
    xs, values = [float(number) for number in x], [float(number) for number in value]
    lows, highs = ([""] * len(xs) if ends is None else [float(number) for number in ends] for ends in (low, high))
    points = zip(xs, values, lows, highs, strict=True)
    return [
        {"panel": panel, "series": series, "x": at, "value": y, "low": below, "high": above}
        for at, y, below, above in points
    ]


def slope_text(cell: CellResult) -> str:
    """The fitted slope of a curve with its confidence limits, or alone where these agree with it to two digits."""
    point = cell.points[0]
    value, low, high = (round(number, 2) + 0.0 for number in (point.value, point.lower, point.upper))  # no "-0.00"
    text = f"slope {value:.2f}" if high - low < 0.01 else f"slope {value:.2f} [{low:.2f}, {high:.2f}]"
    return text.replace("-", "−")


def fitted(x: FloatArray, mean: FloatArray) -> FloatArray:
    """The least-squares line in log-log coordinates, as the claim's test fits it."""
    line_ = np.polyfit(np.log(x), np.log(mean), 1)
    return np.asarray(np.exp(np.polyval(line_, np.log(x))))


def cell_where(result: ClaimResult, **wanted: Any) -> CellResult:
    """The first measured cell with these parameters."""
    for cell in result.cells:
        if cell.measurement is not None and all(cell.cell.get(key) == value for key, value in wanted.items()):
            return cell
    raise LookupError(f"claim {result.id} has no measured cell with {wanted}")


def nearest(result: ClaimResult, **wanted: float) -> CellResult:
    """The measured cell whose parameters are nearest to these, relatively."""
    cells = [cell for cell in result.cells if cell.measurement is not None]
    return min(cells, key=lambda cell: sum(abs(np.log(float(cell.cell[key]) / value)) for key, value in wanted.items()))


def extra(cell: CellResult) -> dict[str, Any]:
    """What the measurement kept for pictures."""
    return {} if cell.measurement is None else cell.measurement.extra
