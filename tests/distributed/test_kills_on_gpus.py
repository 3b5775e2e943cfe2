"""One of two GPUs' processes is killed under NCCL: the other ends soon, and one or two GPUs go on to the same bits."""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from alpt_ref import train
from tests.distributed.lost import EPOCHS, LOST, MANY, errors, lose_one
from tests.distributed.runs import bits_of, clicks, config, ended, launch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs"),
]
ON_GPUS = ("--set", "train.device=cuda")
TRAIN = {"epochs": EPOCHS, "device": "cuda"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The bits of a run on one GPU that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    train(config(train=TRAIN), clicks(), output=folder)
    return bits_of(folder)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_gpu_that_is_lost_ends_the_other_and_the_run_is_resumed(
    victim: int, whole: dict[str, str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    lost, (status, _, said) = lose_one(run, victim, random.random(), *ON_GPUS)
    assert lost[0] == -signal.SIGKILL
    assert (status, errors(said)) == (1, [f"Error: another rank {LOST}"])

    shutil.copytree(run, tmp_path / "copy")
    train(config(train=TRAIN), clicks(), output=tmp_path / "copy", resume=True)
    assert bits_of(tmp_path / "copy") == whole

    found = ended(launch(2, *MANY, *ON_GPUS, "--output", str(run)), 300)
    assert [status for status, _, _ in found] == [0, 0], found
    assert bits_of(run) == whole
