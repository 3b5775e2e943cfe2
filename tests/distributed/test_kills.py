"""A process of a sharded run is killed, or torchrun is asked to end: all end soon, say so once, and the run goes on."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
from pathlib import Path

import pytest

pytest.importorskip("torch")

from alpt_ref import train
from alpt_ref.training.checkpoint import list_checkpoints
from tests.distributed.lost import (
    EPOCHS,
    LOST,
    LOST_SECONDS,
    MANY,
    STOPPED,
    errors,
    lose_one,
    of_loss,
    rank_under,
    torchrun,
    wait_for_checkpoint,
)  # fmt: skip
from tests.distributed.runs import bits_of, clicks, config, ended, launch


def _require_goes_on(folder: Path, wanted: dict[str, str], ranks: int) -> None:
    """A copy of the run, resumed by so many ranks, ends in these bits."""
    copy = folder.with_name(f"{folder.name}-{ranks}")
    shutil.copytree(folder, copy)
    if ranks == 1:
        train(config(train={"epochs": EPOCHS}), clicks(), output=copy, resume=True)
    else:
        found = ended(launch(ranks, *MANY, "--output", str(copy)), 900)
        assert [status for status, _, _ in found] == [0] * ranks, found
    assert bits_of(copy) == wanted


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The bits of a run that nothing stopped, in one process."""
    folder = tmp_path_factory.mktemp("whole")
    train(config(train={"epochs": EPOCHS}), clicks(), output=folder)
    return bits_of(folder)


@pytest.mark.parametrize("victim", [1, pytest.param(0, marks=pytest.mark.nightly)])
def test_a_rank_that_is_killed_ends_all_and_the_run_is_resumed(
    victim: int, whole: dict[str, str], tmp_path: Path
) -> None:
    lost, (status, _, said) = lose_one(tmp_path / "run", victim, random.random())
    assert lost[0] == -signal.SIGKILL
    assert status == 1
    assert errors(said) in of_loss(victim)
    _require_goes_on(tmp_path / "run", whole, 1)


@pytest.mark.nightly
@pytest.mark.parametrize("victim", [0, 1])
def test_after_a_kill_as_many_ranks_go_on_and_twice_as_many(victim: int, whole: dict[str, str], tmp_path: Path) -> None:
    _, (status, _, said) = lose_one(tmp_path / "run", victim, 3 * random.random())
    assert status == 1
    assert errors(said) in of_loss(victim)
    for ranks in (2, 4):
        _require_goes_on(tmp_path / "run", whole, ranks)


@pytest.mark.nightly
@pytest.mark.parametrize("victim", [0, 1])
def test_a_rank_without_signs_of_life_is_lost(victim: int, tmp_path: Path) -> None:
    _, (status, _, said) = lose_one(tmp_path / "run", victim, 0.0, number=signal.SIGSTOP)  # its connections stay open
    assert status == 1
    assert errors(said) in (
        [f"Error: rank {victim} {LOST}"],
        [f"Error: the process that holds the store of the run {LOST}"],
    )


@pytest.mark.nightly
def test_four_ranks_of_which_one_is_killed_say_so_once(tmp_path: Path) -> None:
    processes = launch(4, *MANY, "--output", str(tmp_path / "run"))
    try:
        wait_for_checkpoint(tmp_path / "run", lambda: processes[0].poll() is None)
        processes[0].kill()  # who holds the store
        found = ended(processes[1:], LOST_SECONDS)
        ended(processes[:1], LOST_SECONDS)
    finally:
        for one in processes:
            one.kill()
    assert [status for status, _, _ in found] == [1] * 3
    assert [error for _, _, said in found for error in errors(said)] in of_loss(0)


@pytest.mark.nightly
def test_a_rank_whose_disk_is_full_at_a_checkpoint_ends_all_with_one_sentence(tmp_path: Path) -> None:
    processes = launch(2, *MANY, "--output", str(tmp_path / "run"), before={1: "ulimit -f 1"})
    (status_0, _, first), (status_1, _, second) = ended(processes, 300)
    assert (status_0, status_1) == (1, 1)
    (error,) = errors(first + second)
    assert re.search(r"rank 1: checkpoint .* cannot be written .* free disk space or repair the folder", error)
    assert not list_checkpoints(tmp_path / "run" / "checkpoints")
    assert not list((tmp_path / "run" / "checkpoints").glob("*")), "parts are taken away"


@pytest.mark.nightly
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_torchrun_is_asked_to_end_and_the_run_goes_on(number: int, tmp_path: Path) -> None:
    with torchrun(tmp_path / "run") as process:
        process.send_signal(number)
        _, said = process.communicate(timeout=LOST_SECONDS)
    assert process.returncode != 0
    assert len(re.findall(STOPPED, said)) == 1, said


@pytest.mark.nightly
@pytest.mark.parametrize("victim", [0, 1])
def test_under_torchrun_a_rank_that_is_killed_ends_all(victim: int, tmp_path: Path) -> None:
    """torchrun ends the others as it sees that one has ended; or they have seen it first."""
    with torchrun(tmp_path / "run") as process:
        os.kill(rank_under(process, victim), signal.SIGKILL)
        _, said = process.communicate(timeout=LOST_SECONDS)
    assert process.returncode == 1
    (error,) = errors(said)
    assert [error] in of_loss(victim) or re.search(STOPPED, error)
    assert list_checkpoints(tmp_path / "run" / "checkpoints")
