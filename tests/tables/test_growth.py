"""Growing a trained table, for every method and optimiser, against a remapping by dictionaries of (field, category)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref import make_table
from alpt_ref.catalog import TABLES
from alpt_ref.data.growth import Growth
from alpt_ref.errors import InputError
from alpt_ref.tables import EmbeddingTable
from alpt_ref.tables.growth import fresh_seed, grown_state
from tests.tolerances import REPLAYED_WEIGHT

D = 4
BEFORE, FRESH = (3, 2, 4), (2, 0, 3)
OFFSETS = np.array([0, 3, 5, 9])
GROWABLE = [name for name in TABLES if name != "hashing"]


def step(table: EmbeddingTable, ids: np.ndarray[Any, Any], seed: int) -> None:
    grads = np.random.default_rng(seed).normal(size=(len(ids), D)).astype(np.float32)
    table.apply_gradients(ids, grads)


def bits_of(method: str) -> dict[str, Any]:
    return {} if method in ("fp32", "pruning") else {"bits": 8}


def pair(method: str, growth: Growth, **settings: Any) -> tuple[EmbeddingTable, EmbeddingTable]:
    """A trained table and the one that it has grown to."""
    settings = {"seed": 3, **bits_of(method), **settings}
    old = make_table(method, 9, D, field_offsets=OFFSETS, **settings)
    for number in range(3):
        step(old, np.array([0, 1, 4, 5, 7, 8, 7]), number)
    sizes = np.concatenate([[0], np.cumsum(growth.after)])
    new = make_table(method, int(sizes[-1]), D, field_offsets=sizes, **settings)
    new.load_state(grown_state(new, old.state(), growth))
    return old, new


def by_name(sizes: tuple[int, ...]) -> list[tuple[int, int]]:
    """(field, local id) of every global id."""
    return [(field, local) for field, size in enumerate(sizes) for local in range(size)]


@pytest.mark.parametrize(
    ("method", "settings"),
    [(method, {}) for method in GROWABLE]
    + [(method, {"optimizer": "momentum"}) for method in ("fp32", "eco", "lpt")]
    + [("alpt", {"optimizer": kind}) for kind in ("sgd", "adagrad", "dense_adam")]
    + [(method, {"granularity": one}) for method in ("alpt", "lsq", "pact") for one in ("field", "table")],
)
def test_old_rows_keep_every_bit_and_all_that_belongs_to_them(method: str, settings: dict[str, Any]) -> None:
    old, new = pair(method, Growth.of(BEFORE, FRESH), **settings)
    before, after = old.state(), new.state()
    names, place = by_name(BEFORE), {name: number for number, name in enumerate(by_name((5, 2, 7)))}
    for key, array in before.items():
        if after[key].shape == array.shape:  # of a field, of the table
            assert after[key].tobytes() == array.tobytes(), key
            continue
        for row, name in enumerate(names):
            assert after[key][place[name]].tobytes() == array[row].tobytes(), (key, name)
    shared = {key for key in before if after[key].shape == before[key].shape}
    assert "updates" in shared
    assert {key for key in shared if key.startswith("optimizer.")} <= {"optimizer.steps", "optimizer.rates"}
    assert any(key.startswith(("step_size", "clip")) for key in shared) == ("granularity" in settings)
    ids = np.array([place[name] for name in names])
    assert new.lookup(ids).tobytes() == old.lookup(np.arange(9)).tobytes()


@pytest.mark.parametrize("method", GROWABLE)
def test_fresh_rows_are_those_of_a_table_of_their_own(method: str) -> None:
    settings = {"init_step": 0.001} if method in ("lpt", "alpt", "lsq", "pact", "eco") else {}
    old, new = pair(method, Growth.of(BEFORE, FRESH), **settings)
    for field, rows in ((0, [3, 4]), (2, [11, 12, 13])):
        alone = make_table(method, len(rows), D, seed=fresh_seed(3, 3, field), **bits_of(method), **settings)
        if method != "pruning":  # whose threshold is the trained table's
            assert new.lookup(rows).tobytes() == alone.lookup(np.arange(len(rows))).tobytes()
        for key, array in alone.state().items():
            if key not in ("updates", "threshold"):
                assert new.state()[key][rows].tobytes() == array.tobytes(), key
    assert len({row.tobytes() for row in new.state()["packed" if "packed" in old.state() else "weights"]}) == 14


def test_fresh_rows_of_a_shared_step_size_are_rounded_on_it() -> None:
    _, new = pair("lpt", Growth.of(BEFORE, FRESH), granularity="field", init_std=0.1)
    state = new.state()
    state["step_size"] = np.array([0.001, 0.002, 0.05], np.float32)
    new.load_state(state)
    grown = make_table("lpt", 20, D, bits=8, granularity="field", init_std=0.1, seed=3, field_offsets=[0, 5, 7, 20])
    grown.load_state(grown_state(grown, state, Growth.of((5, 2, 7), (0, 0, 6))))
    drawn = make_table("fp32", 6, D, init_std=0.1, seed=fresh_seed(3, 3, 2)).lookup(np.arange(6))
    assert (np.abs(grown.lookup(np.arange(14, 20)) - drawn) < 0.05).all()  # one step of SR
    assert np.abs(grown.codes()[14:]).max() < 10  # as 0.05 makes them, not 0.001


@pytest.mark.parametrize(
    ("method", "optimizer"),
    [(method, "adam") for method in ("fp32", "lpt", "alpt", "eco", "rowmax")]
    + [("fp32", "dense_adam"), ("alpt", "dense_adam")],
)
def test_training_goes_on_as_if_nothing_had_been_added(method: str, optimizer: str) -> None:
    """To nearest, where no draw depends on a row's number: the old rows of both tables move alike."""
    settings = {"optimizer": optimizer} if method == "fp32" else {"optimizer": optimizer, "rounding": "dr"}
    growth = Growth.of(BEFORE, FRESH)
    old, new = pair(method, growth, **settings)
    for number in range(10, 14):
        ids = np.array([0, 2, 4, 6, 8, 2])
        step(old, ids, number)
        step(new, growth.moved[ids], number)
    assert new.lookup(growth.moved).tobytes() == old.lookup(np.arange(9)).tobytes()


