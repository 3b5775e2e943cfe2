"""A process that has every library imported and forks: each child imports the package with one source replaced.

    python analysis/mutate/server.py ROOT PACKAGE CLAIMS_FOLDER CACHE LIBRARY ...

It reads one request a line from its standard input and answers each with one line, both JSON. A request holds

``sources``             module -> its whole text. No file is written: the import system gives the other text.
``changed``             modules that depend on these: their kernels are compiled anew, all others come from the cache
``steps``               lists of ``["claim", id]`` and ``["tests", id, ...]``, done in this order until one fails
``lines``               whether to measure: then nothing ends early, and each part of the answer says which lines ran
``limit``               seconds of processor time, after which the child and all that it started are killed

and the answer ``parts``, one a claim or test that has something to say, and ``ended``: "", "time", or why it died.
This file imports nothing of the package, so that a child may replace any of it; it needs ``fork``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.machinery
import importlib.util
import json
import math
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

MEMORY = 8 << 30
"""Bytes of address space of a child beyond what its parent has: a broken line may ask for anything."""
PATIENCE = 20.0
"""Seconds by the clock for each of processor time: other processes may need the cores too."""
SLOW = {True: 100, False: 4}
"""Seconds of processor time of a test or a claim while lines are measured; compiled or not."""
Tell = Callable[[dict[str, Any]], None]


class Late(BaseException):
    """A claim or a test takes too long; what it ran so far counts."""


def _allow(seconds: int) -> None:
    """`Late` after so many seconds of processor time; 0: no more."""
    signal.signal(signal.SIGPROF, _late)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _late(*about: object) -> None:
    raise Late


def replace(sources: dict[str, str]) -> set[str]:
    """Give modules, by name, other sources from now on; the set receives those that were imported.

    Whatever finds a module, a loader of files reads it: the package has finders of its own.
    """
    imported: set[str] = set()
    true: Any = importlib.machinery.SourceFileLoader.get_code

    def get_code(loader: importlib.machinery.SourceFileLoader, name: str) -> Any:
        if name not in sources:
            return true(loader, name)
        imported.add(name)
        return compile(sources[name], loader.path, "exec", dont_inherit=True)

    setattr(importlib.machinery.SourceFileLoader, "get_code", get_code)  # noqa: B010
    return imported


class Lines:
    """Which lines of the files below a folder run, each seen once until `restart`; before Python 3.12 whole functions.

    What runs at import is left out: everything runs that.
    """

    def __init__(self, folder: Path) -> None:
        """Begin to look."""
        self.folder, self.seen = f"{folder}{os.sep}", dict[str, set[int]]()
        self._monitoring: Any = getattr(sys, "monitoring", None)
        if self._monitoring is None:
            sys.settrace(self._call)
            threading.settrace(self._call)
            return
        self._monitoring.use_tool_id(self._monitoring.COVERAGE_ID, "mutants")
        event = self._monitoring.events.LINE
        self._monitoring.register_callback(self._monitoring.COVERAGE_ID, event, self._line)
        self._monitoring.set_events(self._monitoring.COVERAGE_ID, event)

    def _line(self, code: CodeType, line: int) -> object:
        if code.co_filename.startswith(self.folder) and code.co_name != "<module>":
            self.seen.setdefault(code.co_filename[len(self.folder) :], set()).add(line)
        return self._monitoring.DISABLE

    def _call(self, frame: FrameType, event: str, value: Any) -> None:
        code = frame.f_code
        if code.co_filename.startswith(self.folder) and code.co_name != "<module>":
            lines = {line for _, _, line in code.co_lines() if line}
            self.seen.setdefault(code.co_filename[len(self.folder) :], set()).update(lines)

    def restart(self) -> dict[str, list[int]]:
        """What ran since the last call."""
        found = {file: sorted(lines) for file, lines in self.seen.items()}
        self.seen = {}
        if self._monitoring is not None:
            self._monitoring.restart_events()
        return found

    def stop(self) -> None:
        """Look no more."""
        if self._monitoring is None:
            sys.settrace(None)
            threading.settrace(None)
        else:
            self._monitoring.set_events(self._monitoring.COVERAGE_ID, 0)
            self._monitoring.free_tool_id(self._monitoring.COVERAGE_ID)


def run_claim(folder: str, name: str, lines: Lines | None, tell: Tell, compiled: bool) -> bool:
    """Verify one claim; whether it is red."""
    verdict = importlib.import_module("alpt_ref.analysis.mutate.cells").verdict
    begun = time.perf_counter()
    if lines is not None:
        _allow(SLOW[compiled])
    try:
        outcome, red, cell = verdict(folder, name)
    except Late:
        outcome, red, cell = "too slow", True, ""
    _allow(0)
    seconds = round(time.perf_counter() - begun, 3)
    tell({"claim": name, "outcome": outcome, "red": red, "cell": cell, "seconds": seconds} | _lines(lines))
    return bool(red)


def run_tests(ids: Sequence[str], lines: Lines | None, tell: Tell, compiled: bool) -> bool:
    """Run tests in this order; whether one fails."""
    import pytest

    plugin = _Tests(list(ids), lines, tell, SLOW[compiled])
    files = sorted({name.partition("::")[0] for name in ids})
    words = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    words += [f"--basetemp={tempfile.mkdtemp()}"]
    words += ["--maxfail=1"] if lines is None else []
    words += [] if compiled else ["-W", "ignore::RuntimeWarning"]  # whole numbers of NumPy warn where they wrap around
    status = pytest.main([*words, *files], plugins=[plugin])
    if status not in (0, 1, 5) and not plugin.failed:  # a file that cannot even be imported
        plugin.failed = True
        tell({"test": files[0], "red": True, "seconds": 0.0})
    return plugin.failed


def limit_hypothesis() -> None:
    """Few examples, the same ones each time, and none made smaller."""
    from hypothesis import Phase, settings

    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("mutants", max_examples=50, deadline=None, derandomize=True, database=None, phases=phases)
    settings.load_profile("mutants")


class _Tests:
    """Keeps order and choice of the tests, and tells the first failure, or everything about each."""

    def __init__(self, ids: list[str], lines: Lines | None, tell: Tell, slow: int) -> None:
        self.ids, self.lines, self.tell, self.failed = {one: i for i, one in enumerate(ids)}, lines, tell, False
        self.slow, self._useless, self._seconds = slow, False, 0.0

    def pytest_configure(self) -> None:
        limit_hypothesis()

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        chosen = [one for one in items if one.nodeid in self.ids or one.nodeid.partition("::")[0] in self.ids]
        items[:] = sorted(chosen, key=lambda one: self.ids.get(one.nodeid, 0))
        if self.lines is not None:
            self.tell({"test": "", "red": False, "seconds": 0.0} | _lines(self.lines))

    def pytest_runtest_logstart(self) -> None:
        self._useless, self._seconds = False, 0.0
        if self.lines is not None:
            _allow(self.slow)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._seconds += report.duration
        self._useless |= report.outcome != "passed"
        self.failed |= report.failed
        if self.lines is not None and report.when == "teardown":
            _allow(0)
            told = {"test": report.nodeid, "red": self._useless, "seconds": round(self._seconds, 3)}
            self.tell(told | _lines(self.lines))
        elif self.lines is None and report.failed:
            self.tell({"test": report.nodeid, "red": True, "seconds": round(self._seconds, 3)})


def _lines(lines: Lines | None) -> dict[str, Any]:
    return {} if lines is None else {"lines": lines.restart()}


def child(request: dict[str, Any], root: Path, package: str, claims: str, tell: Tell) -> None:
    """Everything that one request asks for."""
    os.environ["ALPT_REF_MUTANT_MODULES"] = ",".join(request["changed"])
    imported = replace(request["sources"])
    if importlib.util.find_spec("alpt_ref.analysis.mutate.kernels"):
        importlib.import_module("alpt_ref.analysis.mutate.kernels")
    lines = Lines(root / package) if request["lines"] else None
    compiled = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
    if not compiled:
        __import__("numpy").seterr(all="ignore")
    for kind, *names in request["steps"]:
        if kind == "claim":
            failed = run_claim(claims, names[0], lines, tell, compiled)
        else:
            failed = run_tests(names, lines, tell, compiled)
        if failed and lines is None:
            return
    if not imported and request["sources"]:
        tell({"unused": True})


def _address_space() -> int:
    """Bytes that this process has reserved: libraries for GPUs take more than any mutant should."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:  # not Linux
        return 0


