"""The training loop: reproducible to the bit, guarded against divergence, careful with its output folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.errors import TrainingError
from alpt_ref.models import Model
from alpt_ref.models.optim import DenseOptimizer
from alpt_ref.tables import AdaptiveTable
from alpt_ref.training import batches, engine
from alpt_ref.training.build import build, restore, snapshot
from alpt_ref.training.checkpoint import read_checkpoint
from alpt_ref.training.engine import CpuEngine
from alpt_ref.training.evaluation import evaluate
from alpt_ref.training.results import EpochRecord, samples_per_second
from alpt_ref.training.train import DivergedError, train
from tests.tolerances import FLOAT64
from tests.training.runs import fingerprint_of, small

METHODS = [("fp32", True), ("lpt", True), ("alpt", True), ("alpt", False)]


@pytest.fixture(scope="module")
def dataset() -> ClickDataset:
    return synthetic_clicks(rows=4000, fields=4, features=200, seed=1)


@pytest.mark.parametrize(("method", "two_pass"), METHODS)
def test_same_seed_gives_the_same_bits_whatever_the_threads_and_the_order_in_a_batch(
    method: str, two_pass: bool, dataset: ClickDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small(method, two_pass, epochs=2, batch_size=1600)  # 6,400 ids: enough rows for two threads
    expected = fingerprint_of(train(config.replace("train", threads=1), dataset))
    assert fingerprint_of(train(config.replace("train", threads=1), dataset)) == expected
    assert fingerprint_of(train(config.replace("train", threads=2), dataset)) == expected
    original = batches.batch_rows

    def shuffled(*args: Any, **kwargs: Any) -> Iterator[Any]:
        generator = np.random.default_rng(7)
        for rows in original(*args, **kwargs):
            other = generator.permutation(rows)
            assert not np.array_equal(other, rows)
            yield other

    monkeypatch.setattr(batches, "batch_rows", shuffled)
    assert fingerprint_of(train(config, dataset)) == expected


@pytest.mark.parametrize("method", ["fp32", "alpt"])
def test_another_seed_gives_other_bits(method: str, dataset: ClickDataset) -> None:
    config = small(method, epochs=1)
    one, other = (fingerprint_of(train(config.replace("train", seed=seed), dataset)) for seed in (0, 1))
    assert one[0] != other[0]
    assert one[3] != other[3]


def test_methods_start_from_the_same_dense_weights(dataset: ClickDataset) -> None:
    states = [build(small(method), dataset)[1].state() for method in ("fp32", "lpt", "alpt")]
    for state in states[1:]:
        assert {name: array.tobytes() for name, array in state.items()} == {
            name: array.tobytes() for name, array in states[0].items()
        }


def test_every_row_is_visited_once_an_epoch_and_the_last_batch_is_kept() -> None:
    rows = np.arange(100, 1103)
    parts = list(batches.batch_rows(rows, 250, seed=3, epoch=2))
    assert [len(part) for part in parts] == [250, 250, 250, 250, 3]
    order = np.concatenate(parts)
    assert np.array_equal(np.sort(order), rows)
    assert not np.array_equal(order, rows)
    again = np.concatenate(list(batches.batch_rows(rows, 1003, seed=3, epoch=2)))
    assert np.array_equal(again, order)  # the permutation does not depend on the batch size
    assert not np.array_equal(np.concatenate(list(batches.batch_rows(rows, 250, seed=3, epoch=3))), order)


def test_it_learns(dataset: ClickDataset) -> None:
    result = train(small("fp32", epochs=5, milestones=(4,)), dataset)
    losses = [record.train_loss for record in result.history]
    assert losses[-1] < losses[0]
    clicks = dataset.labels[dataset.rows_of("test")].mean()
    assert result.test_logloss < -(clicks * np.log(clicks) + (1 - clicks) * np.log1p(-clicks))
    assert result.test_auc > 0.6


def test_schedule_divides_all_learning_rates(dataset: ClickDataset) -> None:
    result = train(small(milestones=(1, 2), decay_factor=0.1), dataset)
    rates = [record.lr for record in result.history]
    assert [rate["table"] for rate in rates] == pytest.approx([1e-2, 1e-3, 1e-4])
    assert [rate["dense"] for rate in rates] == pytest.approx([1e-3, 1e-4, 1e-5])
    assert [rate["step"] for rate in rates] == pytest.approx([1e-4, 1e-5, 1e-6])


def test_the_schedule_reaches_the_updates(dataset: ClickDataset) -> None:
    """With a factor of 1e-30 nothing may move after the milestone."""
    config = small("fp32", epochs=2, milestones=(1,), decay_factor=1e-30, test_epoch="last")
    frozen = train(config, dataset)
    after_one = train(config.replace("train", epochs=1), dataset)
    moved = snapshot(frozen.table, frozen.model)
    for name, array in snapshot(after_one.table, after_one.model).items():
        if array.dtype.kind == "f" and name in ("table/weights", "model/deep0/weight"):
            np.testing.assert_array_equal(array, moved[name], err_msg=name)
    ids = np.arange(dataset.n)
    np.testing.assert_array_equal(frozen.table.lookup(ids), after_one.table.lookup(ids))


def test_early_stopping_keeps_the_best_epoch(dataset: ClickDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.6, 0.8, 0.7, 0.7, 0.9])
    original = CpuEngine.evaluate

    def scripted(self: CpuEngine, part: Any) -> Any:
        real = original(self, part)
        return (next(scores), real[1]) if part == "valid" else real

    monkeypatch.setattr(CpuEngine, "evaluate", scripted)
    config = small("lpt", epochs=5, patience=2)
    result = train(config, dataset)
    assert [record.valid_auc for record in result.history] == [0.6, 0.8, 0.7, 0.7]
    assert result.tested_epoch == 2
    monkeypatch.undo()
    two = train(config.replace("train", epochs=2, test_epoch="last", patience=None), dataset)
    assert (result.test_auc, result.test_logloss) == (two.test_auc, two.test_logloss)
    assert np.array_equal(result.table.codes(), two.table.codes())


@pytest.mark.parametrize("where", ["backward", "forward"])
def test_nan_stops_the_run_names_the_step_and_keeps_the_last_good_state(
    where: str, dataset: ClickDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small("lpt", epochs=3)  # 3200 training rows: 11 steps an epoch
    good = train(config.replace("train", epochs=1, test_epoch="last"), dataset)
    calls = {"forward": 0, "backward": 0}
    original = build

    def poisoned(*args: Any) -> Any:
        table, model = original(*args)
        real = getattr(model, where)

        def broken(*inputs: Any, **options: Any) -> Any:
            result = real(*inputs, **options)
            calls[where] += options.get("training", True)
            if calls[where] == 15:
                result = result.copy()
                result.reshape(-1)[0] = np.nan
            return result

        setattr(model, where, broken)
        return table, model

    monkeypatch.setattr(engine, "build", poisoned)
    with pytest.raises(
        TrainingError, match=r"diverged at step 15 \(epoch 2\).*the state after epoch 1 is kept"
    ) as caught:
        train(config, dataset, output=tmp_path / "run")
    assert isinstance(caught.value, DivergedError)
    assert (caught.value.epoch, caught.value.step) == (2, 15)
    expected = {name: array.tobytes() for name, array in snapshot(good.table, good.model).items()}
    assert {name: array.tobytes() for name, array in caught.value.state.items()} == expected
    stored = read_checkpoint(tmp_path / "run" / "last_good")
    assert {name: array.tobytes() for name, array in stored.arrays.items()} == expected
    assert (stored.meta["epoch"], stored.meta["step"]) == (1, 11)
    assert len((tmp_path / "run" / "history.jsonl").read_text().splitlines()) == 1
    assert not (tmp_path / "run" / "result.json").exists()


def test_snapshot_is_a_copy_and_restore_its_inverse(dataset: ClickDataset) -> None:
    result = train(small(epochs=1), dataset)
    state = snapshot(result.table, result.model)
    bits = {name: array.tobytes() for name, array in state.items()}
    for name, array in snapshot(result.table, result.model).items():
        assert not np.shares_memory(array, state[name])
        array[...] = 0
    assert {name: array.tobytes() for name, array in snapshot(result.table, result.model).items()} == bits
    table, model = build(small(), dataset)
    restore(state, table, model)
    assert {name: array.tobytes() for name, array in snapshot(table, model).items()} == bits
    assert evaluate(table, model, dataset, "test", batch_size=500)[:2] == pytest.approx(
        (result.test_auc, result.test_logloss)
    )


def test_two_pass_training_calls_the_table_as_algorithm_1_says(
    dataset: ClickDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rates by the schedule in both parts, the number of samples, and running statistics that move in pass 1 only."""
    calls: list[tuple[str, Any]] = []

    def spied(owner: Any, name: str, note: Any) -> None:
        original = getattr(owner, name)

        def spy(*args: Any, **kwargs: Any) -> Any:
            calls.append((name, note(args, kwargs)))
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, spy)

    spied(AdaptiveTable, "begin_update", lambda args, kwargs: kwargs["lr"])
    spied(AdaptiveTable, "finish_update", lambda args, kwargs: kwargs["batch_size"])
    spied(DenseOptimizer, "step", lambda args, kwargs: kwargs["lr"])
    spied(Model, "forward", lambda args, kwargs: kwargs["training"] and kwargs["update_stats"])
    spied(Model, "backward", lambda args, kwargs: kwargs["params"])
    config = small("alpt", batch_size=1700, epochs=2, milestones=(1,))
    train(config, dataset)
    expected: list[tuple[str, Any]] = []
    for epoch, rate in ((1, 1.0), (2, 0.1)):
        for size in (1700, 1500):
            expected += [("forward", True), ("backward", True), ("begin_update", config.table.lr * rate)]
            expected += [("step", config.model.lr * rate), ("forward", False), ("backward", False)]
            expected += [("finish_update", size)]
        expected += [("forward", False)] * epoch  # one batch validates; the last epoch's is followed by the test
    assert calls == expected


