"""Binary cross entropy from logits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.models import bce_with_logits
from tests.tolerances import FLOAT64


@pytest.mark.parametrize("rows", [1, 2, 128, 129, 3000])
def test_loss_and_gradient_are_the_formula(rows: int) -> None:
    rng = np.random.default_rng(rows)
    x, y = 5 * rng.standard_normal(rows), (rng.random(rows) < 0.5).astype(np.uint8)
    loss, dlogits = bce_with_logits(x, y)
    terms = [math.log1p(math.exp(-abs(a))) + max(a, 0.0) - a * int(b) for a, b in zip(x, y, strict=True)]
    assert loss == pytest.approx(math.fsum(terms) / rows, rel=FLOAT64)
    np.testing.assert_allclose(dlogits, (1 / (1 + np.exp(-x)) - y) / rows, rtol=1e-9, atol=FLOAT64)


def test_extreme_logits_neither_overflow_nor_vanish() -> None:
    loss, dlogits = bce_with_logits(np.array([1e4, -1e4, 1e4, -1e4]), np.array([1, 0, 0, 1]))
    assert loss == 5000.0
    assert dlogits.tolist() == [0.0, 0.0, 0.25, -0.25]


def test_gradient_has_the_dtype_of_the_logits() -> None:
    loss, dlogits = bce_with_logits(np.zeros(4, np.float32), np.array([0, 1, 0, 1], np.uint8))
    assert dlogits.dtype == np.float32
    assert loss == pytest.approx(math.log(2), rel=FLOAT64)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinite_logits_show(bad: float) -> None:
    assert not np.isfinite(bce_with_logits(np.array([0.0, bad]), np.array([0, 0]))[0])


def test_shapes_must_agree() -> None:
    with pytest.raises(InputError, match=r"must have one shape \(b,\) with b >= 1, got \(3,\), \(2,\)"):
        bce_with_logits(np.zeros(3), np.zeros(2))
    with pytest.raises(InputError, match="b >= 1"):
        bce_with_logits(np.zeros(0), np.zeros(0))
