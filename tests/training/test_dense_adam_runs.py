"""Runs with dense Adam: stopped and resumed to the same bits, settled where they are kept; the recipe's choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref import RunConfig, synthetic_clicks, train
from alpt_ref.training.recipe import fitted
from alpt_ref.training.trainer import StoppedError


def run_config(method: str) -> RunConfig:
    config = RunConfig().replace("model", kind="fm", dim=4).replace("train", batch_size=100, epochs=2, milestones=(1,))
    return config.replace("table", method=method, optimizer="dense_adam", lr=0.01)


@pytest.mark.parametrize("method", ["fp32", "alpt"])
def test_a_run_that_was_stopped_within_an_epoch_ends_in_the_same_bits(method: str, tmp_path: Path) -> None:
    data, config = synthetic_clicks(rows=1500, fields=3, features=200, seed=1), run_config(method)
    whole = train(config, data)
    left = [17]

    def stop() -> bool:
        left[0] -= 1
        return left[0] <= 0

    with pytest.raises(StoppedError):
        train(config, data, output=tmp_path / "run", checkpoint_every=5, stop=stop)
    resumed = train(config, data, output=tmp_path / "run", resume=True)
    one, two = whole.table.state(), resumed.table.state()
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert whole.test_auc == resumed.test_auc
    assert len(one["optimizer.rates"]) == 0  # all rows are up to date in what is kept
    lazy = train(config.replace("table", optimizer="adam"), data)
    assert lazy.test_logloss != whole.test_logloss


@pytest.mark.parametrize(
    ("settings", "named", "alone", "wanted"),
    [
        ({}, (), True, "dense_adam"),
        ({"method": "fp32"}, (), True, "dense_adam"),
        ({"method": "lsq"}, (), True, "adam"),
        ({}, (), False, "adam"),
        ({"optimizer": "sgd"}, ("table.optimizer",), True, "sgd"),
    ],
)
def test_the_recipe_takes_dense_adam_where_it_can(
    settings: dict[str, Any], named: tuple[str, ...], alone: bool, wanted: str
) -> None:
    config = RunConfig().replace("table", method="alpt").replace("table", **settings)
    assert fitted(config, 8_000, named, alone=alone).table.optimizer == wanted


def test_the_recipe_leaves_a_gpu_its_lazy_adam() -> None:
    config = RunConfig().replace("train", device="cuda")
    assert fitted(config, 8_000, alone=True).table.optimizer == "adam"
