"""Processes become a group and part: one is lost just then, others are there already, a program does it again."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")

from alpt_ref.distributed import arrival
from tests.distributed.lost import LOST_SECONDS, MANY, errors, of_loss, wait_for_checkpoint
from tests.distributed.runs import command, ended, free_port, launch, launch_program

LOST_AT = """
import os, signal, sys
from torch import distributed
from alpt_ref.cli import run

if os.environ["RANK"] == sys.argv[2]:
    setattr(distributed, sys.argv[1], lambda *a, **k: os.kill(os.getpid(), int(sys.argv[3])))
sys.exit(run(sys.argv[4:]))
"""


@pytest.mark.nightly
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("call", ["init_process_group", "barrier"])
def test_a_rank_that_is_lost_as_all_join_or_part_ends_them_with_one_sentence(
    call: str, victim: int, number: int
) -> None:
    words = [sys.executable, "-c", LOST_AT, call, str(victim), str(int(number)), *command()[3:]]
    processes = launch_program(2, words)
    try:
        ((status, _, said),) = ended([processes[1 - victim]], LOST_SECONDS + 30)
    finally:
        processes[victim].kill()
        ended([processes[victim]], LOST_SECONDS)
    found = errors(said)
    if status == 2 and call == "init_process_group":  # the store closed its connections with rank 0
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


@pytest.fixture
def silent() -> Iterator[int]:
    """A port at which somebody listens and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_who_listens_and_does_not_answer_is_no_store(silent: int) -> None:
    from torch import distributed

    arrival.reach("127.0.0.1", silent, 0.0)
    with pytest.raises(OSError, match="does not answer as a store"):
        arrival.connected(distributed, "127.0.0.1", silent, 2, 0.3)


@pytest.mark.nightly
@pytest.mark.parametrize("place", ["MASTER_ADDR=nowhere.invalid", "MASTER_PORT={silent}"])
def test_an_address_at_which_no_store_is_ends_all_with_one_sentence(place: str, silent: int) -> None:
    place = f"export {place.format(silent=silent)}"
    found = ended(launch(2, before={0: place, 1: place}), arrival.START_S + 60)
    assert [status for status, _, _ in found] == [2, 2]
    (error,) = errors("".join(said for _, _, said in found))
    assert re.search("rank 1 did not; start all|could not be joined at .* address already in use", error)
    assert not re.search(r"c10d|socket\.cpp", "".join(said for _, _, said in found))


@pytest.mark.nightly
def test_a_run_at_the_address_of_another_is_refused_and_the_other_goes_on(tmp_path: Path) -> None:
    port = free_port()
    place = f"export MASTER_PORT={port}"
    first = launch(2, *MANY, "--output", str(tmp_path / "first"), before={0: place, 1: place})
    try:
        wait_for_checkpoint(tmp_path / "first", lambda: first[0].poll() is None)
        second = launch(2, *MANY, "--output", str(tmp_path / "second"), before={0: place, 1: place})
        refused = ended(second, 60)
        found = ended(first, 300)
    finally:
        for one in first:
            one.kill()
    assert [status for status, _, _ in refused] == [2, 2]
    (zero,), (other,) = (errors(said) for _, _, said in refused)
    assert "address already in use" in zero
    assert "rank 1 has come already, from another process" in other
    assert [status for status, _, _ in found] == [0, 0], found
