"""Processes become a group: one is lost just then, and a program does it again."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

pytest.importorskip("torch")

from tests.distributed.lost import LOST_SECONDS, errors, of_loss
from tests.distributed.runs import command, ended, free_port, launch_program

LOST_AT_JOINING = """
import os, signal, sys
from torch import distributed
from alpt_ref.cli import run

if os.environ["RANK"] == sys.argv[1]:
    distributed.init_process_group = lambda *a, **k: os.kill(os.getpid(), int(sys.argv[2]))
sys.exit(run(sys.argv[3:]))
"""


@pytest.mark.nightly
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("victim", [0, 1])
def test_a_rank_that_is_lost_while_all_join_ends_them_with_one_sentence(victim: int, number: int) -> None:
    words = [sys.executable, "-c", LOST_AT_JOINING, str(victim), str(int(number)), *command()[3:]]
    processes = launch_program(2, words)
    try:
        ((status, _, said),) = ended([processes[1 - victim]], LOST_SECONDS + 30)
    finally:
        processes[victim].kill()
        ended([processes[victim]], LOST_SECONDS)
    found = errors(said)
    if status == 2:  # the store closed its connections with rank 0
        assert len(found) == 1
        assert "could not be joined" in found[0]
    else:
        assert status == 1
        lost = "Error: the process that holds the store of the run"
        assert found in of_loss(victim) or (victim == 0 and found[0].startswith(lost))


@pytest.mark.nightly
@pytest.mark.parametrize("late", ["late", "together"])
@pytest.mark.parametrize("torchrun", [False, True])
def test_a_program_trains_again_after_a_run_and_after_an_error(late: str, torchrun: bool) -> None:
    if torchrun:
        place = ["--nproc-per-node", "2", "--master-port", str(free_port())]
        words = [sys.executable, "-m", "torch.distributed.run", *place, "-m", "tests.distributed.again", late]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=True)
        outputs = [done.stdout]
    else:
        found = ended(launch_program(2, [sys.executable, "-m", "tests.distributed.again", late]), 300)
        assert [status for status, _, _ in found] == [0, 0], found
        outputs = [out for _, out, _ in found]
    lines = "".join(outputs).splitlines()
    assert len(lines) == 12
    assert len(set(lines)) == 2
