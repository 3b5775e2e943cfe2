"""Metrics with weights: a row of weight 2 is that row twice, one of weight 0 is not there; exact pairs by fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.errors import InputError
from alpt_ref.models.loss import bce_with_logits
from alpt_ref.training.metrics import auc, calibration, expected_calibration_error, logloss, logloss_from_logits
from tests.tolerances import FLOAT64

ROWS = st.lists(st.tuples(st.booleans(), st.integers(-3, 3), st.integers(0, 3)), min_size=2, max_size=60)


def pairs_in_order(labels: Any, scores: Any, weights: list[Fraction]) -> Fraction | None:
    won = total = Fraction(0)
    for p, w in zip(np.flatnonzero(labels), (weights[i] for i in np.flatnonzero(labels)), strict=True):
        for n in np.flatnonzero(~labels):
            total += w * weights[n]
            won += w * weights[n] * (2 if scores[p] > scores[n] else 1 if scores[p] == scores[n] else 0)
    return won / 2 / total if total else None


@given(ROWS, st.sampled_from([1.0, 0.25, 3.0]))
def test_auc_counts_weighted_pairs_exactly(rows: list[tuple[bool, int, int]], unit: float) -> None:
    labels, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], np.float32)
    weights = np.array([row[2] * unit for row in rows], np.float32)
    share = pairs_in_order(labels, scores, [Fraction(float(w)) for w in weights])
    if share is None:
        with pytest.raises(InputError, match=r"AUC needs both classes|must not be zero in all"):
            auc(labels, scores, sample_weight=weights)
        return
    assert auc(labels, scores, sample_weight=weights) == float(share)
    twice = np.repeat(np.arange(len(rows)), [row[2] for row in rows])
    assert auc(labels[twice], scores[twice]) == float(share)


def test_auc_of_any_weights_is_the_fraction_and_ignores_the_order_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.random(300) < 0.4, rng.integers(0, 40, 300)
    weights = rng.exponential(size=300).astype(np.float32)
    expected = pairs_in_order(labels, scores, [Fraction(float(w)) for w in weights])
    found = auc(labels, scores, sample_weight=weights)
    assert expected is not None
    assert found == pytest.approx(float(expected), rel=FLOAT64)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(300)
        assert auc(labels[order], scores[order], sample_weight=weights[order]) == found


def test_auc_of_weights_of_any_size() -> None:
    labels, scores = [1, 0, 1, 0], [0.9, 0.2, 0.4, 0.4]
    for unit in (1e-300, 1e300, 2.0**-1060):
        assert auc(labels, scores, sample_weight=np.array([2, 1, 1, 3]) * unit) == pytest.approx(10.5 / 12, rel=FLOAT64)
    assert auc(labels, scores, sample_weight=[1e300, 1.0, 1e-300, 1e300]) == 1.0  # one pair is all of it


METRICS: list[Any] = [auc, logloss, logloss_from_logits, calibration, expected_calibration_error]


@pytest.mark.parametrize("metric", METRICS)
def test_weight_two_is_the_row_twice_and_weight_zero_none(metric: Any) -> None:
    rng = np.random.default_rng(1)
    labels, p = rng.integers(0, 2, 400).astype(np.uint8), rng.random(400)
    weights = rng.integers(0, 4, 400)
    rows = np.repeat(np.arange(400), weights)
    once = metric(labels, p, sample_weight=weights)
    assert once == pytest.approx(metric(labels[rows], p[rows]), rel=FLOAT64)
    assert once != metric(labels, p)
    assert metric(labels, p, sample_weight=weights * 0.1) == pytest.approx(once, rel=FLOAT64)
    assert metric(labels, p, sample_weight=np.ones(400)) == pytest.approx(metric(labels, p), rel=FLOAT64)
    spoilt = np.where(weights == 0, np.nan, p)
    assert metric(labels, spoilt, sample_weight=weights) == once


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, -1], "sample_weight must be finite and at least 0, got -1.0 at row 1"),
        ([1, np.nan], "sample_weight must be finite and at least 0, got nan at row 1"),
        ([0, 0], "sample_weight must not be zero in all 2 rows"),
        ([1], r"sample_weight must be one number a row, shape \(2,\), got int64 \(1,\)"),
        (["a", "b"], "sample_weight must be one number a row"),
    ],
)
def test_bad_weights_are_one_sentence(metric: Any, weights: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        metric([0, 1], [0.5, 0.5], sample_weight=weights)


def test_loss_and_gradient_of_weight_two_are_the_row_twice() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal(300).astype(np.float32), rng.integers(0, 2, 300).astype(np.uint8)
    w = rng.integers(1, 4, 300).astype(np.float32)
    rows = np.repeat(np.arange(300), w.astype(int))
    loss, dlogits = bce_with_logits(x, y, w)
    repeated, each = bce_with_logits(x[rows], y[rows])
    assert loss == pytest.approx(repeated, rel=FLOAT64)
    sums = np.bincount(rows, weights=each.astype(np.float64))
    np.testing.assert_allclose(dlogits, sums, rtol=1e-6)
    ones = bce_with_logits(x, y, np.ones(300, np.float32))
    plain = bce_with_logits(x, y)
    assert ones[0] == plain[0]
    assert ones[1].tobytes() == plain[1].tobytes()


def test_the_weighted_loss_is_the_formula() -> None:
    rng = np.random.default_rng(3)
    x, y = 4 * rng.standard_normal(500).astype(np.float32), rng.integers(0, 2, 500).astype(np.uint8)
    w = rng.exponential(size=500).astype(np.float32)
    loss, dlogits = bce_with_logits(x, y, w)
    z, total = x.astype(np.float64), w.sum(dtype=np.float64)
    assert loss == pytest.approx((w * (np.logaddexp(0, z) - y * z)).sum() / total, rel=FLOAT64)
    np.testing.assert_allclose(dlogits, w * (1 / (1 + np.exp(-z)) - y) / total, rtol=1e-6)
    with pytest.raises(InputError, match="weights must not all be 0"):
        bce_with_logits(x, y, np.zeros(500, np.float32))
    with pytest.raises(InputError, match=r"weights must have the shape of the logits \(500,\), got \(2,\)"):
        bce_with_logits(x, y, np.ones(2, np.float32))
