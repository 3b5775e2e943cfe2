"""The run of the mutants by rule: each against what runs its line, the quickest first, until one fails.

Servers that have every library imported fork a child for each (`server`). Kernels are tried as plain Python first,
where nothing is compiled; what survives there, or is only run by claims and tests that need machine code, is compiled.
Every mutant meets what is quick before any meets the rest. One line of JSON a mutant is appended to a journal as soon
as it is done. A mutant is not run again while neither it nor what caught it has changed, or, where nothing did, none of
what it ran against; comments and docstrings do not count.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from alpt_ref._util.source import definition_digest

from . import baseline
from .baseline import Unit, Units
from .imports import Modules, matching
from .named import Mutant
from .run import CLAIM, COMPILING, NOT_RUN, SURVIVED, TEST, TIME, Result, meaning
from .sandbox import Project, Stopped
from .servers import COMPILED, LIBRARIES, PLAIN, Server
from .syntax import mutants as generic_mutants

JOURNAL, BASELINE = "generic.jsonl", "baseline.jsonl"
UNREACHED = "no claim and no test runs this line"
QUICK = {"claim": 0.4, "test": 1.0}
"""Seconds of what is tried first."""
FIRST_CLAIMS, FIRST_SECONDS = 6, 8.0
"""So many claims at most, and so many seconds in all, before any mutant meets more."""
START, FACTOR, QUICK_LIMIT = 10.0, 4.0, 60.0
"""A child may take so many seconds, and so many times what its claims and tests take without a mutant; first at most so
many."""


class Attempt(NamedTuple):
    """One child: how kernels run, what it runs, and after how many seconds it is killed."""

    mode: str
    steps: list[list[str]]
    limit: float
    units: list[Unit]


class Generic:
    """Mutants by rule of a project."""

    def __init__(
        self, project: Project, output: Path, *, jobs: int, most: float = 60.0, kernels: Sequence[str] = (),
        libraries: Sequence[str] = LIBRARIES, log: Callable[[str], None] = lambda text: None,
    ) -> None:  # fmt: skip
        """Read the sources.

        Parameters
        ----------
        output : existing folder of journal and baseline
        most : seconds (without a mutant) of claims and tests that one mutant is run against at most
        kernels : glob patterns of the files whose functions are compiled
        """
        self.project, self.output, self.jobs, self.most, self.log = project, output, jobs, most, log
        self.libraries = libraries
        self.modules = Modules(project.root, project.folders)
        claims = sorted((project.root / project.claims).glob("[!_]*.py"))
        self.claims = {file.stem.partition("_")[0]: self._module(file) for file in claims}
        self.tests = list(matching(project.root, project.tests))
        self.kernels = set(matching(project.root, tuple(kernels)))
        self.units: dict[str, Units] = {}
        self._lock = threading.Lock()

    def _module(self, file: Path) -> str:
        return self.modules.module_of(file.relative_to(self.project.root))

    def mutants(self, seed: int, only: Sequence[str] = ()) -> list[Mutant]:
        """All of the targets: shuffled within a file, the files in turn, so that any part is a sample."""
        rng = random.Random(seed)
        left_out = set(matching(self.project.root, self.project.left_out))
        piles = []
        for file in matching(self.project.root, self.project.targets):
            if file not in left_out and (not only or file in only):
                pile = generic_mutants(file, (self.project.root / file).read_text(encoding="utf-8"))
                rng.shuffle(pile)
                piles.append(pile)
        longest = max(map(len, piles), default=0)
        return [pile[i] for i in range(longest) for pile in piles if i < len(pile)]

    # ---- what a mutant meets

    def attempts(self, mutant: Mutant) -> list[Attempt]:
        """Children to fork until one catches it; none if nothing runs its line."""
        (file,) = mutant.sources
        mode = PLAIN if file in self.kernels else COMPILED
        units = self.units[mode]
        found = baseline.covering(units, file, *mutant.lines)
        usable = [one for one in found if units[one].green]
        made = self._split(mode, usable, units, START)
        if mode == PLAIN:
            compiled = self.units[COMPILED]
            others = [one for one in found if not units[one].green and one in compiled and compiled[one].green]
            made += self._split(COMPILED, others, compiled, START + COMPILING)
        return made

    def _split(self, mode: str, found: list[Unit], units: Units, start: float) -> list[Attempt]:
        """What is quick, then the rest; last the other tests of files that are met: they may share what is kept."""
        chosen, total = list[Unit](), 0.0
        for one in sorted(found, key=lambda unit: units[unit].seconds):
            total += units[one].seconds
            if total > self.most and chosen:
                break
            chosen.append(one)
        quick = [one for one in chosen if units[one].seconds <= QUICK[one.kind]]
        first = [one for one in quick if one.kind == "claim"][:FIRST_CLAIMS]
        left = FIRST_SECONDS - sum(units[one].seconds for one in first)
        for one in (one for one in quick if one.kind == "test"):
            left -= units[one].seconds
            first += [one] * (left >= 0)
        rest = [one for one in chosen if one not in first]
        files = {one.file for one in chosen if one.file}
        others = [one for one, seen in units.items() if one.file in files and one not in chosen and seen.green]
        room = max(self.most - sum(units[one].seconds for one in chosen), 0.0)
        for one in sorted(others, key=lambda unit: units[unit].seconds):
            room -= units[one].seconds
            if room < 0:
                break
            rest.append(one)
        made = []
        for part in (first, rest):
            if part:
                steps = [["claim", one.name] for one in part if one.kind == "claim"]
                steps += [["tests", *names]] if (names := [one.name for one in part if one.kind == "test"]) else []
                made.append(Attempt(mode, steps, start + FACTOR * sum(units[one].seconds for one in part), part))
        return made

    # ---- what is remembered

    def _key(self, mutant: Mutant, against: Iterable[Unit]) -> str:
        parts = [f"{file} {meaning(text)}" for file, text in mutant.sources.items()]
        parts += [f"{one.name} {self._digest(one)}" for one in sorted(against)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def _digest(self, unit: Unit) -> str:
        if unit.kind == "claim":
            return self.modules.digest(self.claims[unit.name]) if unit.name in self.claims else ""
        file = self.project.root / unit.file
        if not file.exists():
            return ""
        function = unit.name.partition("::")[2].partition("[")[0]
        behind = self.modules.digest(self.modules.module_of(unit.file), own=False)
        return f"{definition_digest(file.read_bytes(), function)} {behind}"

    def _remembered(self) -> dict[str, dict[str, Any]]:
        """Lines of the journal by mutant, the last of each; a line that was cut off is left out."""
        file, found = self.output / JOURNAL, {}
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            try:
                known = json.loads(line)
                found[known["id"]] = known
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def _remember(self, mutant: Mutant, result: Result, against: list[Unit]) -> None:
        about = {"where": mutant.where, "rule": mutant.what, "old": mutant.old, "new": mutant.new}
        line = {**vars(result), **about, "key": self._key(mutant, against), "against": against}
        with self._lock, (self.output / JOURNAL).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def stored(self, mutants: Sequence[Mutant], *, anew: bool = False) -> dict[str, Result]:
        """What the journal knows of these; with `anew` only what no change has made void."""
        known, found = self._remembered(), {}
        for mutant in mutants:
            line = known.get(mutant.id)
            if line is None or (anew and line["key"] != self._key(mutant, [Unit(*one) for one in line["against"]])):
                continue
            found[mutant.id] = Result(**{name: line[name] for name in Result.__dataclass_fields__})
        return found

    # ---- running

    def run(self, mutants: Sequence[Mutant], *, hours: float) -> list[Result]:
        """Every mutant that the time allows; in the order in which they are given."""
        deadline = time.monotonic() + 3600 * hours
        known = self.stored(mutants, anew=True)
        waiting = [one for one in mutants if one.id not in known] if hours else []
        with tempfile.TemporaryDirectory(prefix="alpt-ref-mutate-") as place:
            folder = Path(place)
            shared = self.output / "kernels" / self._sources()
            modes = (COMPILED, PLAIN) if self.kernels else (COMPILED,)
            servers = {
                mode: [Server(self.project, mode, folder, shared, self.libraries) for _ in range(self.jobs)]
                for mode in modes
            }
            try:
                if waiting:
                    self._measure(servers)
                    known |= self._all(waiting, servers, deadline)
            finally:
                for server in (one for some in servers.values() for one in some):
                    server.stop()
        return [known.get(one.id, Result(one.id, NOT_RUN)) for one in mutants]

    def _sources(self) -> str:
        """Hash of the package: kernels that were compiled from other sources are of no use."""
        digest = hashlib.sha256()
        for name, file in sorted(self.modules.files.items()):
            if name.partition(".")[0] == self.project.package:
                digest.update(name.encode() + b" " + file.read_bytes())
        return digest.hexdigest()[:16]

    def _measure(self, servers: dict[str, list[Server]]) -> None:
        keys = {("claim", name): self.modules.bytes_behind(module) for name, module in self.claims.items()}
        keys |= {("tests", name): self.modules.bytes_behind(self.modules.module_of(name)) for name in self.tests}
        package = self.project.package
        left_out = set(matching(self.project.root, self.project.left_out))
        targets = set(matching(self.project.root, self.project.targets)) - left_out
        self.units = baseline.measure(servers, keys, package, targets, self.output / BASELINE, self.log)

    def _all(self, mutants: Sequence[Mutant], servers: dict[str, list[Server]], deadline: float) -> dict[str, Result]:
        free: queue.Queue[dict[str, Server]] = queue.Queue()
        for i in range(self.jobs):
            free.put({mode: some[i] for mode, some in servers.items()})
        found: dict[str, Result] = {}

        def one(mutant: Mutant, quick: bool) -> None:
            if time.monotonic() > deadline:
                return
            mine = free.get()
            try:
                done = self._one(mutant, mine, deadline, quick)
            except Stopped:
                return
            finally:
                free.put(mine)
            if done is not None:
                result, against = done
                self._remember(mutant, result, against)
                found[mutant.id] = result
                caught = f"{result.status} {result.by} {result.cell}".strip()
                self.log(f"{len(found)}/{len(mutants)} {result.seconds} s {mutant.id}: {caught}")

        pool = ThreadPoolExecutor(self.jobs)
        try:
            for quick in (True, False):
                rest = [mutant for mutant in mutants if mutant.id not in found]
                for _ in pool.map(one, rest, [quick] * len(rest)):
                    pass
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()
        return found

    def _one(
        self, mutant: Mutant, servers: dict[str, Server], deadline: float, quick: bool
    ) -> tuple[Result, list[Unit]] | None:
        """What caught it and what it ran against; with `quick` None where that is not known after one child."""
        begun = time.monotonic()
        ((file, source),) = mutant.sources.items()
        module = self.modules.module_of(file)
        changed = sorted(self.modules.users({module}))

        def result(status: str, by: str = "", cell: str = "", outcome: str = "") -> Result:
            return Result(mutant.id, status, by, cell, round(time.monotonic() - begun, 1), outcome)

        against: list[Unit] = []
        attempts = self.attempts(mutant)
        for number, (mode, steps, limit, units) in enumerate(attempts):
            if quick and (number or limit > QUICK_LIMIT):
                return None
            if time.monotonic() > deadline:
                raise Stopped
            answer = servers[mode].ask(steps, limit, module=module, source=source, changed=changed)
            if answer["ended"] == "time" and mode == COMPILED:  # perhaps kernels of others had to be compiled first
                answer = servers[mode].ask(steps, limit, module=module, source=source, changed=changed)
            red = next((part for part in answer["parts"] if part.get("red")), None)
            if red is not None and "claim" in red:
                return result(CLAIM, red["claim"], red["cell"], red["outcome"]), [Unit("claim", red["claim"])]
            if red is not None and red.get("test"):
                return result(TEST, red["test"]), [Unit("test", red["test"])]
            if answer["ended"] == "time":
                return result(TIME, units[0].name), units
            if answer["ended"]:
                claim = units[0].kind == "claim"
                return result(CLAIM if claim else TEST, units[0].name, answer["ended"], "ERROR"), [units[0]]
            against += units
        return result(SURVIVED, cell="" if against else UNREACHED), against
