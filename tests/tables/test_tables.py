"""Every table method against the float64 oracle, and what all of them promise."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from alpt_ref import InputError, TrainingError, make_table, set_num_threads
from alpt_ref.kernels import oracle
from alpt_ref.scalar.philox import PURPOSE_UPDATE
from alpt_ref.tables import EmbeddingTable

from ..tolerances import ROW_UPDATE
from .helpers import ALL, OPTIMIZERS, arrays, batches, build, same


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_fp32_follows_the_oracle(optimizer: str, decay: float) -> None:
    table = build("fp32", None, optimizer=optimizer, lr=0.05, weight_decay=decay)
    truth = oracle.RowOracle(optimizer, table.lookup(np.arange(60)).astype(np.float64), 0.05, decay)
    for ids, grads in batches(60, 6):
        table.apply_gradients(ids, grads)
        truth.step(ids.tolist(), grads.astype(np.float64))
    np.testing.assert_allclose(table.lookup(np.arange(60)), truth.weights, rtol=ROW_UPDATE, atol=ROW_UPDATE)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("rounding", ["sr", "dr"])
def test_lpt_codes_are_the_rounded_moves_of_the_oracle(optimizer: str, bits: int, rounding: str) -> None:
    # The optimiser's moves follow float64; the rounding of each is then checked exactly, word by word, wherever the
    # last bit of the float32 move cannot decide the outcome (all but a handful of elements).
    n, d, lr = 60, 6, 0.02
    table = build("lpt", rounding, bits=bits, optimizer=optimizer, lr=lr, init_step=0.01)
    truth = oracle.RowOracle(optimizer, np.zeros((n, d)), lr)
    low, high = oracle.code_range(bits)
    checked = skipped = 0
    for update, (ids, grads) in enumerate(batches(n, d)):
        before = np.asarray(table.codes()).astype(int)
        table.apply_gradients(ids, grads)
        after = np.asarray(table.codes()).astype(int)
        moves = truth.step(ids.tolist(), grads.astype(np.float64))
        for row in range(n):
            if row not in moves:
                assert np.array_equal(before[row], after[row])
                continue
            for column, move in enumerate(moves[row] / float(np.float32(0.01))):
                word = oracle.random_word(3, row, column, update, PURPOSE_UPDATE)
                outcomes = set()
                for slack in (1 - ROW_UPDATE, 1.0, 1 + ROW_UPDATE):
                    x = Fraction(-move * slack)
                    rounded = oracle.sr(x, word) if rounding == "sr" else oracle.dr(x)
                    outcomes.add(min(max(int(before[row, column]) + rounded, low), high))
                if len(outcomes) == 1:
                    assert after[row, column] == outcomes.pop()
                    checked += 1
                else:
                    skipped += 1
    assert checked > 100 * max(skipped, 1)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("domain", ["linear", "log"])
@pytest.mark.parametrize("rounding", ["sr", "dr"])
def test_alpt_without_step_learning_is_lpt_bit_for_bit(optimizer: str, domain: str, rounding: str) -> None:
    options: dict[str, Any] = {"optimizer": optimizer, "lr": 0.003, "weight_decay": 0.01, "bits": 4}
    lpt = build("lpt", rounding, **options)
    one_pass = build("alpt", rounding, step_lr=0.0, step_domain=domain, **options)
    two_pass = build("alpt", rounding, step_lr=0.0, step_domain=domain, **options)
    for ids, grads in batches(60, 6):
        lpt.apply_gradients(ids, grads)
        one_pass.apply_gradients(ids, grads)
        pending = two_pass.begin_update(ids, grads)  # type: ignore[attr-defined]
        two_pass.finish_update(pending, grads * np.float32(3.0))  # type: ignore[attr-defined]
    for table in (one_pass, two_pass):
        assert np.array_equal(table.codes(), lpt.codes())
        assert np.array_equal(table.step_size, lpt.step_size)
    assert len(np.unique(lpt.codes())) > 4


@pytest.mark.parametrize("granularity", ["row", "field", "table"])
@pytest.mark.parametrize("scale", ["bdq", "dq", "none"])
def test_two_pass_alpt_moves_the_step_size_by_the_definition(granularity: str, scale: str) -> None:
    n, d, lr, step_lr, bits, step = 12, 4, 0.02, 0.001, 4, 0.01
    offsets = np.array([0, 5, 12])
    table = build(
        "alpt", "dr", n=n, d=d, bits=bits, optimizer="sgd", lr=lr, step_lr=step_lr, init_step=step,
        granularity=granularity, field_offsets=offsets, grad_scale=scale,
    )  # fmt: skip
    rng = np.random.default_rng(2)
    ids = np.array([1, 3, 3, 7, 11, 1])
    first, second = (rng.standard_normal((6, d)).astype(np.float32) for _ in range(2))
    codes = np.asarray(table.codes()).astype(np.float64)
    pending = table.begin_update(ids, first)  # type: ignore[attr-defined]
    values = table.lookup_pending(pending)  # type: ignore[attr-defined]
    table.finish_update(pending, second, batch_size=3)  # type: ignore[attr-defined]
    unit = {"row": np.arange(n), "field": np.searchsorted(offsets, np.arange(n), side="right") - 1}.get(
        granularity, np.zeros(n, int)
    )
    factor = {"bdq": 1 / np.sqrt(3 * d * 7), "dq": 1 / np.sqrt(d * 7), "none": 1.0}[scale]
    expected = np.full(unit.max() + 1, step)
    weights = {}
    for row in np.unique(ids):
        weights[row] = codes[row] * step - lr * first[ids == row].sum(axis=0)
        x = weights[row] / step
        derivative = np.where(x < -8, -8, np.where(x > 7, 7, np.floor(x + 0.5) - x))
        expected[unit[row]] -= step_lr * factor * float((second[ids == row].sum(axis=0) * derivative).sum())
    expected = np.maximum(expected, step / 100)
    np.testing.assert_allclose(table.step_size, expected, rtol=1e-4)
    for position, row in enumerate(ids):
        np.testing.assert_allclose(
            values[position], np.clip(np.floor(weights[row] / step + 0.5), -8, 7) * step, rtol=1e-6
        )
    for row, w in weights.items():
        new = np.clip(np.floor(w / expected[unit[row]] + 0.5), -8, 7)
        assert np.array_equal(np.asarray(table.codes())[row], new)


def test_one_pass_uses_the_first_gradient() -> None:
    options: dict[str, Any] = {"optimizer": "adam", "bits": 4, "step_lr": 1e-4}
    one, two = build("alpt", "sr", **options), build("alpt", "sr", **options)
    for ids, grads in batches(60, 6):
        one.apply_gradients(ids, grads, batch_size=10)
        two.finish_update(two.begin_update(ids, grads), grads, batch_size=10)  # type: ignore[attr-defined]
    assert same(arrays(one), arrays(two))
    assert len(np.unique(one.step_size)) > 1


@pytest.mark.parametrize(("method", "rounding"), ALL)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_same_bits_for_any_threads_and_any_order_within_the_batch(
    method: str, rounding: str | None, optimizer: str, threads: None
) -> None:
    n, d = 3_000, 8
    work = batches(n, d, count=3, size=9_000)
    results = []
    for count, shuffle in ((1, False), (2, False), (3, True), (1, True)):
        set_num_threads(count)
        table = build(method, rounding, n=n, d=d, optimizer=optimizer, weight_decay=0.01)
        for number, (ids, grads) in enumerate(work):
            order = np.random.default_rng(number + count).permutation(len(ids)) if shuffle else np.arange(len(ids))
            table.apply_gradients(ids[order], grads[order])
        results.append(arrays(table))
    assert all(same(results[0], other) for other in results[1:])


@pytest.mark.parametrize(("method", "rounding"), ALL)
def test_untouched_rows_keep_every_bit(method: str, rounding: str | None) -> None:
    table = build(method, rounding, weight_decay=0.5)
    before = arrays(table)
    ids = np.array([4, 9, 4])
    table.apply_gradients(ids, np.ones((3, 6), np.float32))
    after = arrays(table)
    untouched = np.setdiff1d(np.arange(60), ids)
    for name in before:
        if before[name].shape[0] == 60:
            assert np.array_equal(before[name][untouched], after[name][untouched]), name
    first = next(iter(before))
    assert not np.array_equal(before[first][[4, 9]], after[first][[4, 9]])


def test_lazy_adam_equals_dense_adam_when_every_row_is_touched() -> None:
    torch = pytest.importorskip("torch")
    n, d = 30, 5
    table = build("fp32", None, n=n, d=d, optimizer="adam", lr=0.01)
    ids = np.arange(n)
    weight = torch.nn.Parameter(torch.from_numpy(table.lookup(ids).astype(np.float64)))
    dense = torch.optim.Adam([weight], lr=0.01)
    rng = np.random.default_rng(0)
    for _ in range(30):
        grads = rng.standard_normal((n, d)).astype(np.float32)
        table.apply_gradients(ids, grads)
        weight.grad = torch.from_numpy(grads.astype(np.float64))
        dense.step()
    np.testing.assert_allclose(table.lookup(ids), weight.detach().numpy(), rtol=1e-4, atol=30 * ROW_UPDATE * 0.01)


@pytest.mark.parametrize(("bits", "ratio"), [(8, 3.2), (4, 16 / 3), (2, 8.0)])
@pytest.mark.parametrize("method", ["lpt", "alpt"])
def test_serving_bytes_at_d_16_with_one_step_size_a_row(method: str, bits: int, ratio: float) -> None:
    n = 1000
    full = build("fp32", None, n=n, d=16)
    table = build(method, "sr", n=n, d=16, bits=bits)
    assert full.nbytes("serving") == n * 64
    assert full.nbytes("serving") / table.nbytes("serving") == pytest.approx(ratio)
    held = {name: array for name, array in table.state().items() if name in ("packed", "step_size")}
    assert table.nbytes("serving") == sum(array.nbytes for array in held.values())


@pytest.mark.parametrize(("optimizer", "a_row"), [("sgd", 0), ("adagrad", 4), ("adam", 8 * 16 + 4)])
def test_training_bytes_count_the_optimizer(optimizer: str, a_row: int) -> None:
    for method, bits, values, step_state in (
        ("fp32", None, 64, 0),
        ("lpt", 8, 16 + 4, 0),
        ("alpt", 8, 16 + 4, {"sgd": 0, "adagrad": 4, "adam": 12}[optimizer]),
    ):
        table = make_table(method, 500, 16, bits=bits, optimizer=optimizer)
        assert table.nbytes("training") == 500 * (values + a_row + step_state)


@pytest.mark.parametrize("method", ["lpt", "alpt"])
def test_no_float32_copy_of_the_table_ever_exists(method: str) -> None:
    n, d = 400_000, 16
    full = n * d * 4

    def train(rows: int) -> EmbeddingTable:
        table = make_table(method, rows, d, bits=8, rounding="sr", optimizer="sgd")
        for seed in range(2):
            ids = np.random.default_rng(seed).integers(0, rows, 2_000)
            table.lookup(ids)
            table.apply_gradients(ids, np.full((2_000, d), 0.1, np.float32))
        return table

    for rows in (1_000, 100_000):  # compiled code takes memory too, but not for the table: both ways to group ids
        train(rows)
    tracemalloc.start()
    table = train(n)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    held = table.nbytes("training")
    assert held < full / 2
    assert peak < held + full / 10  # the table itself, a block of initial weights and the batch
    tracemalloc.start()
    make_table("fp32", n, d, optimizer="sgd")  # the control: the measurement does see a float32 table
    assert tracemalloc.get_traced_memory()[1] >= full
    tracemalloc.stop()


@pytest.mark.parametrize(("method", "rounding"), ALL)
def test_state_round_trip_goes_on_bit_for_bit(method: str, rounding: str | None) -> None:
    work = batches(60, 6)
    table = build(method, rounding)
    for ids, grads in work[:3]:
        table.apply_gradients(ids, grads)
    other = build(method, rounding)
    other.apply_gradients(*batches(60, 6)[5])  # a different history, all of which must be replaced
    other.load_state(table.state())
    for ids, grads in work[3:]:
        table.apply_gradients(ids, grads)
        other.apply_gradients(ids, grads)
    assert same(arrays(table), arrays(other))


def test_load_state_is_checked_before_anything_changes() -> None:
    table = build("lpt", "sr")
    before = arrays(table)
    for name, bad in (("packed", before["packed"][:-1]), ("step_size", -before["step_size"]), ("updates", None)):
        state = dict(before)
        if bad is None:
            del state[name]
        else:
            state[name] = bad
        with pytest.raises(InputError):
            table.load_state(state)
        assert same(before, arrays(table))


@pytest.mark.parametrize(("method", "rounding"), ALL)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(method: str, rounding: str | None, value: float) -> None:
    table = build(method, rounding)
    before = arrays(table)
    grads = np.zeros((3, 6), np.float32)
    grads[1, 2] = value
    with pytest.raises(TrainingError, match="position 1 of table update 0"):
        table.apply_gradients(np.array([1, 2, 3]), grads)
    assert same(before, arrays(table))


def test_step_size_floor_holds_and_is_counted() -> None:
    table = build("alpt", "sr", n=10, d=4, optimizer="sgd", step_lr=1e3, init_step=0.01, min_step=0.005)
    rng = np.random.default_rng(1)
    for _ in range(5):
        table.apply_gradients(np.arange(10), rng.standard_normal((10, 4)).astype(np.float32))
    assert table.step_size is not None
    assert float(table.step_size.min()) == float(np.float32(0.005))
    hits = table.statistics()["step_floor_hits"]
    assert hits > 0
    assert table.statistics()["step_floor_hits"] == 0


def test_log_domain_steps_stay_positive_under_huge_moves() -> None:
    table = build("alpt", "sr", n=10, d=4, optimizer="sgd", step_lr=1e6, step_domain="log", min_step=1e-30)
    rng = np.random.default_rng(1)
    for _ in range(20):
        table.apply_gradients(np.arange(10), rng.standard_normal((10, 4)).astype(np.float32))
    steps = np.asarray(table.step_size)
    assert np.isfinite(steps).all()
    assert (steps > 0).all()
    assert len(np.unique(steps)) > 1


def test_statistics_count_stalled_and_clipped_elements() -> None:
    table = build("lpt", "dr", n=4, d=4, optimizer="sgd", lr=1.0, init_step=1.0, weights=np.zeros((4, 4), np.float32))
    grads = np.zeros((1, 4), np.float32)
    grads[0] = [0.25, 0.0, 3.0, -1000.0]  # stalls, has no move, moves, is clipped
    table.apply_gradients(np.array([2]), grads)
    figures = table.statistics()
    assert figures["stalled_share"] == pytest.approx(1 / 3)
    assert figures["clipped_share"] == pytest.approx(1 / 4)
    assert np.asarray(table.codes())[2].tolist() == [0, 0, -3, 127]


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_initial_step_rules(bits: int) -> None:
    weights = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    q_max = 2 ** (bits - 1) - 1
    lsq = build("lpt", "dr", n=50, d=8, bits=bits, weights=weights)
    assert np.asarray(lsq.step_size)[0] == pytest.approx(2 * np.abs(weights).mean() / np.sqrt(q_max), rel=1e-6)
    spread = build("lpt", "dr", n=50, d=8, bits=bits, weights=weights, init_step=("range", 4.0))
    assert np.asarray(spread.step_size)[0] == 4.0 / 2 ** (bits - 1)
    values = spread.lookup(np.arange(50))
    inside = np.abs(weights) < 4.0 - 8.0 / 2**bits
    assert np.abs(values - weights)[inside].max() <= 4.0 / 2**bits + 1e-6
