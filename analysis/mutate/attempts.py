"""What a mutant meets, in which order, and how long that may take: the children that are forked until one catches it.

A mutant by rule meets the claims and tests that run its line: first those that are quick, then the rest, and last the
other tests of the files that were met, which may share what one of these kept. In each child tests come before claims,
since most of them take hundredths of a second. Kernels are tried as plain Python first,
where nothing is compiled; what survives there, or is only run by claims and tests that need machine code, is compiled.
A mutant with a name meets the claims that are expected to see it, compiled, and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .baseline import Unit, Units, covering
from .named import Mutant
from .servers import COMPILED, PLAIN

QUICK = {"claim": 0.4, "test": 1.0}
"""Seconds of what is tried first."""
FIRST_CLAIMS, FIRST_FILES, FIRST_SECONDS = 4, 2, 4.0
"""So many claims and files of tests at most, and so many seconds in all, before any mutant meets more."""
MOST = 30.0
"""Seconds (without a mutant) of all that one mutant is run against, the quickest first."""
START, FACTOR = 10.0, 4.0
"""A child may take so many seconds, and so many times what its claims and tests take without a mutant."""
SPARED = 5.0
"""Of these where nothing has to be imported."""
COMPILING = 120.0
"""Seconds more where kernels are compiled anew."""


class Attempt(NamedTuple):
    """One child: how kernels run, what it runs, and after how many seconds it is killed."""

    mode: str
    steps: list[list[str]]
    limit: float
    units: list[Unit]


def by_rule(mutant: Mutant, units: dict[str, Units], compiled: bool) -> list[Attempt]:
    """Children to fork; none if nothing runs the line. `compiled`: the functions of the mutant's file are."""
    (file,) = mutant.sources
    mode = PLAIN if compiled else COMPILED
    found = covering(units[mode], file, *mutant.lines)
    made = _split(mode, file, [one for one in found if units[mode][one].green], units[mode], START)
    if compiled:
        known = units[COMPILED]
        seen = {one for one in found if units[PLAIN][one].green}
        others = [one for one in dict.fromkeys([*found, *covering(known, file, *mutant.lines)]) if one not in seen]
        others = [one for one in others if one in known and known[one].green]
        made += _split(COMPILED, file, others, known, START + COMPILING)
    return made


def by_name(mutant: Mutant, units: Units) -> list[Attempt]:
    """One child for each claim that is expected to see it and is green without it."""
    expected = [one for one in (Unit("claim", name) for name in mutant.expected) if one in units and units[one].green]
    return [_attempt(COMPILED, [one], units, START + COMPILING) for one in expected]


def _split(mode: str, file: str, found: Sequence[Unit], units: Units, start: float) -> list[Attempt]:
    chosen = _cheapest(found, units, MOST)
    quick = [one for one in chosen if units[one].seconds <= QUICK[one.kind]]
    first = [one for one in quick if one.kind == "claim"][:FIRST_CLAIMS]
    used = sum(units[one].seconds for one in first)
    counts = Counter(one.file for one in quick if one.kind == "test")
    near = sorted(counts, key=lambda name: (Path(file).stem not in name, -counts[name], name))[:FIRST_FILES]
    first += _cheapest([one for one in quick if one.file in near], units, FIRST_SECONDS - used)
    met = {one.file for one in chosen if one.file}
    others = [one for one, seen in units.items() if one.file in met and one not in chosen and seen.green]
    room = MOST - sum(units[one].seconds for one in chosen)
    rest = [one for one in chosen if one not in first] + _cheapest(others, units, room)
    return [_attempt(mode, part, units, start) for part in (first, rest) if part]


def _cheapest(found: Sequence[Unit], units: Units, seconds: float) -> list[Unit]:
    """As many as fit, the quickest first."""
    chosen = []
    for one in sorted(found, key=lambda unit: (units[unit].seconds, unit)):
        seconds -= units[one].seconds
        if seconds < 0:
            break
        chosen.append(one)
    return chosen


def _attempt(mode: str, part: list[Unit], units: Units, start: float) -> Attempt:
    steps = [["claim", one.name] for one in part if one.kind == "claim"]
    tests = [one.name for one in part if one.kind == "test"]
    seconds = sum(units[one].seconds for one in part)
    return Attempt(mode, [*([["tests", *tests]] if tests else []), *steps], start + FACTOR * seconds, part)
