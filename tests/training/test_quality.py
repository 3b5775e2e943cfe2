"""Normalised entropy, grouped AUC and what an evaluation measures, against definitions written out in fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.errors import InputError
from alpt_ref.training import metrics
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig, config_hash
from alpt_ref.training.evaluation import evaluate, predict_logits
from alpt_ref.training.grouped_auc import grouped_auc
from alpt_ref.training.quality import FURTHER, Quality, groups_of, quality
from alpt_ref.training.results import read_result
from alpt_ref.training.train import train
from tests.tolerances import FLOAT64

ROWS = st.lists(
    st.tuples(st.booleans(), st.integers(-2, 2), st.sampled_from("abc"), st.integers(0, 3)), min_size=1, max_size=40
)


def by_definition(rows: list[Any]) -> tuple[Fraction, int, int] | None:
    """Grouped AUC from every pair of every group, rows of weight 0 left out."""
    total, mass, left_out = Fraction(0), Fraction(0), 0
    groups = sorted({row[2] for row in rows if row[3]})
    for group in groups:
        ours = [row for row in rows if row[2] == group and row[3]]
        pairs = [(p, n) for p in ours for n in ours if p[0] and not n[0]]
        if not pairs:
            left_out += 1
            continue
        won = sum(
            (p[3] * n[3] * (Fraction(1) if p[1] > n[1] else Fraction(1, 2) if p[1] == n[1] else Fraction(0)))
            for p, n in pairs
        )
        impressions = sum(row[3] for row in ours)
        total += Fraction(won) / sum(p[3] * n[3] for p, n in pairs) * impressions
        mass += impressions
    return (total / mass, len(groups) - left_out, left_out) if mass else None


@given(ROWS)
def test_grouped_auc_is_its_definition(rows: list[tuple[bool, int, str, int]]) -> None:
    labels, scores, groups, weights = (np.array(column) for column in zip(*rows, strict=True))
    plain = by_definition([(*row[:3], 1) for row in rows])
    if plain is None:
        with pytest.raises(InputError, match="needs a group whose rows have both labels"):
            grouped_auc(labels, scores, groups)
    else:
        found = grouped_auc(labels, scores, groups)
        assert (found.groups, found.left_out) == plain[1:]
        assert found.value == pytest.approx(float(plain[0]), rel=FLOAT64)
    expected = by_definition(rows)
    if expected is not None:
        found = grouped_auc(labels, scores, groups, sample_weight=weights)
        assert (found.groups, found.left_out) == expected[1:]
        assert found.value == pytest.approx(float(expected[0]), rel=FLOAT64)
        order = np.random.default_rng(0).permutation(len(rows))
        given_ = grouped_auc(labels[order], scores[order], groups[order], sample_weight=weights[order] / 7)
        assert given_ == grouped_auc(labels, scores, groups, sample_weight=weights / 7)  # whatever the order of rows


def test_one_group_is_the_plain_auc() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 500), rng.integers(0, 50, 500)
    assert grouped_auc(labels, scores, np.zeros(500)).value == metrics.auc(labels, scores)


def test_only_the_order_within_a_group_counts() -> None:
    labels, scores, groups = np.array([1, 0, 1, 0]), np.array([0.2, 0.1, 0.9, 0.8]), np.array([7, 7, 3, 3])
    assert grouped_auc(labels, scores, groups).value == 1.0
    assert metrics.auc(labels, scores) == 0.75


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1.0, 1e200, 1e300])
def test_grouped_auc_of_weights_of_any_size(unit: float) -> None:
    labels, scores, groups = [1, 0, 1, 0, 1], [0.9, 0.2, 0.3, 0.7, 0.1], [0, 0, 1, 1, 1]
    weights = np.array([2, 1, 1, 2, 1]) * unit
    found = grouped_auc(labels, scores, groups, sample_weight=weights)
    assert found[1:] == (2, 0)
    assert found.value == pytest.approx(3 / 7, rel=FLOAT64)


def test_grouped_auc_does_not_lose_a_group_behind_a_heavier_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels, scores, groups = rng.integers(0, 2, 40), rng.integers(0, 9, 40), rng.integers(0, 3, 40)
        weights = 10.0 ** rng.uniform(-12, 12, 40)
        expected = by_definition(list(zip(labels, scores, groups, map(Fraction, weights.tolist()), strict=True)))
        assert expected is not None
        found = grouped_auc(labels, scores, groups, sample_weight=weights)
        assert found[1:] == expected[1:]
        assert found.value == pytest.approx(float(expected[0]), rel=FLOAT64)


def test_rows_of_weight_zero_have_any_score_in_grouped_auc() -> None:
    labels, groups = [1, 0, 1, 0, 1], [0, 0, 1, 1, 1]
    spoilt = grouped_auc(labels, [0.9, 0.2, 0.7, 0.3, np.nan], groups, sample_weight=[1, 1, 1, 1, 0])
    assert spoilt == grouped_auc(labels[:4], [0.9, 0.2, 0.7, 0.3], groups[:4])
    with pytest.raises(InputError, match="scores must not be NaN"):
        grouped_auc(labels, [0.9, 0.2, 0.7, 0.3, np.nan], groups, sample_weight=[1, 1, 1, 1, 1])


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([1, 2], r"groups must be one value a row, shape \(3,\), got \(2,\)"),
        ([None, "a", "b"], "groups must be numbers or texts, got object; texts as"),
        ([1, 2, 3], "grouped AUC needs a group whose rows have both labels, got 3 groups without one"),
    ],
)
def test_groups_that_cannot_be_are_refused(groups: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        grouped_auc([0, 1, 0], [0.1, 0.2, 0.3], groups)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 0.99), st.integers(0, 3)), min_size=1, max_size=30))
def test_normalised_entropy_is_the_logloss_over_that_of_the_click_rate(rows: list[tuple[bool, float, int]]) -> None:
    labels, p, weights = (np.array(column) for column in zip(*rows, strict=True))
    for w in (np.ones(len(rows), int), weights):
        clicks, total = int(w[labels].sum()), int(w.sum())
        given_ = {} if w is not weights else {"sample_weight": w}
        if clicks in (0, total):
            with pytest.raises(InputError, match=r"normalised entropy needs both classes|must not be zero in all"):
                metrics.normalized_entropy(labels, p, **given_)
            continue
        rate = Fraction(clicks, total)
        background = math.fsum(
            -k * math.log(x) for k, x in ((clicks, rate), (total - clicks, 1 - rate))
        )  # nats of all rows
        ours = math.fsum(-k * math.log(q if y else 1 - q) for y, q, k in zip(labels, p, w, strict=True))
        assert metrics.normalized_entropy(labels, p, **given_) == pytest.approx(ours / background, rel=FLOAT64)


def test_quality_is_each_metric_by_itself() -> None:
    rng = np.random.default_rng(0)
    labels, x = rng.integers(0, 2, 400).astype(np.uint8), rng.standard_normal(400).astype(np.float32)
    groups, weights = rng.integers(0, 60, 400), rng.integers(1, 4, 400).astype(np.float32)
    p = 1 / (1 + np.exp(-x.astype(np.float64)))
    for w in (None, weights):
        found = quality(labels, x, w, groups)
        grouped = grouped_auc(labels, x, groups, sample_weight=w)
        expected = Quality(
            metrics.auc(labels, x, sample_weight=w),
            metrics.logloss(labels, p, sample_weight=w),
            metrics.normalized_entropy(labels, p, sample_weight=w),
            metrics.calibration(labels, p, sample_weight=w),
            metrics.expected_calibration_error(labels, p, sample_weight=w),
            grouped.value,
            grouped.groups,
            grouped.left_out,
        )
        assert found == pytest.approx(expected, rel=FLOAT64)


def test_what_the_rows_do_not_allow_is_none() -> None:
    found = quality(np.zeros(3, np.uint8), np.zeros(3, np.float32), groups=np.array([1, 1, 2]))
    assert math.isnan(found.auc)
    assert found[2:] == (None, None, 0.5, None, 0, 2)
    broken = quality(np.zeros(1, np.uint8), np.array([np.nan], np.float32))
    assert math.isnan(broken.logloss)
    assert broken[2:] == (None,) * 6


# --- in a run ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset() -> ClickDataset:
    return synthetic_clicks(rows=2000, fields=4, features=150, seed=1)


CONFIG = RunConfig(
    model=ModelConfig(dim=4, hidden=(8,), cross_layers=1),
    table=TableConfig(lr=0.05),
    train=TrainConfig(batch_size=280, epochs=2, threads=1),
)


def test_a_run_reports_them_and_its_file_too(dataset: ClickDataset, tmp_path: Any) -> None:
    config = CONFIG.replace("train", group=dataset.field_names[2])
    result = train(config, dataset, output=tmp_path / "run")
    rows = dataset.rows_of("test")
    logits = predict_logits(result.table, result.model, dataset, rows)
    assert result.quality == quality(dataset.labels[rows], logits, None, dataset.ids[rows, 2])
    assert result.test_gauc is not None
    last = result.history[-1]
    valid = evaluate(result.table, result.model, dataset, "valid", batch_size=500, group=config.train.group)
    if result.tested_epoch == last.epoch:
        assert [getattr(last, f"valid_{name}") for name in FURTHER] == pytest.approx(
            [getattr(valid, name) for name in FURTHER], rel=FLOAT64
        )
    assert read_result(tmp_path / "run" / "result.json").quality == result.quality
    plain = train(CONFIG, dataset)
    assert (plain.test_auc, plain.test_ne) == (result.test_auc, result.test_ne)  # the group changes no bit of the run
    assert (plain.test_gauc, plain.test_groups) == (None, None)
    assert config_hash(config) != config_hash(CONFIG)


def test_a_group_that_is_no_field_is_refused_before_anything_is_written(dataset: ClickDataset, tmp_path: Any) -> None:
    with pytest.raises(InputError, match=r"train\.group must be a field of dataset 'synthetic' \(.*\), got 'user'"):
        train(CONFIG.replace("train", group="user"), dataset, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_groups_are_the_ids_of_a_field_and_need_one_value_a_row(dataset: ClickDataset) -> None:
    rows = np.array([5, 3])
    assert groups_of(dataset, rows, None) is None
    found = groups_of(dataset, rows, dataset.field_names[1])
    assert found is not None
    assert found.tolist() == [dataset.ids[5, 1], dataset.ids[3, 1]]
    wide = ClickDataset(
        "wide", np.zeros((2, 3), np.uint32), dataset.labels[:2], np.zeros(2, np.uint8), ("a", "b"), (1, 1), {},
        values=np.ones((2, 3), np.float32), slots=(2, 1),
    )  # fmt: skip
    with pytest.raises(InputError, match="must be a field with one value a row, got 'a', whose rows have up to 2"):
        groups_of(wide, rows - 3, "a")
