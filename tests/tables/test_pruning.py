"""Gradual magnitude pruning: the schedule, the exact selection, what reads as zero in between, and what is stored."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alpt_ref import InputError, make_table, set_num_threads

from .helpers import arrays, batches, same


def table_of(weights: NDArray[np.float32], **options: Any) -> Any:
    return make_table("pruning", *weights.shape, weights=weights, **options)


def pruned(weights: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], float]:
    """Truth: sort the magnitudes; all below that of rank `count` become zero."""
    threshold = float(np.sort(np.abs(weights), axis=None)[count]) if count else 0.0
    return np.where(np.abs(weights) < threshold, np.float32(0), weights), threshold


def test_the_share_of_zeros_rises_to_the_target_and_stays() -> None:
    table: Any = make_table("pruning", 10, 4, sparsity=0.8, prune_start=30, prune_updates=100)
    shares = [table.scheduled_sparsity(updates) for updates in range(200)]
    assert set(shares[:31]) == {0.0}
    assert all(a < b for a, b in itertools.pairwise(shares[30:131]))
    assert set(shares[130:]) == {0.8}
    deeplight = [0.8 * (1 - 0.99 ** (t / 100)) for t in range(30_000)]
    same_rate: Any = make_table("pruning", 10, 4, sparsity=0.8, prune_updates=45_821)
    ours = [same_rate.scheduled_sparsity(t) for t in range(30_000)]
    np.testing.assert_allclose(ours, deeplight, rtol=1e-4, atol=1e-8)


@given(
    st.lists(st.sampled_from([0.0, -0.0, 1e-45, -1e-45, 0.5, -0.5, 1.0, 3e38, -3e38, 1e-3, -2e-3]), min_size=6),
    st.floats(0, 0.99),
)
def test_the_smallest_magnitudes_are_zeroed_ties_included(values: list[float], share: float) -> None:
    size = len(values) - len(values) % 3
    weights = np.array(values[:size], np.float32).reshape(-1, 3)
    table = table_of(weights)
    count = int(share * size)
    table._prune(count)
    expected, threshold = pruned(weights, count)
    assert np.array_equal(table.weights, expected)
    assert table.threshold == threshold
    assert (expected == 0).sum() <= max(count, (weights == 0).sum())


@pytest.mark.parametrize("count", [0, 1, 2, 4_999, 23_998, 23_999])
def test_the_selection_does_not_depend_on_threads(count: int, threads: None) -> None:
    weights = np.random.default_rng(count).standard_normal((3_000, 8)).astype(np.float32)
    expected, threshold = pruned(weights, count)
    assert (expected == 0).sum() == count
    for parts in (1, 2, 3):
        set_num_threads(parts)
        table = table_of(weights)
        table._prune(count)
        assert np.array_equal(table.weights, expected)
        assert table.threshold == threshold


def test_training_is_that_of_fp32_with_prunings_in_between() -> None:
    n, d = 60, 6
    options: dict[str, Any] = {"seed": 3, "lr": 0.01, "weight_decay": 0.02}
    table: Any = make_table("pruning", n, d, sparsity=0.7, prune_start=1, prune_updates=6, prune_every=3, **options)
    full = make_table("fp32", n, d, **options)
    threshold, prunings = 0.0, 0
    for update, (ids, grads) in enumerate(batches(n, d, count=14), start=1):
        weights = full.lookup(np.arange(n))
        expected = np.where(np.abs(weights) < np.float32(threshold), np.float32(0), weights)
        assert np.array_equal(table.lookup(np.arange(n)), expected)
        for one in (table, full):
            one.apply_gradients(ids, grads)
        if update % 3 == 0:
            share = 0.7 * (1 - 0.01 ** ((update - 1) / 6)) if update < 7 else 0.7
            state = full.state()
            state["weights"], threshold = pruned(state["weights"], round(share * n * d))
            full.load_state(state)
            prunings += 1
    assert prunings == 4
    assert 0.6 < table.statistics()["sparsity"] < 0.75
    assert same({**arrays(full), "threshold": np.array([threshold], np.float32)}, arrays(table))


def test_without_sparsity_it_is_fp32_bit_for_bit() -> None:
    table, full = make_table("pruning", 60, 6, sparsity=0.0, prune_every=1), make_table("fp32", 60, 6)
    for ids, grads in batches(60, 6):
        assert np.array_equal(table.lookup(ids), full.lookup(ids))
        for one in (table, full):
            one.apply_gradients(ids, grads)
    assert np.array_equal(table.state()["weights"], full.state()["weights"])


def test_a_pruned_weight_reads_zero_until_it_has_grown_past_the_threshold() -> None:
    weights = np.array([[0.1, -0.2, 0.3, 0.4]], np.float32)
    options: dict[str, Any] = {"optimizer": "sgd", "lr": 1.0, "prune_every": 4, "prune_updates": 1}
    table = table_of(weights, **options)
    for _ in range(4):
        table.apply_gradients([0], np.zeros((1, 4), np.float32))
    assert table.lookup([0]).tolist() == [[0, 0, *weights[0, 2:].tolist()]]
    grads = np.array([[-0.125, 0, 0, 0]], np.float32)
    seen = []
    for _ in range(3):
        table.apply_gradients([0], grads)
        seen.append(table.lookup([0])[0, 0])
    assert seen == [0.0, 0.0, 0.375]
    table.apply_gradients([0], grads)  # 0.5 now: the next pruning takes the two smallest of all
    assert table.lookup([0])[0].tolist() == [0.5, 0.0, 0.0, weights[0, 3]]


def test_an_empty_batch_counts_as_an_update() -> None:
    table: Any = make_table("pruning", 20, 4, prune_every=2, prune_updates=1)
    ids, grads = np.arange(20), np.ones((20, 4), np.float32)
    table.apply_gradients(ids, grads)
    assert table.threshold == 0
    table.apply_gradients(ids[:0], grads[:0])
    assert (table.lookup(ids) == 0).sum() == 40


@pytest.mark.parametrize("d", [1, 8, 13, 16])
def test_what_is_stored_is_what_is_read_and_its_bytes_are_counted(d: int) -> None:
    n = 300
    table: Any = make_table("pruning", n, d, sparsity=0.6, prune_every=4, prune_updates=1)
    for ids, grads in batches(n, d, count=6, size=200):
        table.apply_gradients(ids, grads)
    stored = table.sparse()
    columns = np.unpackbits(stored["mask"], axis=1, bitorder="little").astype(bool)
    assert not columns[:, d:].any()
    dense = np.zeros((n, d), np.float32)
    for row in range(n):
        dense[row, columns[row, :d]] = stored["values"][stored["offsets"][row] : stored["offsets"][row + 1]]
    read = table.lookup(np.arange(n))
    assert np.array_equal(dense, read)
    kept = int((read != 0).sum())
    assert 0.3 * n * d < kept < 0.5 * n * d
    assert table.nbytes("serving") == sum(array.nbytes for array in stored.values())
    assert table.nbytes("serving") == 4 * kept + n * -(-d // 8) + 4 * (n + 1)
    assert table.nbytes("training") == n * d * 4 + 4 + n * (8 * d + 4)
    assert table.statistics()["sparsity"] == pytest.approx(1 - kept / (n * d))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sparsity": 1.0}, "sparsity must be a number of at least 0 and below 1, got 1.0"),
        ({"sparsity": -0.1}, "sparsity must be a number of at least 0 and below 1, got -0.1"),
        ({"prune_start": -1}, "prune_start must be a whole number of at least 0, got -1"),
        ({"prune_updates": 0}, "prune_updates must be a whole number of at least 1, got 0"),
        ({"prune_every": 0}, "prune_every must be a whole number of at least 1, got 0"),
        ({"bits": 8}, "bits and rounding must be left out for method 'pruning', got bits=8"),
    ],
)
def test_what_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_table("pruning", 10, 4, **options)
    table = make_table("pruning", 10, 4)
    before = arrays(table)
    for bad in (np.nan, -1.0, np.inf):
        with pytest.raises(InputError, match="threshold'\\] must be finite and not negative"):
            table.load_state({**table.state(), "threshold": np.array([bad], np.float32)})
    assert same(before, arrays(table))
