"""What a colour, a marker and a dash mean: one table for every figure of the package.

A **hue** says what is drawn: blue is stochastic rounding (SR), vermillion nearest rounding (DR), black full precision,
purple error feedback (ECO), teal the row maximum (rowmax), green LSQ, olive PACT, rose a number of bits, and grey
whatever has neither rounding nor method (hashing, pruning, a kind of noise, a verdict). A **shade** of a hue orders
what shares it: a step size that is learned (ALPT) is darker than one that is fixed (LPT, and the theory's SR and DR). A
dashed line without markers is a bound, in the colour of what it bounds; a second bound of a panel is dash-dotted.

The hues are Okabe's and Ito's and Tol's, told apart by colour-blind readers; markers and dashes differ too, so that
grey print tells them. `tests/util/test_looks.py` measures both.

Examples
--------
>>> look("SR")["color"], look("alpt-sr")["marker"], look("4 bits")["linestyle"]
('#0072B2', '^', '--')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Look = dict[str, Any]

SR, SR_LEARNED = "#0072B2", "#07306B"
DR, DR_LEARNED = "#D55E00", "#7F2704"
FULL = "#000000"
FEEDBACK, FEEDBACK_DARK = "#9467BD", "#5E2B91"
ROWMAX, ROWMAX_DARK = "#2A9485", "#0B5F53"
LSQ, PACT = "#117733", "#8C7A00"
GREY = "0.45"


def _look(color: str, marker: str, linestyle: Any = "-", **more: Any) -> Look:
    return {"color": color, "marker": marker, "linestyle": linestyle, **more}


ROUNDINGS: Mapping[str, Look] = {
    "SR": _look(SR, "o"),
    "DR": _look(DR, "s"),
    "full precision": _look(FULL, "^"),
}
"""Of the theory, whose step size is fixed."""

METHODS: Mapping[str, Look] = {
    "fp32": _look(FULL, "*", "none", markersize=11),
    "lpt-dr": _look(DR, "s", ":"),
    "lpt-sr": _look(SR, "o", "--"),
    "alpt-dr": _look(DR_LEARNED, "D", "-."),
    "alpt-sr": _look(SR_LEARNED, "^", "-"),
    "hashing": _look("0.40", "P", (0, (1, 1))),
    "pruning": _look("0.55", "X", (0, (2, 2))),
    "pact": _look(PACT, "v", (0, (5, 2))),
    "lsq": _look(LSQ, "p", (0, (3, 1, 1, 1, 1, 1))),
    "eco-dr": _look(FEEDBACK, "<", (0, (6, 1))),
    "eco-sr": _look(FEEDBACK_DARK, ">", (0, (6, 1, 1, 1))),
    "rowmax-dr": _look(ROWMAX, "d", (0, (1, 3))),
    "rowmax-sr": _look(ROWMAX_DARK, "H", (0, (3, 3))),
}
"""Of trained tables, by the label that `alpt-ref compare` gives them."""

OTHER: Look = _look("0.25", "h", (0, (4, 1, 1, 1)))
"""A method of another distribution; the legend names it."""

BITS: Mapping[int, Look] = {
    16: _look("#3F0A2B", "D", "-."),
    8: _look("#7D1A55", "o", "-"),
    4: _look("#A83A7B", "s", "--"),
    2: _look("#CE6CA5", "^", ":"),
}
"""More bits, darker; other widths take the look of the next larger one."""

NOISES: Mapping[str, Look] = {
    "normal": _look("0.0", "o", "-"),
    "uniform": _look("0.40", "^", "--"),
    "two-point": _look("0.55", "s", ":"),
    "laplace": _look("0.30", "D", "-."),
}
"""Distributions."""

OUTCOMES: Mapping[str, Look] = {
    "SUPPORTED": _look("0.35", "o", "none"),
    "INCONCLUSIVE": _look("0.55", "s", "none"),
    "REFUTED": _look("0.0", "X", "none"),
}
"""Verdicts of a claim's points."""

BOUND: Look = {"linestyle": "--", "linewidth": 1.1, "marker": ""}
"""A bound, in the colour of what it bounds (black where it bounds all that is drawn)."""

GUIDE: Look = {"color": "0.4", "linestyle": (0, (1, 2)), "linewidth": 0.8}
"""A line that marks a place and is no data."""

MARKERS = ("o", "^", "D", "v", "s", "P", "X", "<", ">", "p", "h", "d")
"""For series that share a hue, in order."""
DASHES: tuple[Any, ...] = ("-", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)), (0, (6, 2, 1, 2, 1, 2)))
"""For series that share a hue; none is the dash of a bound."""


def look(name: str) -> Look:
    """The look of a rounding, a method's label, ``"8 bits"``, a distribution or a verdict, to pass on to `plot`.

    Parameters
    ----------
    name : str
        A key of the tables above; ``"N bits"`` for a width. Case and the spelling ``ALPT(SR)`` do not matter.

    Returns
    -------
    dict
        Color, marker and linestyle; that of `OTHER` for an unknown name.
    """
    for table in (ROUNDINGS, NOISES, OUTCOMES):
        if name in table:
            return dict(table[name])
    label = name.lower().replace("(", "-").rstrip(")")
    if label in METHODS:
        return dict(METHODS[label])
    if label in NOISES:
        return dict(NOISES[label])
    number, _, unit = label.replace("-", " ").partition(" ")
    if number.isdigit() and unit in ("bit", "bits"):
        return bits(int(number))
    return dict(OTHER)


def bits(number: int) -> Look:
    """The look of a width of codes in bits."""
    return dict(BITS[min((known for known in BITS if known >= number), default=max(BITS))])


def shades(color: str, count: int) -> list[str]:
    """`count` shades of a colour, from dark to light; all can be read on white.

    Examples
    --------
    >>> shades("#0072B2", 1)
    ['#0072b2']
    """
    from matplotlib.colors import to_hex, to_rgb

    base = to_rgb(color)
    if count == 1:
        return [str(to_hex(base))]

    def mixed(share: float) -> str:
        """Towards black for a negative share, towards white for a positive one."""
        target = (0.0, 0.0, 0.0) if share < 0 else (1.0, 1.0, 1.0)
        part = abs(share)
        red, green, blue = ((1 - part) * own + part * other for own, other in zip(base, target, strict=True))
        return str(to_hex((red, green, blue)))

    return [mixed(-0.65 + 0.8 * place / (count - 1)) for place in range(count)]


def family(color: str, names: Sequence[str]) -> dict[str, Look]:
    """Looks of series that share a hue: a shade, a marker and a dash each."""
    tints = shades(color, len(names))
    return {
        name: _look(tints[place], MARKERS[place % len(MARKERS)], DASHES[place % len(DASHES)])
        for place, name in enumerate(names)
    }
