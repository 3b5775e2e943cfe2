"""A process that has imported everything and collected every test, and forks: a child breaks one function and runs.

    python analysis/mutate/collected.py ROOT PACKAGE CLAIMS_FOLDER CACHE TEST_FILE ...

Requests and answers are those of `server`, where a child costs a second or two of imports; here it costs hundredths.
What cannot be broken this way (`swap`) is answered ``{"slow": true}`` and belongs to `server`. A request holds besides

``lines_of``            file -> first and last line of the statement that is broken, 0 and 0 where it runs at import
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from server import Lines, Tell, limit_hypothesis, run_claim, serve  # type: ignore[import-not-found, unused-ignore]
from swap import Functions, functions, swap  # type: ignore[import-not-found, unused-ignore]


class Collected:
    """Takes the place of the loop over tests."""

    def __init__(self, root: Path, package: str, claims: str, cache: Path, words: tuple[TextIO, TextIO]) -> None:
        """Everything that runs from here on counts as having been used (`swap`)."""
        self.root, self.package, self.claims, self.cache = root, package, claims, cache
        self.requests, self.answers = words
        self.compiled = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
        self.lines = Lines(root / package)
        self.tell: Tell = lambda part: None
        self.failed = False
        self._functions: dict[str, Functions] = {}
        self._used: dict[str, list[int]] = {}
        self._items: dict[str, Any] = {}

    def pytest_configure(self) -> None:
        """Tests with Hypothesis as `server` runs them."""
        limit_hypothesis()

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Tell the first failure."""
        if report.failed and not self.failed:
            self.failed = True
            self.tell({"test": report.nodeid, "red": True, "seconds": round(report.duration, 3)})

    def pytest_runtestloop(self, session: Any) -> bool:
        """Serve until the requests end; no test runs in this process."""
        self._items = {one.nodeid: one for one in session.items}
        with contextlib.suppress(ImportError):
            importlib.import_module("alpt_ref.analysis.mutate.cells")
        self._used = self.lines.restart()
        self.lines.stop()
        self._functions = functions(self.root / self.package)
        if not self.compiled:
            import numpy as np

            np.seterr(all="ignore")
        gc.collect()
        gc.freeze()  # a child need not copy what it only looks at
        for line in self.requests:
            self.answers.write(json.dumps(self._answer(json.loads(line))) + "\n")
            self.answers.flush()
        return True

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        changes = []
        tests = [name for kind, *names in request["steps"] if kind == "tests" for name in names]
        if any(name not in self._items for name in tests):
            return {"slow": True}
        for file, text in request["sources"].items():
            path = self.root / file
            first, last = request["lines_of"][file]
            used = self._used.get(str(path.relative_to(self.root / self.package)), [])
            known = self._functions.get(str(path), {})
            if not last or any(first <= one <= last for one in used):
                return {"slow": True}
            found = swap(str(path), path.read_text(encoding="utf-8"), text, known)
            if found is None:
                return {"slow": True}
            changes += found

        def work(tell: Tell) -> None:
            for function, code in changes:
                function.__code__ = code
            self._run(request["steps"], tell)

        answer: dict[str, Any] = serve(request["limit"], self.cache, work)
        return answer

    def _run(self, steps: list[list[str]], tell: Tell) -> None:
        self.tell = tell
        for kind, *names in steps:
            if kind == "claim":
                if run_claim(self.claims, names[0], None, tell, self.compiled):
                    return
                continue
            items = [self._items[name] for name in names]
            for one, following in zip(items, [*items[1:], None], strict=True):
                one.config.hook.pytest_runtest_protocol(item=one, nextitem=following)
                if self.failed:
                    return


def main(root: str, package: str, claims: str, cache: str, *tests: str) -> None:
    """Serve until the standard input ends."""
    import pytest

    words = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.chdir(root)
    sys.path[:0] = [root]
    plugin = Collected(Path(root), package, claims, Path(cache), words)
    os.environ["ALPT_REF_MUTANT_MODULES"] = ""  # machine code is never changed here
    if importlib.util.find_spec("alpt_ref.analysis.mutate.kernels"):
        importlib.import_module("alpt_ref.analysis.mutate.kernels")
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--capture=no", "--continue-on-collection-errors"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    options += [] if plugin.compiled else ["-W", "ignore::RuntimeWarning"]  # as in `server`
    pytest.main([*options, *tests], plugins=[plugin])


if __name__ == "__main__":
    main(*sys.argv[1:])
