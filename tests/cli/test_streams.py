"""Standard streams that are closed, full or read-only: remarks may be lost, results not in silence."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from alpt_ref.cli import run
from alpt_ref.data import write_synthetic

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
    assert done.stderr.splitlines()[-1] == "Error: No space left on device"


def test_a_reader_that_leaves_gets_no_traceback() -> None:
    done = shell("alpt-ref verify list | head -1")
    assert done.stdout.startswith("a1 ")
    assert "Traceback" not in done.stderr


def test_names_cannot_steer_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "st\x1b]0;mine\x07ore"
    write_synthetic(folder, 200, fields=2, features=20)
    assert run(["data", "info", str(folder)]) == 0
    assert run(["data", "info", str(tmp_path / "no\x1b[2Jthing")]) == 2
    assert run(["data", "info", "--json", str(folder)]) == 0
    said = capfd.readouterr()
    assert "\x1b" not in said.out + said.err
    assert "\\x1b[2J" in said.err


def test_a_current_folder_that_was_deleted_is_named(tmp_path: Path) -> None:
    gone = f"cd '{tmp_path}' && mkdir gone && cd gone && rmdir ../gone"
    done = shell(f"{gone} && PYTHONPATH='{ROOT}' alpt-ref data synth --output x")
    assert (done.returncode, done.stderr) == (2, "Error: the current folder was deleted; go to another one\n")


@pytest.mark.parametrize("value", ["0", "-1", "two"])
def test_a_number_of_threads_that_numba_does_not_take(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", value)
    assert run(["verify", "list"]) == 2
    assert "NUMBA_NUM_THREADS must be a whole number of at least 1" in capsys.readouterr().err


def test_only_one_place_prints() -> None:
    """What it prints is escaped: nothing else of the command line may call click.echo or print."""
    found = [
        (path.name, line)
        for path in sorted((ROOT / "alpt_ref" / "cli").glob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"\b(click\.echo|click\.secho|print)\(", line)
    ]
    assert [name for name, _ in found] == ["__init__.py", "options.py"]
    assert "printable(text)" in found[1][1]  # the other one prints sentences that were escaped before
