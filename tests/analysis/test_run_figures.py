"""Figures about trained models are drawn from stored runs alone; nothing overlaps or leaves the picture."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from alpt_ref.studies.reproduce import PRESETS, Stored, preset
from alpt_ref.training.config import RunConfig
from alpt_ref.verification.figures import draw_figures, load_figures
from alpt_ref.verification.picture import paper_style
from tests.studies.fabricated import fabricate

ROOT = Path(__file__).resolve().parents[2] / "analysis"
FIGURES = {figure.id: figure for figure in load_figures(ROOT / "figures") if figure.runs is not None}
EXPECTED = {
    "training_curves", "accuracy_over_bits", "accuracy_over_bytes", "step_size_over_frequency", "code_histograms",
    "rows_that_stay", "time_and_memory", "sr_minus_dr", "four_answers",
}  # fmt: skip
WIDTH = 3.5
"""Inches: a figure fits into a column of print."""


def numbers(config: RunConfig) -> dict[str, Any]:
    table = config.table
    worse = 0.01 * (table.label.endswith("dr")) + 0.04 / (table.code_bits or 32)
    own = 1e-6 * sum(map(ord, table.label))  # no two methods are equal
    return {"auc": 0.7 - worse + own + 1e-4 * config.train.seed, "training_bytes": 3000 + len(table.label)}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return fabricate(tmp_path_factory.mktemp("runs"), list(FIGURES.values()), numbers)


def test_the_figures_of_the_paper_are_all_there() -> None:
    assert set(FIGURES) == EXPECTED


@pytest.mark.parametrize("study", sorted(PRESETS))
@pytest.mark.parametrize("name", sorted(FIGURES))
def test_every_study_has_runs_for_it(name: str, study: str) -> None:
    plan = FIGURES[name].runs
    assert plan is not None
    assert len(plan(preset(study))) > 0


def test_files_and_index_are_written(stored: Stored, tmp_path: Path) -> None:
    assert set(draw_figures(list(FIGURES.values()), {}, tmp_path, runs=stored)) == set(FIGURES)
    for name in FIGURES:
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        with (tmp_path / f"{name}.csv").open() as stream:
            assert len(list(csv.DictReader(stream))) > 3
    assert "From the runs of `alpt-ref reproduce`" in (tmp_path / "INDEX.md").read_text()


def test_without_runs_a_figure_is_left_as_it_was(tmp_path: Path) -> None:
    said: list[str] = []
    assert draw_figures(list(FIGURES.values()), {}, tmp_path, said.append) == []
    assert {path.name for path in tmp_path.iterdir()} == {"INDEX.md", "figures.json"}
    assert all("no stored runs, run 'alpt-ref reproduce'" in one for one in said)


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_nothing_overlaps_or_leaves_the_picture(name: str, stored: Stored) -> None:
    with paper_style():
        picture, _ = FIGURES[name].draw(stored.plan(name))
        picture.canvas.draw()
    assert picture.get_figwidth() <= (2 * WIDTH if name == "four_answers" else WIDTH)
    width, height = picture.canvas.get_width_height()
    boxes = [axes.get_tightbbox() for axes in picture.axes] + [one.get_window_extent() for one in picture.legends]
    for box in boxes:
        assert -1 <= box.x0 <= box.x1 <= width + 1
        assert -1 <= box.y0 <= box.y1 <= height + 1
    for place, box in enumerate(boxes):
        for other in boxes[:place]:
            apart = box.x1 <= other.x0 or other.x1 <= box.x0 or box.y1 <= other.y0 + 1 or other.y1 <= box.y0 + 1
            assert apart, f"parts of {name} overlap"


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_series_are_told_apart_without_colour(name: str, stored: Stored) -> None:
    with paper_style():
        picture, _ = FIGURES[name].draw(stored.plan(name))
    for axes in picture.axes:
        looks: dict[str, tuple[str, str, str]] = {}
        for line in axes.lines:
            label = str(line.get_label())
            if not label.startswith("_") and label != "front":
                looks[label] = (str(line.get_marker()), str(line.get_linestyle()), "")
        assert len(set(looks.values())) == len(looks)


@pytest.mark.parametrize("name", sorted(set(FIGURES) - {"code_histograms"}))
def test_bars_and_bands_are_named(name: str, stored: Stored) -> None:
    with paper_style():
        picture, _ = FIGURES[name].draw(stored.plan(name))
    said = picture.legends[0].get_title().get_text()
    seeds = len(stored.plan(name).seeds)
    assert ("10 % to 90 %" if name == "step_size_over_frequency" else f"95 % t-intervals over {seeds} seeds") in said


@pytest.mark.parametrize(("worst", "wide"), [(-0.005, False), (-0.1, True)])
def test_one_large_difference_does_not_flatten_the_others(worst: float, wide: bool, tmp_path: Path) -> None:
    """LPT(DR) at 2 bits is far below: the axis is logarithmic there, says so, and shows every point."""

    def of(config: RunConfig) -> dict[str, Any]:
        lost = worst if config.table.label == "lpt-dr" and config.table.code_bits == 2 else 0.0
        return {"auc": 0.7 + lost + 1e-5 * config.train.seed * (config.table.code_bits or 1)}

    figure = FIGURES["accuracy_over_bits"]
    runs = fabricate(tmp_path, [figure], of).plan("accuracy_over_bits")
    with paper_style():
        picture, rows = figure.draw(runs)
    axes = picture.axes[0]
    assert (axes.get_yscale() == "symlog") == wide
    assert ("log scale beyond 0.01" in axes.get_ylabel()) == wide
    low, high = axes.get_ylim()
    assert all(low < row["value"] < high for row in rows if row["panel"] == "a")


def test_methods_of_equal_bytes_stand_side_by_side(stored: Stored) -> None:
    """The table has the bytes; the picture has them apart by method, and each method's points in one column."""
    with paper_style():
        picture, rows = FIGURES["accuracy_over_bytes"].draw(stored.plan("accuracy_over_bytes"))
    eight = {row["series"]: row["x"] for row in rows if row["panel"] == "a" and row["x"] == 800}
    assert len(eight) > 3
    drawn = [line.get_xdata() for line in picture.axes[0].lines if line.get_label() != "front"]
    places = {float(x) for xs in drawn for x in xs if 600 < x < 1100}
    assert len(places) == len(eight)


def test_times_are_those_of_the_table(stored: Stored) -> None:
    """Mean over all seeds, as the column has it; fabricated epochs take a second."""
    _, rows = FIGURES["time_and_memory"].draw(stored.plan("time_and_memory"))
    assert {(row["seconds_an_epoch"], row["runs"]) for row in rows} == {(1.0, len(stored.index.study.seeds))}


def test_rows_that_stay_compares_the_same_rows_at_two_checkpoints(stored: Stored) -> None:
    """The fabricated digests are [epochs, 7]: of two rows one moved, one did not."""
    _, rows = FIGURES["rows_that_stay"].draw(stored.plan("rows_that_stay"))
    assert {row["value"] for row in rows if row["panel"] == "a"} == {0.5}


def test_the_front_holds_what_nothing_beats(stored: Stored) -> None:
    _, rows = FIGURES["accuracy_over_bytes"].draw(stored.plan("accuracy_over_bytes"))
    serving = [row for row in rows if row["panel"] == "a"]
    assert any(row["front"] for row in serving)
    assert not all(row["front"] for row in serving)
    for one in serving:
        beaten = any(other["x"] <= one["x"] and other["value"] > one["value"] for other in serving)
        assert one["front"] == (not beaten)
