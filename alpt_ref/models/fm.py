"""FM: factorisation machine of second order (Rendle 2010), one table for linear weights and factors.

    logit = bias + sum_f w_f + sum_{f<g} v_f . v_g          over the fields f, g of a sample

``dim`` is the number k of factors, as in the paper. A category's row of the embedding table is ``[v_1 .. v_k, w]``,
so the table has k + 1 columns (`table_dim`): one lookup serves both terms. The table's method treats the linear
weight like a factor: a quantised table stores it in as many bits and with the row's step size, and row-wise Adagrad
gives it the row's learning rate. The table's bytes therefore are those of the whole model except for the bias.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from alpt_ref.models.base import Model
from alpt_ref.models.ops import Array


class Fm(Model):
    """Factorisation machine; its only dense parameter is ``bias`` (1,), initially 0.

    Parameters
    ----------
    fields, dim : int
        Embeddings a sample and number of factors; an embedding has ``dim + 1`` columns.
    seed : int
        Unused: all that is drawn at random is in the table.
    dtype : float32 or float64
    device : str
    """

    kind: ClassVar[str] = "fm"

    def __init__(self, fields: int, dim: int, *, seed: int = 0, dtype: Any = np.float32, device: str = "cpu") -> None:
        super().__init__(fields, dim, dtype=dtype, device=device)
        self.params["bias"] = self.ops.zeros((1,))
        self.grads["bias"] = self.ops.zeros((1,))

    @classmethod
    def table_dim(cls, dim: int) -> int:
        """Factors and the linear weight."""
        return dim + 1

    def _forward(self, x: Array, logits: Array, training: bool, update_stats: bool) -> None:
        logits[...] = self.params["bias"]
        self._sums = self.ops.scratch.take("fm.sums", (len(x), self.dim))
        self.ops.fm_forward(x, self.fields, self._sums, logits)

    def _backward(self, x: Array, dlogits: Array, demb: Array, params: bool) -> None:
        self.ops.fm_backward(x, self.fields, self._sums, dlogits, demb)
        if params:
            self.ops.sum(dlogits, self.grads["bias"])
