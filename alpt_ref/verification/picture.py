"""Pictures of the report, as data URIs: the formula of a claim, and what was measured against what was claimed.

Everything is told by shape as well as by colour, so that it survives a greyscale print. The same numbers give the
same bytes.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alpt_ref._util import plotting
from alpt_ref._util.looks import OUTCOMES
from alpt_ref._util.pages import settings_of
from alpt_ref._util.plotting import HOUSE, figure_style
from alpt_ref._util.plugin import capture_error
from alpt_ref.verification.results import ClaimResult, Point

_MATHTEXT = (  # LaTeX that matplotlib's mathtext lacks, and what it has instead
    (r"\\[tc]frac(?![a-zA-Z])", r"\\frac"),
    (r"\\[lr]Vert(?![a-zA-Z])", r"\\|"),
    (r"\\[lr]vert(?![a-zA-Z])", "|"),
    (r"\\le(?![a-zA-Z])", r"\\leq"),
    (r"\\ge(?![a-zA-Z])", r"\\geq"),
    (r"\\[bB]igg?[lr]?(?![a-zA-Z])", ""),
)
STYLES = OUTCOMES
"""Marker and colour of each outcome of a point."""


@contextmanager
def paper_style(style: str | None = None) -> Iterator[None]:
    """Fonts and lines for a figure of paper size, with the letters of a page style (`alpt_ref._util.pages`)."""
    with figure_style({**HOUSE, **settings_of(style)}):
        yield


def new_figure(width: float = 5.6, height: float = 3.4) -> Any:
    """A matplotlib figure (inches) that belongs to no window and no global state."""
    return plotting.new_figure(width, height)


def svg_bytes(figure: Any, **options: Any) -> bytes:
    """The figure as SVG without a date."""
    return plotting.picture_bytes(figure, "svg", **options)


def data_uri(svg: bytes) -> str:
    """An SVG as the source of an ``<img>``: isolated from the page, needs no file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def formula(statement: str) -> str:
    """The statement typeset, as a data URI; "" where it uses LaTeX that cannot be shown (the plain text remains)."""
    text = statement if "$" in statement else f"${statement}$"
    for pattern, replacement in _MATHTEXT:
        text = re.sub(pattern, replacement, text)
    with capture_error(), paper_style(), figure_style({"svg.fonttype": "path"}):  # mathematics needs its own font
        figure = new_figure(0.1, 0.1)
        figure.set_layout_engine("none")
        figure.text(0, 0, text, fontsize=12, math_fontfamily="stix", linespacing=1.6)
        return data_uri(svg_bytes(figure, bbox_inches="tight", pad_inches=0.04, transparent=True))
    return ""


def claim_picture(result: ClaimResult, draw: Callable[..., None] | None) -> tuple[str, str]:
    """The claim's picture as a data URI, and "" or why there is none."""
    if draw is None and not result.points:
        return "", "nothing was measured that could be drawn"
    with capture_error() as caught, paper_style():
        figure = new_figure()
        (draw or measured_against_bound)(figure.add_subplot(), result)
        return data_uri(svg_bytes(figure)), ""
    return "", f"the claim's picture failed: {caught.message}"


def measured_against_bound(axes: Any, result: ClaimResult) -> None:
    """The default picture: measured values with limits against their bound, or, of two-sided claims, in their range."""
    controls = [point for one in result.controls if one.remeasured for cell in one.cells for point in cell.points]
    if all(math.isfinite(point.low) != math.isfinite(point.high) for point in result.points):
        _against_bound(axes, result, controls)
    else:
        _inside_range(axes, result)
    axes.legend(fontsize=8)


def _bar(axes: Any, x: Sequence[float], points: Sequence[Point], **style: Any) -> None:
    below, above = (
        [max(length, 0.0) if math.isfinite(length) else 0.0 for length in lengths]  # no bar where there is no limit
        for lengths in ([one.value - one.lower for one in points], [one.upper - one.value for one in points])
    )
    axes.errorbar(x, [point.value for point in points], yerr=[below, above], capsize=2, markersize=5, **style)


def _against_bound(axes: Any, result: ClaimResult, controls: Sequence[Point]) -> None:
    def bound(point: Point) -> float:
        return point.high if math.isfinite(point.high) else point.low

    for outcome, marks in OUTCOMES.items():
        chosen = [point for point in result.points if point.outcome == outcome]
        if chosen:
            _bar(axes, [bound(point) for point in chosen], chosen, label=outcome.lower(), **marks)
    if controls:
        style: dict[str, Any] = {"marker": "x", "color": "0.45", "linestyle": "none", "markersize": 5}
        axes.plot(list(map(bound, controls)), [point.value for point in controls], label="control", **style)
    numbers = sorted(number for point in [*result.points, *controls] for number in (bound(point), point.value))
    limits = [limit for point in result.points for limit in (point.lower, point.upper) if math.isfinite(limit)]
    low = min(numbers[0], *(limit for limit in limits if limit > 0 or numbers[0] <= 0), numbers[0])
    high = max(numbers[-1], *limits, numbers[-1])
    if low > 0 and high > 5 * low:
        axes.set(xscale="log", yscale="log")
        low, high = low / 2, high * 2
    else:
        pad = 0.1 * (high - low) or 1.0
        low, high = low - pad, high + pad
    side = "at most" if math.isfinite(result.points[0].high) else "at least"
    axes.plot([low, high], [low, high], color="black", label=f"bound ({side})")
    axes.set(xlim=(low, high), ylim=(low, high))
    axes.xaxis.set_minor_formatter("")
    axes.yaxis.set_minor_formatter("")
    axes.set_xlabel("bound")
    axes.set_ylabel("measured")


def _inside_range(axes: Any, result: ClaimResult) -> None:
    places = list(range(len(result.points)))
    for place, point in zip(places, result.points, strict=True):
        axes.plot([place - 0.3, place + 0.3], [point.low, point.low], color="black", linewidth=1)
        axes.plot([place - 0.3, place + 0.3], [point.high, point.high], color="black", linewidth=1)
    axes.plot([], [], color="black", linewidth=1, label="ends of the claimed range")
    for outcome, style in OUTCOMES.items():
        chosen = [
            (place, point) for place, point in zip(places, result.points, strict=True) if point.outcome == outcome
        ]
        if chosen:
            _bar(axes, [place for place, _ in chosen], [point for _, point in chosen], label=outcome.lower(), **style)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("cell and point, in the order of the grid")
    axes.set_ylabel("measured")
