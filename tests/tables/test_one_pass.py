"""A step in one pass over the unique rows has the bits of the same step written with NumPy, one operation at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from alpt_ref import TrainingError, make_table, set_num_threads
from alpt_ref.quantizer import philox4x32
from alpt_ref.scalar.philox import PURPOSE_UPDATE
from alpt_ref.tables import EmbeddingTable
from alpt_ref.tables.optimizers import adam_corrections
from tests.tables.helpers import ALL, arrays, build, same

F = np.float32
OPTIMIZERS = ("sgd", "adagrad", "momentum", "adam")
SEED, STEP, LR = 5, 0.01, 0.05

Array = NDArray[Any]


def row_sums(x: Array) -> Array:
    """Sums of rows in four lanes, as `kernels.cpu.quantize.row_sum` adds them."""
    lanes = np.zeros((len(x), 4), F)
    whole = x.shape[1] - x.shape[1] % 4
    for j in range(x.shape[1]):
        lanes[:, (j if j < whole else j - whole) % 4] += x[:, j]
    return (lanes[:, 0] + lanes[:, 1]) + (lanes[:, 2] + lanes[:, 3])


class Optimizer:
    """Directions times the learning rate, float32, whole arrays at a time."""

    def __init__(self, kind: str, n: int, d: int) -> None:
        self.kind = kind
        self.first, self.second = np.zeros((n, d), F), np.zeros((n, d), F)
        self.count, self.accumulator = np.zeros(n, np.int32), np.zeros(n, F)

    def updates(self, rows: Array, g: Array, lr: float) -> Array:
        if self.kind == "sgd":
            return np.asarray(g * F(lr))
        if self.kind == "adagrad":
            self.accumulator[rows] += row_sums(g * g) / F(g.shape[1])
            return np.asarray(g / (np.sqrt(self.accumulator[rows])[:, None] + F(1e-8)) * F(lr))
        self.first[rows] = F(0.9) * self.first[rows] + F(1.0 - 0.9) * g
        if self.kind == "momentum":
            return np.asarray(self.first[rows] * F(lr))
        self.second[rows] = F(0.999) * self.second[rows] + F(1.0 - 0.999) * (g * g)
        self.count[rows] += 1
        table = adam_corrections(0.9, 0.999)
        one, two = table[np.minimum(self.count[rows], len(table) - 1)].T
        scale = np.sqrt(self.second[rows]) * two[:, None] + F(1e-8)
        return np.asarray(self.first[rows] * one[:, None] / scale * F(lr))

    def state(self) -> dict[str, Array]:
        names = {"sgd": (), "adagrad": ("accumulator",), "momentum": ("first",), "adam": ("first", "second", "count")}
        return {f"optimizer.{name}": getattr(self, name) for name in names[self.kind]}


def words(rows: Array, d: int, update: int) -> Array:
    """The random word of each element."""
    counter = np.zeros((len(rows), (d + 3) // 4, 4), np.uint32)
    counter[..., 0], counter[..., 1] = rows[:, None], np.arange(counter.shape[1])
    counter[..., 2:] = update, PURPOSE_UPDATE
    return philox4x32(counter, np.array([SEED, 0], np.uint32)).reshape(len(rows), -1)[:, :d]


def rounded(x: Array, word: Array | None) -> Array:
    """Float32 numbers rounded by words, or to nearest with ties up."""
    size = np.abs(x)
    whole = np.floor(size)
    rest = size - whole
    if word is None:
        return np.asarray(np.where(x < 0, -(whole + (rest > F(0.5))), whole + (rest >= F(0.5))))
    return np.asarray(np.copysign(whole + (word < np.floor(rest.astype(np.float64) * 2.0**32)), x))


def moved(codes: Array, update: Array, old: Array, new: Array, decay: float, word: Array | None, bits: int) -> Array:
    """Codes after an update: ``R(codes * old/new - update/new)``, limited to the range."""
    base = codes.astype(F) * (old / new)[:, None]
    shift = update / new[:, None] + F(decay) * base
    whole = np.floor(base) + (base - np.floor(base) >= F(0.5))
    after = whole + rounded(np.clip((base - whole) - shift, F(-(2**22)), F(2**22)), word)
    return np.asarray(np.clip(after, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1), np.int32)


CASES = st.fixed_dictionaries({
    "n": st.sampled_from([3, 90, 3000]),
    "d": st.sampled_from([1, 3, 4, 7, 16]),
    "size": st.sampled_from([1, 40, 150, 4500]),
    "bits": st.sampled_from([2, 4, 8, 16]),
    "rounding": st.sampled_from(["sr", "dr"]),
    "optimizer": st.sampled_from(OPTIMIZERS),
    "decay": st.sampled_from([0.0, 0.3]),
    "seed": st.integers(0, 2**32 - 1),
    "threads": st.sampled_from([1, 2]),
})  # fmt: skip


def batches_of(case: dict[str, Any]) -> list[tuple[Array, Array]]:
    rng = np.random.default_rng(case["seed"])
    shape = (case["size"], case["d"])
    return [(rng.integers(0, case["n"], shape[0]), rng.standard_normal(shape).astype(F)) for _ in range(2)]


def table_of(method: str, case: dict[str, Any], weights: Array, **options: Any) -> EmbeddingTable:
    quantized = {} if method == "fp32" else {"bits": case["bits"], "rounding": case["rounding"], "init_step": STEP}
    return make_table(
        method, case["n"], case["d"], optimizer=case["optimizer"], lr=LR, seed=SEED, weight_decay=case["decay"],
        weights=weights, **quantized, **options,
    )  # fmt: skip


def sums_of(table: EmbeddingTable, ids: Array, grads: Array) -> tuple[Array, Array]:
    """Unique rows and the sums of their gradients, which tests of `sum_gradients` look at."""
    unique = table.checked_ids(ids).unique
    return unique.rows, table._finite_sums(unique, grads)


LARGE = {  # many tiles on each thread, and a last one that is not full
    "n": 3000, "d": 7, "size": 4500, "bits": 8, "rounding": "sr", "optimizer": "adam", "decay": 0.3, "seed": 0,
    "threads": 2,
}  # fmt: skip


@given(CASES)
@example(LARGE)
@example({**LARGE, "d": 16, "optimizer": "adagrad", "bits": 4})
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])  # it puts the number back
@pytest.mark.parametrize("method", ["fp32", "lpt", "alpt"])
def test_one_pass_has_the_bits_of_separate_ones(threads: None, method: str, case: dict[str, Any]) -> None:
    set_num_threads(case["threads"])
    n, d, bits, decay = case["n"], case["d"], case["bits"], case["decay"]
    weights = (np.random.default_rng(1).standard_normal((n, d)) * 0.03).astype(F)
    extra = {"step_lr": 0.003, "min_step": STEP / 2, "grad_scale": "dq"} if method == "alpt" else {}
    table = table_of(method, case, weights, **extra)
    optimizer, of_steps = Optimizer(case["optimizer"], n, d), Optimizer(case["optimizer"], n, 1)
    values, codes = weights.copy(), None if method == "fp32" else np.asarray(table.codes()).astype(np.int32)
    steps, low, high = np.full(n, STEP, F), F(-(2 ** (bits - 1))), F(2 ** (bits - 1) - 1)
    for number, (ids, grads) in enumerate(batches_of(case)):
        rows, sums = sums_of(table, ids, grads)
        table.apply_gradients(ids, grads)
        update = optimizer.updates(rows, sums.copy(), LR)
        rate = F(LR * decay)
        if codes is None:
            values[rows] -= update + rate * values[rows]
            continue
        old = steps[rows]
        if method == "alpt":
            shift = update / old[:, None] + rate * codes[rows].astype(F)
            x = codes[rows].astype(F) - shift
            derivative = np.where(x < low, low, np.where(x > high, high, rounded(-shift, None).astype(F) + shift))
            gradient = row_sums(sums * derivative) * F(1.0 / np.sqrt(d * float(high)))
            steps[rows] = np.maximum(old - of_steps.updates(rows, gradient[:, None], 0.003)[:, 0], F(STEP / 2))
        word = words(rows, d, number) if case["rounding"] == "sr" else None
        codes[rows] = moved(codes[rows], update, old, steps[rows], float(rate), word, bits)
    state = arrays(table)
    for name, array in optimizer.state().items():
        assert np.array_equal(state[name], array), name
    if codes is None:
        assert np.array_equal(state["weights"], values)
        return
    assert np.array_equal(table.codes(), codes)
    assert np.array_equal(state["step_size"], steps)


@pytest.mark.parametrize(("method", "rounding"), [*ALL, ("rowmax", "sr"), ("eco", "sr")])
@given(st.sampled_from(OPTIMIZERS), st.integers(0, 199), st.integers(0, 5), st.sampled_from([np.nan, -np.inf]))
@settings(max_examples=6)
def test_one_gradient_that_is_not_finite_changes_nothing(
    method: str, rounding: str | None, optimizer: str, position: int, column: int, value: float
) -> None:
    if method == "eco" and optimizer in ("sgd", "adagrad"):
        return  # which keep no momentum
    table = build(method, rounding, n=300, optimizer=optimizer)
    rng = np.random.default_rng(position)
    ids, grads = rng.integers(0, 300, 200), rng.standard_normal((200, 6)).astype(F)
    table.apply_gradients(ids, grads)
    before, counts = arrays(table), table.counters()
    grads[position, column] = value
    with pytest.raises(TrainingError, match=f"position {position} of table update 1"):
        table.apply_gradients(ids, grads)
    assert same(before, arrays(table))
    assert np.array_equal(counts, table.counters())


@pytest.mark.parametrize("granularity", ["row", "table"])
@pytest.mark.parametrize("half", ["begin", "finish"])
def test_neither_half_of_two_passes_changes_anything(granularity: str, half: str) -> None:
    table: Any = make_table("alpt", 300, 6, bits=8, granularity=granularity, seed=3)
    rng = np.random.default_rng(0)
    ids, grads = rng.integers(0, 300, 200), rng.standard_normal((200, 6)).astype(F)
    wrong = grads.copy()
    wrong[150, 5] = np.nan
    pending = table.begin_update(ids, grads) if half == "finish" else None
    before = arrays(table)
    with pytest.raises(TrainingError, match="position 150 of table update 0"):
        table.begin_update(ids, wrong) if pending is None else table.finish_update(pending, wrong)
    assert same(before, arrays(table))
    if pending is not None:  # it still waits
        table.finish_update(pending, grads)
