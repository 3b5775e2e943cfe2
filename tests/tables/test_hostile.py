"""What callers get wrong: array layouts, overflow, updates out of turn. One sentence each, and nothing has changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref import InputError, TrainingError, dequantize, make_table

METHODS = [("fp32", None), ("lpt", 8), ("alpt", 8), ("pruning", None), ("pact", 8), ("lsq", 8), ("rowmax", 8)]
METHODS += [("hashing", None)]
WITH_A_ROW_EACH = METHODS[:-1]
WEIGHTS = np.random.default_rng(4).standard_normal((50, 6), dtype=np.float32) * np.float32(0.01)
IDS = np.array([1, 1, 2])


def build(method: str, bits: int | None, **options: Any) -> Any:
    return make_table(method, 50, 6, bits=bits, **options)


def unchanged(table: Any, before: dict[str, NDArray[Any]]) -> bool:
    after = table.state()
    return all(np.array_equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize(("method", "bits"), WITH_A_ROW_EACH)
@pytest.mark.parametrize(
    "weights",
    [
        np.asfortranarray(WEIGHTS),
        np.repeat(WEIGHTS, 2, axis=1)[:, ::2],
        WEIGHTS.astype(">f4"),
        np.lib.stride_tricks.as_strided(WEIGHTS, writeable=False),
    ],
    ids=["fortran", "strided", "big-endian", "read-only"],
)
def test_initial_weights_may_have_any_layout(method: str, bits: int | None, weights: Any) -> None:
    expected = build(method, bits, weights=WEIGHTS.copy()).state()
    assert unchanged(build(method, bits, weights=weights), expected)


@pytest.mark.parametrize(("method", "bits"), METHODS)
@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adam"])
@pytest.mark.parametrize("ids", [[1, 1, 2], [1, 1, 1]])
def test_gradients_whose_sum_overflows_change_nothing(
    method: str, bits: int | None, optimizer: str, ids: list[int]
) -> None:
    table = build(method, bits, optimizer=optimizer)
    before = table.state()
    with pytest.raises(TrainingError, match="sum of a row's gradients must be finite, it overflowed for row 1"):
        table.apply_gradients(ids, np.full((3, 6), 3e38, np.float32))
    assert unchanged(table, before)
    if table.two_pass_capable:
        with pytest.raises(TrainingError, match="overflowed for row 1"):
            table.begin_update(ids, np.full((3, 6), 3e38, np.float32))
        assert unchanged(table, before)


@pytest.mark.parametrize(("method", "bits"), METHODS)
@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adam"])
@pytest.mark.parametrize("ids", [[1, 2], [1, 1, 2], [1, 1, 1, 2]])
def test_one_huge_gradient_does_not_freeze_a_row(method: str, bits: int | None, optimizer: str, ids: list[int]) -> None:
    """Squared it would be infinite in an accumulator, for ever."""
    table = build(method, bits, optimizer=optimizer)
    before = table.state()
    grads = np.ones((len(ids), 6), np.float32)
    grads[0] = 3e19
    with pytest.raises(TrainingError, match=r"must be below 2\*\*48 in magnitude.* for row 1"):
        table.apply_gradients(ids, grads)
    assert unchanged(table, before)
    grads[0] = 2e14
    table.apply_gradients(ids, grads)
    assert all(np.isfinite(array).all() for array in table.state().values() if array.dtype.kind == "f")


@pytest.mark.parametrize("name", ["lr", "weight_decay", "init_std", "step_lr"])
@pytest.mark.parametrize("value", [1e39, pytest.param(10**400, id="401-digits"), float("inf"), float("nan"), -1.0])
def test_numbers_must_be_finite_in_float32(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name} must be (finite and not negative|a finite number of at least 0)"):
        build("alpt", 8, **{name: value})


def test_a_rate_beyond_float32_is_refused_by_a_step() -> None:
    table = build("lpt", 8)
    before = table.state()
    with pytest.raises(InputError, match="lr must be finite and not negative in float32, got 1e\\+39"):
        table.apply_gradients(IDS, np.ones((3, 6), np.float32), lr=1e39)
    assert unchanged(table, before)


def test_initial_weights_that_would_overflow_are_refused() -> None:
    with pytest.raises(InputError, match=r"init_std must be at most 1e\+37, or weights overflow, got 1e\+38"):
        build("fp32", None, init_std=1e38)


def test_the_floor_of_the_step_size_is_never_zero() -> None:
    with pytest.raises(InputError, match=r"min_step must be a finite number above 0 \(in float32\), or none, got 1e-6"):
        build("alpt", 8, min_step=1e-60)
    table = build("alpt", 8, init_step=1e-44, step_lr=1.0, optimizer="sgd", grad_scale="none")
    assert table.min_step > 0
    for _ in range(3):
        table.apply_gradients(IDS, np.full((3, 6), 1e-3, np.float32))
    assert (table.step_size > 0).all()
    assert np.isfinite(dequantize(table.codes(), table.step_size)).all()


@pytest.mark.parametrize("offsets", [[0.0, 5.7, 50.0], ["0", "50"], [0, 5, 5, 50], [0, 60], [[0, 50]]])
def test_bad_field_offsets(offsets: Any) -> None:
    with pytest.raises(InputError, match="field_offsets must"):
        build("lpt", 8, granularity="field", field_offsets=offsets)


@pytest.mark.parametrize(("method", "bits"), METHODS)
def test_ragged_ids(method: str, bits: int | None) -> None:
    with pytest.raises(InputError, match="ids must be a plain array of numbers"):
        build(method, bits).lookup([[1], [2, 3]])


@pytest.mark.parametrize(("method", "bits"), METHODS)
def test_a_state_with_a_negative_number_of_updates_is_refused(method: str, bits: int | None) -> None:
    table = build(method, bits)
    before = table.state()
    wrong = {**table.state(), "updates": np.array([-5])}
    with pytest.raises(InputError, match="updates'\\] must be a whole number of at least 0, got -5"):
        table.load_state(wrong)
    assert unchanged(table, before)


def test_only_the_latest_pending_update_of_the_same_table_can_be_finished() -> None:
    grads = np.ones((3, 6), np.float32)
    table, other = build("alpt", 8), build("alpt", 8)
    first = table.begin_update(IDS, grads)
    foreign = other.begin_update(IDS, grads)
    state = table.state()
    second = table.begin_update(IDS + 1, grads)
    for wrong in (first, foreign, None):
        with pytest.raises(InputError, match="pending must be the unfinished result of this table's latest"):
            table.lookup_pending(wrong)
        with pytest.raises(InputError, match="pending must be the unfinished result of this table's latest"):
            table.finish_update(wrong, grads)
    table.finish_update(second, grads)
    with pytest.raises(InputError, match="pending must be"):
        table.finish_update(second, grads)
    third = table.begin_update(IDS, grads)
    table.load_state(state)
    with pytest.raises(InputError, match="pending must be"):
        table.finish_update(third, grads)
