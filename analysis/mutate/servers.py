"""One server process from the caller's side: started when it is first needed, started again where it died."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import alpt_ref

from .project import Project

LIBRARIES = (
    "numpy", "numba", "numba.core.caching", "scipy.stats", "scipy.special", "scipy.optimize", "scipy.linalg",
    "scipy.integrate", "msgspec", "click", "pytest", "hypothesis", "hypothesis.strategies", "hypothesis.extra.numpy",
)  # fmt: skip
SERVER, COLLECTED = Path(__file__).with_name("server.py"), Path(__file__).with_name("collected.py")
NOTHING: Mapping[str, str] = {}
COMPILED, PLAIN = "compiled", "plain"
"""The kernels as machine code, or as the Python that they are written in (``NUMBA_DISABLE_JIT``)."""


class Stopped(Exception):  # noqa: N818  # no error: it says that nothing is known
    """A server was ended before it had answered."""


class Server:
    """Used by one thread."""

    script = SERVER

    def __init__(
        self, project: Project, mode: str, folder: Path, shared: Path, libraries: Sequence[str] = LIBRARIES
    ) -> None:
        """Nothing is started yet; `folder` (an existing one) holds what the children write, `shared` kernels."""
        self.project, self.mode, self.folder, self.shared, self.libraries = project, mode, folder, shared, libraries
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False

    def ask(
        self, steps: Sequence[Sequence[str]], limit: float, *, sources: Mapping[str, str] = NOTHING,
        changed: Sequence[str] = (), lines: bool = False, lines_of: Mapping[str, tuple[int, int]] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Send one request and wait for its answer (`server`, `collected`)."""
        request = {"sources": dict(sources), "changed": list(changed), "steps": [list(one) for one in steps]}
        request |= {"lines_of": dict(lines_of or {})}
        if self._stopped:
            raise Stopped
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({**request, "limit": limit, "lines": lines}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except (BrokenPipeError, ValueError):
            line = ""
        if not line:
            self._process = None
            raise Stopped
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End the process."""
        self._stopped = True
        process = self._process  # the thread that asks forgets it once it is killed
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def _start(self) -> subprocess.Popen[str]:
        home = str(Path(alpt_ref.__file__).resolve().parents[1])
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(self.project.root), home, os.environ.get("PYTHONPATH", "")]),
            "PYTHONPYCACHEPREFIX": str(self.folder / "pycache"),
            "NUMBA_NUM_THREADS": "1",
            **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
            "NUMBA_DISABLE_JIT": str(int(self.mode == PLAIN)),
            "ALPT_REF_MUTANT_SHARED_CACHE": str(self.shared),
        }
        words = [self.project.root, self.project.package, self.project.claims, self.folder, *self.libraries]
        return subprocess.Popen(
            [sys.executable, str(self.script), *map(str, words)], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip


class Collecting(Server):
    """One that has collected the tests (`collected`): quick, but not for every mutant."""

    script = COLLECTED
