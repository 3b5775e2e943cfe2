"""DCN (deep and cross network, Wang et al. 2017): an MLP and cross layers side by side, one output unit on both.

logit = output.bias + output.weight . [cross(x), MLP(x)],   x = (embeddings of all fields)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from alpt_ref._util.check import whole_number
from alpt_ref.models.cross import CrossNetwork
from alpt_ref.models.dnn import HIDDEN, Dnn
from alpt_ref.models.ops import Array
from alpt_ref.models.options import DcnOptions


class Dcn(Dnn):
    """Deep and cross network; the paper's backbone with its defaults.

    Parameters
    ----------
    fields, dim : int
        Embeddings a sample and their width.
    cross_layers : int
        Number of cross layers, at least 1.
    hidden, batch_norm, seed, dtype, device
        As in `alpt_ref.models.dnn.Dnn`.
    """

    kind: ClassVar[str] = "dcn"
    reads_activations: ClassVar[bool] = True
    Options = DcnOptions

    def __init__(
        self, fields: int, dim: int, *, cross_layers: int = 3, hidden: Sequence[int] = HIDDEN,
        batch_norm: bool = True, seed: int = 0, dtype: Any = np.float32, device: str = "cpu",
    ) -> None:  # fmt: skip
        self._cross_layers = whole_number("cross_layers", cross_layers, 1)
        super().__init__(fields, dim, hidden=hidden, batch_norm=batch_norm, seed=seed, dtype=dtype, device=device)

    def _build(self, inputs: int, deep: int, rng: np.random.Generator) -> None:
        self.cross = CrossNetwork(inputs, self._cross_layers, rng, self.ops, self.params, self.grads)
        self._add_output(inputs + deep, rng)

    def _forward(self, x: Array, logits: Array, training: bool, update_stats: bool) -> None:
        output = self.params["output.weight"][: x.shape[1]]
        self.cross.prepare(x, output)
        super()._forward(x, logits, training, update_stats)
        self.cross.forward(x, output, logits)

    def _backward(self, x: Array, dlogits: Array, demb: Array, params: bool) -> None:
        doutput = self.grads["output.weight"][: x.shape[1]] if params else None
        self.cross.begin_backward(x, dlogits, self.mlp.layers[0].weight, doutput)
        super()._backward(x, dlogits, demb, params)
        self.cross.backward(x, dlogits, demb, doutput)
