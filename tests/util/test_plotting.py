"""Figures: nothing of a user's own matplotlib settings reaches them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest

from alpt_ref._util.plotting import figure_style, new_figure


def svg() -> bytes:
    with figure_style({"font.size": 9}):
        figure = new_figure(2, 1)
        figure.add_subplot().plot([1, 2], [3, 5], label="x")
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def test_a_users_style_changes_no_byte() -> None:
    expected = svg()
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 20, "lines.linewidth": 9, "text.usetex": True}):
        assert svg() == expected


@pytest.mark.parametrize("backend", ["no_such_backend", "module://not_installed"])
def test_a_backend_that_is_not_there_keeps_nothing_from_being_drawn(backend: str) -> None:
    code = f"{PLAIN}print(len(svg()) > 1000)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MPLBACKEND": backend},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True\n"


PLAIN = """
import io
from alpt_ref._util.plotting import figure_style, new_figure
def svg():
    with figure_style({}):
        figure = new_figure(2, 1)
        figure.add_subplot().plot([1, 2], [3, 5])
        stream = io.BytesIO()
        figure.savefig(stream, format="svg")
    return stream.getvalue()
"""
