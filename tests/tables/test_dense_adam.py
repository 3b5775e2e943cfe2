"""Dense Adam at lazy cost: what is read is what Adam on all rows at every step makes, whenever rows are touched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref import make_table
from alpt_ref.errors import InputError
from alpt_ref.tables.dense_adam import DenseAdam
from alpt_ref.testing import check_table
from tests import tolerances

N, D = 40, 3
Steps = list[tuple[np.ndarray, np.ndarray, float]]


def steps(count: int, *, seed: int = 0) -> Steps:
    """Ids, most of them rare, gradients from 1e-9 (epsilon decides) to 1, rates that rise, stay and fall."""
    rng = np.random.default_rng(seed)
    share = 1.0 / np.arange(1, N + 1) ** 2
    found = []
    for t in range(count):
        ids = np.unique(rng.choice(N, 6, p=share / share.sum()))
        grads = rng.standard_normal((len(ids), D)) * 10 ** rng.uniform(-9, 0, (len(ids), 1))
        rate = np.float32(1e-3) * (t / 200 if t < 200 else 1.0 if t < 700 else 0.1)
        found.append((ids, grads.astype(np.float32), float(np.float32(rate))))
    return found


def dense(weights: np.ndarray, given: Steps) -> np.ndarray:
    """Adam on all rows at every step, in float64."""
    w = weights.astype(np.float64)
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, (ids, grads, lr) in enumerate(given, 1):
        g = np.zeros_like(w)
        g[ids] = grads
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w -= lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w


def initial() -> np.ndarray:
    return (np.random.default_rng(9).standard_normal((N, D)) * 0.01).astype(np.float32)


def table(method: str = "fp32", **settings: Any) -> Any:
    return make_table(method, N, D, **{"optimizer": "dense_adam", "lr": 1e-3, "weights": initial(), **settings})


def train(made: Any, given: Steps) -> Any:
    for ids, grads, lr in given:
        made.apply_gradients(ids, grads, lr=lr)
    return made


@pytest.mark.parametrize("settle_every", [0, 46])
def test_fp32_is_dense_adam(settle_every: int) -> None:
    given, made, every = steps(900), table(), np.arange(N)
    for t, one in enumerate(given, 1):
        train(made, [one])
        if settle_every and t % settle_every == 0:
            made.settle()
        if t in (3, 100, 530, 900):
            wanted = dense(initial(), given[:t])
            assert np.abs(made.lookup(every) - wanted).max() <= tolerances.REPLAYED_WEIGHT
    lazy = train(table(optimizer="adam"), given)
    assert np.abs(lazy.lookup(every) - wanted).max() > 100 * tolerances.REPLAYED_WEIGHT
    made.settle()
    assert np.array_equal(made.weights, made.lookup(every))


def test_missed_moves_after_any_gap_are_the_sum_of_dense_adams() -> None:
    """One touch, early or late, then up to 400 steps of other rows."""
    for touched in (1, 20, 511, 512, 600):
        made = train(table(), [(np.array([1]), np.ones((1, D), np.float32), 1e-3)] * (touched - 1))
        first = np.array([[3e-8, 1e-3, -1.0]], np.float32)
        train(made, [(np.array([0]), first, 1e-3)])
        m, v, total = 0.1 * first[0].astype(np.float64), 0.001 * first[0].astype(np.float64) ** 2, np.zeros(D)
        for t in range(touched + 1, touched + 401):
            train(made, [(np.array([1]), np.ones((1, D), np.float32), 1e-3)])
            m, v = 0.9 * m, 0.999 * v
            total += 1e-3 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            if t - touched in (1, 2, 3, 10, 100, 250, 400):
                missed = made._optimizer.missed(np.array([0]))[0]
                assert np.abs(missed / total - 1.0).max() <= tolerances.REPLAYED_MOVES


def test_codes_round_the_summed_move_once() -> None:
    """Nearest rounding shows it: moves of a third of a step each, of which none would count by itself."""
    made = table("lpt", bits=8, rounding="dr", init_step=1.0, lr=0.3, weights=np.zeros((N, D), np.float32))
    ids, grads = np.array([0]), np.ones((1, D), np.float32)
    made.apply_gradients(ids, grads)  # .3 of a step: the code stays
    for _ in range(30):
        made.apply_gradients([1], grads)
    moves = made._optimizer.missed(ids)
    assert 0.5 < moves.max() < 1.5
    assert (made.lookup(ids) == -1.0).all()
    assert (made.packed[0] == 0).all()  # reading changes nothing
    made.settle()
    assert (made.codes()[0] == -1).all()


def test_sr_of_the_replay_has_the_mean_of_the_moves() -> None:
    rows = 4000
    made = make_table(
        "lpt", rows + 1, 4, bits=8, optimizer="dense_adam", lr=0.05, init_step=1.0,
        weights=np.zeros((rows + 1, 4), np.float32),
    )  # fmt: skip
    made.apply_gradients(np.arange(rows), np.ones((rows, 4), np.float32))
    before = made.lookup(np.arange(rows))
    for _ in range(40):
        made.apply_gradients([rows], np.ones((1, 4), np.float32))
    moves = made._optimizer.missed(np.arange(rows))
    moved = before - made.lookup(np.arange(rows))
    share = float(moves[0, 0]) % 1.0
    error = np.sqrt(share * (1 - share) / moved.size)
    assert 0.05 < share < 0.95
    assert abs(moved.mean() - moves.mean()) <= tolerances.SIX_SIGMA * error


@pytest.mark.parametrize("method", ["fp32", "lpt", "alpt"])
def test_state_goes_on_with_the_same_bits(method: str) -> None:
    settings = {} if method == "fp32" else {"bits": 8}
    given = steps(560, seed=3)
    whole, other = train(table(method, **settings), given[:540]), table(method, **settings)
    other.load_state(whole.state())
    for made in (whole, other):
        train(made, given[540:])
        made.settle()
    one, two = whole.state(), other.state()
    assert all(np.array_equal(one[name], two[name]) for name in one)
    broken = {**one, "optimizer.rates": np.zeros(9_999, np.float32)}
    with pytest.raises(InputError, match="rates"):
        other.load_state(broken)
    assert all(np.array_equal(one[name], two[name]) for name in other.state())


@pytest.mark.parametrize("method", ["fp32", "lpt", "alpt"])
def test_it_keeps_the_promises_of_a_table(method: str) -> None:
    check_table(method, optimizer="dense_adam")


@pytest.mark.parametrize("method", ["fp32", "alpt"])
def test_rows_at_rest_keep_every_bit_until_their_next_update(method: str) -> None:
    made = train(table(method, **({} if method == "fp32" else {"bits": 8})), steps(600))
    made.rest()
    before = made.state()
    for one in range(3):
        train(made, [(np.array([0, 5]), np.full((2, D), 0.5, np.float32), 1e-3)] * 3)
        if one == 1:
            made.settle()
    others = np.setdiff1d(np.arange(N), [0, 5])
    after = made.state()
    arrays = [name for name in before if before[name].shape[:1] == (N,)]
    assert all(np.array_equal(before[name][others], after[name][others]) for name in arrays)
    first = made.lookup([0])
    train(made, [(np.array([5]), np.ones((1, D), np.float32), 1e-3)] * 40)
    assert not np.array_equal(made.lookup([0]), first)  # awake


def test_a_new_row_has_nothing_to_catch_up_with() -> None:
    made = train(table(), steps(600))
    made._optimizer.count[7] = 0
    made._optimizer.first[7] = made._optimizer.second[7] = 0.0
    assert (made._optimizer.missed(np.array([7])) == 0.0).all()


def test_bytes_are_lazy_adams_and_the_rates() -> None:
    made = train(table(), steps(10))
    assert made.nbytes() == table(optimizer="adam").nbytes() + 8 + 10 * 4
    made.settle()
    assert made.nbytes() == table(optimizer="adam").nbytes() + 8
    assert isinstance(made._optimizer, DenseAdam)


@pytest.mark.parametrize("method", ["lsq", "pact", "pruning", "hashing", "eco", "rowmax"])
def test_other_methods_refuse_it(method: str) -> None:
    with pytest.raises(InputError, match=r"dense_adam"):
        make_table(method, N, D, bits=None if method in ("pruning", "hashing") else 8, optimizer="dense_adam")
