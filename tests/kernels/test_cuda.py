"""The GPU's quantiser and Monte Carlo engine give the CPU's bits: simulated here, on a GPU where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from . import cuda_cases

ROOT = Path(__file__).resolve().parents[2]


def require_same_bits(found: cuda_cases.Arrays, expected: cuda_cases.Arrays) -> None:
    """Same names, types and bits; NaN equals NaN."""
    assert sorted(found) == sorted(expected)
    for name, wanted in expected.items():
        got = found[name]
        assert got.dtype == wanted.dtype, name
        assert got.shape == wanted.shape, name
        assert got.tobytes() == wanted.tobytes() or np.array_equal(got, wanted, equal_nan=wanted.dtype.kind == "f"), (
            name
        )


def test_bad_weights_are_refused_with_their_place() -> None:
    messages = cuda_cases.refused("cpu")["messages"].tolist()
    assert [message.split(", got ")[1] for message in messages] == [
        f"{x} at row 6, column 2" for x in ("nan", "inf", "-inf")
    ]


@pytest.mark.simulator
def test_the_simulator_gives_the_cpus_bits(tmp_path: Path) -> None:
    file = tmp_path / "found.npz"
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "tests.kernels.cuda_cases", str(file)]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, timeout=300)
    with np.load(file) as stored:
        found = {name.replace("|", "/"): stored[name] for name in stored.files}
    require_same_bits(found, cuda_cases.compute("cpu"))


@pytest.mark.gpu
@pytest.mark.parametrize("cases", [cuda_cases.quantizer_cases, cuda_cases.montecarlo_cases])
def test_the_gpu_gives_the_cpus_bits(cases: Callable[[], Iterator[cuda_cases.Case]]) -> None:
    require_same_bits(cuda_cases.compute("cuda", cases()), cuda_cases.compute("cpu", cases()))
