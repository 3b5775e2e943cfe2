"""Every figure is drawn from stored results alone, and its table holds what is drawn."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from alpt_ref.verification.figures import Figure, draw_figures, load_figures
from alpt_ref.verification.picture import paper_style
from alpt_ref.verification.results import Results

ROOT = Path(__file__).resolve().parents[2] / "analysis"
FIGURES = {figure.id: figure for figure in load_figures(ROOT / "figures") if figure.claims}
NEEDED = {"sr_vs_dr_over_t", "floors", "dr_stall_map", "dither_crossover", "stationary_laws", "learned_step"}


@pytest.fixture(scope="module")
def output(stored: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with every figure."""
    folder = tmp_path_factory.mktemp("figures")
    assert set(draw_figures(list(FIGURES.values()), Results(stored), folder)) == set(FIGURES)
    return folder


def drawn(
    figure: Figure, stored: Path, output: Path
) -> tuple[list[tuple[str, np.ndarray, np.ndarray]], list[dict[str, str]]]:
    """Lines with data of a fresh drawing, (panel, x, y), and the rows of the stored table."""
    results = Results(stored)
    with paper_style():
        picture, _ = figure.draw({name: results[name] for name in figure.claims})
    lines = [
        (chr(ord("a") + place), np.asarray(one.get_xdata(), float), np.asarray(one.get_ydata(), float))
        for place, axes in enumerate(picture.axes)
        for one in axes.lines
    ]
    with (output / f"{figure.id}.csv").open() as stream:
        return lines, list(csv.DictReader(stream))


def test_the_figures_of_the_paper_are_all_there() -> None:
    assert set(FIGURES) >= NEEDED


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_files_and_index_are_written(name: str, output: Path) -> None:
    assert (output / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (output / f"{name}.svg").read_bytes()
    assert f"**{name}**" in (output / "INDEX.md").read_text()


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_axes_are_labelled_and_text_does_not_leave_the_picture(name: str, stored: Path) -> None:
    figure, results = FIGURES[name], Results(stored)
    with paper_style():
        picture, _ = figure.draw({one: results[one] for one in figure.claims})
        picture.canvas.draw()
    width, height = picture.canvas.get_width_height()
    for axes in picture.axes:
        assert axes.get_ylabel()
        legend = axes.get_legend()
        if legend is not None:
            box = legend.get_window_extent()
            assert box.x0 >= 0
            assert box.y0 >= 0
            assert box.x1 <= width
            assert box.y1 <= height
            assert box.width <= axes.get_window_extent().width


@pytest.mark.parametrize("name", sorted(set(FIGURES) - {"learned_step"}))
def test_the_table_holds_the_points_that_are_drawn(name: str, stored: Path, output: Path) -> None:
    """Most points of the lines with at least three points are rows of the table (guides and envelopes are not)."""
    lines, rows = drawn(FIGURES[name], stored, output)
    known = {(row["panel"], f"{float(row['x']):.9g}", f"{float(row['value']):.9g}") for row in rows}
    long = [line for line in lines if len(line[1]) >= 3]
    found = [(panel, f"{a:.9g}", f"{b:.9g}") in known for panel, x, y in long for a, b in zip(x, y, strict=True)]
    assert len(long) >= 3
    assert np.mean(found) > 0.5
    assert len(rows) >= sum(found) / 2


def test_the_table_of_learned_steps_is_complete(stored: Path, output: Path) -> None:
    _, rows = drawn(FIGURES["learned_step"], stored, output)
    assert {(row["distribution"], int(row["bits"])) for row in rows} == {
        (name, bits) for name in ("normal", "laplace") for bits in range(2, 9)
    }
    for row in rows:
        assert float(row["excess_error"]) <= float(row["bound_excess_error"])
        assert float(row["learned"]) == pytest.approx(float(row["predicted_rest"]), rel=2e-3)
