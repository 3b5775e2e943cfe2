"""Training on slices by GPUs: in Numba's simulator with threads as ranks, and under NCCL on GPUs of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.models.slices import OneProcess
from tests.distributed.runs import config

ROOT = Path(__file__).parents[2]


def simulated(*words: str) -> list[str]:
    """What `simulated_training` prints."""
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.distributed.simulated_training", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_every_launch_of_a_step_has_the_arguments_of_its_kernel_and_bytes_are_as_computed_by_hand() -> None:
    words = ["fp32-fm", "lpt-dcn", "alpt-dcn", "alpt-fm-once", "lpt-dcn-fast", "alpt-dcn-fast"]
    bound = [f"{word.replace('-', ' ')}: bound" for word in words]
    sent = ["bytes-ordered True True", "bytes-fast True True"]  # as computed by hand
    assert simulated(*(f"bound-{word}" for word in words), "bytes-ordered", "bytes-fast") == bound + sent


@pytest.mark.simulator
def test_a_step_of_two_ranks_is_that_of_one_process_though_room_is_made_as_they_go() -> None:
    assert simulated("tight", "step") == ["True"]


@pytest.mark.simulator
def test_fast_batch_norm_over_the_own_rows_is_that_over_all_where_ranks_have_the_same_rows() -> None:
    assert simulated("alike") == ["True"]


@pytest.mark.simulator
@pytest.mark.nightly
def test_ranks_end_as_one_process_though_room_is_made_as_they_go_and_stop_at_the_same_step() -> None:
    assert simulated("tight", "lpt-fm", "diverged") == ["lpt fm: as one process, room 8", "[3, 3]"]


@pytest.mark.simulator
@pytest.mark.nightly
def test_every_method_and_backbone_ends_as_one_process_and_near_the_cpu() -> None:
    words = ["fp32-fm", "lpt-dcn", "alpt-dcn", "fast-fp32-fm", "cpu-lpt-dcn", "cpu-fp32-fm"]
    assert simulated(*words) == [
        "fp32 fm: as one process, room 1", "lpt dcn: as one process, room 1", "alpt dcn: as one process, room 1",
        "fast-fp32-fm True", "lpt dcn: as on the CPU", "fp32 fm: as on the CPU",
    ]  # fmt: skip


@pytest.mark.gpu
def test_gpus_train_to_the_bits_of_one() -> None:
    pytest.importorskip("torch")
    from alpt_ref.kernels.backend import get_backend

    if get_backend("cuda").xp.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("needs 2 GPUs")
    command = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "tests.distributed.training_on_gpus"]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_a_sharded_run_on_a_gpu_has_a_hash_of_its_own_and_its_limits_are_said() -> None:
    from alpt_ref.training.config import config_hash

    assert config_hash(config()) != config_hash(config(train={"device": "cuda"}))
    with pytest.raises(InputError, match=r"train\.max_gradient_norm runs on --device cpu only"):
        config(train={"device": "cuda", "max_gradient_norm": 1.0})


def test_a_sum_in_any_order_needs_a_slice_for_each_process() -> None:
    OneProcess(2).reduce(np.ones((2, 1)))
    part = OneProcess(4)
    part.own = range(2)
    with pytest.raises(NotImplementedError, match="no sum in any order"):
        part.reduce(np.ones((2, 1)))
