"""Multi-valued and valued fields: sums of table rows times values, their gradients, and the slots that are empty."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.catalog import TABLES
from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.data.formats.unseen import UnseenValues
from alpt_ref.errors import InputError
from alpt_ref.kernels import jit
from alpt_ref.studies.table_diagnostics import frequencies
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.batches import require_cpu
from alpt_ref.training.build import build
from alpt_ref.training.checkpoint import read_checkpoint
from alpt_ref.training.config import RunConfig
from alpt_ref.training.engine import CpuEngine, make_engine
from alpt_ref.training.evaluation import predict_logits
from alpt_ref.training.pooling import positions
from alpt_ref.training.train import train
from tests.tolerances import FLOAT32, GRADIENT

from .stopped_runs import reproducible, stopped, tiny

SLOTS, SIZES = (1, 3, 2), (6, 12, 5)
OFFSETS = np.cumsum([0, *SIZES])[:-1]


def bags(rows: int = 400, seed: int = 0) -> ClickDataset:
    """A categorical field, one of up to three values, and one of up to two with numbers; first ids pad only."""
    rng = np.random.default_rng(seed)
    first = np.repeat(OFFSETS, SLOTS)
    local = np.stack([rng.integers(1, SIZES[field], rows) for field in np.repeat(range(3), SLOTS)], axis=1)
    counts = np.stack([np.ones(rows, int), rng.integers(0, 4, rows), rng.integers(0, 3, rows)], axis=1)
    place = np.concatenate([np.arange(slots) for slots in SLOTS])
    filled = place < np.repeat(counts, SLOTS, axis=1)
    factors = np.where(np.repeat(range(3), SLOTS) == 2, rng.normal(size=filled.shape), 1.0)
    mean = np.where(np.repeat(range(3), SLOTS) == 1, np.repeat(np.maximum(counts, 1), SLOTS, axis=1), 1)
    ids = np.where(filled, first + local, first).astype(np.uint32)
    values = np.where(filled, factors / mean, 0).astype(np.float32)
    labels, split = rng.integers(0, 2, rows).astype(np.uint8), np.repeat(np.uint8([0, 1, 2]), rows)[::3][:rows]
    return ClickDataset("bags", ids, labels, split, ("a", "b", "c"), SIZES, values=values, slots=SLOTS)


def step(engine: Any, rows: np.ndarray[Any, Any], **rates: float) -> None:
    span = BatchRange(1, rows, {"table": 0.1, "dense": 0.1, "step": 0.01} | rates, 0, 1, 0, 0.0)
    engine.train(span, lambda *_: False)


def fields_of(table: Any, dataset: ClickDataset, row: int) -> np.ndarray[Any, Any]:
    """The embeddings of a row's fields by brute force in float64, (fields, d)."""
    out, at = np.zeros((3, table.shape[1])), 0
    assert dataset.values is not None
    for field, slots in enumerate(SLOTS):
        for slot in range(at, at + slots):
            out[field] += float(dataset.values[row, slot]) * table[int(dataset.ids[row, slot])].astype(np.float64)
        at += slots
    return out


def test_the_embedding_of_a_field_is_the_sum_by_brute_force() -> None:
    data = bags()
    table = np.random.default_rng(1).standard_normal((sum(SIZES), 4)).astype(np.float32)
    at = positions(data.ids, data.values, data.slots)
    found = at.pooled(table[at.ids]).reshape(data.rows, 3, 4)
    expected = np.stack([fields_of(table, data, row) for row in range(data.rows)])
    np.testing.assert_allclose(found, expected, rtol=FLOAT32, atol=FLOAT32)
    assert len(at.ids) == np.count_nonzero(data.values)


def test_the_gradient_is_the_adjoint_of_the_sum() -> None:
    """<pooled(E), G> = <E, spread(G)> for all E and G: no derivative can be another."""
    data, rng = bags(), np.random.default_rng(2)
    at = positions(data.ids, data.values, data.slots)
    e = rng.standard_normal((len(at.ids), 4)).astype(np.float32)
    g = rng.standard_normal((data.rows, 12)).astype(np.float32)
    back = at.spread(g, 4)
    product = float(np.sum(at.pooled(e.copy()).astype(np.float64) * g))
    assert product == pytest.approx(float(np.sum(e.astype(np.float64) * back)), rel=FLOAT32)


