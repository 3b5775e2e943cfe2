"""Earlier states of a run: of the rows that training names alone where that is less, with the same results."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.synthetic.clicks import synthetic_clicks
from alpt_ref.training import engine as engines
from alpt_ref.training.config import RunConfig, TableConfig
from alpt_ref.training.engine import make_engine
from alpt_ref.training.moments import changing_rows
from alpt_ref.training.train import train

MORE = 5000
"""Rows of the table beyond those that the data name."""


@pytest.fixture(scope="module")
def dataset() -> ClickDataset:
    """Few clicks for a large table, as where a run goes on with a day's data."""
    small = synthetic_clicks(rows=600, fields=3, features=60, seed=0)
    return replace(small, field_sizes=(*small.field_sizes[:-1], small.field_sizes[-1] + MORE))


def config(method: str, **settings: Any) -> RunConfig:
    table = TableConfig(method=method, lr=0.3, **settings)  # too large, so that an early epoch is the best one
    return RunConfig(table=table).replace("model", dim=4, hidden=(8,)).replace("train", batch_size=50, epochs=4)


def test_named_rows_are_those_of_the_training_part(dataset: ClickDataset) -> None:
    engine: Any = make_engine(config("lpt"), dataset)
    named = changing_rows(dataset, engine.table)
    assert named is not None
    assert named.tolist() == sorted(set(dataset.ids[dataset.rows_of("train")].ravel().tolist()))
    whole = engine.table.moment()
    assert engine.moment().table.nbytes < whole.nbytes / 20
    assert engine.moment(engine.moment()).table.nbytes < whole.nbytes / 20


@pytest.mark.parametrize(
    ("method", "settings"), [("fp32", {"optimizer": "dense_adam"}), ("alpt", {"granularity": "table"}), ("hashing", {})]
)
def test_all_rows_are_held_where_an_update_may_change_others(
    method: str, settings: dict[str, Any], dataset: ClickDataset
) -> None:
    engine: Any = make_engine(config(method, **settings), dataset)
    assert changing_rows(dataset, engine.table) is None
    assert engine.moment().table.rows is None


def test_all_rows_are_held_where_the_data_name_most(dataset: ClickDataset) -> None:
    small = replace(dataset, field_sizes=(*dataset.field_sizes[:-1], dataset.field_sizes[-1] - MORE))
    engine: Any = make_engine(config("lpt"), small)
    assert changing_rows(small, engine.table) is None


@pytest.mark.parametrize("method", ["fp32", "lpt", "alpt"])
def test_the_best_epoch_comes_back_bit_for_bit(
    method: str, dataset: ClickDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = train(config(method), dataset)
    assert result.tested_epoch < 4, "the last epoch must not be the best one, or nothing is put back"
    shorter = train(config(method).replace("train", epochs=result.tested_epoch), dataset)
    monkeypatch.setattr(engines, "changing_rows", lambda dataset, table: None)
    whole = train(config(method), dataset)
    states = [one.table.state() for one in (result, shorter, whole)]
    for name, array in states[0].items():
        assert array.tobytes() == states[1][name].tobytes() == states[2][name].tobytes(), name
    assert result.test_auc == shorter.test_auc == whole.test_auc
