"""Logistic regression: one weight per category, read from a table of width 1.

    logit = bias + sum over fields f of w[id_f]

Convex in the table and the bias, so the convergence theory applies without change.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from alpt_ref.errors import InputError
from alpt_ref.models.base import Model
from alpt_ref.models.ops import Array


class Logistic(Model):
    """Logistic regression on embeddings of width 1; its only dense parameter is ``bias`` (1,), initially 0."""

    kind: ClassVar[str] = "logistic"

    def __init__(
        self, fields: int, dim: int = 1, *, seed: int = 0, dtype: Any = np.float32, device: str = "cpu"
    ) -> None:
        if dim != 1:
            raise InputError(f"dim of a logistic model must be 1 (one weight per category), got {dim!r}")
        super().__init__(fields, dim, dtype=dtype, device=device)
        self.params["bias"] = self.ops.zeros((1,))
        self.grads["bias"] = self.ops.zeros((1,))

    def _forward(self, x: Array, logits: Array, training: bool, update_stats: bool) -> None:
        self.ops.row_sums(x, self.params["bias"], logits)

    def _backward(self, x: Array, dlogits: Array, demb: Array, params: bool) -> None:
        self.ops.spread(dlogits, demb)
        if params:
            self.ops.sum(dlogits, self.grads["bias"])
