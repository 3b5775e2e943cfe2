"""A command that is stopped ends with the status that says so, wherever the signal meets it."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys
from alpt_ref._util import signals
signals.listen()
try:
    exec("os.kill(os.getpid(), signal.{name})\\nwhile True: pass")
except KeyboardInterrupt:
    sys.exit(signals.interrupted_status())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_the_status_of_a_signal_during_exec(name: str, status: int) -> None:
    """As when dataclasses, NumPy or Numba make their functions."""
    restored = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    done = subprocess.run([sys.executable, "-c", restored + SCRIPT.format(name=name)], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (status, b"")
