"""A table's state and attributes under the names of 0.1.0: read for one release."""

from __future__ import annotations

import numpy as np
import pytest

from alpt_ref.tables import make_table
from alpt_ref.tables.state_keys import STATE, current_state
from tests.tables.helpers import arrays, same


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adam"])
@pytest.mark.parametrize("method", ["lpt", "alpt", "lsq", "pact"])
def test_a_state_under_its_former_keys_is_taken_over(method: str, optimizer: str) -> None:
    def table(seed: int) -> object:
        made = make_table(method, 30, 6, bits=4, optimizer=optimizer, seed=seed)
        made.apply_gradients(np.arange(9), np.full((9, 6), 0.1 * (seed + 1), np.float32))
        return made

    mine, other = table(0), table(1)
    former = {new: old for old, new in STATE.items()}
    state = {former.get(name, name): array for name, array in mine.state().items()}  # type: ignore[attr-defined]
    assert method == "pact" or not STATE.keys().isdisjoint(state)
    other.load_state(state)  # type: ignore[attr-defined]
    assert same(arrays(mine), arrays(other))  # type: ignore[arg-type]


def test_a_present_key_wins_over_its_former_one() -> None:
    assert current_state({"packed": 1, "words": 2}) == current_state({"words": 2, "packed": 1}) == {"packed": 1}


def test_every_present_key_is_one_that_a_table_has() -> None:
    keys: set[str] = set()
    for optimizer in ("sgd", "adagrad", "adam"):
        keys |= make_table("alpt", 4, 4, bits=4, optimizer=optimizer).state().keys()
    assert set(STATE.values()) <= keys


def test_the_former_attribute_warns_and_reads_the_present_one() -> None:
    table = make_table("lpt", 5, 4, bits=8)
    with pytest.warns(DeprecationWarning, match="words is now packed"):
        assert table.words is table.packed  # type: ignore[attr-defined]
