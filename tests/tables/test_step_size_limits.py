"""Step sizes under which a code has no finite value: refused in settings, states and exports, and never learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref import InputError, QuantSpec, dequantize, make_table
from alpt_ref.scalar.code_range import largest_step_size
from alpt_ref.scalar.update import LARGEST_LEARNED, moved_step_size
from alpt_ref.serving.table import ServingTable


@pytest.mark.parametrize(
    ("method", "step_size", "message"),
    [
        ("lpt", 1e37, r"init_step must be at most 2\.658456e\+36 at 8 bits, or code -128 has an infinite value"),
        ("alpt", 2e34, r"init_step must be at most 1\.038459e\+34 where step sizes are learned, got 2e\+34"),
        ("lsq", 2e34, r"init_step must be at most 1\.038459e\+34 where step sizes or clips are learned, got 2e\+34"),
        ("pact", 1e34, r"init_step must be at most 8\.17\d*e\+31 where step sizes or clips are learned, got 1e\+34"),
    ],
)
def test_a_table_does_not_begin_there(method: Any, step_size: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_table(method, 4, 3, bits=8, init_step=step_size)


@pytest.mark.parametrize("method", ["lpt", "alpt", "lsq"])
def test_a_state_with_such_a_step_size_is_refused_and_changes_nothing(method: Any) -> None:
    table = make_table(method, 4, 3, bits=8, init_step=0.1)
    before = table.lookup(np.arange(4))
    state = table.state()
    state["step_size"] = np.full_like(state["step_size"], 1e37)
    with pytest.raises(InputError, match=r"must be at most 2\.658456e\+36 at 8 bits.* got 1e\+37 at row 0"):
        table.load_state(state)
    assert np.array_equal(table.lookup(np.arange(4)), before)


def test_a_table_to_serve_is_refused() -> None:
    with pytest.raises(InputError, match=r"step_size must be at most 2\.658456e\+36 at 8 bits"):
        ServingTable(4, 8, np.zeros((2, 1), np.uint32), np.array([1.0, 1e37], np.float32))


@pytest.mark.parametrize("log_domain", [False, True])
def test_a_learned_step_size_stops_where_every_width_has_finite_values(log_domain: bool) -> None:
    floor = np.float32(1e-3)
    new, held = moved_step_size(LARGEST_LEARNED, np.float32(-3e38), log_domain, floor)
    assert (float(new), int(held)) == (float(LARGEST_LEARNED), 0)
    assert float(LARGEST_LEARNED) == largest_step_size(16)
    assert moved_step_size(np.float32(1.0), np.float32(np.nan), False, floor)[0] == floor


@pytest.mark.parametrize("rounding", ["sr", "dr"])
def test_initial_weights_that_are_values_of_codes_get_these_codes(rounding: Any) -> None:
    codes = np.arange(-(2**15), 2**15, dtype=np.int16).reshape(-1, 16)
    weights = dequantize(codes, 0.1)
    table: Any = make_table("lpt", *codes.shape, bits=16, rounding=rounding, weights=weights, init_step=0.1)
    assert QuantSpec(16).dtype is codes.dtype.type
    assert np.array_equal(table.codes(), codes)
