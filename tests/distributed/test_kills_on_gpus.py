"""What ends a run on two GPUs under NCCL ends it soon, with one sentence; one GPU or both go on to the same bits."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from alpt_ref import train
from tests.distributed.lost import EPOCHS, LOST_SECONDS, MANY, STOPPED, errors, lose_one, of_loss, rank_under, torchrun
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
    assert status == 1
    assert errors(said) in of_loss(victim)

    shutil.copytree(run, tmp_path / "copy")
    train(config(train=TRAIN), clicks(), output=tmp_path / "copy", resume=True)
    assert bits_of(tmp_path / "copy") == whole

    found = ended(launch(2, *MANY, *ON_GPUS, "--output", str(run)), 300)
    assert [status for status, _, _ in found] == [0, 0], found
    assert bits_of(run) == whole


@pytest.mark.parametrize("more", [(), ("--set", "train.reduce=fast")], ids=["ordered", "fast"])
@pytest.mark.parametrize("victim", [0, 1])
def test_under_torchrun_a_gpu_that_is_lost_ends_the_other(victim: int, more: tuple[str, ...], tmp_path: Path) -> None:
    with torchrun(tmp_path / "run", *ON_GPUS, *more) as process:
        os.kill(rank_under(process, victim), signal.SIGKILL)
        _, said = process.communicate(timeout=LOST_SECONDS)
    assert process.returncode == 1
    (error,) = errors(said)
    assert [error] in of_loss(victim) or re.search(STOPPED, error)


def test_two_gpus_in_fast_sums_see_that_one_is_lost(tmp_path: Path) -> None:
    _, (status, _, said) = lose_one(tmp_path / "run", 1, random.random(), *ON_GPUS, "--set", "train.reduce=fast")
    assert status == 1
    assert errors(said) in of_loss(1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_torchrun_on_gpus_is_asked_to_end(number: int, tmp_path: Path) -> None:
    with torchrun(tmp_path / "run", *ON_GPUS) as process:
        process.send_signal(number)
        _, said = process.communicate(timeout=LOST_SECONDS)
    assert process.returncode != 0
    assert len(re.findall(STOPPED, said)) == 1, said
    assert "SIGKILL" not in said


def test_a_run_on_gpus_that_diverges_ends_by_itself(tmp_path: Path) -> None:
    diverging = ("--set", "table.lr=1e30", "--set", "table.method=fp32", "--set", "table.optimizer=sgd")
    found = ended(launch(2, *MANY, *ON_GPUS, *diverging, "--output", str(tmp_path / "run")), 120)
    assert [status for status, _, _ in found] == [1, 1], found
    (error,) = errors(found[0][2] + found[1][2])
    assert "diverged" in error
