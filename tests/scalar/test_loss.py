"""Logloss and probability of one sample against exact arithmetic in more digits."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from alpt_ref.scalar.loss import logloss


@pytest.mark.parametrize("y", [0.0, 1.0])
@pytest.mark.parametrize("x", [-800.0, -30.0, -1.0, -1e-9, 0.0, 0.3, 5.0, 40.0, 800.0])
def test_value_and_probability(x: float, y: float) -> None:
    loss, probability = logloss(np.float64(x), np.float64(y))
    with localcontext() as context:
        context.prec = 400
        grown = Decimal(x).exp()
        assert float(loss) == pytest.approx(float((1 + grown).ln() - Decimal(y) * Decimal(x)), rel=1e-15)
        assert float(probability) == pytest.approx(float(grown / (1 + grown)), rel=1e-15)


def test_nan_stays_nan() -> None:
    loss, _ = logloss(np.float64(math.nan), np.float64(1.0))
    assert math.isnan(loss)
