"""Configurations: the paper's protocol by default, checked on construction, the same through TOML and overrides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from alpt_ref.errors import InputError
from alpt_ref.training.config import (
    PRESETS,
    DataConfig,
    ModelConfig,
    RunConfig,
    TableConfig,
    TrainConfig,
    canonical,
    config_hash,
)
from alpt_ref.training.config_io import apply_overrides, dump_toml, load_toml, parse_override


def test_default_is_the_papers_protocol() -> None:
    config = RunConfig()
    assert (config.model.kind, config.model.dim, config.model.hidden, config.model.cross_layers) == (
        "dcn",
        16,
        (1024, 512, 256),
        3,
    )
    assert (config.table.optimizer, config.table.lr, config.model.optimizer, config.model.lr) == (
        "adam",
        1e-3,
        "adam",
        1e-3,
    )
    assert (config.train.batch_size, config.train.epochs) == (10_000, 15)
    assert (config.train.milestones, config.train.decay_factor) == ((6, 9), 0.1)
    assert (config.table.init_std, config.table.step_lr) == (0.003, 2e-5)


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (TableConfig, {"bits": 3}, "table.bits must be 2, 4, 8 or 16, got 3"),
        (TableConfig, {"bits": True}, "table.bits must be 2, 4, 8 or 16, got True"),
        (TableConfig, {"bits": 8.0}, "table.bits must be 2, 4, 8 or 16, got 8.0"),
        (TableConfig, {"rounding": "up"}, "table.rounding must be sr or dr, got 'up'"),
        (TableConfig, {"lr": 0}, "table.lr must be a finite number above 0 (in float32)"),
        (TableConfig, {"lr": float("nan")}, "table.lr must be a finite number above 0 (in float32), got nan"),
        (TableConfig, {"step_lr": -1e-5}, "table.step_lr must be a finite number of at least 0 (in float32)"),
        (TableConfig, {"init_step": "small"}, "table.init_step must be lsq, range or a finite number above 0"),
        (TableConfig, {"init_step": 0.0}, "table.init_step must be lsq, range or a finite number above 0, got 0.0"),
        (TableConfig, {"min_step": 0.0}, "table.min_step must be a finite number above 0 (in float32), or none"),
        (TableConfig, {"clip_lr": -1.0}, "table.clip_lr must be a finite number of at least 0 (in float32)"),
        (TableConfig, {"hash_ratio": 1}, "table.hash_ratio must be a whole number from 2 to 2147483647, got 1"),
        (TableConfig, {"sparsity": 1.0}, "table.sparsity must be a number of at least 0 and below 1, got 1.0"),
        (TableConfig, {"prune_epochs": float("nan")}, "table.prune_epochs must be a number from 0 to 1e6, got nan"),
        (TableConfig, {"prune_warmup": -1}, "table.prune_warmup must be a number from 0 to 1e6, got -1"),
        (TableConfig, {"prune_every": 0}, "table.prune_every must be a whole number of at least 1, got 0"),
        (ModelConfig, {"hidden": (64, 0)}, "model.hidden must be one or more whole numbers from 1 to 2**31 - 1"),
        (ModelConfig, {"batch_norm": "yes"}, "model.batch_norm must be true or false, got 'yes'"),
        (TrainConfig, {"milestones": (6, 6)}, "train.milestones must be rising whole numbers of at least 1"),
        (TrainConfig, {"batch_size": 0}, "train.batch_size must be a whole number of at least 1, got 0"),
        (TrainConfig, {"seed": -1}, "train.seed must be a whole number of at least 0, got -1"),
        (TrainConfig, {"seed": 2**63}, "train.seed must be a whole number of at least 0 and at most 2**63 - 1, got 92"),
        (TrainConfig, {"patience": "x"}, "train.patience must be a whole number of at least 1, or none, got 'x'"),
        (
            DataConfig,
            {"source": "ctr"},
            "data.source must be synthetic, store, files, criteo, avazu, libfm, libsvm, libffm, movielens or module",
        ),
    ],
)
def test_a_bad_value_names_setting_rule_and_value(section: type[Any], values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        section(**values)
    assert str(caught.value).startswith(message)


def test_lists_from_toml_become_tuples_and_whole_numbers_become_floats() -> None:
    model = ModelConfig(hidden=[8, 4], lr=1)  # type: ignore[arg-type]
    assert model.hidden == (8, 4)
    assert isinstance(model.lr, float)


def test_sections_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InputError, match=r"model\.dim must be 1 for model\.kind 'logistic', got 16"):
        RunConfig(model=ModelConfig(kind="logistic"))
    with pytest.raises(InputError, match=r"data\.path must name the file"):
        RunConfig(data=DataConfig(source="criteo"))
    with pytest.raises(InputError, match="table must be a TableConfig"):
        RunConfig(table={"bits": 8})  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_toml_gives_back_what_was_dumped(preset: str, tmp_path: Path) -> None:
    config = PRESETS[preset].replace("data", source="libfm", path='a "quoted"\\\tpath é.txt')
    config = config.replace("table", min_step=1e-7, init_step=0.25).replace("train", patience=2)
    (tmp_path / "run.toml").write_text(dump_toml(config), encoding="utf-8")
    assert load_toml(tmp_path / "run.toml") == config


def test_a_toml_file_changes_only_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("[table]\nbits = 4\n[train]\nmilestones = [2]\n")
    expected = PRESETS["quick"].replace("table", bits=4).replace("train", milestones=(2,))
    assert load_toml(tmp_path / "run.toml", PRESETS["quick"]) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tabel]\nbits = 4\n", r"unknown section 'tabel' in .*run\.toml; did you mean 'table'\?"),
        ("[table]\nbit = 4\n", r"unknown setting 'table\.bit' in .*run\.toml; did you mean 'bits'\?"),
        ("[train]\nzzzz = 4\n", r"unknown setting 'train\.zzzz' in .*; known are batch_size, "),
        ("table = 4\n", r"table must be a section of settings in .*run\.toml, got 4"),
        ("[table\n", r"run\.toml is not a valid TOML file"),
    ],
)
def test_what_a_toml_file_cannot_mean_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_toml(tmp_path / "run.toml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("table.bits=4", 4),
        ("table.method=lpt", "lpt"),
        ('table.method="lpt"', "lpt"),
        ("train.milestones=[3, 5]", [3, 5]),
        ("train.patience=none", None),
        ("model.batch_norm=false", False),
        ("table.lr = 1e-2", 0.01),
        ("data.path=a=b.txt", "a=b.txt"),
    ],
)
def test_override_values_are_toml_or_bare_words(text: str, value: Any) -> None:
    assert parse_override(text)[2] == value


def test_overrides_apply_together_and_in_order() -> None:
    config = apply_overrides(RunConfig(), ["model.kind=logistic", "model.dim=1", "table.bits=4", "table.bits=2"])
    assert (config.model.kind, config.model.dim, config.table.bits) == ("logistic", 1, 2)


@pytest.mark.parametrize("text", ["table.bits", "bits=4", "=4", "table.=4", ".bits=4"])
def test_a_malformed_override_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"--set must look like section\.key=value|unknown section"):
        apply_overrides(RunConfig(), [text])


def test_hash_sees_every_setting_that_matters_and_no_other() -> None:
    config = RunConfig()
    assert config_hash(config.replace("train", threads=7)) == config_hash(config)
    assert config_hash(config.replace("data", seed=7)) == config_hash(config)  # data have a fingerprint of their own
    assert config_hash(config.replace("table", init_range=9.0)) == config_hash(config)  # init_step is not 'range'
    fp32 = config.replace("table", method="fp32")
    assert config_hash(fp32.replace("table", bits=2, two_pass=False)) == config_hash(fp32)
    other = {"dim": 8, "kind": "dnn", "optimizer": "sgd", "batch_norm": False, "hidden": (5,), "cross_layers": 1}
    other |= {"method": "lpt", "rounding": "dr", "granularity": "table", "init_step": 0.5, "grad_scale": "none"}
    other |= {"step_domain": "log", "min_step": 1e-8, "two_pass": False, "bits": 4, "milestones": (1,)}
    other |= {"decay_factor": 0.5, "patience": 1, "test_epoch": "last"}
    for section, settings in canonical(config).items():
        for key, value in settings.items():
            changed = config.replace(section, **{key: other[key] if key in other else value * 2 + 1})
            if key == "optimizer" and section == "table":
                changed = config.replace(section, optimizer="adagrad")
            assert config_hash(changed) != config_hash(config), f"{section}.{key}"


def test_hash_sees_the_settings_of_each_baseline_and_of_no_other_method() -> None:
    grid = {"bits": 4, "granularity": "table", "init_step": 0.5, "min_step": 1e-8}
    changes: dict[str, dict[str, Any]] = {
        "hashing": {"hash_ratio": 3},
        "pruning": {"sparsity": 0.9, "prune_warmup": 2.0, "prune_epochs": 0.5, "prune_every": 7},
        "pact": {"clip_lr": 0.5} | grid,
        "lsq": {"step_lr": 0.5, "grad_scale": "dq", "step_domain": "log"} | grid,
    }
    for method, ours in changes.items():
        config = RunConfig().replace("table", method=method)
        for settings in changes.values():
            for key, value in settings.items():
                differs = config_hash(config.replace("table", **{key: value})) != config_hash(config)
                assert differs == (key in ours), (method, key)


def test_configurations_are_frozen() -> None:
    with pytest.raises(AttributeError):
        RunConfig().table.bits = 4  # type: ignore[misc]
    assert msgspec.structs.replace(RunConfig().table, bits=4).bits == 4