def serve(limit: float, cache: Path, work: Callable[[Tell], None]) -> dict[str, Any]:
    """Fork, wait for the words of the child, which does the `work`, and kill what is left of it."""
    reader, writer = os.pipe()
    own = tempfile.mkdtemp(prefix="mutant-", dir=cache)
    process = os.fork()
    if not process:
        os.setsid()
        os.close(reader)
        most = MEMORY + _address_space()
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        seconds = math.ceil(limit)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        os.environ["ALPT_REF_MUTANT_OWN_CACHE"], tempfile.tempdir = f"{own}/own", own
        os.environ["TMPDIR"] = own

        def tell(part: dict[str, Any]) -> None:
            rest = json.dumps(part).encode() + b"\n"
            while rest:
                rest = rest[os.write(writer, rest) :]

        try:
            work(tell)
        except BaseException:
            tell({"died": traceback.format_exc().strip().splitlines()[-1][:200], "red": True})
        os._exit(0)
    os.close(writer)
    text, late = _read(reader, time.monotonic() + PATIENCE * limit)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL) if late else None
    _, status = os.waitpid(process, 0)
    shutil.rmtree(own, ignore_errors=True)
    late |= os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
    parts = [json.loads(line) for line in text.decode().splitlines() if line.endswith("}")]
    died = next((part.pop("died") for part in parts if "died" in part), "")
    killed = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) and not late and not died else ""
    return {"parts": [part for part in parts if len(part) > 1], "ended": "time" if late else died or killed}


def _read(reader: int, deadline: float) -> tuple[bytes, bool]:
    """Everything that is written until the end, and whether the deadline came first."""
    text = b""
    with os.fdopen(reader, "rb", buffering=0) as stream:
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                return text, True
            piece = stream.read(1 << 16)
            if not piece:
                return text, False
            text += piece


def main(root: str, package: str, claims: str, cache: str, *libraries: str) -> None:
    """Serve until the standard input ends."""
    os.chdir(root)
    sys.path[:0] = [root]
    for name in libraries:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        work = functools.partial(child, request, Path(root), package, claims)
        sys.stdout.write(json.dumps(serve(request["limit"], Path(cache), work)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
