"""Matplotlib as every figure of this package uses it: no window, no pyplot, and nothing of the user's own style.

The same rows give the same bytes whatever ``matplotlibrc`` or ``MPLBACKEND`` says: a notebook's kernel passes its
backend on to every command that it starts, also where that backend is not installed.
"""

from __future__ import annotations

import io
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_NOT_STYLE = frozenset({"backend", "backend_fallback", "interactive", "toolbar", "timezone", "webagg.address"})
"""Settings of a session rather than of a figure."""
BASE: Mapping[str, Any] = {
    "svg.hashsalt": "alpt-ref", "svg.fonttype": "none", "pdf.fonttype": 42, "ps.fonttype": 42, "pgf.rcfonts": False,
    "pgf.texsystem": "pdflatex", "pgf.preamble": "",
}  # fmt: skip
"""SVG without random ids, its text as text, which can be searched, edited and read aloud; PDF with TrueType fonts, as
publishers ask for."""
FORMATS = ("png", "svg", "pdf", "pgf")
DPI = 200
HOUSE: Mapping[str, Any] = {
    "font.size": 9, "axes.grid": True, "grid.alpha": 0.25, "lines.linewidth": 1.3, "legend.frameon": False,
    "figure.dpi": 100,
}  # fmt: skip
"""Letters and lines of a figure of paper size."""


def import_matplotlib() -> Any:
    """The module; a backend in the environment that cannot be loaded does not keep it from being imported."""
    if "matplotlib" in sys.modules:
        return sys.modules["matplotlib"]
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    return matplotlib


@contextmanager
def figure_style(settings: Mapping[str, Any]) -> Iterator[None]:
    """Matplotlib's defaults, then `BASE` and the settings given, until the block ends."""
    matplotlib = import_matplotlib()
    defaults = matplotlib.rcParamsDefault
    plain = {name: dict.__getitem__(defaults, name) for name in defaults if name not in _NOT_STYLE}
    with matplotlib.rc_context({**plain, **BASE, **settings}):
        yield


def new_figure(width: float, height: float) -> Any:
    """A figure (inches) with constrained layout that belongs to no window and no global state."""
    import_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from alpt_ref._util.house_figure import HouseFigure

    figure = HouseFigure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def legend_below(figure: Any, columns: int, room: Callable[[], float], make: Callable[[int], Any]) -> None:
    """A legend of at most `columns` columns, of fewer where it would be wider than there is room.

    A `HouseFigure` remembers it, so that `alpt_ref._util.pages.fit` makes it anew where the figure's width changes.

    Parameters
    ----------
    figure : matplotlib figure
    columns : int
        The most columns that the legend may have.
    room : callable
        ``room()``, how wide the legend may be, in dots.
    make : callable
        ``make(columns)`` puts a legend of so many columns in place of the earlier one and returns it.
    """

    def place() -> None:
        for count in range(columns, 0, -1):
            legend = make(count)
            if count == 1 or legend.get_window_extent(figure.canvas.get_renderer()).width <= room():
                return

    place()
    if hasattr(figure, "legends_below"):
        figure.legends_below.append(place)


def settle(figure: Any) -> None:
    """Find the places of a finished figure's parts, once for all kinds of files; later drawings leave them there."""
    _label_short_scales(figure)
    for _ in range(2):  # the second time it knows how large the letters of the ticks are
        figure.canvas.draw()
    figure.set_layout_engine("none")


def _label_short_scales(figure: Any) -> None:
    """Label 1, 2 and 5 of a decade where a logarithmic axis shows fewer than two powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() != "log" or type(axis.get_major_locator()) is not LogLocator:
                continue
            low, high = sorted(axis.get_view_interval())
            if low <= 0.0 or axis.get_transform().base != 10:
                continue
            powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            if sum(low <= 10.0**power <= high for power in powers) < 2:
                ticks = [lead * 10.0**power for power in powers for lead in (1, 2, 5)]
                shown = [tick for tick in ticks if low <= tick <= high]
                axis.set_ticks(shown, [f"{tick:g}" for tick in shown])
                axis.set_minor_formatter(NullFormatter())


def picture_bytes(figure: Any, kind: str, **options: Any) -> bytes:
    """The figure as a file of a kind of `FORMATS`; the same figure gives the same bytes: no date, no random name.

    PGF needs no TeX here: letters are measured with matplotlib's own fonts, and TeX sets them in those of the document.
    """
    stream = io.BytesIO()
    if kind == "pgf":
        return _pgf(figure)
    if kind == "png":
        figure.savefig(stream, format="png", **{"dpi": DPI, **options})
    else:
        dates: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
        figure.savefig(stream, format=kind, metadata=dates, **{"dpi": DPI, **options})
    return stream.getvalue()


def _pgf(figure: Any) -> bytes:
    """The figure for ``\\input`` in a LaTeX document with ``\\usepackage{pgf}``; no picture file beside it."""
    from matplotlib.backends import backend_pgf

    settle(figure)
    for one in figure.findobj(lambda part: hasattr(part, "set_rasterized")):
        one.set_rasterized(False)
    measure = figure.canvas.get_renderer()

    class Renderer(backend_pgf.RendererPgf):
        """Matplotlib's, which would start TeX to measure letters."""

        def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> tuple[float, float, float]:
            width, height, descent = measure.get_text_width_height_descent(s, prop, ismath)
            scale = figure.dpi / measure.dpi
            return width * scale, height * scale, descent * scale

        def draw_text(
            self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, ismath: Any = False, mtext: Any = None
        ) -> None:
            side = mtext.get_verticalalignment() if mtext is not None else ""
            if side == "center_baseline":  # else numbers beside an axis would be set from their left end, into it
                mtext.set_verticalalignment("center")
            super().draw_text(gc, x, y, _tex_text(s), prop, angle, ismath, mtext)  # type: ignore[no-untyped-call]
            if side == "center_baseline":
                mtext.set_verticalalignment(side)

    own = backend_pgf.RendererPgf
    stream = io.StringIO()
    try:
        backend_pgf.RendererPgf = Renderer  # type: ignore[misc]
        figure.savefig(stream, format="pgf", backend="pgf")
    finally:
        backend_pgf.RendererPgf = own  # type: ignore[misc]
    begin = "\\begingroup%\n"
    own_command = "\\providecommand{\\mathdefault}[1]{#1}%\n"  # matplotlib expects it in the document's preamble
    return stream.getvalue().replace(begin, begin + own_command, 1).encode()


def _tex_text(text: str) -> str:
    """What TeX would take for markup escaped outside of formulas; matplotlib takes care of ``%``, ``^`` and minus."""
    parts = re.split(r"((?<!\\)\$.*?(?<!\\)\$)", text)
    return "".join(part if place % 2 else re.sub(r"([_&#])", r"\\\1", part) for place, part in enumerate(parts))