def test_train_loss_is_the_mean_over_rows(dataset: ClickDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[tuple[float, int]] = []
    module: Any = engine
    original = module.bce_with_logits

    def spy(logits: Any, labels: Any, *weights: Any) -> Any:
        loss, gradient = original(logits, labels, *weights)
        losses.append((loss, len(labels)))
        return loss, gradient

    monkeypatch.setattr(module, "bce_with_logits", spy)
    result = train(small("lpt", batch_size=3100, epochs=1), dataset)
    assert [size for _, size in losses] == [3100, 100]
    mean = sum(loss * size for loss, size in losses) / 3200
    assert result.history[0].train_loss == pytest.approx(mean, rel=FLOAT64)


def test_every_setting_of_the_table_reaches_it(dataset: ClickDataset) -> None:
    settings: dict[str, Any] = {
        "method": "alpt", "bits": 4, "rounding": "dr", "optimizer": "sgd", "lr": 0.5, "weight_decay": 0.25,
        "init_std": 0.125, "granularity": "field", "step_lr": 0.01, "grad_scale": "dq", "step_domain": "log",
        "min_step": 1e-6,
    }  # fmt: skip
    config = small(seed=9).replace("table", **settings, init_step="range", init_range=0.75)
    spec = build(config, dataset)[0].spec
    del settings["method"]
    assert {name: getattr(spec, name) for name in settings} == settings
    assert (spec.n, spec.d, spec.seed, spec.init_step, spec.init_range) == (dataset.n, 4, 9, "range", 0.75)
    assert np.array_equal(spec.field_offsets, dataset.field_offsets)


def test_batches_depend_on_seed_and_epoch() -> None:
    rows = np.arange(100)
    first = {(s, e): next(batches.batch_rows(rows, 20, seed=s, epoch=e)).tobytes() for s in (0, 1) for e in (1, 2)}
    assert len(set(first.values())) == 4


def test_speed_is_the_median_over_epochs() -> None:
    records = [
        EpochRecord(k, {}, 0.0, 0.0, 0.0, {}, {"samples_per_s": speed}) for k, speed in enumerate((9.0, 1.0, 2.0))
    ]
    assert samples_per_second(records) == 2.0
