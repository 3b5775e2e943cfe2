"""AUC against the count of all pairs; logloss and calibration against their formulas."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.errors import InputError
from alpt_ref.training.metrics import auc, calibration, expected_calibration_error, logloss, logloss_from_logits
from tests.tolerances import FLOAT64

ROWS = st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=60)


@given(ROWS)
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], np.float32)
    pairs = [(p, n) for p in scores[labels] for n in scores[~labels]]
    if not pairs:
        with pytest.raises(InputError, match="AUC needs both classes"):
            auc(labels, scores)
        return
    won = sum((Fraction(1) if p > n else Fraction(1, 2) if p == n else Fraction(0) for p, n in pairs), Fraction(0))
    assert auc(labels, scores) == float(won / len(pairs))  # exact: one rounding of the true fraction


def test_auc_known_values() -> None:
    assert auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])) == 0.75
    assert auc(np.array([1, 0]), np.array([2.0, 1.0])) == 1.0
    assert auc(np.array([1, 0]), np.array([1.0, 1.0])) == 0.5
    assert auc(np.array([1, 0, 0]), np.array([-np.inf, 0.0, np.inf])) == 0.0


def test_auc_counts_do_not_overflow() -> None:
    rows = 200_000  # 1e10 pairs, beyond 32 bits
    labels = np.tile(np.array([0, 1], np.uint8), rows // 2)
    assert auc(labels, np.arange(rows)) == float(Fraction(rows // 2 + 1, rows))


def test_metrics_agree_with_scikit_learn() -> None:
    peers: Any = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    labels, p = rng.integers(0, 2, 5000).astype(np.uint8), np.round(rng.random(5000), 2)
    assert auc(labels, p) == pytest.approx(peers.roc_auc_score(labels, p), rel=FLOAT64)
    q = np.clip(p, 0.01, 0.99)
    assert logloss(labels, q) == pytest.approx(peers.log_loss(labels, q), rel=FLOAT64)


def test_logloss_and_its_form_from_logits_agree() -> None:
    rng = np.random.default_rng(0)
    logits, labels = 3 * rng.standard_normal(1000), rng.integers(0, 2, 1000)
    p = 1 / (1 + np.exp(-logits))
    expected = -math.fsum(math.log(a if y else 1 - a) for a, y in zip(p, labels, strict=True)) / 1000
    assert logloss(labels, p) == pytest.approx(expected, rel=FLOAT64)
    assert logloss_from_logits(labels, logits) == pytest.approx(expected, rel=FLOAT64)


def test_certain_misses_are_finite_and_from_logits_exact() -> None:
    assert logloss(np.array([1, 0]), np.array([0.0, 0.0])) == pytest.approx(-math.log(1e-15) / 2, rel=FLOAT64)
    assert logloss_from_logits(np.array([1, 0]), np.array([-800.0, -800.0], np.float32)) == 400.0


def test_calibration_is_predicted_over_observed_clicks() -> None:
    labels = np.array([1, 0, 0, 1], np.uint8)
    assert calibration(labels, np.array([0.5, 0.5, 0.25, 0.25], np.float32)) == 0.75
    with pytest.raises(InputError, match="at least one click"):
        calibration(np.zeros(3), np.full(3, 0.5))


def test_expected_calibration_error() -> None:
    labels = np.array([1, 0, 1, 1])
    p = np.array([0.25, 0.25, 0.75, 1.0])  # two bins: |0.5 - 1| and |1.75 - 2| over four rows
    assert expected_calibration_error(labels, p, bins=2) == 0.1875
    assert expected_calibration_error(labels, labels.astype(float)) == 0.0
    with pytest.raises(InputError, match="bins must be a whole number of at least 1, got 0"):
        expected_calibration_error(labels, p, bins=0)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 2], [0.5, 0.5], "labels must be 0 or 1, got 2"),
        ([0, 1], [0.5, np.nan], "must not be NaN, got one at row 1"),
        ([0, 1], [0.5], r"one shape \(rows,\) with rows >= 1, got \(2,\) and \(1,\)"),
        ([], [], "rows >= 1"),
        ([0, 1], ["a", "b"], "must be numbers"),
    ],
)
@pytest.mark.parametrize("metric", [auc, logloss, logloss_from_logits, calibration])
def test_bad_input_is_one_sentence(metric: Any, labels: Any, scores: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        metric(np.array(labels), np.array(scores))


def test_probabilities_must_lie_between_zero_and_one() -> None:
    for metric in (logloss, calibration, expected_calibration_error):
        with pytest.raises(InputError, match=r"probabilities must lie in \[0, 1\], got values from 0.5 to 1.5"):
            metric(np.array([0, 1]), np.array([0.5, 1.5]))
