"""An experiment's figure: curves over the iterates, or the end of them over what was swept; bounds dashed.

Methods are told apart by marker and colour (`alpt_ref._util.looks`), so that the figure survives a greyscale print.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from alpt_ref._util import looks
from alpt_ref._util.plotting import HOUSE, figure_style, new_figure
from alpt_ref.errors import InputError
from alpt_ref.studies.experiment_rows import mean_and_half_width

if TYPE_CHECKING:
    from alpt_ref.studies.experiment_result import Entry, ExperimentResult

LABELS = {
    "value": "f(w_t) - f*",
    "average_value": "mean of f(w_1 .. w_t) - f*",
    "distance2": "squared distance from the minimum",
    "gradient2": "squared gradient",
    "average_gradient2": "mean squared gradient",
    "ratio": "learning rate / step size",
    "rate": "learning rate",
    "step_size": "step size",
    "sigma": "standard deviation of the noise",
}
MOST_PANELS = 6
KNOWN = {"sr": "SR", "dr": "DR", "full": "full precision", "eco+sr": "eco-sr", "eco+dr": "eco-dr"}
"""Methods by their name in `alpt_ref._util.looks`."""
OTHERS = ("D", "v", "P", "X", "p", "h", "d")
"""Markers of other methods."""


def draw(result: ExperimentResult, kind: str | None, metric: str | None) -> Any:
    """The figure of `ExperimentResult.plot`."""
    from alpt_ref.studies.experiment_result import metrics_of

    known = metrics_of(result)
    chosen = metric or ("average_value" if "average_value" in known else "value")
    if chosen not in known:
        raise InputError(f"metric must be {', '.join(known)}, got {chosen!r}")
    places = list(dict.fromkeys(entry.place for entry in result.entries))
    what = kind or ("final" if len(places) > MOST_PANELS else "curves")
    if what not in ("curves", "final") or (what == "final" and not result.sweep):
        raise InputError(f"kind must be curves, or final where something was swept, got {what!r}")
    with figure_style(HOUSE):
        return _curves(result, places, chosen) if what == "curves" else _final(result, chosen)


def _style(result: ExperimentResult, method: str) -> dict[str, Any]:
    """A rounding and error feedback as in all figures; other methods in grey, with other markers."""
    if method in KNOWN:
        own = looks.look(KNOWN[method])
        return {"color": own["color"], "marker": own["marker"], "markersize": 3.5}
    number = [one for one in result.methods if one not in KNOWN].index(method)
    return {"color": ("0.35", "0.55")[number % 2], "marker": OTHERS[number % len(OTHERS)], "markersize": 3.5}


def _curves(result: ExperimentResult, places: list[str], metric: str) -> Any:
    across = min(len(places), 3)
    down = math.ceil(len(places) / across)
    figure = new_figure(1.2 + 2.6 * across, 0.6 + 2.4 * down)
    panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for panel, place in zip(panels.flat, places, strict=False):
        for entry in (one for one in result.entries if one.place == place):
            mean, half = mean_and_half_width(entry.arrays[metric])
            t = entry.arrays["checkpoints"]
            _line(panel, t, mean, half, entry.method, _style(result, entry.method))
            bound = entry.tightest(metric)
            if bound is not None:
                panel.plot(t, bound.values, "--", color=_style(result, entry.method)["color"], linewidth=0.9)
        panel.set_title(place, fontsize=9)
        _logarithmic(panel, [one for one in result.entries if one.place == place], metric)
    for panel in panels.flat[len(places) :]:
        panel.set_visible(False)
    for panel in panels[-1]:
        panel.set_xlabel("iterate t")
    for panel in panels[:, 0]:
        panel.set_ylabel(LABELS[metric])
    return _legend(figure, panels.flat[0])


def _final(result: ExperimentResult, metric: str) -> Any:
    over, *others = result.sweep
    figure = new_figure(5.6, 3.6)
    panel = figure.add_subplot()
    series: dict[tuple[str, str], list[Entry]] = {}
    for entry in result.entries:
        rest = " ".join(f"{key}={entry.swept[key]:g}" for key in others)
        series.setdefault((entry.method, rest), []).append(entry)
    for (method, rest), entries in series.items():
        ordered = sorted(entries, key=lambda entry: float(entry.swept[over]))
        x = [float(entry.swept[over]) for entry in ordered]
        ends = [mean_and_half_width(entry.arrays[metric][-1:]) for entry in ordered]
        mean, half = (np.array([float(end[part][0]) for end in ends]) for part in (0, 1))
        _line(panel, x, mean, half, f"{method} {rest}".strip(), _style(result, method))
        bounds = [entry.tightest(metric) for entry in ordered]
        values = [math.nan if bound is None else float(bound.values[-1]) for bound in bounds]
        panel.plot(x, values, "--", color=_style(result, method)["color"], linewidth=0.9)
    if all(float(entry.swept[over]) > 0.0 for entry in result.entries):
        panel.set_xscale("log")
    _logarithmic(panel, result.entries, metric, time=False)
    panel.set_xlabel(LABELS.get(over, over))
    panel.set_ylabel(LABELS[metric])
    return _legend(figure, panel)


def _line(panel: Any, x: Any, mean: Any, half: Any, label: str, style: dict[str, Any]) -> None:
    panel.plot(x, mean, label=label, linewidth=1.2, **style)
    panel.fill_between(x, mean - half, mean + half, color=style["color"], alpha=0.15, linewidth=0)


def _logarithmic(panel: Any, entries: Any, metric: str, *, time: bool = True) -> None:
    if time:
        panel.set_xscale("log")
    if all((entry.arrays[metric].mean(axis=1) > 0.0).all() for entry in entries):
        panel.set_yscale("log")
    panel.grid(alpha=0.25)


def _legend(figure: Any, panel: Any) -> Any:
    panel.plot([], [], "--", color="grey", linewidth=0.9, label="bound")
    figure.legend(*panel.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return figure