def test_a_fresh_row_of_dense_adam_has_missed_no_move() -> None:
    """As the row of a table that had it from the start and did not read it: nothing to make up for."""
    growth = Growth.of(BEFORE, FRESH)
    old, new = pair("fp32", growth, optimizer="dense_adam")
    fresh = np.concatenate(growth.fresh)
    before = new.lookup(fresh)
    new.settle()
    assert new.lookup(fresh).tobytes() == before.tobytes()
    ever = make_table("fp32", 14, D, field_offsets=[0, 5, 7, 14], seed=3, optimizer="dense_adam")
    state = ever.state()
    state["weights"][growth.moved] = make_table("fp32", 9, D, seed=3).lookup(np.arange(9))
    state["weights"][fresh] = before
    ever.load_state(state)
    for number in range(3):
        step(ever, growth.moved[[0, 1, 4, 5, 7, 8, 7]], number)
    for number in range(5, 8):
        step(ever, np.concatenate([fresh, growth.moved[:3]]), number)
        step(new, np.concatenate([fresh, growth.moved[:3]]), number)
    assert np.allclose(new.lookup(np.arange(14)), ever.lookup(np.arange(14)), rtol=0, atol=REPLAYED_WEIGHT)
    assert old.n == 9


def test_rows_that_leave_are_gone_and_the_others_move_up() -> None:
    keep = [np.array([True, False, True]), np.array([True, True]), np.array([True, True, False, True])]
    growth = Growth.of(BEFORE, (0, 1, 0), keep)
    assert growth.after == (2, 3, 3)
    assert growth.removed == [1, 0, 1]
    assert growth.added == [0, 1, 0]
    assert growth.moved.tolist() == [0, 0, 1, 2, 3, 5, 6, 5, 7]
    old, new = pair("alpt", growth)
    stay = [0, 2, 3, 4, 5, 6, 8]
    assert new.lookup(growth.moved[stay]).tobytes() == old.lookup(stay).tobytes()


def test_a_table_without_new_ids_is_the_same_and_hashing_says_why_it_takes_none() -> None:
    settings: dict[str, Any] = {"seed": 1, "hash_ratio": 2}
    old = make_table("hashing", 9, D, field_offsets=OFFSETS, **settings)
    same = make_table("hashing", 9, D, field_offsets=OFFSETS, **settings)
    assert grown_state(same, old.state(), Growth.of(BEFORE, (0, 0, 0))).keys() == old.state().keys()
    new = make_table("hashing", 14, D, field_offsets=np.array([0, 5, 7, 14]), **settings)
    with pytest.raises(InputError, match="'hashing' takes no new ids: which rows a feature is made of"):
        grown_state(new, old.state(), Growth.of(BEFORE, FRESH))
