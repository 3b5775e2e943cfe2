"""rowmax: one step against fractions, rows that keep every bit without an update, and the guards of its grid."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref import InputError, RunConfig, make_table
from alpt_ref.kernels import oracle
from alpt_ref.scalar.philox import PURPOSE_INITIAL, PURPOSE_UPDATE

from .helpers import batches

N, D, SEED = 60, 6, 3
GRIDS = ["affine", "symmetric"]
Rows = NDArray[np.float32]


def values_of(grid: str, bits: int, step_size: np.float32, bias: np.float32) -> Rows:
    """Values of all stored codes, by NumPy's float32."""
    low, high = oracle.code_range(bits)
    codes = np.arange(low, high + 1)
    if grid == "symmetric":
        return codes.astype(np.float32) * step_size
    return (codes - low).astype(np.float32) * step_size + bias


def awaited_grid(grid: str, bits: int, row: Rows) -> tuple[np.float32, np.float32]:
    """Step size and bias of a row by the definition: the largest step size that keeps the last value at the top."""
    bottom, top = (row.min(), row.max()) if grid == "affine" else (np.float32(0), np.abs(row).max())
    last = np.float32(2**bits - 1 if grid == "affine" else 2 ** (bits - 1) - 1)
    if bottom == top:
        return np.float32(1), bottom
    step_size = np.float32((float(top) - float(bottom)) / float(last))
    while last * step_size + bottom > top:
        step_size = np.nextafter(step_size, np.float32(0))
    while last * np.nextafter(step_size, np.float32(np.inf)) + bottom <= top:
        step_size = np.nextafter(step_size, np.float32(np.inf))
    return step_size, bottom


def awaited_code(grid: str, bits: int, w: np.float32, values: Rows, rounding: str, word: int) -> int:
    """Stored code of a weight among the values of all codes, in fractions."""
    low, high = oracle.code_range(bits)
    first = low if grid == "affine" else -high
    exact = [Fraction(float(value)) for value in values[first - low :]]
    target = min(max(Fraction(float(w)), exact[0]), exact[-1])
    upper = next(place for place, value in enumerate(exact) if value >= target)
    if exact[upper] == target:
        return first + upper
    below, gap = target - exact[upper - 1], exact[upper] - exact[upper - 1]
    if rounding == "dr":
        up = 2 * below >= gap
    elif grid == "symmetric" and w < 0:
        up = not word * gap < (gap - below) * 2**32
    else:
        up = word * gap < below * 2**32
    return first + upper - (0 if up else 1)


def require_rows(table: Any, grid: str, moved: dict[int, Rows], purpose: int, update: int) -> None:
    """The rows' grids, codes and values are those of the moved weights, by the definition."""
    bits, codes = table.bits, np.asarray(table.codes()).astype(int)
    for row, w in moved.items():
        step_size, bias = awaited_grid(grid, bits, w)
        assert table.step_size[row] == step_size
        assert grid == "symmetric" or table.bias[row] == bias
        values = values_of(grid, bits, step_size, bias)
        for column in range(D):
            word = oracle.random_word(SEED, row, column, update, purpose)
            assert codes[row, column] == awaited_code(grid, bits, w[column], values, table.rounding, word)
        assert np.array_equal(table.lookup([row])[0], values[codes[row] + 2 ** (bits - 1)])


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(("rounding", "bits"), [("sr", 8), ("dr", 4), ("sr", 2)])
def test_steps_are_those_of_the_definition(grid: str, rounding: str, bits: int) -> None:
    lr, decay = 0.5, 0.1
    weights = np.random.default_rng(1).standard_normal((N, D)).astype(np.float32)
    table: Any = make_table(
        "rowmax", N, D, grid=grid, bits=bits, rounding=rounding, optimizer="sgd", lr=lr, weight_decay=decay,
        weights=weights, seed=SEED,
    )  # fmt: skip
    require_rows(table, grid, dict(enumerate(weights)), PURPOSE_INITIAL, 0)
    for update, (ids, grads) in enumerate(batches(N, D, count=3)):
        grads = np.round(grads * 2000.0).astype(np.float32) / np.float32(64)  # sums are exact in any order
        old, kept = table.lookup(np.arange(N)), table.state()
        table.apply_gradients(ids, grads)
        moved = {}
        for row in np.unique(ids).tolist():
            step = np.float32(lr) * grads[ids == row].sum(axis=0, dtype=np.float32)
            moved[row] = old[row] - (step + np.float32(lr * decay) * old[row])
        require_rows(table, grid, moved, PURPOSE_UPDATE, update)
        others = np.setdiff1d(np.arange(N), ids)
        assert all(np.array_equal(kept[name][others], table.state()[name][others]) for name in table._arrays())
    assert len(np.unique(table.codes())) > 2


def by_quotient(rows: Rows, words: NDArray[np.uint32]) -> Rows:
    """A rewrite at 16 bits as it is common: step size and codes by float32 quotients, and an added random number."""
    step_size = np.abs(rows).max(axis=1, keepdims=True) / np.float32(32767)
    codes = np.clip(np.floor(rows / step_size + words / 2.0**32), -32767, 32767)
    return np.asarray(codes.astype(np.float32) * step_size)


