"""Figures: nothing of a user's own matplotlib settings reaches them."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from alpt_ref._util.plotting import FORMATS, figure_style, new_figure, picture_bytes, settle


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


def picture() -> Any:
    with figure_style({"font.size": 9}):
        figure = new_figure(2, 1.5)
        axes = figure.add_subplot()
        axes.plot([1, 2], [3, 5], label=r"$\eta$ of SR")
        axes.pcolormesh([1, 2], [3, 5], [[1, 2], [3, 4]], shading="nearest", rasterized=True)
        axes.set_xlabel("learning rate")
        axes.set_ylabel(r"a_b & $c_d$")
        axes.legend()
        settle(figure)
    return figure


@pytest.mark.parametrize("kind", FORMATS)
def test_a_settled_figure_gives_the_same_bytes_each_time(kind: str) -> None:
    with figure_style({"font.size": 9}):
        first, again = picture_bytes(picture(), kind), picture_bytes(picture(), kind)
    assert first == again
    assert b"CreationDate" not in first
    assert b"dc:date" not in first


def test_text_of_an_svg_is_text_and_of_a_pdf_truetype() -> None:
    with figure_style({}):
        svg_, pdf = (picture_bytes(picture(), kind) for kind in ("svg", "pdf"))
    assert b"learning rate</text>" in svg_
    assert b"/FontFile2" in pdf  # TrueType; Type 3 has none, and publishers refuse it
    assert b"/Type3" not in pdf


def test_pgf_needs_no_tex_and_no_second_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with figure_style({}):
        text = picture_bytes(picture(), "pgf").decode()
    assert text.count(r"\begin{pgfpicture}") == text.count(r"\end{pgfpicture}") == 1
    assert "learning rate" in text
    assert r"a\_b \& $c_d$" in text
    assert r"\providecommand{\mathdefault}" in text
    assert r"\includegraphics" not in text


def test_pgf_has_its_letters_where_the_other_formats_have_them() -> None:
    """A legend is laid out anew by the widths of its letters: measured in another unit they would lie on each other."""
    with figure_style({"font.size": 9}):
        figure = new_figure(4, 2)
        axes = figure.add_subplot()
        for label in ("first of the series", "second of the series"):
            axes.plot([1, 2], [3, 5], label=label)
        legend = axes.legend(ncols=2)
        settle(figure)
        places = [text.get_window_extent().x0 / figure.dpi for text in legend.get_texts()]
        drawn = picture_bytes(figure, "pgf").decode()
    found = [float(x) for x in re.findall(r"pgftext\[x=([\d.]+)in[^\n]*of the series", drawn)]
    assert found == pytest.approx(places, abs=0.02)


def test_a_notebook_shows_a_figure() -> None:
    assert picture()._repr_png_().startswith(b"\x89PNG")
