"""Sample and class weights: weight 2 is the row twice, weight 0 no row, and weights of 1 change no bit."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.data.formats.readers import reader_of
from alpt_ref.data.raw import read_raw
from alpt_ref.data.schema import Schema
from alpt_ref.errors import InputError
from alpt_ref.training import batches
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.config import RunConfig, config_hash
from alpt_ref.training.engine import CpuEngine
from alpt_ref.training.evaluation import predict_logits
from alpt_ref.training.metrics import auc, logloss_from_logits
from alpt_ref.training.results import RunResult
from alpt_ref.training.train import train
from alpt_ref.training.weights import class_weights, counted_rows, total_weight
from tests.tolerances import FLOAT32, FLOAT64

from .stopped_runs import tiny


@pytest.fixture(scope="module")
def clicks() -> ClickDataset:
    return synthetic_clicks(rows=2000, fields=3, features=90, seed=1)


def weighted(data: ClickDataset, weights: Any) -> ClickDataset:
    return dataclasses.replace(data, weights=np.asarray(weights, np.float32))


def own(data: ClickDataset) -> np.ndarray[Any, Any]:
    """The rows' own weights."""
    return np.ones(data.rows, np.float32) if data.weights is None else data.weights


def taken(data: ClickDataset, rows: Any) -> ClickDataset:
    """Some rows, in order, repeated or left out."""
    return dataclasses.replace(data, ids=data.ids[rows], labels=data.labels[rows], split=data.split[rows])


def assert_same_run(one: RunResult, other: RunResult) -> None:
    assert [record.reproducible() for record in one.history] == [record.reproducible() for record in other.history]
    assert (one.test_auc, one.test_logloss) == (other.test_auc, other.test_logloss)
    for name, array in one.table.state().items():
        assert other.table.state()[name].tobytes() == array.tobytes(), name
    for name, array in one.model.state().items():
        assert other.model.state()[name].tobytes() == array.tobytes(), name


def test_rows_of_weight_zero_are_not_there_bit_for_bit(clicks: ClickDataset) -> None:
    kept = np.random.default_rng(0).random(clicks.rows) < 0.7
    config = tiny(epochs=2)
    with_zeros = train(config, weighted(clicks, kept))
    assert_same_run(with_zeros, train(config, taken(clicks, kept)))
    rest = weighted(clicks, np.where(kept, 3.0, 0.0))
    some = dataclasses.replace(rest, labels=np.where(kept, clicks.labels, 1 - clicks.labels))
    assert_same_run(train(config, rest), train(config, some))  # whatever these rows hold


@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_equal_weights_change_no_bit(clicks: ClickDataset, factor: float) -> None:
    config = tiny(epochs=2)
    plain, other = train(config, clicks), train(config, weighted(clicks, np.full(clicks.rows, factor)))
    assert_same_run(plain, other)


def one_step(data: ClickDataset, config: RunConfig) -> CpuEngine:
    engine = CpuEngine(config, data)
    rows = counted_rows(data, "train")
    engine.train(BatchRange(1, rows, {"table": 0.5, "dense": 0.5}, 0, 1, 0, 0.0), lambda *_: False)
    return engine