@pytest.mark.parametrize("bits", [16, 4])
@pytest.mark.parametrize("grid", GRIDS)
def test_two_hundred_rewrites_without_an_update_change_nothing(grid: str, bits: int) -> None:
    rng = np.random.default_rng(0)
    scale = 10.0 ** rng.integers(-30, 30, (300, 1))
    weights = np.concatenate([
        (rng.standard_normal((300, D)) * scale).astype(np.float32),
        (100.0 + rng.integers(0, 300, (100, D)) * 1e-5).astype(np.float32),  # less apart than a code's share
    ])  # fmt: skip
    table = make_table("rowmax", 400, D, grid=grid, bits=bits, optimizer="sgd", weights=weights)
    before, none = table.state(), np.zeros((400, D), np.float32)
    for _ in range(200):
        table.apply_gradients(np.arange(400), none)
    after = table.state()
    assert all(np.array_equal(array, after[name]) for name, array in before.items() if name != "updates")
    drifting = first = by_quotient(weights[:300], rng.integers(0, 2**32, (300, D), np.uint32))
    for _ in range(200):
        drifting = by_quotient(drifting, rng.integers(0, 2**32, (300, D), np.uint32))
    assert (drifting != first).mean() > 0.01  # what the rule is there for


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("grid", GRIDS)
def test_extremes_stay_within_a_few_float32_spacings(grid: str, bits: int) -> None:
    rng = np.random.default_rng(2)
    weights = (rng.standard_normal((500, D)) * 10.0 ** rng.integers(-20, 20, (500, 1))).astype(np.float32)
    table: Any = make_table("rowmax", 500, D, grid=grid, bits=bits, weights=weights)
    values = table.lookup(np.arange(500))
    if grid == "affine":
        assert np.array_equal(values.min(axis=1), weights.min(axis=1))
        top, held = weights.max(axis=1), values.max(axis=1)
    else:
        top, held = np.abs(weights).max(axis=1), np.abs(values).max(axis=1)
    assert (held <= top).all()
    assert (top - held <= 3 * np.spacing(np.abs(weights).max(axis=1))).all()
    assert np.abs(values - weights).max() <= (table.step_size * np.float32(1 + 1e-4)).max()


@pytest.mark.parametrize("bits", [2, 16])
@pytest.mark.parametrize("grid", GRIDS)
def test_rows_without_extent_and_rows_at_the_ends_of_float32(grid: str, bits: int) -> None:
    largest = float(np.finfo(np.float32).max)
    weights = np.array(
        [[0.0, 0.0], [0.25, 0.25], [1e-40, 0.0], [3e-45, -3e-45], [largest, -largest], [largest, 0.0]], np.float32
    )
    table: Any = make_table("rowmax", 6, 2, grid=grid, bits=bits, optimizer="sgd", lr=1.0, weights=weights)
    values = table.lookup(np.arange(6))
    assert np.isfinite(values).all()
    assert np.array_equal(values[:2], weights[:2])
    assert np.abs(values[2:4]).max() <= 2.0**-126
    assert table.step_size.min() >= 2.0**-126
    assert np.isfinite(table.step_size * np.float32(2 ** (bits - 1))).all()
    ids, grads = np.arange(6), np.full((6, 2), np.float32(2.0**47))
    for lr in (1e30, 1e-30):
        table.apply_gradients(ids, grads, lr=lr)
        assert np.isfinite(table.lookup(ids)).all()
    before = table.state()
    table.load_state(before)
    table.apply_gradients(ids, np.zeros((6, 2), np.float32))
    assert np.array_equal(table.state()["packed"], before["packed"])


def test_one_column_is_kept_without_loss_on_an_affine_grid() -> None:
    weights = np.random.default_rng(0).standard_normal((50, 1)).astype(np.float32)
    table = make_table("rowmax", 50, 1, bits=2, optimizer="sgd", lr=1.0, weights=weights)
    assert np.array_equal(table.lookup(np.arange(50)), weights)
    table.apply_gradients(np.arange(50), weights)
    assert not table.lookup(np.arange(50)).any()


def test_a_row_takes_two_floats_on_an_affine_grid_and_one_on_a_symmetric() -> None:
    for grid, numbers in (("affine", 8), ("symmetric", 4)):
        table = make_table("rowmax", 100, 16, bits=4, grid=grid, optimizer="adagrad")
        assert table.nbytes("serving") == 100 * (8 + numbers)
        assert table.nbytes() == 100 * (8 + numbers + 4)


def test_tables_that_begin_at_zero_read_zeros() -> None:
    for grid in GRIDS:
        assert not make_table("rowmax", 5, 4, bits=8, grid=grid, init_std=0.0).lookup(np.arange(5)).any()


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match=r"^grid must be affine or symmetric, got 'row'$"):
        make_table("rowmax", 5, 4, bits=8, grid="row")
    with pytest.raises(InputError, match=r"^bits must be 2, 4, 8 or 16 for method 'rowmax', got None$"):
        make_table("rowmax", 5, 4)
    with pytest.raises(InputError, match="'rowmax' runs on --device cpu; on cuda there are fp32, lpt, alpt"):
        RunConfig().replace("table", method="rowmax").replace("train", device="cuda")
    table = make_table("rowmax", 5, 4, bits=8)
    state = table.state()
    huge = np.full(5, 3e38, np.float32)
    for wrong in ({"bias": huge * np.float32(np.nan)}, {"bias": huge, "step_size": huge / np.float32(100)}):
        with pytest.raises(InputError, match="state must hold rows whose values are finite"):
            table.load_state({**state, **wrong})
    with pytest.raises(InputError, match="step"):
        table.load_state({**state, "step_size": np.zeros(5, np.float32)})
    with pytest.raises(InputError, match=r"state\['bias'\] must be float32 of shape \(5,\)"):
        table.load_state({**state, "bias": huge[:4]})
    assert all(np.array_equal(array, state[name]) for name, array in table.state().items())
