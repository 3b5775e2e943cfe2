"""Layers with a forward and a hand-written backward: linear + (batch norm | bias) + ReLU, and the output unit.

    z = x W                      W of shape (in, out), Glorot-uniform: U(-a, a) with a = sqrt(6 / (in + out))
    y = max(0, BN(z))            BN(z) = weight (z - mean) / sqrt(variance + 1e-5) + bias
    y = max(0, z + bias)         without batch norm

With batch norm the linear map has no bias: the mean would remove it again, and Adam would amplify the rounding noise of
its zero gradient. Running statistics follow PyTorch: momentum 0.1, unbiased variance; they serve inference.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.models.ops_base import EPS, Array, Norm, Ops

__all__ = ["EPS", "Hidden", "Mlp", "Output", "glorot"]

Arrays = dict[str, Array]


def glorot(rng: np.random.Generator, inputs: int, outputs: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Glorot-uniform draws: U(-a, a) with a = sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010)."""
    bound = np.sqrt(6.0 / (inputs + outputs))
    return rng.uniform(-bound, bound, shape)


class Output(NamedTuple):
    """The output unit on a layer: its weights (out,), bias (1,), and where the gradient of the weights goes."""

    weight: Array
    bias: Array
    dweight: Array


class Hidden:
    """One hidden layer ``i`` of an MLP: linear, batch norm or bias, ReLU.

    Adds its arrays ``mlp.i.*`` to the model's dicts at construction and keeps references to them.
    """

    def __init__(
        self, index: int, inputs: int, outputs: int, batch_norm: bool, rng: np.random.Generator, ops: Ops,
        params: Arrays, grads: Arrays, buffers: Arrays,
    ) -> None:  # fmt: skip
        self.ops, self.outputs, self.batch_norm = ops, outputs, batch_norm
        self.name = f"mlp.{index}"
        self.params, self.grads, self.buffers = params, grads, buffers
        own: dict[str, Any] = {"linear.weight": ops.from_host(glorot(rng, inputs, outputs, (inputs, outputs)))}
        if batch_norm:
            own["norm.weight"] = ops.from_host(np.ones(outputs))
            own["norm.bias"] = ops.zeros((outputs,))
            buffers[f"{self.name}.norm.running_mean"] = ops.zeros((outputs,))
            buffers[f"{self.name}.norm.running_var"] = ops.from_host(np.ones(outputs))
        else:
            own["linear.bias"] = ops.zeros((outputs,))
        for key, value in own.items():
            params[f"{self.name}.{key}"] = value
            grads[f"{self.name}.{key}"] = ops.zeros(value.shape)

    @property
    def weight(self) -> Array:
        """Of the linear map, (in, out)."""
        return self._param("linear.weight")

    def _param(self, key: str) -> Array:
        return self.params[f"{self.name}.{key}"]

    def _norm(self) -> Norm:
        params, grads, buffers, name = self.params, self.grads, self.buffers, f"{self.name}.norm"
        return Norm(
            name, params[f"{name}.weight"], params[f"{name}.bias"],
            buffers[f"{name}.running_mean"], buffers[f"{name}.running_var"],
            grads[f"{name}.weight"], grads[f"{name}.bias"],
        )  # fmt: skip

    def _linear(self, x: Array) -> Array:
        self.x = x = self.ops.as_activation(x, f"{self.name}.x")
        z = self.ops.scratch.take(f"{self.name}.z", (len(x), self.outputs), self.ops.activation)
        return self.ops.matmul(x, self.weight, z)

    def forward(self, x: Array, training: bool, update_stats: bool) -> Array:
        """Activations (b, out), kept for `backward`."""
        z = self._linear(x)
        if not self.batch_norm:
            self.ops.bias_relu(z, self._param("linear.bias"))
            self.y = z
            return z
        y: Array = self.ops.scratch.take(f"{self.name}.y", z.shape, z.dtype) if training else z
        self.saved = self.ops.norm_relu(z, self._norm(), y, training=training, update_stats=update_stats)
        self.z = z
        return y

    def forward_output(self, x: Array, output: Output, logits: Array, training: bool, update_stats: bool) -> None:
        """Activations and the output unit on them in one: ``logits = bias + activations . weight``."""
        if not self.batch_norm:
            self.ops.output(self.forward(x, training, update_stats), output.weight, output.bias, logits)
            return
        self.z = self._linear(x)
        self.saved = self.ops.norm_relu_output(
            self.z, self._norm(), output.weight, output.bias, logits, training=training, update_stats=update_stats
        )

    def backward(self, dy: Array, dx: Array, params: bool) -> None:
        """Turn `dy` (b, out) into the gradient of z in place, then write that of the input into `dx`."""
        if self.batch_norm:
            self.ops.norm_relu_backward(dy, self.z, self._norm(), self.saved, params=params)
        else:
            dbias = self.grads[f"{self.name}.linear.bias"] if params else None
            self.ops.bias_relu_backward(dy, self.y, dbias)
        self._linear_backward(dy, dx, params)

    def backward_output(self, dlogits: Array, output: Output, dz: Array, dx: Array, params: bool) -> None:
        """Backward of `forward_output`; `dz` (b, out) is scratch."""
        dweight = output.dweight if params else None
        if not self.batch_norm:
            self.ops.output_backward(dlogits, self.y, output.weight, dz, dweight)
            self.backward(dz, dx, params)
            return
        self.ops.norm_relu_output_backward(dlogits, self.z, self._norm(), output.weight, self.saved, dz, dweight)
        self._linear_backward(dz, dx, params)

    def _linear_backward(self, dz: Array, dx: Array, params: bool) -> None:
        if params:
            self.ops.weight_gradient(self.x, dz, self.grads[f"{self.name}.linear.weight"])
        self.ops.input_gradient(dz, self.weight, dx)


class Mlp:
    """A chain of hidden layers; gradients between them use two buffers in turn, or each its own."""

    def __init__(
        self, inputs: int, hidden: tuple[int, ...], batch_norm: bool, rng: np.random.Generator, ops: Ops,
        params: Arrays, grads: Arrays, buffers: Arrays,
    ) -> None:  # fmt: skip
        self.ops, self.widths = ops, (inputs, *hidden)
        self.layers = [
            Hidden(i, self.widths[i], width, batch_norm, rng, ops, params, grads, buffers)
            for i, width in enumerate(hidden)
        ]

    def forward(self, x: Array, output: Output, logits: Array, training: bool, update_stats: bool) -> None:
        """``logits = bias + MLP(x) . weight``."""
        for layer in self.layers[:-1]:
            x = layer.forward(x, training, update_stats)
        self.layers[-1].forward_output(x, output, logits, training, update_stats)

    def _gradient_buffer(self, index: int, rows: int) -> Array:
        """The buffer for the gradient of layer `index`'s output."""
        return self.ops.gradient_buffer(index, (rows, self.widths[index + 1]))

    def backward(self, dlogits: Array, output: Output, dx: Array, params: bool) -> None:
        """Write the gradient of the input into `dx`; with `params` also those of the layers and ``output.dweight``."""
        for index in reversed(range(len(self.layers))):
            dy = self._gradient_buffer(index, len(dx))
            below = self._gradient_buffer(index - 1, len(dx)) if index else dx
            if index == len(self.layers) - 1:
                self.layers[index].backward_output(dlogits, output, dy, below, params)
            else:
                self.layers[index].backward(dy, below, params)
