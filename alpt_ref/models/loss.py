"""Logloss of click labels, from logits, with its gradient.

loss = mean over samples of log(1 + e^x) - y x,      d loss / d x = (sigmoid(x) - y) / b

With sample weights w the mean is the weighted one, sum w l / sum w: a row of weight 2 is that row twice, a common
factor of all weights changes nothing, and a weight of 0 leaves the row out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.kernels.cpu.dense import bce_with_logits as _kernel
from alpt_ref.kernels.cpu.dense import block_count
from alpt_ref.kernels.cpu.dense import weighted_bce_with_logits as _weighted_kernel
from alpt_ref.kernels.jit import run_rows
from alpt_ref.models.ops import Array


def bce_with_logits(
    logits: Array, labels: NDArray[Any], weights: NDArray[np.float32] | None = None
) -> tuple[float, Array]:
    """Mean logloss in nats and its gradient.

    Parameters
    ----------
    logits : float32 or float64 array (b,)
    labels : array (b,) of any number type
        Clicks, 0 or 1 (not checked here; the data readers do).
    weights : float32 array (b,), optional
        Of the rows, finite and at least 0 (not checked here). Weights that are all 1 give the bits of no weights.

    Returns
    -------
    loss : float
        Computed and summed in float64, in an order that does not depend on threads. NaN if a logit is NaN.
    dlogits : array (b,)
        Gradient of `loss` by `logits`, of their dtype: already divided by b, or by the sum of the weights.

    Raises
    ------
    InputError
        If the shapes differ or are empty, or the weights sum to 0.
    """
    if logits.ndim != 1 or logits.shape != labels.shape or logits.size == 0:
        raise InputError(f"logits and labels must have one shape (b,) with b >= 1, got {logits.shape}, {labels.shape}")
    losses = np.empty(block_count(logits.size))
    dlogits = np.empty_like(logits)
    if weights is not None:
        if weights.shape != logits.shape:
            raise InputError(f"weights must have the shape of the logits {logits.shape}, got {weights.shape}")
        total = float(weights.sum(dtype=np.float64))
        if total == 0:
            raise InputError("weights must not all be 0: a mean needs at least one row that counts")
        run_rows(_weighted_kernel, len(losses), logits, labels, weights, 1.0 / total, losses, dlogits, grain=8)
        return float(losses.sum() / total), dlogits
    run_rows(_kernel, len(losses), logits, labels, 1.0 / logits.size, losses, dlogits, grain=8)
    return float(losses.sum() / logits.size), dlogits
