"""Pictures of the report, as data URIs: the formula of a claim, and what was measured against what was claimed.

Everything is told by shape as well as by colour, so that it survives a greyscale print. The same numbers give the
same bytes. Pictures are WebP of few colours, a tenth of their SVG: a page on all claims stays below a megabyte.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
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
SIZE, DPI = (4.8, 2.9), 100
"""Inches of a claim's picture, and dots an inch."""
COLORS, GREYS = 32, 4
"""Colours of a picture and of a formula."""
EQUAL = 1e-9
"""An identity whose values are nearer than this, relatively, needs no picture."""


@contextmanager
def paper_style(style: str | None = None) -> Iterator[None]:
    """Fonts and lines for a figure of paper size, with the letters of a page style (`alpt_ref._util.pages`)."""
    with figure_style({**HOUSE, **settings_of(style)}):
        yield


def new_figure(width: float = 5.6, height: float = 3.4) -> Any:
    """A matplotlib figure (inches) that belongs to no window and no global state."""
    return plotting.new_figure(width, height)


def data_uri(png: bytes, colors: int = COLORS) -> str:
    """A PNG file as the source of an ``<img>``: WebP of so many colours, PNG where Pillow lacks its coder."""
    from PIL import Image, features

    image = Image.open(io.BytesIO(png)).convert("RGB")
    image = image.quantize(colors, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)  # keeps rare colours
    stream = io.BytesIO()
    if features.check("webp"):
        image.convert("RGB").save(stream, "WEBP", lossless=True, quality=60, method=4)
        kind = "webp"
    else:
        image.save(stream, "PNG", optimize=True)
        kind = "png"
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"


def formula(statement: str) -> str:
    """The statement typeset, as a data URI; "" where it uses LaTeX that cannot be shown (the plain text remains)."""
    text = statement if "$" in statement else f"${statement}$"
    for pattern, replacement in _MATHTEXT:
        text = re.sub(pattern, replacement, text)
    with capture_error(), paper_style():
        figure = new_figure(0.1, 0.1)
        figure.set_layout_engine("none")
        figure.text(0, 0, text, fontsize=12, math_fontfamily="stix", linespacing=1.6)
        return data_uri(plotting.picture_bytes(figure, "png", dpi=DPI, bbox_inches="tight", pad_inches=0.04), GREYS)
    return ""


def claim_picture(result: ClaimResult, draw: Callable[..., None] | None) -> tuple[str, str]:
    """The claim's picture as a data URI, and "" or why there is none."""
    if draw is None and not result.points:
        return "", "nothing was measured that could be drawn"
    if draw is None and _is_identity(result) and max(_residuals(result.points)) <= EQUAL:
        return "", f"all {len(result.points)} measured values are those that are claimed, to {EQUAL:g} of their size"
    with capture_error() as caught, paper_style():
        figure = new_figure(*SIZE)
        (draw or measured_against_bound)(figure.add_subplot(), result)
        return data_uri(plotting.picture_bytes(figure, "png", dpi=DPI)), ""
    return "", f"the claim's picture failed: {caught.message}"


def measured_against_bound(axes: Any, result: ClaimResult) -> None:
    """The default picture, which depends on what is claimed.

    Of a bound: measured / bound, which may not cross 1, or measured less bound where a bound is not positive. Of an
    identity: how far each value is from the claimed one. Of a range: the values between its ends.
    """
    controls = [point for one in result.controls if one.remeasured for cell in one.cells for point in cell.points]
    if _is_identity(result):
        _from_claimed(axes, result)
    elif all(math.isfinite(point.low) != math.isfinite(point.high) for point in result.points):
        _against_bound(axes, result, controls)
    else:
        _inside_range(axes, result)
    axes.legend(fontsize=8)


def _is_identity(result: ClaimResult) -> bool:
    return all(math.isfinite(point.low) and point.low == point.high for point in result.points)


def _residuals(points: Sequence[Point]) -> list[float]:
    """Distance to the claimed value, relative to it where it is not 0."""
    return [abs(point.value - point.low) / (abs(point.low) or 1.0) for point in points]


def _from_claimed(axes: Any, result: ClaimResult) -> None:
    scale = [abs(point.low) or 1.0 for point in result.points]
    moved = [
        replace(point, **{name: (getattr(point, name) - point.low) / size for name in ("value", "lower", "upper")})
        for point, size in zip(result.points, scale, strict=True)
    ]
    _by_outcome(axes, list(range(len(moved))), moved)
    axes.axhline(0.0, color="black", label="claimed")
    _in_order(axes)
    axes.set_ylabel("(measured − claimed) / claimed")


def _in_order(axes: Any) -> None:
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("cell and point, in the order of the grid")


def _by_outcome(axes: Any, x: Sequence[float], points: Sequence[Point]) -> None:
    for outcome, marks in OUTCOMES.items():
        chosen = [(at, point) for at, point in zip(x, points, strict=True) if point.outcome == outcome]
        if chosen:
            _bar(axes, [at for at, _ in chosen], [point for _, point in chosen], label=outcome.lower(), **marks)


def _bar(axes: Any, x: Sequence[float], points: Sequence[Point], **style: Any) -> None:
    below, above = (
        [max(length, 0.0) if math.isfinite(length) else 0.0 for length in lengths]  # no bar where there is no limit
        for lengths in ([one.value - one.lower for one in points], [one.upper - one.value for one in points])
    )
    axes.errorbar(x, [point.value for point in points], yerr=[below, above], capsize=2, markersize=5, **style)


def _against_bound(axes: Any, result: ClaimResult, controls: Sequence[Point]) -> None:
    def bound(point: Point) -> float:
        return point.high if math.isfinite(point.high) else point.low

    ratio = all(bound(point) > 0.0 for point in (*result.points, *controls))

    def relative(point: Point) -> Point:
        of = bound(point)
        ends = {name: getattr(point, name) for name in ("value", "lower", "upper")}
        return replace(point, **{name: end / of if ratio else end - of for name, end in ends.items()})

    known, others = [relative(point) for point in result.points], [relative(point) for point in controls]
    bounds = [bound(point) for point in result.points]
    apart = len(set(bounds)) > 1
    _by_outcome(axes, bounds if apart else list(range(len(known))), known)
    if others:
        style: dict[str, Any] = {"marker": "x", "color": "0.45", "linestyle": "none", "markersize": 5}
        x = list(map(bound, controls)) if apart else list(range(len(others)))
        axes.plot(x, [point.value for point in others], label="control", **style)
    side = "at most" if math.isfinite(result.points[0].high) else "at least"
    axes.axhline(1.0 if ratio else 0.0, color="black", label=f"bound ({side})")
    values = [point.value for point in (*known, *others)]
    if ratio and min(values) > 0 and max(values) > 5 * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter("")
    if apart and min(bounds) > 0 and max(bounds) > 5 * min(bounds):
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter("")
    axes.set_ylabel("measured / bound" if ratio else "measured − bound")
    if apart:
        axes.set_xlabel("bound")
    else:
        _in_order(axes)


def _inside_range(axes: Any, result: ClaimResult) -> None:
    places = list(range(len(result.points)))
    for place, point in zip(places, result.points, strict=True):
        axes.plot([place - 0.3, place + 0.3], [point.low, point.low], color="black", linewidth=1)
        axes.plot([place - 0.3, place + 0.3], [point.high, point.high], color="black", linewidth=1)
    axes.plot([], [], color="black", linewidth=1, label="ends of the claimed range")
    _by_outcome(axes, places, result.points)
    _in_order(axes)
    axes.set_ylabel("measured")
