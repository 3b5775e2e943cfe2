"""bfloat16: rounding to the nearest on the host, in the simulator's kernels and on a device (``pytest -m gpu``)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alpt_ref.scalar.bfloat16 import rounded, widened
from tests.kernels.bf16_patterns import nearest, patterns

ROOT = Path(__file__).parents[2]


def test_every_pattern_goes_there_and_back() -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    nan = (bits & 0x7FFF) > 0x7F80
    np.testing.assert_array_equal(rounded(widened(bits)), np.where(nan, 0x7FFF, bits))


def test_rounding_is_to_the_nearest_and_of_ties_to_the_even() -> None:
    values = patterns()
    np.testing.assert_array_equal(rounded(values), nearest(values))
    largest = widened(np.array([0x7F7F], np.uint16))
    tie = (largest.view(np.uint32) + np.uint32(0x8000)).view(np.float32)
    assert [int(rounded(one)[0]) for one in (largest, tie, np.nextafter(tie, np.float32(0)))] == [
        0x7F7F,
        0x7F80,
        0x7F7F,
    ]


@pytest.mark.simulator
def test_simulated_kernels_are_their_definitions() -> None:
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.kernels.bf16_cases"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "SAME\n"), done.stderr[-2000:]


@pytest.mark.gpu
def test_a_device_rounds_every_pattern_so() -> None:
    from tests.kernels.bf16_cases import check_rounding

    check_rounding()


@pytest.mark.gpu
@pytest.mark.parametrize("d", [16, 5])
def test_a_table_on_a_device_rounds_what_it_hands_out_and_takes_gradients_as_they_are(d: int) -> None:
    from tests.kernels.bf16_cases import check_tables

    check_tables(d)
