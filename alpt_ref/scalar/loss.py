"""Logloss of one sample from its logit, and the probability that its gradient needs."""

from __future__ import annotations

import math

import numpy as np

from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.jit import scalar

_ZERO = np.float64(0.0)
_ONE = np.float64(1.0)


@scalar
def logloss(x: np.float64, y: np.float64) -> tuple[np.float64, np.float64]:
    """``log(1 + e^x) - y x`` in nats, NaN where `x` is, and the click's probability ``1 / (1 + e^-x)``; float64.

    The loss's derivative by `x` is the probability less `y`. The exponential never overflows: its argument is
    ``-abs(x)``.
    """
    decay = math.exp(-abs(x))
    loss = max(x, _ZERO) - mul(x, y) + math.log1p(decay) if x == x else x
    probability = _ONE / (_ONE + decay) if x >= _ZERO else decay / (_ONE + decay)
    return loss, probability
