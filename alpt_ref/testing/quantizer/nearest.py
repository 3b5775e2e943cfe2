"""Nearest rounding beside and at the middle between two values: which way, by which rule?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.testing.quantizer.probe import Floats, Mask, Probe, Seen
from alpt_ref.testing.quantizer.report import Finding

MOST_CELLS = 1 << 16
TIE_RULES = ("up", "down", "even", "odd", "away", "toward")
_ONE_RULE = TIE_RULES[:4]
"""Rules that do not look at the sign; the others hold only if they are stated."""
_SAID = {
    "up": "ties go up",
    "down": "ties go down",
    "even": "ties go to the even code",
    "odd": "ties go to the odd code",
    "away": "ties go away from zero: up above zero and down below",
    "toward": "ties go towards zero: down above zero and up below",
}


def ties(probe: Probe) -> Finding:
    """All ties follow one rule: the one that is stated, else up, down, even or odd."""
    if probe.stochastic:
        return Finding(None, "with sr a tie is an element with p = 1/2")
    columns, middle = _middles(probe)
    exact = middle.astype(np.float32).astype(np.float64) == middle
    kept = _filled(probe, exact & (middle != 0))
    if kept is None:
        return Finding(None, "no tie of the lattice is a float32 number")
    columns, x = _pick(columns, kept), _pick(middle, kept).astype(np.float32)
    seen = probe.see(x)
    result = probe.snapped(seen)
    bad = (result != seen.lower) & (result != seen.upper)
    if bad.any():
        return Finding(False, f"{int(bad.sum()):,} ties get none of their neighbours", probe.example(seen, bad))
    up = result == seen.upper
    rules = _rules(probe, columns, x)
    held = [name for name, wanted in rules.items() if np.array_equal(up, wanted)]
    stated = probe.options.get("ties")
    number = len(np.unique(x))
    if stated in held or (stated is None and set(held) & set(_ONE_RULE)):
        name = stated if stated in held else next(one for one in _ONE_RULE if one in held)
        return Finding(True, _SAID[name], detects=f"any of {number:,} ties that breaks the rule")
    if stated is not None:
        text = f"stated was {stated!r}, but " + (_SAID[held[0]] if held else "ties follow no one rule")
        return Finding(False, text, probe.example(seen, up != rules[stated]))
    if held:
        text = f"{_SAID[held[0]]}; if that is meant, state it: ties={held[0]!r}"
        return Finding(False, text, probe.example(seen, up != rules["up"]))
    by_sign = [_held_at(up, rules, mask) for mask in (x > 0, x < 0)]
    text = f"ties follow no one rule: {by_sign[0]} above zero, {by_sign[1]} below"
    return Finding(False, text, probe.example(seen, up != rules["up"]))


def _rules(probe: Probe, columns: NDArray[np.int64], x: Floats) -> dict[str, Mask]:
    """Which ties go up under each rule."""
    upper_even = (columns + 1 - probe.lattice.zero) % 2 == 0
    everywhere = np.ones(x.shape, bool)
    return {
        "up": everywhere,
        "down": ~everywhere,
        "even": upper_even,
        "odd": ~upper_even,
        "away": x > 0,
        "toward": x < 0,
    }


def _held_at(up: Mask, rules: dict[str, Mask], where: Mask) -> str:
    names = [name for name in _ONE_RULE if np.array_equal(up[where], rules[name][where])]
    return names[0] if names and where.any() else "mixed"


def beside_ties(probe: Probe) -> Finding:
    """The float32 numbers next to a middle, from below and from above, go to the nearer value."""
    if probe.stochastic:
        return Finding(None, "with sr nothing happens at a tie")
    columns, middle = _middles(probe)
    lower, upper = probe.lattice.take(columns), probe.lattice.take(columns + 1)
    nearest = middle.astype(np.float32)
    below = np.where(nearest < middle, nearest, np.nextafter(nearest, np.float32(-np.inf)))
    above = np.where(nearest > middle, nearest, np.nextafter(nearest, np.float32(np.inf)))
    number = 0
    for x, wanted, inside in ((below, lower, below > lower), (above, upper, above < upper)):
        kept = _filled(probe, inside)
        if kept is None:
            continue
        x, wanted = (np.ascontiguousarray(_pick(one, kept)).astype(np.float32) for one in (x, wanted))
        draw = probe.next_draw()
        seen = Seen(x, draw, probe.call(x, draw), wanted, wanted)
        bad = probe.snapped(seen) != wanted
        number += x.size
        if bad.any():
            text = f"{int(bad.sum()):,} of {bad.size:,} numbers beside a tie go to the farther value"
            return Finding(False, text, probe.example(seen, bad))
    if not number:
        return Finding(None, "no float32 number lies beside a tie")
    return Finding(True, detects=f"any of {number:,} numbers beside a tie that goes to the farther value")


def _middles(probe: Probe) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Columns of cells, all or many, special ones among them, and their middles, exact in float64."""
    random, lattice = probe.random("middles"), probe.lattice
    every = np.arange(lattice.size - 1)
    special = lattice.special()
    special = np.concatenate([special[special < lattice.size - 1], special[special > 0] - 1])
    shape = probe.shape(max(4096, min(lattice.size, MOST_CELLS)) + 64)
    count = shape[0] * shape[1]
    chosen = every if len(every) <= count else random.permutation(every)
    columns = np.resize(np.concatenate([special, chosen]), count)
    if lattice.rows is not None:
        columns = random.permutation(columns)
    columns = columns.reshape(shape)
    low, high = lattice.take(columns).astype(np.float64), lattice.take(columns + 1).astype(np.float64)
    return columns, low + (high - low) / 2


def _filled(probe: Probe, good: Mask) -> NDArray[np.int64] | None:
    """Places (row by row) of good elements, repeated to fill x's shape; None where a row has none."""
    if probe.lattice.rows is None:
        places = np.flatnonzero(good)
        return np.resize(places, good.shape) if len(places) else None
    rows = [np.flatnonzero(row) for row in good]
    if not all(len(row) for row in rows):
        return None
    return np.stack([np.resize(row, good.shape[1]) + number * good.shape[1] for number, row in enumerate(rows)])


def _pick(array: NDArray[Any], places: NDArray[np.int64]) -> NDArray[Any]:
    return array.reshape(-1)[places]
