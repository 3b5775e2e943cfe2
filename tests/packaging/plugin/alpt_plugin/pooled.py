"""A backbone: one linear unit on the scaled mean of a sample's embeddings."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np

from alpt_ref import Model


class Pooled(Model):
    """``logit = bias + scale * weight . mean over fields of the embeddings``."""

    kind = "pooled"

    class Options(msgspec.Struct, frozen=True):
        """Settings: ``--set model.scale=2`` on the command line, ``scale=2`` in `make_model`."""

        scale: Annotated[float, msgspec.Meta(gt=0, description="Factor of the mean.")] = 1.0

    def __init__(
        self, fields: int, dim: int, *, seed: int = 0, dtype: Any = np.float32, device: str = "cpu", scale: float = 1.0
    ) -> None:
        super().__init__(fields, dim, dtype=dtype, device=device)
        self.factor = self.dtype.type(scale / fields)
        weights = np.random.default_rng(seed).uniform(-1.0, 1.0, dim)
        self.params = {"weight": self.ops.from_host(weights), "bias": self.ops.zeros((1,))}
        self.grads = {name: self.ops.zeros(param.shape) for name, param in self.params.items()}

    def _forward(self, x: Any, logits: Any, training: bool, update_stats: bool) -> None:
        self.pooled = x.reshape(len(x), self.fields, self.dim).sum(axis=1) * self.factor
        logits[...] = (self.pooled * self.params["weight"]).sum(axis=1) + self.params["bias"]

    def _backward(self, x: Any, dlogits: Any, demb: Any, params: bool) -> None:
        each = dlogits[:, None] * (self.params["weight"] * self.factor)
        demb.reshape(len(x), self.fields, self.dim)[...] = each[:, None, :]
        if params:
            self.grads["weight"][...] = (dlogits[:, None] * self.pooled).sum(axis=0)
            self.grads["bias"][...] = dlogits.sum()
