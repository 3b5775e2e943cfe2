"""The experiment programs: which runs they make, what they compare, and that finished runs are found again."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alpt_ref.errors import InputError
from alpt_ref.studies.grid import make_settings
from alpt_ref.studies.sweep import make_sweep
from alpt_ref.training.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from analysis.experiments.eta_over_delta import parse_ratios
from analysis.experiments.over_splits import combinations, make_grid
from analysis.experiments.pairs import Difference, differences, means, run_pairs
from tests import tolerances

TINY = RunConfig(
    data=DataConfig(rows=400, fields=3, features=30, rank=1),
    model=ModelConfig(dim=4, hidden=(4,), cross_layers=1),
    train=TrainConfig(batch_size=100, epochs=1, milestones=()),
)


def test_a_variant_is_named_by_what_its_method_uses() -> None:
    changes = combinations(["table.init_step=lsq,0.01", "table.step_lr=0.0,1e-4"])
    variants, pairs = make_grid(TINY, make_settings(["lpt-sr", "alpt-sr"], [4]), changes)
    assert set(variants) == {
        "fp32",
        *(f"lpt-sr 4-bit init_step={step}" for step in ("lsq", "0.01")),
        *(f"alpt-sr 4-bit init_step={step} step_lr={lr}" for step in ("lsq", "0.01") for lr in ("0.0", "1e-4")),
    }
    assert Difference("alpt-sr 4-bit init_step=lsq step_lr=1e-4", "lpt-sr 4-bit init_step=lsq") in pairs
    assert variants["alpt-sr 4-bit init_step=0.01 step_lr=1e-4"].table.step_lr == 1e-4


def test_sr_is_compared_with_dr() -> None:
    _, pairs = make_grid(TINY, make_settings(["lpt-sr", "lpt-dr", "alpt-sr"], [8]), [()])
    assert set(pairs) == {
        Difference("lpt-sr 8-bit", "fp32"),
        Difference("lpt-dr 8-bit", "fp32"),
        Difference("alpt-sr 8-bit", "fp32"),
        Difference("lpt-sr 8-bit", "lpt-dr 8-bit"),
        Difference("alpt-sr 8-bit", "lpt-sr 8-bit"),
    }


def test_the_sweep_sets_the_step_size_to_eta_over_the_ratio() -> None:
    variants = make_sweep(TINY, "lpt", [8], parse_ratios("2,0.1"))
    assert variants["lpt-dr 8-bit eta/Delta=0.1"].table.init_step == TINY.table.lr / 0.1
    assert variants["lpt-sr 8-bit eta/Delta=2"].table.rounding == "sr"
    assert len(variants) == 5


@pytest.mark.parametrize("text", ["", "x", "0", "1,-2", "nan", "inf"])
def test_ratios_that_make_no_step_size(text: str) -> None:
    with pytest.raises(InputError, match="--ratios"):
        parse_ratios(text)


def test_vary_needs_values() -> None:
    with pytest.raises(InputError, match="--vary"):
        combinations(["table.step_lr"])


def test_differences_are_paired_and_their_intervals_known() -> None:
    """Differences 1, 2, 3: mean 2, standard error 1/sqrt(3), t quantiles of 2 degrees of freedom 4.3027 and 2.9200."""
    first = {seed: SimpleNamespace(test_auc=10.0 * seed + seed + 1, test_logloss=0.0) for seed in range(3)}
    second = {seed: SimpleNamespace(test_auc=10.0 * seed, test_logloss=float(seed)) for seed in range(4)}
    runs: Any = {"a": first, "b": second}
    line = differences(runs, [Difference("a", "b")])[0]
    assert (line["metric"], line["pairs"], line["difference"]) == ("auc", 3, 2.0)
    assert line["half_width"] == pytest.approx(4.302652729911275 / math.sqrt(3), rel=tolerances.CLOSED_FORM)
    assert line["half_width_new_rows"] == pytest.approx(line["half_width"] * math.sqrt(11 / 8))
    assert line["equivalent_within"] == pytest.approx(2 + 2.919985580353726 / math.sqrt(3), rel=tolerances.CLOSED_FORM)


def test_finished_runs_are_found_again(tmp_path: Path) -> None:
    said: list[str] = []
    variants = make_sweep(TINY, "lpt", [4], [1.0])
    first = run_pairs(variants, TINY.data, [0, 1], tmp_path, say=said.append)
    again = run_pairs(variants, TINY.data, [0, 1], tmp_path, say=said.append)
    assert said[0] == "6 runs, 0 finished before"
    assert said[-1] == "6 runs, 6 finished before"
    assert means(first) == means(again)
    assert len({result.fingerprint for runs in first.values() for result in runs.values()}) == 2
