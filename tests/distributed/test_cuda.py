"""Rows spread over GPUs: the kernels in Numba's simulator, and GPUs of this machine under NCCL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.distributed.driver import Case, alone, joined, spread

ROOT = Path(__file__).parents[2]
SIMULATED = [
    Case("fp32", "adam", d=5, steps=3),
    Case("lpt", "sgd", 8, d=4, steps=3),
    Case("lpt", "adam", 16, "field", d=3, steps=3),
    Case("alpt", "adam", 4, two_pass=True, steps=3),
    Case("alpt", "adagrad", 8, "field", two_pass=True, steps=3),
    Case("alpt", "momentum", 2, "table", steps=3, rounding="dr"),
]
"""With one rank: what an update of summed gradients launches, random words by the row's number, moved codes."""


@pytest.mark.simulator
def test_simulated_kernels_give_the_bits_of_the_cpu() -> None:
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.distributed.test_cuda"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wanted = [str(alone(case)[:3]) for case in SIMULATED]
    assert done.stdout.splitlines() == wanted


@pytest.mark.gpu
@pytest.mark.parametrize("processes", [1, 2])
def test_gpus_have_the_bits_of_the_cpu(processes: int) -> None:
    pytest.importorskip("torch")
    from alpt_ref.kernels.backend import get_backend

    if get_backend("cuda").xp.cuda.runtime.getDeviceCount() < processes:
        pytest.skip(f"needs {processes} GPUs")
    command = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "-m", "tests.distributed.on_gpus"]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


if __name__ == "__main__":
    from tests import simulator

    simulator.install()
    for case in SIMULATED:
        print(joined([spread(None, 0, 1, case, "cuda")])[:3])
