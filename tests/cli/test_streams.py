"""Standard streams that are closed, full or read-only: remarks may be lost, results not in silence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX redirections")


def shell(command: str) -> subprocess.CompletedProcess[str]:
    """Run a shell command in which ``alpt-ref`` stands for this checkout's."""
    command = command.replace("alpt-ref", f'"{sys.executable}" -m alpt_ref')
    return subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_closed_standard_error_is_no_error() -> None:
    assert shell("alpt-ref verify list 2>&-").stdout.splitlines()[0].startswith("a1 ")
    assert shell("alpt-ref verify list 2>&-").returncode == 0


def test_a_refusal_keeps_its_status_without_streams() -> None:
    assert shell("alpt-ref data info nowhere >&- 2>&-").returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_results_that_cannot_be_printed_are_a_failure() -> None:
    done = shell("alpt-ref verify list > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "Error: No space left on device\n"


def test_a_reader_that_leaves_gets_no_traceback() -> None:
    done = shell("alpt-ref verify list | head -1")
    assert done.stdout.startswith("a1 ")
    assert "Traceback" not in done.stderr
