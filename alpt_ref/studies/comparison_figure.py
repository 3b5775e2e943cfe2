"""The comparison's figure: test AUC against the bytes that serving the table takes.

Methods are told apart by marker and line style, so that the figure survives a greyscale print. Methods of the same
bits have the same bytes; their points are moved sideways by up to 7 % so that the error bars can be told apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpt_ref._util.files import atomic
from alpt_ref._util.looks import METHODS as LOOKS
from alpt_ref._util.looks import OTHER as OTHER_METHOD
from alpt_ref._util.plotting import HOUSE, figure_style, new_figure, picture_bytes, settle
from alpt_ref._util.statistics import CONFIDENCE
from alpt_ref.catalog import TABLES
from alpt_ref.studies.comparison_rows import ComparisonRow
from alpt_ref.studies.grid import METHODS, short_key, value_text

if TYPE_CHECKING:
    from alpt_ref.studies.comparison_rows import Comparison

STYLE = LOOKS
OTHER = OTHER_METHOD
"""Methods of other distributions; the legend names them."""
_WITH_BITS = [label for label in METHODS if "bits" in TABLES[label.split("-")[0]].settings]
SHIFT = {label: 0.93 + 0.14 * place / (len(_WITH_BITS) - 1) for place, label in enumerate(_WITH_BITS)}

VARIED_SHIFT = 1.006
"""Sideways between the series of one method, which differ in a varied setting."""
FILLS = ("none", "full", "left", "right", "top", "bottom")
"""Of their markers; the first is open, as markers are in every figure."""


def draw(comparison: Comparison, folder: Path) -> None:
    """Write figure.png and figure.svg; the same rows give the same bytes."""
    with figure_style(HOUSE):
        figure = figure_of(comparison)
        settle(figure)
        for suffix in ("png", "svg"):
            with atomic(folder / f"figure.{suffix}") as stream:
                stream.write(picture_bytes(figure, suffix))


def figure_of(comparison: Comparison) -> Any:
    """The matplotlib figure."""
    with figure_style(HOUSE):
        figure = new_figure(7.0, 4.2)
        _plot(figure.add_subplot(), comparison)
    return figure


def _plot(axes: Any, comparison: Comparison) -> None:
    rows = [row for row in comparison.rows if row.metric and row.serving_bytes]
    for label in dict.fromkeys((*METHODS, *(row.setting.label for row in rows))):
        ours = sorted((row for row in rows if row.setting.label == label), key=lambda row: row.serving_bytes or 0)
        words = [_varied(row) for row in ours]
        for place, name in enumerate(dict.fromkeys(words)):
            of_name = [row for row, own in zip(ours, words, strict=True) if own == name]
            _errorbar(axes, label, of_name, " ".join(filter(None, (label.upper(), name))), place)
    for reference in (row for row in rows if row.is_reference):
        axes.axhline(reference.metric["auc"].mean, color="black", linewidth=0.8, alpha=0.5, label="_fp32")
    if "auc" in comparison.bayes:
        axes.axhline(comparison.bayes["auc"], color="grey", linestyle=(0, (1, 3)), label="Bayes optimum")
    axes.set_xscale("log", base=2)
    _label_bytes(axes, sorted({row.serving_bytes for row in rows if row.serving_bytes}))
    axes.set_ylabel("test AUC")
    seeds = len(comparison.seeds)
    bars = f"bars: {100 * CONFIDENCE:g} % t-intervals over {seeds} seeds" if seeds > 1 else "one seed"
    axes.set_title(f"{comparison.dataset}: how much test AUC do fewer bytes cost?", fontsize=9)
    axes.figure.legend(
        loc="outside lower center", ncols=4, handlelength=3.0, fontsize=8, columnspacing=1.5, title=bars,
        title_fontsize=8,
    )  # fmt: skip


def _varied(row: ComparisonRow) -> str:
    return " ".join(f"{short_key(key)}={value_text(value)}" for key, value in row.varied.items())


def _errorbar(axes: Any, label: str, rows: list[ComparisonRow], name: str, place: int) -> None:
    """One series; `place` tells those of one method apart, which differ in a varied setting."""
    auc = [row.metric["auc"] for row in rows]
    axes.errorbar(
        [(row.serving_bytes or 0) * SHIFT.get(label, 1.0) * VARIED_SHIFT**place for row in rows],
        [one.mean for one in auc],
        yerr=[one.half_width or 0.0 for one in auc],
        label=name,
        capsize=2,
        linewidth=1.2,
        elinewidth=0.8,
        fillstyle=FILLS[place % len(FILLS)],
        **({"markersize": 5} | STYLE.get(label, OTHER)),
    )


def _label_bytes(axes: Any, sizes: list[int]) -> None:
    """Ticks at the sizes that occur, in a unit that keeps numbers short; no two labels may touch."""
    sizes = [size for place, size in enumerate(sizes) if not place or size > 1.15 * sizes[place - 1]]
    largest = max(sizes, default=0)
    unit, divisor = next((pair for pair in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)) if largest >= pair[1]), ("bytes", 1))
    axes.set_xticks(sizes, [f"{size / divisor:.3g}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel(f"bytes of the embedding table when serving ({unit}, log scale)")
