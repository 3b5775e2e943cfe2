"""Two ranks of which one is lost, and what the other says."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from alpt_ref.training.checkpoint import list_checkpoints
from tests.distributed.runs import ended, launch

LOST_SECONDS = 60.0
LOST = (
    "did not answer: it has ended, or its machine cannot be reached; all ranks end, start them again with --resume to "
    "continue from the newest checkpoint"
)
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
