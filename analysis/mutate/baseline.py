"""Without a mutant: what each claim and each test takes, whether it is green, and which lines of the package it runs.

A mutant is only worth running against what runs its line. Claims and test files are measured once each, with compiled
kernels and as plain Python; a claim that takes too long is given up there, and counts with the lines that it reached.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from .servers import COMPILED, PLAIN, Server

LIMIT = {COMPILED: 300.0, PLAIN: 120.0}
"""Seconds for a claim or a file of tests, compilation included."""

COMPILED_PERHAPS = 3.0
"""Seconds; what takes longer may have compiled kernels, and is measured once more."""


class Unit(NamedTuple):
    """A claim (its id) or a test (its node id)."""

    kind: str
    name: str

    @property
    def file(self) -> str:
        """File of a test; "" for a claim."""
        return self.name.partition("::")[0] if self.kind == "test" else ""


@dataclass(frozen=True)
class Seen:
    """One unit without a mutant: seconds, whether it can catch anything, and the lines that it runs by file."""

    seconds: float
    green: bool
    lines: dict[str, frozenset[int]]


Units = dict[Unit, Seen]


def measure(
    servers: dict[str, Sequence[Server]], keys: dict[tuple[str, str], str], package: str, targets: Collection[str],
    kept: Path, deadline: float, log: Callable[[str], None], anew: Collection[str] = (),
) -> dict[str, Units] | None:  # fmt: skip
    """Every claim and test file in both modes, the compiled ones first, which fill the cache of kernels.

    Parameters
    ----------
    keys : for each ``(kind, claim or file)`` a hash of the sources behind it
    targets : the files whose lines count
    kept : file from an earlier run; what it knows of the same sources is not measured again
    deadline : of `time.monotonic`; None is returned where it comes first, and what was measured is kept
    anew : modes in which nothing is taken from there, since their kernels are still to be compiled
    """
    begun = time.monotonic()
    stored, found, lock = _load(kept), dict[str, Units](), threading.Lock()
    for mode in servers:
        free = list(servers[mode])
        units: Units = {}

        def one(job: tuple[str, str], mode: str = mode, free: list[Server] = free, units: Units = units) -> None:
            name = f"{mode} {job[1]} {keys[job]}"
            answer = None if mode in anew else stored.get(name)
            if answer is None and time.monotonic() > deadline:
                return
            if answer is None:
                server = free.pop()
                try:
                    answer = server.ask([job], LIMIT[mode], lines=True)
                    spent = sum(part["seconds"] for part in answer["parts"])
                    if mode == COMPILED and spent > COMPILED_PERHAPS:  # once more, without compiling kernels
                        again = server.ask([job], LIMIT[mode], lines=True)
                        answer = again if again["parts"] else answer
                finally:
                    free.append(server)
                for part in answer["parts"]:
                    lines = part.get("lines", {})
                    part["lines"] = {f: one for f, one in lines.items() if f"{package}/{f}" in targets}
                with lock, kept.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps({"job": name, "answer": answer}) + "\n")
            units.update(_units(answer, job, package, LIMIT[mode]))

        with ThreadPoolExecutor(len(free)) as pool:
            for number, _ in enumerate(pool.map(one, keys), 1):
                if number % 20 == 0 or number == len(keys):
                    log(f"without any mutant, {mode}: {number} of {len(keys)} claims and files of tests")
        if time.monotonic() > deadline:
            return None
        found[mode] = units
    log(f"without any mutant: {time.monotonic() - begun:.0f} s")
    return found


def _load(kept: Path) -> dict[str, dict[str, Any]]:
    """Answers of earlier runs; a line that was cut off is left out."""
    found = {}
    for line in kept.read_text(encoding="utf-8").splitlines() if kept.exists() else ():
        try:
            known = json.loads(line)
            found[known["job"]] = known["answer"]
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _units(answer: dict[str, Any], job: tuple[str, str], package: str, limit: float) -> Units:
    """What one answer says; lines that ran while a file was collected or set up belong to all of its tests."""
    parts = answer["parts"]
    if job[0] == "claim":
        if not parts:
            return {Unit("claim", job[1]): Seen(limit, False, {})}
        (part,) = parts
        return {Unit("claim", job[1]): Seen(part["seconds"], not part["red"], _named(part["lines"], package))}
    shared: dict[str, frozenset[int]] = {}
    units: Units = {}
    for part in parts:
        if part["test"] and "lines" in part:
            units[Unit("test", part["test"])] = Seen(part["seconds"], not part["red"], _named(part["lines"], package))
        elif "lines" in part:
            shared = _named(part["lines"], package)
    return {unit: Seen(seen.seconds, seen.green, _joined(seen.lines, shared)) for unit, seen in units.items()}


def _named(lines: dict[str, list[int]], package: str) -> dict[str, frozenset[int]]:
    return {f"{package}/{file}": frozenset(numbers) for file, numbers in lines.items()}


def _joined(one: dict[str, frozenset[int]], other: dict[str, frozenset[int]]) -> dict[str, frozenset[int]]:
    return {file: one.get(file, frozenset()) | other.get(file, frozenset()) for file in {*one, *other}}


def covering(units: Units, file: str, first: int, last: int) -> list[Unit]:
    """Units that run one of these lines, the quickest first; with `last` 0 those that run any line of the file."""
    chosen = [
        unit for unit, seen in units.items()
        if (numbers := seen.lines.get(file)) and (not last or any(first <= one <= last for one in numbers))
    ]  # fmt: skip
    return sorted(chosen, key=lambda unit: (units[unit].seconds, unit))
