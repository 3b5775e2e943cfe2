"""A figure takes the widths and letters of a template; nothing is smaller than can be read."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.text import Text

from alpt_ref._util.pages import SMALLEST, STYLES, fit, page_style, settings_of, takes_both_columns
from alpt_ref._util.plotting import HOUSE, figure_style, new_figure
from alpt_ref.errors import InputError


def drawn(width: float, style: str | None) -> Any:
    with figure_style({**HOUSE, **settings_of(style)}):
        figure = new_figure(width, 2.5)
        axes = figure.add_subplot()
        axes.plot([1, 2], [1, 2], label="SR")
        axes.set_xlabel("iterations")
        axes.legend(fontsize=6.5)
        fit(figure, style)
    return figure


@pytest.mark.parametrize(
    ("style", "wide", "narrow"),
    [("aaai", 7.0, 3.3125), ("icml", 6.75, 3.25), ("neurips", 5.5, 3.7125), ("page", 7.0, 7.0), ("column", 3.3, 3.3)],
)
def test_widths_are_those_of_the_template(style: str, wide: float, narrow: float) -> None:
    assert drawn(7.0, style).get_figwidth() == pytest.approx(wide)
    assert drawn(3.3, style).get_figwidth() == pytest.approx(narrow)


@pytest.mark.parametrize("style", sorted(STYLES))
@pytest.mark.parametrize("width", [7.0, 3.3])
def test_letters_can_be_read(style: str, width: float) -> None:
    sizes = [text.get_fontsize() for text in drawn(width, style).findobj(Text) if text.get_text()]
    assert min(sizes) >= SMALLEST
    assert max(sizes) <= page_style(style).size + 1e-9


def test_templates_of_times_are_set_in_its_shapes() -> None:
    assert settings_of("aaai")["font.family"][0] == "STIXGeneral"  # comes with matplotlib: the same on every machine
    assert settings_of("page") == {}


def test_without_a_style_a_figure_stays() -> None:
    assert drawn(6.1, None).get_figwidth() == pytest.approx(6.1)


def test_an_unknown_style_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="style must be page, column, aaai, icml, neurips, got 'acl'"):
        page_style("acl")


def test_panels_side_by_side_stand_below_one_another_in_a_column() -> None:
    with figure_style(HOUSE):
        figure = new_figure(7.0, 2.5)
        panels = figure.subplots(1, 2)
        fit(figure, "column")
        figure.canvas.draw()
    first, second = (axes.get_position() for axes in panels)
    assert second.y1 < first.y0  # below
    assert min(first.width, second.width) > 0.6  # of the column
    assert figure.get_figheight() == pytest.approx(5.0)


def test_a_text_width_figure_takes_both_columns_of_a_template_that_has_two() -> None:
    assert takes_both_columns(drawn(7.0, "aaai"), "aaai")
    assert not takes_both_columns(drawn(3.3, "aaai"), "aaai")
    assert not takes_both_columns(drawn(7.0, "neurips"), "neurips")
