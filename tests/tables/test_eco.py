"""ECO: one step against float64 and exact rounding, what momentum returns, and what it must not take in."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref import InputError, RunConfig, make_table
from alpt_ref.kernels import oracle
from alpt_ref.kernels.backend import get_backend
from alpt_ref.scalar.philox import PURPOSE_UPDATE
from alpt_ref.tables.optimizers import LazyAdam, adam_returns
from alpt_ref.theory.bounds import first_residual_move

from ..tolerances import FLOAT32_SUM, ROW_UPDATE
from .helpers import batches

N, D, LR, STEP = 60, 6, 0.02, float(np.float32(0.01))
Array = NDArray[np.float64]


def returns(t: int, terms: int = 4000) -> float:
    """``S_t`` by its sum."""
    k = np.arange(terms)
    return float((0.1 * 0.9**k / (1.0 - 0.9 ** (t + 1.0 + k))).sum())


def fed_back(truth: oracle.RowOracle, row: int, error: Array) -> Array:
    """The momentum of a row that takes an error in, by the definition."""
    back = error / LR * (1.0 - 1.0 / 0.9)
    if truth.kind == "momentum":
        return np.asarray(truth.first[row] + back)
    t = int(truth.count[row])
    return np.asarray(truth.first[row] + back * (np.sqrt(truth.second[row] / (1 - 0.999**t)) + 1e-8) / returns(t))


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
@pytest.mark.parametrize(("rounding", "bits"), [("sr", 8), ("dr", 8), ("sr", 2), ("dr", 4)])
def test_steps_are_those_of_the_definition(optimizer: str, rounding: str, bits: int) -> None:
    # Errors are those of the codes that the table chose, which are checked exactly, word by word, wherever the last
    # bits of the float32 move cannot decide (all but a handful). Gradients reach beyond the range: clipping is met.
    table: Any = make_table(
        "eco", N, D, bits=bits, rounding=rounding, optimizer=optimizer, lr=LR, init_step=STEP, init_std=0.0, seed=3
    )
    truth = oracle.RowOracle(optimizer, np.zeros((N, D)), LR)
    low, high = oracle.code_range(bits)
    checked = skipped = clipped = 0
    for update, (ids, grads) in enumerate(batches(N, D)):
        grads = grads * np.float32(3000.0 if optimizer == "momentum" else 1.0)
        before = np.asarray(table.codes()).astype(int)
        table.apply_gradients(ids, grads)
        after = np.asarray(table.codes()).astype(int)
        moves = truth.step(ids.tolist(), grads.astype(np.float64))
        assert all(np.array_equal(before[row], after[row]) for row in range(N) if row not in moves)
        for row, move in moves.items():
            v = before[row] - move / STEP
            clipped += int(((v < low) | (v > high)).sum())
            error = np.where((v < low) | (v > high), 0.0, v - after[row])
            truth.first[row] = fed_back(truth, row, error * STEP)
            for column in range(D):
                word = oracle.random_word(3, row, column, update, PURPOSE_UPDATE)
                outcomes = set()
                for slack in (1 - 10 * ROW_UPDATE, 1.0, 1 + 10 * ROW_UPDATE):
                    x = Fraction(-move[column] / STEP * slack)
                    rounded = oracle.sr(x, word) if rounding == "sr" else oracle.dr(x)
                    outcomes.add(min(max(int(before[row, column]) + rounded, low), high))
                if len(outcomes) == 1:
                    assert after[row, column] == outcomes.pop()
                    checked += 1
                else:
                    skipped += 1
        scale = np.abs(truth.first).max()
        np.testing.assert_allclose(table.state()["optimizer.first"], truth.first, rtol=0, atol=FLOAT32_SUM * scale)
    assert checked > 100 * max(skipped, 1)
    assert clipped or bits == 8


@pytest.mark.parametrize(("touches", "plain"), [(1, 0.22), (3, 0.46), (10, 0.79)])
def test_lazy_adam_returns_the_whole_error_from_a_rows_first_update_on(touches: int, plain: float) -> None:
    adam = LazyAdam(get_backend("cpu"), 1, 1)
    for _ in range(touches):
        adam.updates(np.array([0]), np.full((1, 1), 0.5, np.float32), LR)
    before, square = float(adam.first[0, 0]), float(adam.second[0, 0])
    adam.absorb(np.array([0]), np.full((1, 1), 0.004, np.float32), LR)
    taken, k = float(adam.first[0, 0]) - before, np.arange(1, 4000)
    size = np.sqrt(square / (1 - 0.999**touches)) + 1e-8
    updates = LR * taken * 0.9**k / (1 - 0.9 ** (touches + k)) / size  # of the errors' own share in updates to come
    assert updates.sum() == pytest.approx(-0.004, rel=1e-4)
    assert (1 - 0.9**touches) * returns(touches) == pytest.approx(plain, abs=0.005)  # of the plain factor


def test_the_table_of_returns_is_the_sum_and_ends_at_one() -> None:
    table = adam_returns(0.9)
    np.testing.assert_allclose(table[:60], [returns(t) for t in range(60)], rtol=FLOAT32_SUM)
    assert table[-1] == 1.0
    assert adam_returns(0.0).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("gradient", [1.0, -1.0])
@pytest.mark.parametrize("lr", [0.25, 0.125, 0.0625])
def test_nearest_rounding_moves_after_the_dead_time_of_the_theory(gradient: float, lr: float) -> None:
    settings: dict[str, Any] = {
        "rounding": "dr", "bits": 8, "optimizer": "momentum", "lr": lr, "init_std": 0.0, "init_step": 1.0,
    }  # fmt: skip
    eco, lpt = make_table("eco", 1, 1, momentum=0.5, **settings), make_table("lpt", 1, 1, **settings)
    awaited = first_residual_move(eta=lr, gradient=gradient, step_size=1.0, keep=0.5)
    seen = []
    for _ in range(awaited):
        for table in (eco, lpt):
            table.apply_gradients([0], np.full((1, 1), gradient, np.float32))
        seen.append(int(eco.codes().item()))
    assert seen == [0] * (awaited - 1) + [-int(gradient)]
    assert lpt.codes().item() == 0


def test_clipping_errors_stay_out_of_the_momentum() -> None:
    settings: dict[str, Any] = {
        "rounding": "dr", "bits": 2, "optimizer": "momentum", "lr": 1.0, "init_std": 0.0, "init_step": 1.0,
    }  # fmt: skip
    eco, lpt = make_table("eco", 1, 2, **settings), make_table("lpt", 1, 2, **settings)
    for _ in range(50):
        for table in (eco, lpt):
            table.apply_gradients([0], np.array([[30.0, -30.0]], np.float32))
    assert eco.codes().tolist() == [[-2, 1]]
    np.testing.assert_array_equal(eco.state()["optimizer.first"], lpt.state()["optimizer.first"])


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_a_learning_rate_of_zero_returns_nothing_and_loses_nothing(optimizer: str) -> None:
    settings: dict[str, Any] = {"bits": 8, "optimizer": optimizer, "init_std": 0.01, "weight_decay": 0.1}
    eco, lpt = make_table("eco", N, D, **settings), make_table("lpt", N, D, **settings)
    before = eco.codes()
    for ids, grads in batches(N, D, count=2):
        for table in (eco, lpt):
            table.apply_gradients(ids, grads, lr=0.0)
    assert np.array_equal(eco.codes(), before)
    assert np.array_equal(eco.state()["optimizer.first"], lpt.state()["optimizer.first"])


def test_a_tiny_learning_rate_leaves_finite_numbers() -> None:
    table = make_table("eco", N, D, bits=4, init_step=1e3, init_std=0.0)
    for lr in (1e-2, 1e-38, 1e-44, 1e-2, 0.0):
        for ids, grads in batches(N, D, count=2):
            table.apply_gradients(ids, grads, lr=lr)
    assert all(np.isfinite(array).all() for array in table.state().values())


def test_no_array_more_than_lpt_holds() -> None:
    for optimizer, moments in (("adam", 8 * D + 4), ("momentum", 4 * D)):
        eco = make_table("eco", N, D, bits=8, optimizer=optimizer)
        assert eco.nbytes() == make_table("lpt", N, D, bits=8, optimizer=optimizer).nbytes()
        assert eco.nbytes() - eco.nbytes("serving") == N * moments


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
def test_an_optimiser_without_momentum_is_refused_in_one_sentence(optimizer: str) -> None:
    message = (
        rf"optimizer must be adam or momentum for method 'eco', got '{optimizer}', since the rounding error is kept in "
        "the momentum, which the others do not have"
    )
    with pytest.raises(InputError, match=rf"^{message}$"):
        make_table("eco", N, D, bits=8, optimizer=optimizer)
    with pytest.raises(InputError, match=rf"^table\.{message}$"):
        RunConfig().replace("table", method="eco", optimizer=optimizer)


def test_no_momentum_and_the_gpu_are_refused() -> None:
    for wrong in (0.0, 1.0, -0.5):
        with pytest.raises(InputError, match=rf"^momentum must be a number from 0.001 to 0.9999, got {wrong}$"):
            make_table("eco", N, D, bits=8, momentum=wrong)
    with pytest.raises(InputError, match="'eco' runs on --device cpu; on cuda there are fp32, lpt, alpt"):
        RunConfig().replace("table", method="eco").replace("train", device="cuda")
