"""Rows spread over GPUs: the kernels in Numba's simulator, and GPUs of this machine under NCCL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.distributed import static_driver
from tests.distributed.driver import alone
from tests.distributed.simulated import RANKS, REFUSED, SIMULATED, STATIC

ROOT = Path(__file__).parents[2]


@pytest.mark.simulator
def test_simulated_kernels_give_the_bits_of_the_cpu() -> None:
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.distributed.simulated"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wanted = [str(alone(case)[:3]) for case in SIMULATED]
    wanted += [str(static_driver.alone(case, RANKS)) for case in STATIC] + list(REFUSED.values())
    assert done.stdout.splitlines() == wanted


@pytest.mark.gpu
@pytest.mark.parametrize(("processes", "parts"), [(1, 3), (2, 1)], ids=["1", "2"])
def test_gpus_have_the_bits_of_the_cpu(processes: int, parts: int) -> None:
    """On one GPU in three parts side by side: most of the time goes into compiling."""
    pytest.importorskip("torch")
    from alpt_ref.kernels.backend import get_backend

    if get_backend("cuda").xp.cuda.runtime.getDeviceCount() < processes:
        pytest.skip(f"needs {processes} GPUs")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    begun = []
    for part in range(parts):
        given = [*command, "-m", "tests.distributed.on_gpus", f"{part}/{parts}"]
        begun.append(subprocess.Popen(given, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
    said = [one.communicate()[0] for one in begun]
    assert [one.returncode for one in begun] == [0] * parts, "\n".join(text[-3000:] for text in said)
