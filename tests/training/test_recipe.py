"""The settings that fit the number of rows: the rule, which settings it leaves alone, and which commands take it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from alpt_ref.cli.recipe import fit_to, named_settings
from alpt_ref.cli.train import train_command
from alpt_ref.data import synthetic_clicks
from alpt_ref.errors import InputError
from alpt_ref.training.config import RunConfig, TrainConfig
from alpt_ref.training.recipe import FEW, batch_size, fitted, in_words, recipe


def test_batches_are_a_64th_of_the_rows_within_bounds() -> None:
    for rows in (1, 32, 63, 64, 65, 2_047, 2_900, 9_661, 50_000, 700_000, 45_000_000):
        size = batch_size(rows)
        assert 32 <= size <= 10_001
        assert rows == 1 or rows % size != 1
        if 4_000 < rows < 600_000:
            assert 64 / 2**0.5 <= rows / size <= 64 * 2**0.5
            assert size & (size - 1) == 0
    assert batch_size(9_661) == 128  # 76 steps an epoch, where the paper's batches of 10,000 are one
    assert batch_size(129) == 33  # 32 would leave one row
    with pytest.raises(InputError, match="rows must be a whole number of at least 1, got 0"):
        batch_size(0)


def test_the_recipe_by_the_rows() -> None:
    assert recipe(FEW - 1)["model"] == {"hidden": (64, 32), "batch_norm": False}
    assert recipe(FEW)["model"] == {"hidden": (64, 32)}
    assert recipe(500_000)["model"] == {"hidden": (256, 128, 64)}
    assert recipe(45_000_000)["model"] == {}
    train = recipe(45_000_000)["train"]
    assert train == {"batch_size": 10_000, "epochs": 50, "patience": 2, "schedule": "plateau"}


def test_named_settings_stay_and_backbones_get_what_they_have() -> None:
    base = RunConfig().replace("train", batch_size=7, milestones=(2,)).replace("model", batch_norm=True)
    named = fitted(base, 1000, ["train.batch_size", "train.milestones", "model.batch_norm"])
    assert named.train == TrainConfig(batch_size=7, milestones=(2,), epochs=50, patience=2)
    assert named.model.batch_norm is True
    logistic = fitted(RunConfig().replace("model", kind="logistic", dim=1), 1000)
    assert logistic.model == RunConfig().replace("model", kind="logistic", dim=1).model
    assert logistic.train.batch_size == 32
    words = in_words(base, named, 1000)
    assert words == (
        "settings for 1,000 training rows: model.hidden=[64, 32], train.epochs=50, "
        "train.patience=2; --preset paper has those of the paper"
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"dataset": "movielens", "overrides": ("train.epochs=3", "table.bits = 4")}, {"train.epochs", "table.bits"}),
        ({"criteo": ("file",), "overrides": ()}, set()),
        ({"overrides": ("train.epochs=3",)}, None),  # the built-in comparison
        ({"data": "store", "preset": "paper", "overrides": ()}, None),
        ({"data": "store", "config_file": "run.toml", "overrides": ()}, None),
    ],
)
def test_data_that_are_named_and_nothing_else_take_it(options: dict[str, Any], expected: set[str] | None) -> None:
    assert named_settings({"preset": None, "config_file": None} | options) == expected


def test_it_is_fitted_to_the_training_rows_and_said() -> None:
    dataset = synthetic_clicks(rows=2000, fields=3, features=60, seed=0)
    said: list[str | None] = []
    config = fit_to(RunConfig(), dataset, frozenset({"train.epochs"}), said.append)
    assert (config.train.batch_size, config.train.epochs) == (32, 15)
    assert said == [in_words(RunConfig(), config, 1600)]
    assert fit_to(RunConfig(), dataset, None, said.append) == RunConfig()
    assert len(said) == 1


def test_train_on_a_file_says_what_it_chose_and_a_preset_chooses_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "clicks.libfm"
    file.write_text("".join(f"{row % 3 == 0:d} {row % 7}:1 {7 + row % 5}:1\n" for row in range(400)))
    common = ["--libfm", str(file), "--set=model.dim=2", "--set=train.epochs=2", "--threads=1"]
    own = CliRunner().invoke(train_command, [*common, f"--output={tmp_path / 'own'}", f"--track=csv:{tmp_path}/h.csv"])
    assert own.exit_code == 0, own.output
    changes = "model.hidden=[64, 32], model.batch_norm=false, table.optimizer=dense_adam, train.batch_size=32"
    assert f"settings for 320 training rows: {changes}" in (own.output)
    assert "batch_size = 32\n" in (tmp_path / "own" / "config.toml").read_text()
    assert (tmp_path / "h.csv").read_text().count("\n") == 3
    assert re.search(r"^test NE \d\.\d{5}, calibration \d\.\d{4}, ECE 0\.\d{5}$", own.output, re.MULTILINE)
    paper = CliRunner().invoke(
        train_command, [*common, "--preset=paper", "--set=model.hidden=[4]", f"--output={tmp_path / 'paper'}"]
    )
    assert paper.exit_code == 0, paper.output
    assert "settings for" not in paper.output
    assert "batch_size = 10000\n" in (tmp_path / "paper" / "config.toml").read_text()
