"""Quotient-remainder hashing: unique pairs of rows, the product rule, bytes, and the rows that an update touches."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref import InputError, TrainingError, make_table
from alpt_ref.kernels import oracle

from ..tolerances import ROW_UPDATE, SIX_SIGMA
from .helpers import arrays, same

OFFSETS = [0, 7, 8, 20, 45]


def pairs(offsets: list[int], ratio: int) -> tuple[list[tuple[int, int]], int]:
    """(remainder row, quotient row) of every feature and the number of rows, one feature at a time."""
    sizes = [b - a for a, b in itertools.pairwise(offsets)]
    m = [-(-c // ratio) for c in sizes]
    q = [-(-c // k) for c, k in zip(sizes, m, strict=True)]
    rows = []
    for f, c in enumerate(sizes):
        rows += [(sum(m[:f]) + i % m[f], sum(m) + sum(q[:f]) + i // m[f]) for i in range(c)]
    return rows, sum(m) + sum(q)


@pytest.mark.parametrize("ratio", [2, 3, 7, 1000])
@pytest.mark.parametrize("offsets", [OFFSETS, [0, 45], [0, 1, 2, 3, 45]])
def test_every_feature_has_its_own_pair_of_rows_within_its_field(offsets: list[int], ratio: int) -> None:
    table: Any = make_table("hashing", 45, 4, hash_ratio=ratio, field_offsets=offsets, init_std=1.0)
    expected, rows = pairs(offsets, ratio)
    assert table.sub_rows(np.arange(45)).T.tolist() == [list(pair) for pair in expected]
    assert len(set(expected)) == 45
    assert table.weights.shape == (rows, 4)
    fields = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    for used in table.sub_rows(np.arange(45)):
        assert all(len(set(fields[used == row])) == 1 for row in set(used.tolist()))
    values = np.array([table.weights[r] * table.weights[q] for r, q in expected])
    assert np.array_equal(table.lookup(np.arange(45)), values)


def test_without_fields_the_whole_table_is_one() -> None:
    ours, given = make_table("hashing", 45, 4), make_table("hashing", 45, 4, field_offsets=[0, 45])
    assert same(arrays(ours), arrays(given))


def test_embeddings_begin_as_those_of_the_other_methods() -> None:
    table = make_table("hashing", 4000, 16, seed=7, init_std=0.02)
    first, second = np.split(table.lookup(np.arange(4000)), 2)  # the two features of each remainder
    full = make_table("fp32", 2000, 16, seed=7, init_std=0.02).lookup(np.arange(2000))
    for values in (first, second):
        assert np.array_equal(np.abs(values), np.abs(full))
        assert ((values * full > 0).all(axis=0) | (values * full < 0).all(axis=0)).all()  # one sign a column
    signs: Any = make_table("hashing", 4000, 16, seed=7, hash_ratio=1000).state()["weights"][4:]
    assert set(np.unique(signs).tolist()) == {-1.0, 1.0}
    correlation = np.corrcoef(signs[:, :4].T) - np.eye(4)
    assert np.abs(correlation).max() < SIX_SIGMA / np.sqrt(len(signs))
    assert np.abs(signs.mean(axis=0)).max() < SIX_SIGMA / np.sqrt(len(signs))
    assert not np.array_equal(first, second)
    other = make_table("hashing", 4000, 16, seed=8, hash_ratio=1000).state()["weights"][4:]
    assert not np.array_equal(signs, other)


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adam"])
def test_an_update_follows_the_product_rule(optimizer: str) -> None:
    n, d, lr, decay = 45, 5, 0.02, 0.1
    table: Any = make_table(
        "hashing", n, d, field_offsets=OFFSETS, optimizer=optimizer, lr=lr, weight_decay=decay, init_std=0.5
    )
    rows, count = pairs(OFFSETS, 2)
    truth = oracle.RowOracle(optimizer, table.weights.astype(np.float64), lr, decay)
    rng = np.random.default_rng(3)
    for _ in range(6):
        ids = rng.integers(0, n, 25)
        grads = rng.standard_normal((25, d)).astype(np.float32)
        both: list[NDArray[np.float64]] = []
        for position, feature in enumerate(ids.tolist()):
            r, q = rows[feature]
            both += [grads[position] * truth.weights[q], grads[position] * truth.weights[r]]
        truth.step([row for feature in ids.tolist() for row in rows[feature]], np.array(both))
        table.apply_gradients(ids, grads)
    assert count == len(table.weights)
    np.testing.assert_allclose(table.weights, truth.weights, rtol=20 * ROW_UPDATE, atol=20 * ROW_UPDATE)


def test_only_the_sub_rows_of_the_batch_change() -> None:
    table: Any = make_table("hashing", 45, 4, field_offsets=OFFSETS, weight_decay=0.5)
    before = arrays(table)
    ids = np.array([3, 21, 3])
    table.apply_gradients(ids, np.ones((3, 4), np.float32))
    after = arrays(table)
    touched = np.unique(table.sub_rows(ids))
    others = np.setdiff1d(np.arange(len(table.weights)), touched)
    assert len(touched) == 4
    for name in set(before) - {"updates"}:
        assert np.array_equal(before[name][others], after[name][others]), name
    assert (before["weights"][touched] != after["weights"][touched]).all()


@pytest.mark.parametrize(("optimizer", "a_row"), [("sgd", 0), ("adagrad", 4), ("adam", 8 * 16 + 4)])
def test_bytes_are_those_of_the_two_tables(optimizer: str, a_row: int) -> None:
    table: Any = make_table("hashing", 1001, 16, optimizer=optimizer)
    rows = 501 + 2
    assert table.nbytes("serving") == rows * 64 == table.weights.nbytes
    assert table.nbytes("training") == rows * (64 + a_row)
    held = sum(array.nbytes for name, array in table.state().items() if name != "updates")
    assert table.nbytes("training") == held


@pytest.mark.parametrize(("gradient", "remainder"), [(2e14, 2.0), (1e14, 1.0)], ids=["product", "sum"])
def test_a_product_or_a_sum_that_overflows_changes_nothing(gradient: float, remainder: float) -> None:
    table: Any = make_table("hashing", 40, 2)
    state = table.state()
    state["weights"][20:] = 1.0
    state["weights"][:20] = remainder  # four features share the quotient row whose gradients this multiplies
    table.load_state(state)
    before = arrays(table)
    with pytest.raises(TrainingError, match=r"gradients of the hashed rows must be below 2\*\*48 in magnitude"):
        table.apply_gradients([0, 1, 2, 3], np.full((4, 2), gradient, np.float32))
    assert same(before, arrays(table))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hash_ratio": 1}, "hash_ratio must be a whole number from 2 to 2147483647, got 1"),
        ({"hash_ratio": 2.0}, "hash_ratio must be a whole number from 2 to 2147483647, got 2.0"),
        ({"bits": 8}, "bits and rounding must be left out for method 'hashing'"),
        ({"weights": np.zeros((10, 4), np.float32)}, "weights must be left out for method 'hashing'"),
        ({"field_offsets": [0, 11]}, "field_offsets must rise from 0 to n=10"),
    ],
)
def test_what_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_table("hashing", 10, 4, **options)
