"""A Dask scheduler and workers as users start them: processes of the command ``dask``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 60.0


@dataclass
class Processes:
    """One scheduler and its workers; `file` tells clients where it listens."""

    file: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, kind: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start ``dask scheduler`` or ``dask worker``."""
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", str(self.file)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        made = subprocess.Popen(
            [*command, "--no-dashboard", *arguments],
            cwd=self.file.parent, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.running.append(made)
        return made

    def scheduler(self) -> subprocess.Popen[bytes]:
        """A scheduler that listens."""
        self.file.unlink(missing_ok=True)
        made = self.start("scheduler", "--port", "0")
        until(self.file.exists)
        return made

    def worker(self) -> subprocess.Popen[bytes]:
        """A worker without a guardian that would start it again."""
        return self.start("worker", "--no-nanny", "--nthreads", "1")

    @property
    def address(self) -> str:
        """Where the scheduler listens."""
        return str(json.loads(self.file.read_text())["address"])

    def end(self) -> None:
        """End all of them."""
        for process in self.running:
            process.send_signal(signal.SIGKILL)
        for process in self.running:
            process.wait()


def until(condition: object) -> None:
    """Wait until a function gives a true value."""
    assert callable(condition)
    ends = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < ends, "it never happened"
        time.sleep(0.05)
