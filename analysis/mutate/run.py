"""The run itself: one server a job and kind of kernels, mutants in turn, until a time; results go into the journal.

Before any mutant, claims and tests run without one (`baseline`): what is red there can catch nothing and is left out.
Every mutant by rule meets what is quick before any meets the rest.
"""

from __future__ import annotations

import hashlib
import platform
import queue
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from alpt_ref.errors import AlptError

from . import baseline
from .attempts import SPARED, START, Attempt, by_name, by_rule
from .baseline import Unit, Units
from .imports import Modules, matching
from .journal import CLAIM, NOT_RUN, OPEN, SIGNAL, SURVIVED, TEST, TIME, Journal, Result
from .named import Mutant
from .project import Project
from .servers import COMPILED, LIBRARIES, PLAIN, Collecting, Server, Stopped
from .syntax import mutants as mutants_by_rule

BASELINE, KERNELS = "baseline.jsonl", "kernels"
UNREACHED = "no claim and no test runs this line"
QUICKLY = {COMPILED: f"{COMPILED}, collected", PLAIN: f"{PLAIN}, collected"}
"""Servers that have collected the tests."""
QUICK_LIMIT = START + 50.0
"""Seconds; a child that may take longer is forked once every mutant has had a shorter one."""


class Run:
    """Mutants of a project against its claims and tests."""

    def __init__(
        self, project: Project, output: Path, *, jobs: int, libraries: Sequence[str] = LIBRARIES,
        log: Callable[[str], None] = lambda text: None,
    ) -> None:  # fmt: skip
        """Read the sources; `output` (an existing folder) receives journal, baseline and compiled kernels."""
        self.project, self.output, self.jobs, self.libraries, self.log = project, output, jobs, libraries, log
        self.modules = Modules(project.root, project.folders)
        claims = sorted((project.root / project.claims).glob("[!_]*.py"))
        self.claims = {
            file.stem.partition("_")[0]: self.modules.module_of(file.relative_to(project.root)) for file in claims
        }
        self.tests = list(matching(project.root, project.tests))
        self.journal = Journal(output, project.root, self.modules, self.claims)
        self.kernels = set(matching(project.root, project.kernels))
        left_out = set(matching(project.root, project.left_out))
        self.targets = [one for one in matching(project.root, project.targets) if one not in left_out]
        self.units: dict[str, Units] = {}
        self.red: list[str] = []

    def by_rule(self, seed: int, only: Sequence[str] = ()) -> list[Mutant]:
        """All of the targets: shuffled within a file, the files in turn, so that any part is a sample."""
        rng = random.Random(seed)
        piles = []
        for file in self.targets:
            if not only or file in only:
                pile = mutants_by_rule(file, (self.project.root / file).read_text(encoding="utf-8"))
                rng.shuffle(pile)
                piles.append(pile)
        longest = max(map(len, piles), default=0)
        return [pile[i] for i in range(longest) for pile in piles if i < len(pile)]

    def run(self, mutants: Sequence[Mutant], *, hours: float) -> list[Result]:
        """Every mutant that the time allows; results in the order in which they are given."""
        deadline = time.monotonic() + 3600 * hours
        known = self.journal.results(mutants)
        waiting = [one for one in mutants if one.id not in known or known[one.id].status == OPEN] if hours else []
        survivors = [one for one in mutants if one.id in known and known[one.id].status == SURVIVED] if hours else []
        if waiting or survivors:
            with tempfile.TemporaryDirectory(prefix="alpt-ref-mutate-") as place:
                shared = self.output / KERNELS / self._sources()
                servers = {
                    mode: [
                        Server(self.project, mode, Path(place), shared, self.libraries) for _ in range(self.jobs)
                    ]
                    for mode in (COMPILED, PLAIN)
                }  # fmt: skip
                servers |= {
                    QUICKLY[mode]: [
                        Collecting(self.project, mode, Path(place), shared, self.tests) for _ in range(self.jobs)
                    ]
                    for mode in (COMPILED, PLAIN)
                }  # fmt: skip
                try:
                    if self._measure(servers, [*waiting, *survivors], deadline):
                        waiting += [one for one in survivors if self._meets_more(one)]
                        known |= self._all(waiting, known, servers, deadline)
                    else:
                        self.log(
                            "the time was up before claims and tests had run without any mutant; resume, or give more"
                        )
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

    def _measure(self, servers: dict[str, list[Server]], mutants: Sequence[Mutant], deadline: float) -> bool:
        """What claims and tests do without a mutant; for mutants with a name alone only the claims that they expect.

        False where there is no time for it. Where kernels have not been compiled on this machine yet, all that compiles
        them runs again: a mutant that waited for a kernel would look like one that never ends.
        """
        by_rule = any(not one.named for one in mutants)
        filled = self.output / KERNELS / self._sources() / f"filled on {platform.node()}"
        claims = list(self.claims) if by_rule else sorted({name for one in mutants for name in one.expected})
        keys = {("claim", name): self.modules.bytes_behind(self.claims[name]) for name in claims}
        if by_rule:
            keys |= {("tests", name): self.modules.bytes_behind(self.modules.module_of(name)) for name in self.tests}
        plain = any(file in self.kernels for one in mutants if not one.named for file in one.sources)
        modes = (COMPILED, PLAIN) if plain else (COMPILED,)
        measured = baseline.measure(
            {mode: servers[mode] for mode in modes}, keys, self.project.package, set(self.targets),
            self.output / BASELINE, deadline, self.log, () if filled.exists() else (COMPILED,),
        )  # fmt: skip
        if measured is None:
            return False
        if by_rule:
            filled.parent.mkdir(parents=True, exist_ok=True)
            filled.touch()
        self.units = measured
        found = self.units[COMPILED].items()
        self.red = sorted(unit.name for unit, seen in found if unit.kind == "claim" and not seen.green)
        return True

    def _all(
        self, mutants: Sequence[Mutant], known: dict[str, Result], servers: dict[str, list[Server]], deadline: float
    ) -> dict[str, Result]:
        """Results of what was done; what is `known` to be open has met the quick claims and tests already."""
        free: queue.Queue[dict[str, Server]] = queue.Queue()
        for i in range(self.jobs):
            free.put({mode: some[i] for mode, some in servers.items()})
        found: dict[str, Result] = {}
        opened = {name for name, result in known.items() if result.status == OPEN}

        def one(mutant: Mutant, quick: bool) -> None:
            if time.monotonic() > deadline:
                return
            mine = free.get()
            try:
                done = self._one(mutant, mine, deadline, quick=quick)
            except Stopped:
                return
            finally:
                free.put(mine)
            if done is not None:
                result, against = done
                self.journal.write(mutant, result, against)
                found[mutant.id] = result
                caught = f"{result.status} {result.by} {result.cell}".strip()
                self.log(f"{len(found)}/{len(mutants)} {result.seconds} s {mutant.id}: {caught}")

        pool = ThreadPoolExecutor(self.jobs)
        try:
            for quick in (True, False):
                done = {name for name, result in found.items() if result.status != OPEN}
                rest = [mutant for mutant in mutants if mutant.id not in (opened if quick else done)]
                for _ in pool.map(one, rest, [quick] * len(rest)):
                    pass
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()
        return found

    def _attempts(self, mutant: Mutant) -> list[Attempt]:
        if mutant.named:
            return by_name(mutant, self.units[COMPILED])
        return by_rule(mutant, self.units, next(iter(mutant.sources)) in self.kernels)

    def _meets_more(self, mutant: Mutant) -> bool:
        """Whether a claim or test runs the line of a survivor that it has not met."""
        units = {unit for attempt in self._attempts(mutant) for unit in attempt.units}
        return not units <= self.journal.against.get(mutant.id, set())

    def _one(
        self, mutant: Mutant, servers: dict[str, Server], deadline: float, *, quick: bool
    ) -> tuple[Result, list[Unit]] | None:
        """What caught it and what it ran against.

        With `quick` after one child at most: open where that has not caught it, None where it would take long. What a
        mutant by rule has met before it does not meet again.
        """
        begun = time.monotonic()
        sources = {self.modules.module_of(file): text for file, text in mutant.sources.items()}
        changed = sorted(self.modules.users(set(sources)))

        def result(status: str, by: str = "", cell: str = "", outcome: str = "") -> Result:
            cell = cell.replace(f"{self.project.root}/", "")  # the place of this checkout says nothing
            return Result(mutant.id, status, by, cell, round(time.monotonic() - begun, 1), outcome)

        against: list[Unit] = []
        met = self.journal.against.get(mutant.id, set())
        red: list[Result] = []
        attempts = self._attempts(mutant)
        if mutant.named and not attempts:
            raise AlptError(f"none of the claims that {mutant.id} expects is green without it: {mutant.expected}")
        for number, (mode, steps, limit, units) in enumerate(attempts):
            if quick and not mutant.named and (number or limit > QUICK_LIMIT):
                return (result(OPEN), against) if against else None
            if not mutant.named and set(units) <= met:
                against += units
                continue
            if time.monotonic() > deadline:
                raise Stopped
            answer = self._quickly(mutant, servers, mode, steps, limit)
            if answer is None:
                answer = servers[mode].ask(steps, limit, sources=sources, changed=changed)
            if answer["ended"] == "time" and mode == COMPILED:  # perhaps kernels of others had to be compiled first
                answer = servers[mode].ask(steps, limit, sources=sources, changed=changed)
            if any("unused" in part for part in answer["parts"]):
                raise AlptError(f"{mutant.id} was never imported, though {units[0].name} runs its line")
            part = next((part for part in answer["parts"] if part.get("red")), None)
            against += units
            if part is not None and "claim" in part:
                red.append(result(CLAIM, part["claim"], part["cell"], part["outcome"]))
            elif part is not None:
                red.append(result(TEST, part["test"]))
            elif answer["ended"] == "time":
                red.append(result(TIME, units[0].name))
            elif answer["ended"]:  # the mutant cannot even be imported, or ends the process
                status = CLAIM if units[0].kind == "claim" else TEST
                red.append(result(status, units[0].name, answer["ended"], "ERROR"))
            if len(red) >= mutant.least:
                names = [one.by for one in red]
                caught = result(red[0].status, ", ".join(names), red[0].cell, red[0].outcome)
                return caught, [one for one in against if one.name in names] or against
        return result(SURVIVED, cell="" if against else UNREACHED), against

    def _quickly(
        self, mutant: Mutant, servers: dict[str, Server], mode: str, steps: Sequence[Sequence[str]], limit: float
    ) -> dict[str, Any] | None:
        """The answer of a server that has collected the tests; None where it cannot put the mutant in place.

        None too where the child died of a signal: it may be that of a fork from a process with so much in it.
        """
        if mutant.named or (mode == COMPILED and self.kernels & set(mutant.sources)):
            return None
        lines = dict.fromkeys(mutant.sources, mutant.lines)
        answer = servers[QUICKLY[mode]].ask(steps, limit - SPARED, sources=mutant.sources, lines_of=lines)
        return None if "slow" in answer or answer["ended"].startswith(SIGNAL) else answer
