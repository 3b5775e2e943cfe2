"""DeepFM (Guo et al. 2017): a factorisation machine and an MLP side by side on the same factors.

    logit = output.bias + FM(x) + output.weight . MLP(factors of all fields)

FM(x) is the linear and the pairwise term of `alpt_ref.models.fm`, and the table's rows are laid out as there: ``dim``
factors and then the linear weight, which the MLP does not see.
"""

from __future__ import annotations

from typing import ClassVar

from alpt_ref.models.dnn import Dnn
from alpt_ref.models.ops import Array


class DeepFm(Dnn):
    """DeepFM; parameters as in `alpt_ref.models.dnn.Dnn`, of which ``output.bias`` is also the machine's bias.

    ``dim`` is the number of factors: an embedding has ``dim + 1`` columns (`table_dim`).
    """

    kind: ClassVar[str] = "deepfm"

    @classmethod
    def table_dim(cls, dim: int) -> int:
        """Factors and the linear weight."""
        return dim + 1

    def _forward(self, x: Array, logits: Array, training: bool, update_stats: bool) -> None:
        take, rows = self.ops.scratch.take, len(x)
        factors = take("fm.factors", (rows, self.fields * self.dim), self.ops.activation)
        self.ops.fm_factors(x, self.fields, factors)
        super()._forward(factors, logits, training, update_stats)
        self._factors, self._sums = factors, take("fm.sums", (rows, self.dim))
        self.ops.fm_forward(x, self.fields, self._sums, logits)

    def _backward(self, x: Array, dlogits: Array, demb: Array, params: bool) -> None:
        dfactors = self.ops.scratch.take("fm.dfactors", self._factors.shape)
        super()._backward(self._factors, dlogits, dfactors, params)
        self.ops.fm_backward(x, self.fields, self._sums, dlogits, demb)
        self.ops.fm_add_factors(dfactors, self.fields, demb)
