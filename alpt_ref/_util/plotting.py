"""Matplotlib as every figure of this package uses it: no window, no pyplot, and nothing of the user's own style.

The same rows give the same bytes whatever ``matplotlibrc`` or ``MPLBACKEND`` says: a notebook's kernel passes its
backend on to every command that it starts, also where that backend is not installed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_NOT_STYLE = frozenset({"backend", "backend_fallback", "interactive", "toolbar", "timezone", "webagg.address"})
"""Settings of a session rather than of a figure."""
BASE: Mapping[str, Any] = {"svg.hashsalt": "alpt-ref", "svg.fonttype": "path"}
"""SVG without random ids, its text as paths, so that no font is needed to show it."""


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
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
