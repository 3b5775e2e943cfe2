"""What became of each mutant, one line of JSON each, appended as soon as it is known; and when that still holds.

A mutant is not run again while neither it nor what caught it has changed, or, where nothing did, none of what it ran
against (and nothing new runs its line). Comments and docstrings do not count; of a file of tests the test alone does,
with what it imports.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpt_ref._util.source import definition_digest, read_source

from .baseline import Unit
from .imports import Modules
from .named import Mutant

CLAIM, TEST, TIME, OPEN = "claim", "test", "time", "open"
SURVIVED, NOT_RUN = "survived", "not run"
SIGNAL = "signal "
"""How the cell of a result begins whose child died of one. It is no lasting result: the machine may have killed it."""
JOURNAL = "mutants.jsonl"
JUDGE = "alpt_ref.verification.judge"


@dataclass(frozen=True)
class Result:
    """What became of a mutant.

    Attributes
    ----------
    status : claim, test, time (it never ended), open (what is quick has not seen it), survived or not run
    by, cell : the claims or the test that caught it, and where
    outcome : of the first of these claims
    """

    id: str
    status: str
    by: str = ""
    cell: str = ""
    seconds: float = 0.0
    outcome: str = ""


class Journal:
    """One file, shared by the threads of one process."""

    def __init__(self, folder: Path, root: Path, modules: Modules, claims: dict[str, str]) -> None:
        """`claims`: module of each; `folder` exists."""
        self.file, self.root, self.modules, self.claims = folder / JOURNAL, root, modules, claims
        self.against: dict[str, set[Unit]] = {}  # of each mutant whose line was read or written
        self._lock = threading.Lock()

    def key(self, mutant: Mutant, against: Iterable[Unit]) -> str:
        """Hash of the mutant and of these claims and tests with all that they depend on."""
        units = sorted(against)
        parts = [f"{file} {meaning(text)}" for file, text in sorted(mutant.sources.items())]
        parts += [f"{one.name} {self._digest(one)}" for one in units]
        if JUDGE in self.modules.files and any(one.kind == "claim" for one in units):
            parts.append(self.modules.digest(JUDGE))  # no claim imports it, and it decides about all of them
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    @functools.cache  # noqa: B019  # lives as long as the run
    def _digest(self, unit: Unit) -> str:
        if unit.kind == "claim":
            return self.modules.digest(self.claims[unit.name]) if unit.name in self.claims else ""
        file = self.root / unit.file
        if not file.exists():
            return ""
        function = unit.name.partition("::")[2].partition("[")[0]
        behind = self.modules.digest(self.modules.module_of(unit.file), own=False)
        return f"{definition_digest(file.read_bytes(), function)} {behind}"

    def write(self, mutant: Mutant, result: Result, against: Sequence[Unit]) -> None:
        """Append one line; it is on the disk when this returns."""
        about = {"where": mutant.where, "rule": mutant.what, "old": mutant.old, "new": mutant.new}
        line = {**vars(result), **about, "key": self.key(mutant, against), "against": against}
        with self._lock, self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
            self.against.setdefault(mutant.id, set()).update(against)

    def results(self, mutants: Sequence[Mutant]) -> dict[str, Result]:
        """What is known of these and still holds, by id; the last line of each counts."""
        known, found = self._lines(), {}
        for mutant in mutants:
            line = known.get(mutant.id)
            if line is None or line["cell"].startswith(SIGNAL):
                continue
            if line["key"] == self.key(mutant, [Unit(*one) for one in line["against"]]):
                found[mutant.id] = Result(**{name: line[name] for name in Result.__dataclass_fields__})
                self.against[mutant.id] = {Unit(*one) for one in line["against"]}
        return found

    def _lines(self) -> dict[str, dict[str, Any]]:
        """Lines by mutant; one that was cut off is left out."""
        found = {}
        for line in self.file.read_text(encoding="utf-8").splitlines() if self.file.exists() else ():
            try:
                known = json.loads(line)
                found[known["id"]] = known
            except (ValueError, KeyError, TypeError):
                continue
        return found


def meaning(text: str) -> str:
    """Hash of a source without comments, layout and docstrings."""
    return read_source(text.encode()).digest
