"""`sample_weight` and `class_weight` of `CTRClassifier`: rows of weight 0 are left out, a factor changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError

pytest.importorskip("sklearn")

from tests.sklearn_rows import quick, rows

X, Y = rows(400)
TABLE = np.array(X, object)


def test_rows_of_weight_zero_are_left_out_of_model_and_vocabulary() -> None:
    spoilt = [[f"never {number}", *row[1:]] if number % 3 == 0 else row for number, row in enumerate(X)]
    kept = np.arange(len(X)) % 3 > 0
    weighted = quick().fit(spoilt, Y, sample_weight=kept)
    removed = quick().fit(TABLE[kept], Y[kept])
    assert weighted.table_.n == removed.table_.n
    assert np.array_equal(weighted.decision_function(X), removed.decision_function(X))
    assert weighted.loss_curve_ == removed.loss_curve_
    assert np.array_equal(
        quick().fit(X, Y, sample_weight=2).decision_function(X), quick().fit(X, Y).decision_function(X)
    )


def test_weights_move_the_predictions_and_reach_partial_fit() -> None:
    weights = np.where(Y, 5.0, 1.0)
    plain, heavy = quick().fit(X, Y), quick().fit(X, Y, sample_weight=weights)
    assert heavy.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean() + 0.1
    steps = quick().partial_fit(X, Y, [False, True], weights).partial_fit(X, Y, sample_weight=weights)
    assert np.array_equal(steps.decision_function(X), heavy.decision_function(X))


def test_class_weight_is_sample_weight_by_label() -> None:
    expected = quick().fit(X, Y, sample_weight=np.where(Y, 5.0, 1.0)).decision_function(X)
    assert np.array_equal(quick(class_weight={True: 5.0}).fit(X, Y).decision_function(X), expected)
    assert np.array_equal(quick(class_weight={True: 5.0, False: 1}).fit(X, Y).decision_function(X), expected)
    clicks = Y.sum()
    by_hand = np.where(Y, len(Y) / (2 * clicks), len(Y) / (2 * (len(Y) - clicks)))
    balanced = quick(class_weight="balanced").fit(X, Y)
    assert np.array_equal(balanced.decision_function(X), quick().fit(X, Y, by_hand).decision_function(X))
    own = np.linspace(0.5, 2.0, len(Y))
    both = own * np.where(Y, own.sum() / (2 * own[Y].sum()), own.sum() / (2 * own[~Y].sum()))
    together = quick(class_weight="balanced").fit(X, Y, own)
    assert np.array_equal(together.decision_function(X), quick().fit(X, Y, both).decision_function(X))


@pytest.mark.parametrize(
    ("settings", "weights", "message"),
    [
        ({}, np.full(400, -1.0), "sample_weight must be finite and at least 0, got -1.0 at row 0"),
        ({}, np.zeros(400), "sample_weight must not be zero in all 400 rows"),
        ({}, np.ones(3), "sample_weight must be one number a row"),
        ({}, Y.astype(float), "y must have two classes, got 1 class: True"),
        ({}, np.full(400, 1e39), "weights must be between 1e-45 and 3e38"),
        ({"class_weight": "even"}, None, "class_weight must be None, 'balanced' or a dict of weights by label"),
        ({"class_weight": {True: 0}}, None, "class_weight must hold finite weights above 0"),
        ({"class_weight": {True: "a"}}, None, "class_weight must hold finite weights above 0"),
        ({"class_weight": {"click": 2}}, None, r"class_weight must name the classes \[False, True\], got 'click'"),
    ],
)
def test_a_bad_weight_is_one_sentence_and_keeps_the_former_fit(settings: Any, weights: Any, message: str) -> None:
    clf = quick().fit(X, Y)
    before = clf.decision_function(X)
    with pytest.raises(InputError, match=message):
        clf.set_params(**settings).fit(X, Y, sample_weight=weights)
    assert np.array_equal(clf.decision_function(X), before)


def test_balanced_is_refused_for_partial_fit() -> None:
    with pytest.raises(InputError, match="class_weight 'balanced' is not supported for partial_fit"):
        quick(class_weight="balanced").partial_fit(X, Y, [False, True])
    clf = quick(class_weight="balanced", warm_start=True).fit(X, Y)
    with pytest.raises(InputError, match="class_weight 'balanced' needs rows of both classes, got one"):
        clf.fit(TABLE[Y], Y[Y])
