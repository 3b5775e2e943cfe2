"""How a process ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = "import sys, atexit; atexit.register(print, 'taken down'); from alpt_ref._util import ending; print('said');"


@pytest.mark.parametrize(
    ("words", "status", "out"),
    [
        ("ending.leave(3)", 3, "said\ntaken down\n"),
        ("ending.take_nothing_down(); ending.leave(3)", 3, "said\n"),
        ("ending.take_nothing_down()", 1, "said\n"),
        ("ending.take_nothing_down(); sys.exit(0)", 1, "said\n"),
        ("ending.take_nothing_down(); sys.stdout = None; ending.leave(4)", 4, None),
    ],
)
def test_nothing_is_taken_down_where_others_are_lost(words: str, status: int, out: str | None) -> None:
    found = subprocess.run([sys.executable, "-c", BEGIN + words], capture_output=True, text=True)
    assert found.returncode == status, found
    assert found.stderr == ""
    if out is not None:
        assert found.stdout == out
