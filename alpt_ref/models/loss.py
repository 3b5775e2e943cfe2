"""Logloss of click labels, from logits, with its gradient.

loss = mean over samples of log(1 + e^x) - y x,      d loss / d x = (sigmoid(x) - y) / b
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.kernels.cpu.dense import bce_with_logits as _kernel
from alpt_ref.kernels.cpu.dense import block_count
from alpt_ref.kernels.jit import run_rows
from alpt_ref.models.ops import Array


def bce_with_logits(logits: Array, labels: NDArray[Any]) -> tuple[float, Array]:
    """Mean logloss in nats and its gradient.

    Parameters
    ----------
    logits : float32 or float64 array (b,)
    labels : array (b,) of any number type
        Clicks, 0 or 1 (not checked here; the data readers do).

    Returns
    -------
    loss : float
        Computed and summed in float64, in an order that does not depend on threads. NaN if a logit is NaN.
    dlogits : array (b,)
        Gradient of `loss` by `logits`, of their dtype: already divided by b.

    Raises
    ------
    InputError
        If the shapes differ or are empty.
    """
    if logits.ndim != 1 or logits.shape != labels.shape or logits.size == 0:
        raise InputError(f"logits and labels must have one shape (b,) with b >= 1, got {logits.shape}, {labels.shape}")
    losses = np.empty(block_count(logits.size))
    dlogits = np.empty_like(logits)
    run_rows(_kernel, len(losses), logits, labels, 1.0 / logits.size, losses, dlogits, grain=8)
    return float(losses.sum() / logits.size), dlogits
