"""The GPU's tables give the CPU's bits: small ones in Numba's simulator, large ones on a device (``pytest -m gpu``)."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref import InputError, TrainingError, make_table

from .cuda_cases import LEARNING, SMALL, SMALL_ROWS, SMALL_SIZES, Arrays, Case, differences, train

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    """What the device code computes in the simulator, where scalar functions run as plain Python on NumPy scalars."""
    file = tmp_path_factory.mktemp("simulated") / "cases.npz"
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "tests.tables.cuda_cases", str(file)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(file) as stored:
        return dict(stored)


@pytest.mark.simulator
@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_simulated_kernels_give_the_bits_of_the_cpu(case: Case, simulated: Arrays) -> None:
    found = {
        name.removeprefix(f"{case.name}:"): array
        for name, array in simulated.items()
        if name.startswith(f"{case.name}:")
    }
    assert differences(train(case, "cpu", SMALL_ROWS, SMALL_SIZES), found) == []


MOMENTS = [SMALL[0], SMALL[4], SMALL[5], SMALL[8]]


@pytest.mark.gpu
@pytest.mark.parametrize("case", MOMENTS, ids=lambda case: case.name)
def test_moments_on_the_device_lead_back_bit_for_bit(case: Case) -> None:
    expected = train(case, "cpu", SMALL_ROWS, SMALL_SIZES)
    assert differences(expected, train(case, "cuda", SMALL_ROWS, SMALL_SIZES)) == []


METHODS, ROUNDINGS = (("lpt", False), ("alpt", False), ("alpt", True)), ("sr", "dr")
BITS, OPTIMIZERS = (2, 4, 8, 16), ("sgd", "adagrad", "adam")


def every_two_meet(case: Case) -> bool:
    """One case of each width and optimiser, so chosen that every two of a case's four choices meet in some case."""
    place = BITS.index(case.bits or 0) + OPTIMIZERS.index(case.optimizer)
    return (case.method, case.two_pass) == METHODS[place % 3] and case.rounding == ROUNDINGS[place % 2]


GRID = [
    Case(method, 16, bits, rounding, optimizer, two_pass, LEARNING if method == "alpt" else {})
    for (method, two_pass), rounding, bits, optimizer in product(METHODS, ROUNDINGS, BITS, OPTIMIZERS)
]
LARGE = [
    Case("fp32", 16, None, None, "adam"),
    Case("fp32", 7, None, None, "adagrad", options={"weight_decay": 0.01}),
    Case("fp32", 130, None, None, "sgd"),
    Case("lpt", 1, 2, "sr", "adam"),
    Case("lpt", 7, 4, "sr", "adagrad"),
    Case("lpt", 33, 16, "sr", "adam"),
    Case("lpt", 130, 8, "sr", "adagrad"),
    Case("lpt", 600, 4, "dr", "adam"),
    Case("alpt", 3, 8, "sr", "adam", True, LEARNING),
    Case("alpt", 200, 4, "sr", "adagrad", True, LEARNING),
    Case("alpt", 16, 8, "sr", "adam", True, {**LEARNING, "granularity": "field"}),
    Case("alpt", 16, 4, "sr", "sgd", False, {**LEARNING, "granularity": "table", "step_domain": "log"}),
    Case("alpt", 9, 2, "sr", "adagrad", True, {**LEARNING, "granularity": "field", "step_domain": "log"}),
    Case("fp32", 16, None, None, "momentum", queued=True),
    Case("lpt", 7, 8, "sr", "momentum"),
    Case("lpt", 130, 16, "dr", "momentum", options={"weight_decay": 0.1}),
    Case("alpt", 16, 4, "sr", "momentum", True, LEARNING),
    Case("alpt", 9, 8, "sr", "momentum", False, {**LEARNING, "granularity": "field"}),
    Case("lpt", 16, 8, "sr", "adam", queued=True),
    Case("lpt", 16, 2, "dr", "sgd", queued=True),
    Case("lpt", 150, 4, "sr", "adagrad", queued=True),
    Case("fp32", 7, None, None, "adam", queued=True),
    Case("alpt", 16, 8, "sr", "adam", options=LEARNING, queued=True),
    Case("alpt", 16, 8, "sr", "adam", True, LEARNING, queued=True),
    Case("alpt", 150, 4, "dr", "adagrad", True, LEARNING, queued=True),
    Case("alpt", 7, 16, "sr", "momentum", True, LEARNING, queued=True),
]


def test_every_two_choices_meet_in_the_cases_of_a_day() -> None:
    chosen = [
        ((case.method, case.two_pass), case.rounding, case.bits, case.optimizer)
        for case in GRID
        if every_two_meet(case)
    ]
    assert len(chosen) == 12
    for one, other in combinations(range(4), 2):
        values = (METHODS, ROUNDINGS, BITS, OPTIMIZERS)[one], (METHODS, ROUNDINGS, BITS, OPTIMIZERS)[other]
        assert {(case[one], case[other]) for case in chosen} == set(product(*values))


@pytest.mark.gpu
@pytest.mark.parametrize(
    "case",
    [
        *LARGE,
        *(case if every_two_meet(case) else pytest.param(case, marks=pytest.mark.nightly) for case in GRID),
    ],
    ids=lambda case: case.name,
)
def test_a_hundred_steps_give_the_bits_of_the_cpu(case: Case) -> None:
    sizes = [5000, 1, 2, 3, 31, 33, 4097, *([3000 if case.d < 64 else 300] * 93)]
    assert differences(train(case, "cpu", 4000, sizes), train(case, "cuda", 4000, sizes)) == []


@pytest.mark.gpu
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("method", ["fp32", "lpt", "alpt"])
def test_a_gradient_that_is_not_finite_changes_nothing(method: str, value: float) -> None:
    table: Any = make_table(method, 50, 4, bits=None if method == "fp32" else 8, device="cuda")
    before = table.state()
    grads = np.zeros((3, 4), np.float32)
    grads[1, 2] = value
    with pytest.raises(TrainingError, match="position 1 of table update 0"):
        table.apply_gradients([3, 4, 5], grads)
    overflow = np.full((2, 4), 3e38, np.float32)
    with pytest.raises(TrainingError, match="overflowed for row 7"):
        table.apply_gradients([7, 7], overflow)
    assert differences(before, table.state()) == []


@pytest.mark.gpu
def test_bad_input_is_refused_on_the_device_too() -> None:
    import cupy

    table: Any = make_table("lpt", 10, 4, bits=8, device="cuda")
    with pytest.raises(InputError, match="ids must be in"):
        table.lookup(cupy.array([3, 10]))
    with pytest.raises(InputError, match="ids must be in"):
        table.lookup([-1])
    with pytest.raises(InputError, match="grads must be float32"):
        table.apply_gradients(cupy.array([1]), cupy.zeros((1, 5), cupy.float32))
    with pytest.raises(InputError, match="at most 1024"):
        make_table("lpt", 10, 2000, bits=8, device="cuda")
    with pytest.raises(InputError, match="GPU's memory is full"):
        make_table("fp32", 1 << 31, 1024, init_std=0.0, device="cuda")
    assert table.lookup(cupy.array([], cupy.int64)).shape == (0, 4)


@pytest.mark.gpu
def test_two_runs_are_the_same_bits() -> None:
    case = Case("alpt", 16, 8, "sr", "adam", True, LEARNING)
    sizes = [20_000] * 20
    assert differences(train(case, "cuda", 3000, sizes), train(case, "cuda", 3000, sizes)) == []
