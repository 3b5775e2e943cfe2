"""Two ranks of which one is lost, or torchrun is asked to end, and what the others say."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alpt_ref.training.checkpoint import list_checkpoints
from tests.distributed.runs import command, ended, free_port, launch

LOST_SECONDS = 60.0
LOST = (
    "did not answer: it has ended, or its machine cannot be reached; all ranks end, start them again with --resume to "
    "continue from the newest checkpoint"
)
STOPPED = r"stopped after step \d+ .* run the same command with --resume to continue"
EPOCHS = 20
MANY = ("--set", f"train.epochs={EPOCHS}", "--checkpoint-every", "3", "--sharded", "--resume")


def wait_for_checkpoint(folder: Path, running: Callable[[], bool]) -> None:
    """Wait until a run has written its first one."""
    deadline = time.monotonic() + 300
    while not list_checkpoints(folder / "checkpoints"):
        assert time.monotonic() < deadline
        assert running(), "it ended before its first checkpoint"
        time.sleep(0.02)


def lose_one(
    folder: Path, victim: int, wait: float, *more: str, number: int = signal.SIGKILL
) -> list[tuple[int, str, str]]:
    """Two ranks, of which one gets a signal; what both ended with, those that were stopped after they are killed.

    `more` words are added to those of the command.
    """
    processes = launch(2, *MANY, *more, "--output", str(folder))
    try:
        wait_for_checkpoint(folder, lambda: processes[0].poll() is None)
        time.sleep(wait)
        processes[victim].send_signal(number)
        (other,) = ended([processes[1 - victim]], LOST_SECONDS)
        processes[victim].kill()
        (lost,) = ended([processes[victim]], LOST_SECONDS)
        return [lost, other]
    finally:
        for one in processes:
            one.kill()


def errors(said: str) -> list[str]:
    """The sentences, where no traceback of ours is among the lines."""
    assert not re.search(r"File .*alpt_ref", said), said  # torchrun prints a traceback of its own
    return [line for line in said.splitlines() if line.startswith("Error:")]


def of_loss(victim: int) -> list[list[str]]:
    """What may be said of a lost rank: a connection was closed, or the signs of life have told which it is."""
    return [[f"Error: {who} {LOST}"] for who in ("another rank", f"rank {victim}")]


@contextmanager
def torchrun(folder: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """torchrun with two processes, which have written a checkpoint; `more` words are added to those of the command."""
    many = [*command(*MANY, *more, "--output", str(folder))[1:], "--set", "train.epochs=4000"]
    place = ["--nproc-per-node", "2", "--master-port", str(free_port())]
    words = [sys.executable, "-m", "torch.distributed.run", *place, *many]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for_checkpoint(folder, lambda: process.poll() is None)
            yield process
        finally:
            process.kill()


def rank_under(process: subprocess.Popen[str], rank: int) -> int:
    """The process of a rank that this torchrun has started."""
    for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        found = re.search(rb"(?:^|\0)RANK=(\d+)", Path(f"/proc/{pid}/environ").read_bytes())
        if found and int(found[1]) == rank:
            return int(pid)
    raise AssertionError(f"torchrun has no process of rank {rank}")