def test_a_step_on_weight_two_is_one_on_the_row_twice(clicks: ClickDataset) -> None:
    """SGD, no batch norm: table and dense gradients; the first against NumPy in float64 too."""
    config = tiny({"method": "fp32", "optimizer": "sgd", "init_std": 0.3}, batch_size=10_000)
    config = config.replace("model", kind="fm", optimizer="sgd")
    weights = np.random.default_rng(1).integers(0, 4, clicks.rows)
    once = one_step(weighted(clicks, weights), config)
    twice = one_step(taken(clicks, np.repeat(np.arange(clicks.rows), weights)), config)
    everything = np.arange(clicks.n)
    moved = once.table.lookup(everything)
    np.testing.assert_allclose(moved, twice.table.lookup(everything), rtol=FLOAT32, atol=FLOAT32 * 0.1)
    np.testing.assert_allclose(once.model.params["bias"], twice.model.params["bias"], rtol=FLOAT32)
    before = CpuEngine(config, clicks).table.lookup(everything).astype(np.float64)
    rows = clicks.rows_of("train")
    w, e = weights[rows] / weights[rows].sum(), before[clicks.ids[rows]]
    v, linear = e[:, :, :-1], e[:, :, -1]
    x = linear.sum(1) + 0.5 * ((v.sum(1) ** 2).sum(1) - (v**2).sum((1, 2)))
    slope = w * (1 / (1 + np.exp(-x)) - clicks.labels[rows])
    grads = np.concatenate([v.sum(1, keepdims=True) - v, np.ones((*v.shape[:2], 1))], axis=2) * slope[:, None, None]
    total = np.zeros_like(before)
    np.add.at(total, clicks.ids[rows], grads)
    np.testing.assert_allclose(moved, before - 0.5 * total, rtol=FLOAT32, atol=FLOAT32 * 0.1)


def test_metrics_of_a_run_count_weights(clicks: ClickDataset) -> None:
    weights = np.random.default_rng(2).exponential(size=clicks.rows).astype(np.float32)
    data = weighted(clicks, weights)
    result = train(tiny(epochs=1), data)
    rows = data.rows_of("test")
    logits, labels = predict_logits(result.table, result.model, data, rows), data.labels[rows]
    assert result.test_auc == auc(labels, logits, sample_weight=weights[rows]) != auc(labels, logits)
    expected = logloss_from_logits(labels, logits, sample_weight=weights[rows])
    assert result.test_logloss == pytest.approx(expected, rel=FLOAT64)


def test_training_loss_is_the_weighted_mean(clicks: ClickDataset) -> None:
    """At rates of 0 the loss of every batch is that of the initial state."""
    config = tiny({"method": "fp32", "optimizer": "sgd", "lr": 1e-30}, epochs=1)
    config = config.replace("model", kind="fm", lr=1e-30, optimizer="sgd")
    data = weighted(clicks, np.random.default_rng(2).exponential(size=clicks.rows))
    result = train(config, data)
    rows = data.rows_of("train")
    logits = predict_logits(result.table, result.model, data, rows)
    expected = logloss_from_logits(data.labels[rows], logits, sample_weight=own(data)[rows])
    assert result.history[0].train_loss == pytest.approx(expected, rel=FLOAT32)


def test_batches_carry_weights_and_values_from_a_store_as_from_memory(clicks: ClickDataset) -> None:
    rng = np.random.default_rng(3)
    data = weighted(clicks, rng.random(clicks.rows))
    data = dataclasses.replace(data, values=rng.random(clicks.ids.shape).astype(np.float32))
    rows, options = counted_rows(data, "train"), {"seed": 1, "epoch": 1, "classes": (1.0, 2.5)}
    memory = list(batches.training_batches(data, rows, 280, **options))
    store = list(batches.training_batches(dataclasses.replace(data, files={}), rows, 280, **options))
    assert len(memory) == len(store) == 6
    for one, other in zip(memory, store, strict=True):
        for a, b in zip(one, other, strict=True):
            assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    order = np.sort(next(batches.batch_rows(rows, 280, seed=1, epoch=1)))
    assert data.values is not None
    assert memory[0].values is not None
    assert memory[0].weights is not None
    assert memory[0].values.tobytes() == data.values[order].tobytes()
    expected = own(data)[order] * np.where(data.labels[order] == 1, np.float32(2.5), np.float32(1))
    assert memory[0].weights.tobytes() == expected.tobytes()
    assert sum(batch.total_weight for batch in memory) == pytest.approx(total_weight(data, rows, (1.0, 2.5)), rel=1e-9)


