"""The run itself: which claims and tests a mutant meets, in which order, until when, and what is remembered.

Each claim runs once without any mutant before it counts. What is red there can catch nothing and is left out, and the
seconds that it took set order and time limits. Results are appended to a file; a mutant is not run again while neither
it nor any file that the claim which caught it (or, where none did, its claims and tests) depend on has changed;
comments and docstrings do not count.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alpt_ref._util.source import read_source

from .imports import Modules, matching
from .named import Mutant
from .sandbox import Project, Sandbox, Stopped

CLAIM, TEST, TIME, SURVIVED, NOT_RUN = "claim", "test", "time", "survived", "not run"
LEDGER = "mutants.jsonl"
JUDGE = "alpt_ref.verification.judge"
COMPILING = 120.0
"""Seconds that a mutant may take on top: its kernels are compiled anew."""
FACTOR = 4.0
"""How much longer than without a mutant claims and tests may take."""


@dataclass(frozen=True)
class Result:
    """What became of a mutant.

    Attributes
    ----------
    status : claim, test, time (it never ended), survived or not run
    by, cell : the claims or the test that caught it, and where
    outcome : of the first of these claims
    """

    id: str
    status: str
    by: str = ""
    cell: str = ""
    seconds: float = 0.0
    outcome: str = ""


@dataclass
class Baseline:
    """The run without a mutant: seconds of what is green, and what is not."""

    claims: dict[str, float] = field(default_factory=dict)
    red: dict[str, str] = field(default_factory=dict)


class Run:
    """Mutants of a project against its claims and tests."""

    def __init__(
        self, project: Project, output: Path, *, tests: bool = True, log: Callable[[str], None] = lambda text: None
    ) -> None:
        """Read the sources; `output` (an existing folder) receives what is remembered."""
        self.project, self.output, self.with_tests, self.log = project, output, tests, log
        self.modules = Modules(project.root, project.folders)
        claims = sorted((project.root / project.claims).glob("[!_]*.py"))
        self.claims = {file.stem.partition("_")[0]: self._module(file) for file in claims}
        self.tests = list(matching(project.root, project.tests))
        self.baseline = Baseline()
        self._known: dict[str, Any] = {}
        self._lock, self._once = threading.Lock(), threading.Lock()

    def _module(self, file: Path) -> str:
        return self.modules.module_of(file.relative_to(self.project.root))

    # ---- what meets whom

    def changed(self, mutant: Mutant) -> set[str]:
        """Modules that a mutant changes."""
        return {self.modules.module_of(file) for file in mutant.sources}

    def claims_of(self, mutant: Mutant) -> list[str]:
        """Claims that depend on what is changed, and those that are expected to see it."""
        changed = self.changed(mutant)
        return [
            name
            for name, module in self.claims.items()
            if name in mutant.expected or self.modules.behind(module) & changed
        ]

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Test files that depend on what is changed; those of the same room first."""
        if not self.with_tests:
            return []
        changed = self.changed(mutant)
        room = {Path(file).parts[1] for file in mutant.sources if len(Path(file).parts) > 2}
        found = [one for one in self.tests if self.modules.behind(self.modules.module_of(one)) & changed]
        return sorted(found, key=lambda one: (not room & set(Path(one).parts), one))

    # ---- what is remembered

    def key(self, mutant: Mutant, claims: Iterable[str], tests: Iterable[str]) -> str:
        """Hash of the mutant and of all that these claims and tests depend on."""
        parts = [str(mutant.least), *(f"{file} {meaning(text)}" for file, text in sorted(mutant.sources.items()))]
        found = sorted(claims)
        parts += [f"{name} {self.modules.digest(self.claims[name])}" for name in found]
        if found and JUDGE in self.modules.files:  # no claim imports it, and it decides about all of them
            parts.append(self.modules.digest(JUDGE))
        parts += [f"{name} {self.modules.digest(self.modules.module_of(name))}" for name in sorted(tests)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _stored(self, mutant: Mutant, whole: str) -> Result | None:
        """What is known of a mutant: a claim caught it, and depends on nothing that has changed since; or `whole`."""
        keys = [self.key(mutant, [name], []) for name in self.claims_of(mutant) if mutant.least == 1]
        keys.append(self.key(mutant, mutant.expected, []))
        known = next((self._known[key] for key in (*keys, whole) if "result" in self._known.get(key, {})), None)
        return None if known is None else Result(**{**known["result"], "id": mutant.id})

    def _remembered(self) -> dict[str, dict[str, Any]]:
        """Lines of the ledger by key; a line that was cut off is left out."""
        file, found = self.output / LEDGER, {}
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            try:
                known = json.loads(line)
                found[known["key"]] = known
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def _remember(self, key: str, **values: Any) -> None:
        with self._lock, (self.output / LEDGER).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"key": key, **values}) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    # ---- running

    def run(self, mutants: Sequence[Mutant], *, hours: float, jobs: int) -> tuple[list[Result], Baseline]:
        """Every mutant that the time allows; in the order in which they are given."""
        deadline = time.monotonic() + 3600 * hours
        self._known = self._remembered()
        done = 0
        with tempfile.TemporaryDirectory(prefix="alpt-ref-mutate-") as folder:
            free: queue.Queue[Sandbox] = queue.Queue()
            sandboxes = []
            for job in range(jobs):
                place = Path(folder) / str(job)
                place.mkdir()
                sandboxes.append(Sandbox(self.project, place, self.modules))
                free.put(sandboxes[-1])

            def one(mutant: Mutant) -> Result:
                nonlocal done
                key = self.key(mutant, self.claims_of(mutant), self.tests_of(mutant))
                result = self._stored(mutant, key)
                if result is not None:
                    pass
                elif time.monotonic() > deadline:
                    return Result(mutant.id, NOT_RUN)
                else:
                    sandbox = free.get()
                    try:
                        result = self._one(mutant, sandbox)
                    except Stopped:
                        return Result(mutant.id, NOT_RUN)
                    finally:
                        free.put(sandbox)
                    red = [name for name in result.by.split(", ") if name in self.claims]
                    seen = result.status == CLAIM and red
                    self._remember(self.key(mutant, red, []) if seen else key, result=vars(result))
                with self._lock:
                    done += 1
                    caught = f"{result.status} {result.by} {result.cell}".strip()
                    self.log(f"{done}/{len(mutants)} {mutant.id}: {caught}")
                return result

            with ThreadPoolExecutor(jobs) as pool:
                waiting = [pool.submit(one, mutant) for mutant in mutants]
                try:
                    results = [each.result() for each in waiting]
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    for sandbox in sandboxes:
                        sandbox.stop()
                    raise
        return results, self.baseline

    def _green(self, claims: Sequence[str], sandbox: Sandbox) -> list[str]:
        """Those of the claims that are not red without any mutant, the cheapest first; each is run once."""
        nothing = Mutant("", "", {})
        with self._once:
            known = {*self.baseline.claims, *self.baseline.red}
            keys = {name: self.key(nothing, [name], []) for name in claims if name not in known}
            missing = [name for name, key in keys.items() if key not in self._known]
            if missing:
                self.log(f"without any mutant: {', '.join(missing)}")
                for line in sandbox.claims(missing, [], COMPILING * len(missing) + 600.0, stop=False).lines:
                    self._known[keys[line["claim"]]] = {"claim": line}
                    self._remember(keys[line["claim"]], claim=line)
            for name, key in keys.items():
                line = self._known.get(key, {}).get("claim") or {"red": True, "outcome": "could not be run"}
                if line["red"]:
                    self.baseline.red[name] = line["outcome"]
                else:
                    self.baseline.claims[name] = float(line["seconds"])
            return sorted(
                (name for name in claims if name in self.baseline.claims), key=self.baseline.claims.__getitem__
            )

    def _one(self, mutant: Mutant, sandbox: Sandbox) -> Result:
        begun, changed = time.monotonic(), sorted(self.changed(mutant))

        def result(status: str, by: str = "", cell: str = "", outcome: str = "") -> Result:
            return Result(mutant.id, status, by, cell, round(time.monotonic() - begun, 1), outcome)

        every = self.claims_of(mutant)
        expected = [name for name in every if name in mutant.expected]
        for part in (expected, [name for name in every if name not in mutant.expected]):
            claims = self._green(part, sandbox)
            if not claims:
                continue
            limit = COMPILING + FACTOR * sum(self.baseline.claims[name] for name in claims)
            with sandbox.mutated(mutant):
                ran = sandbox.claims(claims, changed, limit, stop=mutant.least == 1)
            red = [line for line in ran.lines if line["red"]]
            if len(red) >= mutant.least:
                return result(CLAIM, ", ".join(line["claim"] for line in red), red[0]["cell"], red[0]["outcome"])
            at = claims[min(len(ran.lines), len(claims) - 1)]
            if ran.ended:
                return result(TIME, at) if ran.ended == "time" else result(CLAIM, at, ran.ended)
        tests = self.tests_of(mutant)
        if tests:
            with sandbox.mutated(mutant):
                failed = sandbox.tests(tests, changed, COMPILING + 600.0)
            if failed:
                return result(TIME, "tests") if failed == "time" else result(TEST, failed)
        return result(SURVIVED)


def meaning(text: str) -> str:
    """Hash of a source without comments, layout and docstrings."""
    return read_source(text.encode()).digest
