"""From a configuration to table and model that fit each other, for every backbone."""

from __future__ import annotations

import numpy as np
import pytest

from alpt_ref.catalog import MODELS
from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.training.build import build
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.train import train
from tests.tolerances import MACHINE_GAIN_AUC


@pytest.fixture(scope="module")
def dataset() -> ClickDataset:
    return synthetic_clicks(rows=4000, fields=4, features=100, linear_std=0.3, interaction_std=2.0, seed=1)


def config(kind: str, method: str = "alpt", bits: int = 8) -> RunConfig:
    return RunConfig(
        model=ModelConfig(kind=kind, dim=1 if kind == "logistic" else 4, hidden=(16, 8), lr=1e-2),
        table=TableConfig(method=method, bits=bits, lr=1e-2, init_std=0.01, init_step="range", init_range=1.0),
        train=TrainConfig(batch_size=100, epochs=6, milestones=(4,)),
    )


@pytest.mark.parametrize("kind", MODELS)
def test_the_table_has_the_columns_that_the_model_reads(kind: str, dataset: ClickDataset) -> None:
    table, model = build(config(kind), dataset)
    assert table.d == model.width
    ids = dataset.ids[:5].reshape(-1)
    logits = model.forward(table.lookup(ids).reshape(5, -1), training=False)
    assert logits.shape == (5,)
    assert np.isfinite(logits).all()


def test_a_quantised_machine_stores_its_linear_weights_in_the_same_bits(dataset: ClickDataset) -> None:
    table, _ = build(config("fm", "lpt", bits=4), dataset)
    words = -(-(4 + 1) * 4 // 32)  # four factors and a linear weight of 4 bits, in words of 32
    assert table.nbytes("serving") == dataset.n * (4 * words + 4)  # and one float32 step size


@pytest.mark.parametrize("method", ["fp32", "alpt"])
@pytest.mark.parametrize("kind", ["fm", "deepfm"])
def test_machines_find_the_interactions_that_logistic_regression_cannot(
    kind: str, method: str, dataset: ClickDataset
) -> None:
    ours, linear = (train(config(name, method), dataset).test_auc for name in (kind, "logistic"))
    assert ours > linear + MACHINE_GAIN_AUC
