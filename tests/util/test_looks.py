"""Colours, markers and dashes of all figures: read on white, told apart by colour-blind readers and in grey."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from alpt_ref._util import looks
from alpt_ref._util.looks import BITS, METHODS, NOISES, OUTCOMES, ROUNDINGS, bits, look, shades
from alpt_ref.catalog import comparison_labels

READABLE = 2.8
"""Least contrast with white: WCAG asks 3 of graphics that nothing else tells; here markers and dashes do too."""
APART = 20.0
"""Least distance in CIE Lab of two hues as a colour-blind reader sees them; 2.3 is just noticeable."""
LIGHTER = 12.0
"""Least difference of CIE lightness between neighbours of an ordered scale, so that grey print keeps the order."""
BLIND = {  # Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
COLOURS = [one["color"] for table in (ROUNDINGS, METHODS, BITS, NOISES, OUTCOMES) for one in table.values()]


def linear(color: str) -> np.ndarray:
    rgb = np.asarray(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE Lab (D65) of linear RGB."""
    matrix = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.asarray(matrix) @ np.clip(rgb, 0.0, 1.0) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def lightness(color: str) -> float:
    return float(lab(linear(color))[0])


@pytest.mark.parametrize("color", sorted({*COLOURS, *shades(looks.SR, 3), *shades(looks.DR, 2)}))
def test_every_colour_is_read_on_white(color: str) -> None:
    luminance = float(linear(color) @ [0.2126, 0.7152, 0.0722])
    assert 1.05 / (luminance + 0.05) >= READABLE


@pytest.mark.parametrize("kind", sorted(BLIND))
def test_the_hues_of_rounding_and_methods_are_told_apart_by_the_colour_blind(kind: str) -> None:
    seen = {name: lab(np.asarray(BLIND[kind]) @ linear(one["color"])) for name, one in ROUNDINGS.items()}
    seen |= {name: lab(np.asarray(BLIND[kind]) @ linear(METHODS[name]["color"])) for name in ("alpt-sr", "alpt-dr")}
    for first, second in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[first] - seen[second]) >= APART, f"{first} and {second}"


def test_grey_print_keeps_the_order_of_bits_and_of_learned_and_fixed_step_sizes() -> None:
    scale = [lightness(BITS[number]["color"]) for number in (16, 8, 4, 2)]
    assert all(after - before >= LIGHTER for before, after in itertools.pairwise(scale))
    for rounding in ("sr", "dr"):
        fixed, learned = (lightness(METHODS[f"{name}-{rounding}"]["color"]) for name in ("lpt", "alpt"))
        assert fixed - learned >= LIGHTER


@pytest.mark.parametrize("table", [ROUNDINGS, METHODS, BITS, NOISES, OUTCOMES])
def test_what_may_stand_in_one_figure_has_markers_of_its_own(table: dict[str, looks.Look]) -> None:
    assert len({one["marker"] for one in table.values()}) == len(table)


def test_every_method_has_a_look_and_theory_and_tables_agree_on_the_hue() -> None:
    assert set(METHODS) == set(comparison_labels())
    assert look("SR")["color"] == look("lpt-sr")["color"]
    assert look("DR")["color"] == look("LPT(DR)")["color"]
    assert look("full precision")["color"] == look("fp32")["color"]


def test_widths_by_name_and_unknown_names() -> None:
    assert look("8 bits") == look("8-bit") == bits(8) == BITS[8]
    assert bits(3) == BITS[4]
    assert look("a.module:Table") == looks.OTHER


def test_a_look_is_a_copy() -> None:
    look("SR")["color"] = "red"
    assert ROUNDINGS["SR"]["color"] == looks.SR
