"""Figures are redrawn from stored results alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from alpt_ref.errors import InputError
from alpt_ref.verification.figures import draw_figures, load_figures
from alpt_ref.verification.results import Results, save_results
from alpt_ref.verification.runner import choose, load_claims, verify

Toys = Callable[..., Path]

GOOD = """
from alpt_ref.verification.figures import Figure, new_figure

def draw(results):
    figure = new_figure()
    axes = figure.add_subplot()
    rows = [{"mean": cell.cell["mean"], "value": cell.points[0].value, "first": float(cell.measurement.values[0, 0])}
            for cell in results["good"].cells]
    axes.plot([row["mean"] for row in rows], [row["value"] for row in rows])
    return figure, rows

FIGURE = Figure("means", "Means", ("good",), draw)
"""


@pytest.fixture
def stored(toys: Toys, tmp_path: Path) -> Path:
    """An output folder with the verdict on one claim, whose claim file is gone."""
    folder = toys("good_mean")
    save_results(tmp_path, verify(choose(load_claims(folder), []), tmp_path, jobs=1))
    (folder / "good_mean.py").unlink()
    return tmp_path


def figures(folder: Path, **sources: str) -> Path:
    folder.mkdir()
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
    return folder


def test_a_figure_is_written_with_its_numbers(stored: Path) -> None:
    folder, output = figures(stored / "figs", means=GOOD), stored / "figures"
    output.mkdir()
    assert draw_figures(load_figures(folder), Results(stored), output) == ["means"]
    assert (output / "means.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (output / "means.svg").read_bytes()
    lines = (output / "means.csv").read_text().splitlines()
    assert lines[0] == "mean,value,first"
    assert len(lines) == 4
    index = (output / "INDEX.md").read_text()
    assert "From good (SUPPORTED, budget quick, seed 0, code " in index
    before = {file.name: file.read_bytes() for file in output.iterdir()}
    draw_figures(load_figures(folder), Results(stored), output)
    assert {file.name: file.read_bytes() for file in output.iterdir()} == before


def test_a_figure_without_results_or_with_a_fault_is_named_and_left(stored: Path) -> None:
    other = GOOD.replace('"means", "Means", ("good",)', '"other", "Other", ("s9",)')
    fault = GOOD.replace('"means"', '"fault"').replace("return figure, rows", "return figure, []")
    said: list[str] = []
    folder = figures(stored / "figs", means=GOOD, other=other, fault=fault)
    output = stored / "figures"
    output.mkdir()
    (output / "other.png").write_bytes(b"old")
    (output / "figures.json").write_text(json.dumps([{"id": "other", "title": "Other", "alt": ""}]))
    assert draw_figures(load_figures(folder), Results(stored), output, said.append) == ["means"]
    assert said == [
        "figure fault was not drawn: draw must return the rows behind the figure, got none",
        "figure other was not drawn: no stored results of s9, run 'alpt-ref verify --claim s9'",
    ]
    assert (output / "other.png").read_bytes() == b"old"
    assert "Not drawn: no stored results of s9" in (output / "INDEX.md").read_text()
    assert not list(output.glob("fault*"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", "cannot be loaded: ZeroDivisionError"),
        ("FIGURE = 1", "FIGURE must be a Figure, got int"),
        ("", "must define FIGURE"),
        (GOOD.replace('"means"', '"Means 1"'), "id must be"),
        (GOOD.replace('("good",)', '"good"'), "claims must be a tuple"),
    ],
)
def test_a_bad_figure_file_is_one_sentence(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_figures(figures(tmp_path / "figs", bad=source))


def test_missing_results_are_one_sentence(tmp_path: Path, stored: Path) -> None:
    with pytest.raises(InputError, match="holds no results of 'alpt-ref verify'"):
        Results(tmp_path / "nothing")
    for file in (stored / "cells" / "good").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="a stored cell of claim 'good' is missing"):
        Results(stored)["good"]
    (stored / "claims" / "good.json").write_text('{"id": "good"}')
    with pytest.raises(InputError, match="was not written by this version"):
        Results(stored)["good"]


def test_all_formats_with_caption_and_alt_text(stored: Path) -> None:
    said = GOOD.replace(
        '("good",), draw)',
        '("good",), draw, caption=lambda rows: f"{len(rows)} means, 5 % of all.", alt="Points.", notes="Bars: none.")',
    )
    folder, output = figures(stored / "figs", means=said), stored / "figures"
    output.mkdir()
    kinds = ["png", "svg", "pdf", "pgf"]
    assert draw_figures(load_figures(folder), Results(stored), output, formats=kinds, style="aaai") == ["means"]
    assert {file.suffix for file in output.glob("means.*")} == {".png", ".svg", ".pdf", ".pgf", ".csv", ".tex"}
    assert r"\caption{3 means, 5\% of all.}".replace("5", "5 ") in (output / "means.tex").read_text()
    entry = json.loads((output / "figures.json").read_text())[0]
    assert (entry["caption"], entry["alt"], entry["notes"]) == ("3 means, 5 % of all.", "Points.", "Bars: none.")
    assert entry["files"] == ["means.png", "means.svg", "means.pdf", "means.pgf", "means.csv"]
    assert "![Points.](means.png)" in (output / "INDEX.md").read_text()


@pytest.mark.parametrize(("formats", "style"), [(["gif"], None), ([], None), (["png"], "acl")])
def test_unknown_formats_and_styles_are_refused_before_anything_is_written(
    stored: Path, formats: list[str], style: str | None
) -> None:
    output = stored / "figures"
    output.mkdir()
    with pytest.raises(InputError, match=r"formats must be some of png, svg, pdf, pgf|style must be"):
        draw_figures([], Results(stored), output, formats=formats, style=style)
    assert not list(output.iterdir())


def test_a_figure_that_is_not_drawn_again_keeps_its_entry(stored: Path) -> None:
    other = GOOD.replace('"means", "Means"', '"other", "Other"')
    folder, output = figures(stored / "figs", means=GOOD, other=other), stored / "figures"
    output.mkdir()
    every = load_figures(folder)
    draw_figures(every, Results(stored), output)
    whole = {name: (output / name).read_text() for name in ("INDEX.md", "figures.json")}
    draw_figures([one for one in every if one.id == "means"], Results(stored), output)
    assert draw_figures(every, {}, output) == []
    assert {name: (output / name).read_text() for name in whole} == whole
    (output / "other.png").unlink()
    draw_figures([one for one in every if one.id == "means"], Results(stored), output)
    assert [one["id"] for one in json.loads((output / "figures.json").read_text())] == ["means"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("figures.json", "["),
        ("figures.json", "[" * 100_000),
        ("figures.json", "{}"),
        ("figures.json", '{"id": "a", "title": "A", "alt": ""}'),
        ("figures.json", '[{"id": "a", "files": ["theirs.png"]}]'),
        ("figures.json", '[{"id": "a", "title": 1, "alt": ""}]'),
        ("INDEX.md", "mine"),
        ("means.csv", "mine"),
        ("means.pdf", "mine"),
    ],
)
def test_a_file_of_unknown_origin_is_not_replaced(stored: Path, name: str, content: str) -> None:
    folder, output = figures(stored / "figs", means=GOOD), stored / "figures"
    output.mkdir()
    (output / name).write_text(content)
    with pytest.raises(InputError, match=f"holds a {re.escape(name)} of unknown origin"):
        draw_figures(load_figures(folder), Results(stored), output)
    assert [(path.name, path.read_text()) for path in output.iterdir()] == [(name, content)]


def test_files_of_other_figures_may_stand_beside(stored: Path) -> None:
    folder, output = figures(stored / "figs", means=GOOD), stored / "figures"
    output.mkdir()
    entry = {"id": "a", "title": "A", "alt": "", "notes": "", "caption": "", "origin": "o", "claims": []}
    (output / "theirs.png").touch()
    for files, ids in ([["theirs.png"], ["a", "means"]], [[3], ["means"]], [["gone.png"], ["means"]]):
        (output / "figures.json").write_text(json.dumps([{**entry, "files": files}, {**entry, "id": "means"}]))
        draw_figures(load_figures(folder), Results(stored), output, formats=["png"])
        assert [one["id"] for one in json.loads((output / "figures.json").read_text())] == ids


def test_a_file_of_nothing_but_brackets_is_no_verdict(stored: Path) -> None:
    (stored / "claims" / "good.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="is not valid JSON"):
        Results(stored)["good"]
