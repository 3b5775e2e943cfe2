"""DNN: an MLP over the concatenated embeddings and one output unit.

logit = output.bias + output.weight . MLP(x),   x = (embeddings of all fields)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np

from alpt_ref._util.check import whole_number
from alpt_ref.errors import InputError
from alpt_ref.models.base import Model
from alpt_ref.models.layers import Mlp, Output, glorot
from alpt_ref.models.ops import Array
from alpt_ref.models.options import DnnOptions

HIDDEN = DnnOptions().hidden
"""Widths of the hidden layers in the paper's DCN."""

STREAM = 0x6D6F64656C
"""Second word of the Philox key ("model"): the weights share no random number with a table of the same seed."""


def checked_widths(hidden: Sequence[int]) -> tuple[int, ...]:
    """The widths as ints; raises `InputError` unless there is one and each is a whole number of at least 1."""
    if not isinstance(hidden, (list, tuple)) or not hidden:
        raise InputError(f"hidden must list at least one layer width, got {hidden!r}")
    return tuple(whole_number(f"hidden[{index}]", width, 1) for index, width in enumerate(hidden))


class Dnn(Model):
    """MLP click model.

    Parameters
    ----------
    fields, dim : int
        Embeddings a sample and their width.
    hidden : sequence of int
        Widths of the hidden layers.
    batch_norm : bool
        Batch norm before each ReLU.
    seed : int
        Of the initial weights (Philox; drawn in float64, in the order of `params`).
    dtype : float32 or float64
    device : "cpu" or "cuda"
    """

    kind: ClassVar[str] = "dnn"
    reads_activations: ClassVar[bool] = True
    Options: ClassVar[type[msgspec.Struct]] = DnnOptions

    def __init__(
        self, fields: int, dim: int, *, hidden: Sequence[int] = HIDDEN, batch_norm: bool = True,
        seed: int = 0, dtype: Any = np.float32, device: str = "cpu",
    ) -> None:  # fmt: skip
        widths = checked_widths(hidden)
        super().__init__(fields, dim, dtype=dtype, device=device)
        rng = np.random.Generator(np.random.Philox(key=np.array([seed, STREAM], np.uint64)))
        inputs = self.fields * self.dim
        self.mlp = Mlp(inputs, widths, batch_norm, rng, self.ops, self.params, self.grads, self.buffers)
        self._build(inputs, widths[-1], rng)

    def _build(self, inputs: int, deep: int, rng: np.random.Generator) -> None:
        self._add_output(deep, rng)

    def _add_output(self, units: int, rng: np.random.Generator) -> None:
        self.params["output.weight"] = self.ops.from_host(glorot(rng, units, 1, (units,)))
        self.params["output.bias"] = self.ops.zeros((1,))
        for name in ("output.weight", "output.bias"):
            self.grads[name] = self.ops.zeros(self.params[name].shape)

    def _output(self) -> Output:
        """The output unit; its weights for the MLP are the last ones."""
        deep = self.mlp.widths[-1]
        name = "output.weight"
        return Output(self.params[name][-deep:], self.params["output.bias"], self.grads[name][-deep:])

    def _forward(self, x: Array, logits: Array, training: bool, update_stats: bool) -> None:
        self.mlp.forward(x, self._output(), logits, training, update_stats)

    def _backward(self, x: Array, dlogits: Array, demb: Array, params: bool) -> None:
        if params:
            self.ops.sum(dlogits, self.grads["output.bias"])
        self.mlp.backward(dlogits, self._output(), demb, params)
