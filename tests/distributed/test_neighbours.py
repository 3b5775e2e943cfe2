"""Whether a process of this machine has ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from alpt_ref.distributed import neighbours

SAY = "from alpt_ref.distributed.neighbours import own_word; print(own_word(), flush=True); input()"

pytestmark = pytest.mark.skipif(neighbours.own_word() == neighbours.UNKNOWN, reason="the system does not say")


@pytest.fixture
def other() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process, and its word."""
    with subprocess.Popen([sys.executable, "-c", SAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        try:
            yield one, one.stdout.readline().strip()
        finally:
            one.kill()


def test_a_process_that_was_killed_has_ended_before_and_after_it_is_waited_for(
    other: tuple[subprocess.Popen[str], str],
) -> None:
    process, word = other
    assert not neighbours.has_ended(word)
    process.kill()
    deadline = time.monotonic() + 10
    while not neighbours.has_ended(word) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert neighbours.has_ended(word)  # nobody has waited for it: a zombie
    process.wait()
    assert neighbours.has_ended(word)


def test_who_has_the_number_of_one_that_has_ended_is_another() -> None:
    own = neighbours.own_word()
    assert not neighbours.has_ended(own)
    assert neighbours.has_ended(own.rpartition("/")[0] + "/1")


@pytest.mark.parametrize("word", [neighbours.UNKNOWN, "", "other-boot/pid:[1]/1/1"])
def test_of_other_machines_nothing_is_said(word: str) -> None:
    assert not neighbours.has_ended(word)


def test_where_proc_has_other_numbers_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in a numbering of its own, without a /proc of its own, would look at one that is not a rank."""
    own, parent = neighbours.own_word(), os.getppid()
    monkeypatch.setattr(os, "getpid", lambda: parent)
    assert neighbours.own_word() == neighbours.UNKNOWN
    assert not neighbours.has_ended(own.rpartition("/")[0] + "/1")
