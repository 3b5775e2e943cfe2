"""A masked array is refused wherever its masked values would count as if they were none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from alpt_ref import CTRClassifier, QuantSpec, make_table, synthetic_clicks
from alpt_ref.errors import InputError
from alpt_ref.quantizer import quantize
from alpt_ref.training import metrics
from alpt_ref.training.grouped_auc import grouped_auc

LABELS, SCORES = np.array([1, 0, 1, 0]), np.array([0.9, 0.2, 0.3, 0.9])
X, Y = [["a"], ["b"]] * 20, np.array([0, 1] * 20)


def masked(array: Any) -> Any:
    hidden = np.zeros(np.shape(array), bool)
    hidden.flat[-1] = True
    return np.ma.array(array, mask=hidden)


USES: dict[str, Callable[[], object]] = {
    "labels": lambda: metrics.auc(masked(LABELS), SCORES),
    "scores": lambda: metrics.logloss_from_logits(LABELS, masked(SCORES)),
    "sample_weight": lambda: metrics.calibration(LABELS, SCORES, sample_weight=masked(np.ones(4))),
    "groups": lambda: grouped_auc(LABELS, SCORES, masked(np.zeros(4))),
    "y": lambda: CTRClassifier("fp32", epochs=1).fit(X, masked(Y)),
    "ids": lambda: make_table("fp32", n=5, d=2, seed=0).lookup(masked(LABELS)),
    "w": lambda: quantize(masked(np.ones((2, 2), np.float32)), 0.1, QuantSpec(bits=4)),
    "weights": lambda: dataclasses.replace(
        synthetic_clicks(rows=40, fields=2, features=9, seed=0), weights=masked(np.ones(40, np.float32))
    ),
}


@pytest.mark.parametrize("name", USES)
def test_masked_values_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} must not be masked, got 1 masked values; leave them out, or fill"):
        USES[name]()


def test_a_mask_that_hides_nothing_is_none() -> None:
    assert metrics.auc(np.ma.array(LABELS), SCORES) == metrics.auc(LABELS, SCORES)
