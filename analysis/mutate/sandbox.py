"""A copy of the checkout in a temporary folder, in which one mutant after the other is put in place and taken back.

The user's own files are read once and never written. Kernels are compiled into folders beside the copy.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import alpt_ref

from . import kernels
from .imports import Modules
from .named import Mutant

_LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "*.pyc", "results", ".git", ".venv", "runs", "*.png", ".*cache", "build", "dist", "*.egg-info"
)


@dataclass(frozen=True)
class Project:
    """What is broken, and what must notice.

    Attributes
    ----------
    root : folder of the checkout
    package : name of its package, a folder of `root`
    claims : folder of claims, relative to the root
    tests : test files that count, as glob patterns relative to the root
    targets : files that are broken by rule, as glob patterns
    left_out : those of them that are not
    """

    root: Path
    package: str
    claims: str
    tests: tuple[str, ...]
    targets: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[str, ...]:
        """What is copied."""
        return tuple(
            dict.fromkeys((self.package, self.claims.split("/")[0], *(one.split("/")[0] for one in self.tests)))
        )


class Stopped(Exception):  # noqa: N818  # no error: it says that nothing is known
    """The process was ended from outside (Ctrl-C, or no memory): nothing is known of its mutant."""


class Ran(NamedTuple):
    """Lines of JSON that a worker printed, and why it ended: "", "time", or the last line of its error."""

    lines: list[dict[str, Any]]
    ended: str


class Sandbox:
    """One copy; used by one thread."""

    def __init__(self, project: Project, folder: Path, modules: Modules) -> None:
        """Copy what the project names, into ``folder/checkout``."""
        self.project, self.folder, self.modules = project, folder, modules
        self.root = folder / "checkout"
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False
        for name in project.folders:
            shutil.copytree(project.root / name, self.root / name, ignore=_LEFT_OUT)
        for name in ("pyproject.toml", "conftest.py"):
            if (project.root / name).is_file():
                shutil.copy2(project.root / name, self.root / name)

    @contextlib.contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """The mutant is in place inside the block. Times of files stay, or machine code would count as outdated."""
        before = {}
        try:
            for name, text in mutant.sources.items():
                file = self.root / name
                before[file] = (file.read_bytes(), file.stat())
                file.write_text(text, encoding="utf-8")
            yield
        finally:
            for file, (content, stat) in before.items():
                file.write_bytes(content)
                os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            shutil.rmtree(self.folder / "own", ignore_errors=True)

    def claims(self, ids: Sequence[str], changed: Sequence[str], seconds: float, *, stop: bool = True) -> Ran:
        """Verify claims in a process of their own, until one fails."""
        words = ["-m", "alpt_ref.analysis.mutate.worker", self.project.package, self.project.claims, str(int(stop))]
        code, out, error = self._run([*words, *ids], changed, seconds)
        lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        if code in (0, None):
            return Ran(lines, "" if code == 0 else "time")
        return Ran(lines, (error.strip().splitlines() or [f"exit status {code}"])[-1][:200])

    def tests(self, files: Sequence[str], changed: Sequence[str], seconds: float) -> str:
        """The first failing test ("" if all pass, "time" if they do not end)."""
        words = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "alpt_ref.analysis.mutate.kernels"]
        code, out, error = self._run([*words, *files], changed, seconds)
        if code is None:
            return "time"
        failed = [
            line.split(" - ")[0].split()[1] for line in out.splitlines() if line.startswith(("FAILED ", "ERROR "))
        ]
        if code == 0:
            return ""
        return failed[0] if failed else (out + error).strip().splitlines()[-1][:200]

    def stop(self) -> None:
        """End what is running; nothing begins any more."""
        self._stopped = True
        if self._process is not None:
            _end(self._process)

    def _run(self, words: Sequence[str], changed: Sequence[str], seconds: float) -> tuple[int | None, str, str]:
        """Exit status (None where the time was up), output and errors of a Python process in the copy."""
        if self._stopped:
            raise Stopped
        home = str(Path(alpt_ref.__file__).resolve().parents[1])
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(self.root), home, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NUMBA_NUM_THREADS": "1",
            "ALPT_REF_CACHE_DIR": str(self.folder / "cache"),
            kernels.SHARED: str(self.folder / "shared"),
            kernels.OWN: str(self.folder / "own"),
            kernels.CHANGED: ",".join(sorted(self.modules.users(set(changed)))) if changed else "",
        }
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=self.root, env=environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        try:
            self._process = process
            out, error = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as late:
            _end(process)
            rest, error = process.communicate()
            kept = late.stdout.decode() if isinstance(late.stdout, bytes) else (late.stdout or "")
            return None, rest or kept, error
        except BaseException:
            _end(process)
            raise
        finally:
            self._process = None
        if process.returncode in (-9, -15):
            raise Stopped
        return process.returncode, out, error


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and what it started: they are a session of their own."""
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