def test_a_step_follows_the_numerical_gradient() -> None:
    """One SGD step of logistic regression against central differences of the loss, computed apart in float64."""
    data = bags(200)
    config = RunConfig().replace("model", kind="logistic", dim=1, optimizer="sgd", weight_decay=0.0)
    config = config.replace("table", method="fp32", optimizer="sgd", init_std=0.5).replace("train", batch_size=500)
    engine = make_engine(config, data)
    rows = np.arange(data.rows)
    before = engine.table.lookup(np.arange(data.n)).astype(np.float64)

    assert data.values is not None
    values = data.values.astype(np.float64)

    def loss(table: np.ndarray[Any, Any]) -> float:
        x = (values * table[data.ids, 0]).sum(axis=1)
        return float(np.mean(np.logaddexp(0, x) - data.labels * x))

    step(engine, rows, table=1.0)
    moved = before - engine.table.lookup(np.arange(data.n))
    for row in range(data.n):
        up, down = before.copy(), before.copy()
        up[row] += 1e-5
        down[row] -= 1e-5
        assert moved[row, 0] == pytest.approx((loss(up) - loss(down)) / 2e-5, rel=1e-3, abs=GRADIENT)


def test_one_value_a_row_trains_as_a_categorical_field_bit_for_bit() -> None:
    plain = synthetic_clicks(rows=2000, fields=3, features=90, seed=1)
    slots, first = (1, 4, 2), np.repeat(plain.field_offsets[:-1], (1, 4, 2))
    ids = np.tile(first, (plain.rows, 1)).astype(np.uint32)
    values = np.zeros(ids.shape, np.float32)
    ids[:, [0, 3, 5]], values[:, [0, 3, 5]] = plain.ids, 1  # whichever of its slots holds the value
    wide = dataclasses.replace(plain, ids=ids, values=values, slots=slots)
    ones = dataclasses.replace(plain, values=np.ones(plain.ids.shape, np.float32))
    config = tiny(epochs=2)
    expected = train(config, plain)
    for other in (wide, ones):
        result = train(config, other)
        assert result.history[-1].reproducible() == expected.history[-1].reproducible()
        assert result.test_logloss == expected.test_logloss
        for name, array in expected.table.state().items():
            assert result.table.state()[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize("method", TABLES)
def test_every_method_takes_a_step_and_keeps_the_rows_of_empty_slots(method: str) -> None:
    data = bags(300, seed=3)
    config = tiny({"method": method}, batch_size=500)
    engine = CpuEngine(config, data)
    everything = np.arange(data.n)
    before, codes = engine.table.lookup(everything), engine.table.codes()
    step(engine, np.arange(data.rows))
    after = engine.table.lookup(everything)
    assert np.isfinite(after).all()
    assert (after != before).any()
    pads = OFFSETS  # no row has them but as padding
    assert not set(pads) & set(data.ids[data.values != 0].tolist())
    if not engine.table.shares_rows:
        assert after[pads].tobytes() == before[pads].tobytes()
        if codes is not None:
            now = engine.table.codes()
            assert now is not None
            assert now[pads].tobytes() == codes[pads].tobytes()


@pytest.mark.parametrize("two_pass", [True, False])
def test_a_batch_without_any_value_moves_no_row(two_pass: bool) -> None:
    data = bags(50)
    empty = dataclasses.replace(data, values=np.zeros_like(data.values))
    engine = CpuEngine(tiny({"two_pass": two_pass}), empty)
    before = {name: array.tobytes() for name, array in engine.table.state().items() if name != "updates"}
    step(engine, np.arange(50))
    assert {name: array.tobytes() for name, array in engine.table.state().items() if name != "updates"} == before


def test_any_number_of_threads_gives_the_same_bits() -> None:
    data = bags(6000)
    table = np.random.default_rng(1).standard_normal((sum(SIZES), 4)).astype(np.float32)
    threads, found = jit.num_threads(), []
    try:
        for count in (1, 2, 3):
            jit.set_num_threads(count)
            at = positions(data.ids, data.values, data.slots)
            found.append(at.pooled(table[at.ids]).tobytes())
    finally:
        jit.set_num_threads(threads)
    assert found[0] == found[1] == found[2]


def test_predictions_read_the_values() -> None:
    data = bags(300)
    table, model = build(tiny(), data)
    rows = np.arange(data.rows)[::-1].copy()
    logits = predict_logits(table, model, data, rows, batch_size=70)
    weights = table.lookup(np.arange(data.n))
    fields = np.stack([fields_of(weights, data, row) for row in rows]).astype(np.float32)
    expected = model.forward(fields.reshape(len(rows), -1), training=False)
    np.testing.assert_allclose(logits, expected, rtol=FLOAT32, atol=FLOAT32)


def test_a_gpu_is_refused_in_a_sentence() -> None:
    data = bags(50)
    require_cpu(tiny(), synthetic_clicks(rows=50, fields=3, features=90, seed=1), "cuda")
    require_cpu(tiny(), data, "cpu")
    for other, what in (
        (data, "multi-valued or valued fields"),
        (dataclasses.replace(data, values=None, ids=data.ids[:, [0, 1, 4]].copy(), slots=None,
                             weights=np.ones(50, np.float32)), "sample weights"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=rf"device 'cuda' does not train on {what}; use --device cpu"):
            require_cpu(tiny(), other, "cuda")
    with pytest.raises(InputError, match=r"device 'cuda' does not train on class weights; use --device cpu"):
        require_cpu(tiny(class_weight=2.0), synthetic_clicks(rows=50, fields=3, features=90, seed=1), "cuda")


def test_a_store_of_weighted_bags_trains_resumes_and_is_read_again_with_the_same_bits(tmp_path: Path) -> None:
    weights = np.random.default_rng(5).integers(0, 3, 800).astype(np.float32)
    memory = dataclasses.replace(bags(800), weights=weights)
    memory.save(tmp_path / "data")
    store = ClickDataset.open(tmp_path / "data", verify=True)
    config = tiny(epochs=2, batch_size=100, class_weight="balanced")
    expected = train(config, memory, output=tmp_path / "memory")
    train(config, store, output=tmp_path / "store")
    assert reproducible(tmp_path / "store") == reproducible(tmp_path / "memory")
    stopped(config, store, tmp_path / "run", 3)
    resumed = train(config, store, output=tmp_path / "run", resume=True)
    again = train(config, store, output=tmp_path / "run")  # read from the folder
    for result in (resumed, again):
        assert (result.test_auc, result.test_logloss) == (expected.test_auc, expected.test_logloss)
        for name, array in expected.table.state().items():
            assert result.table.state()[name].tobytes() == array.tobytes(), name
    meta = read_checkpoint(tmp_path / "run").meta
    assert meta["slots"] == list(SLOTS)
    assert meta["unseen"] == [0.0, 0.0, 0.0]  # the first id pads only, and padding is no unseen value


def test_unseen_values_are_counted_in_filled_slots() -> None:
    seen = UnseenValues(("a", "b"), np.array([0, 4], np.uint32), slots=(1, 3))
    ids = np.array([[0, 4, 5, 4], [1, 4, 4, 4]], np.uint32)
    seen.add(ids, np.array([[1, 1, 1, 0], [1, 0, 0, 0]], np.float32))
    assert seen.shares().tolist() == [0.5, 0.5]  # b: one unknown of two values
    assert seen.share == 0.5


def test_what_a_table_met_in_training_leaves_empty_slots_out() -> None:
    data = bags(100)
    rows = data.rows_of("train")
    assert frequencies(data).sum() == np.count_nonzero(np.asarray(data.values)[rows])
    assert frequencies(data)[OFFSETS].sum() == 0
