"""The cross network of DCN (Wang et al. 2017) with its part of the output unit, in the cost of four dot products.

    x_{l+1} = x_0 (x_l . w_l) + b_l + x_l            l = 0..L-1;     logit += x_L . v

Every x_l has the form ``alpha_l x_0 + beta_l`` with a number alpha_l per sample and a vector
beta_l = b_0 + ... + b_{l-1} that is the same for all samples. With p_l = x_0 . w_l and c_l = beta_l . w_l (and
p_L = x_0 . v, c_L = beta_L . v):

    alpha_0 = 1,   alpha_{l+1} = alpha_l + (alpha_l p_l + c_l),   logit += alpha_L p_L + c_L

So the layers need the L + 1 numbers p of a sample and never form x_l; equal to the definition but for rounding.
Backward, with a_L = g p_L for g = d loss / d logit and a_l = a_{l+1} (1 + p_l):

    dp_L = g alpha_L,  dp_l = a_{l+1} alpha_l,   dc_L = sum g,  dc_l = sum a_{l+1},   dx_0 = sum_l dp_l w_l
    dw_l = sum dp_l x_0 + dc_l beta_l,           dbeta_l = dc_l w_l,   db_k = sum over l > k of dbeta_l
"""

from __future__ import annotations

import numpy as np

from alpt_ref.models.layers import Arrays, glorot
from alpt_ref.models.ops_base import Array, Ops


class CrossNetwork:
    """Cross layers ``cross.weight`` and ``cross.bias`` (layers, n); the output weights come with each call.

    Weights are Glorot-uniform for a map from n to 1, biases zero.
    """

    def __init__(
        self, inputs: int, layers: int, rng: np.random.Generator, ops: Ops, params: Arrays, grads: Arrays
    ) -> None:
        self.ops = ops
        params["cross.weight"] = ops.from_host(glorot(rng, inputs, 1, (layers, inputs)))
        params["cross.bias"] = ops.zeros((layers, inputs))
        for name in ("cross.weight", "cross.bias"):
            grads[name] = ops.zeros((layers, inputs))
        self.params, self.grads = params, grads

    def prepare(self, x: Array, output_weight: Array) -> None:
        """Before the forward pass of the MLP on the same x."""
        self.ops.cross_prepare(x, self.params["cross.weight"], self.params["cross.bias"], output_weight)

    def forward(self, x: Array, output_weight: Array, logits: Array) -> None:
        """Add ``x_L . output_weight`` to `logits` (b,)."""
        weight, bias = self.params["cross.weight"], self.params["cross.bias"]
        self.saved = self.ops.cross_forward(x, weight, bias, output_weight, logits)

    def begin_backward(self, x: Array, dlogits: Array, first: Array, doutput: Array | None) -> None:
        """Before the backward pass of the MLP on the same x, whose first layer has the weights `first`."""
        self.ops.cross_begin(x, self.saved, dlogits, first, self._grads(doutput))

    def backward(self, x: Array, dlogits: Array, dx: Array, doutput: Array | None) -> None:
        """Add the gradient of x to `dx`; with `doutput` (n,) given, write it and the layers' gradients."""
        self.ops.cross_backward(x, self.saved, dlogits, dx, self._grads(doutput))

    def _grads(self, doutput: Array | None) -> tuple[Array, Array, Array] | None:
        return None if doutput is None else (self.grads["cross.weight"], self.grads["cross.bias"], doutput)