def test_a_class_weight_is_the_weight_of_its_training_rows(clicks: ClickDataset) -> None:
    config = tiny(epochs=1, test_epoch="last")
    given = train(config, weighted(clicks, np.where(clicks.labels == 1, 3.0, 1.0)))
    by_class = train(config.replace("train", class_weight=3), clicks)
    for name, array in given.table.state().items():
        assert by_class.table.state()[name].tobytes() == array.tobytes(), name
    assert by_class.history[0].train_loss == given.history[0].train_loss
    assert by_class.test_logloss != given.test_logloss  # the metric knows the rows' own weights alone


def test_balanced_classes_weigh_the_same(clicks: ClickDataset) -> None:
    rows = clicks.rows_of("train")
    data = weighted(clicks, np.random.default_rng(4).exponential(size=clicks.rows))
    for one in (clicks, data):
        found = class_weights("balanced", one, rows)
        assert found is not None
        w = own(one)[rows].astype(np.float64)
        shares = [weight * w[one.labels[rows] == label].sum() for label, weight in enumerate(found)]
        assert shares == pytest.approx([w.sum() / 2] * 2, rel=FLOAT64)
    assert class_weights(None, clicks, rows) is None
    with pytest.raises(InputError, match="class_weight 'balanced' needs rows of both classes"):
        class_weights("balanced", clicks, rows[clicks.labels[rows] == 1])
    result = train(tiny(epochs=1, class_weight="balanced"), clicks)
    assert np.isfinite(result.test_logloss)


def test_a_class_that_weighs_nothing_is_missing(clicks: ClickDataset) -> None:
    with pytest.raises(InputError, match="has only the label 0 in its train part"):
        train(tiny(), weighted(clicks, (clicks.labels == 0) | (clicks.split > 0)))
    with pytest.raises(InputError, match="has no rows of a weight above 0 in its valid part"):
        train(tiny(), weighted(clicks, clicks.split != 1))


@pytest.mark.parametrize("factor", [1e38, 1e-44])
def test_weights_beyond_float32_are_refused_before_training(clicks: ClickDataset, factor: float) -> None:
    classes = 1e3 if factor > 1 else 1e-3
    data = weighted(clicks, np.where(clicks.labels == 1, factor, 0 if factor < 1 else 1))
    rows = counted_rows(data, "train")
    with pytest.raises(InputError, match="weights of rows times those of classes must fit float32"):
        total_weight(data, rows, (1.0, classes))


@pytest.mark.parametrize("value", [0, -1.0, float("inf"), "often", "none"])
def test_a_class_weight_is_a_number_above_zero(value: Any) -> None:
    with pytest.raises(InputError, match=r"train.class_weight must be balanced or a finite number above 0"):
        tiny(class_weight=value)


def test_the_default_keeps_the_hash() -> None:
    assert config_hash(tiny()) == config_hash(tiny(class_weight=None)) != config_hash(tiny(class_weight=2.0))


def test_a_vocabulary_counts_rows_and_not_weights(tmp_path: Path) -> None:
    """A category of one row is rare, however heavy the row; one of two light rows is not; rows of weight 0 are none."""
    file = tmp_path / "log.csv"
    lines = ["click,site,w", "1,heavy,50", *["0,light,0.01"] * 2, *["0,gone,0"] * 2, *["0,often,1", "1,often,2"] * 20]
    file.write_text("\n".join(lines) + "\n")
    schema = Schema.from_dict({"label": "click", "weight": "w", "categorical": ["site"], "min_count": 2})
    data = read_raw(reader_of(file, schema=schema)).encode(vocabulary="all")
    assert data.field_sizes == (3,)
    assert data.ids[[0, 3, 4], 0].tolist() == [0, 0, 0]  # out of vocabulary
    assert set(data.ids[1:3, 0].tolist()) <= {1, 2}
    assert own(data)[[0, 3, 4, 5]].tolist() == [50, 0, 0, 1]
