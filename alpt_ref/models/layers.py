"""Layers with a forward and a hand-written backward: linear + (batch norm | bias) + ReLU, and the output unit.

    z = x W                      W of shape (in, out), Glorot-uniform: U(-a, a) with a = sqrt(6 / (in + out))
    y = max(0, BN(z))            BN(z) = weight (z - mean) / sqrt(variance + 1e-5) + bias
    y = max(0, z + bias)         without batch norm

With batch norm the linear map has no bias: the mean would remove it again, and Adam would feed on the rounding
noise of its zero gradient. Running statistics follow PyTorch: momentum 0.1, unbiased variance; they serve inference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ops import Array, CpuOps

EPS = 1e-5
"""Added to the variance in batch norm."""
MOMENTUM = 0.1
"""Weight of the newest batch in the running statistics."""

Arrays = dict[str, Array]


def glorot(rng: np.random.Generator, inputs: int, outputs: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Glorot-uniform draws: U(-a, a) with a = sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010)."""
    bound = np.sqrt(6.0 / (inputs + outputs))
    return rng.uniform(-bound, bound, shape)


class Hidden:
    """One hidden layer ``i`` of an MLP: linear, batch norm or bias, ReLU.

    Adds its arrays ``mlp.i.*`` to the model's dicts at construction and keeps references to them.
    """

    def __init__(
        self, index: int, inputs: int, outputs: int, batch_norm: bool, rng: np.random.Generator, ops: CpuOps,
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

    def _param(self, key: str) -> Array:
        return self.params[f"{self.name}.{key}"]

    def forward(self, x: Array, training: bool, update_stats: bool) -> Array:
        """Activations (b, out), kept for `backward`."""
        take, shape = self.ops.workspace.take, (len(x), self.outputs)
        z = self.ops.matmul(x, self._param("linear.weight"), take(f"{self.name}.z", shape))
        if not self.batch_norm:
            self.ops.bias_relu(z, self._param("linear.bias"))
            self.x, self.y = x, z
            return z
        mean, variance = self._statistics(z, training, update_stats)
        inverse_std = 1.0 / np.sqrt(variance + EPS)
        scale = self._param("norm.weight") * inverse_std
        shift = self._param("norm.bias") - mean * scale
        self.scale, self.shift, self.mean, self.inverse_std = (
            array.astype(self.ops.dtype) for array in (scale, shift, mean, inverse_std)
        )
        y = take(f"{self.name}.y", shape) if training else z
        self.ops.scale_shift_relu(z, self.scale, self.shift, y)
        self.x, self.z, self.y = x, z, y
        return y

    def _statistics(self, z: Array, training: bool, update_stats: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        """Mean and variance (float64) to normalise with; a batch of one row leaves the running variance alone."""
        running_mean = self.buffers[f"{self.name}.norm.running_mean"]
        running_var = self.buffers[f"{self.name}.norm.running_var"]
        if not training:
            return running_mean.astype(np.float64), running_var.astype(np.float64)
        mean, variance = self.ops.column_moments(z)
        if update_stats:
            running_mean[...] = (1.0 - MOMENTUM) * running_mean + MOMENTUM * mean
            if len(z) > 1:
                unbiased = variance * (len(z) / (len(z) - 1))
                running_var[...] = (1.0 - MOMENTUM) * running_var + MOMENTUM * unbiased
        return mean, variance

    def backward(self, dy: Array, dx: Array, params: bool) -> None:
        """Turn `dy` (b, out) into the gradient of z in place, then write that of the input into `dx`."""
        if self.batch_norm:
            dweight, dbias = self.ops.norm_relu_backward(
                dy, self.z, self.scale, self.shift, self.mean, self.inverse_std
            )
            if params:
                self.grads[f"{self.name}.norm.weight"][...] = dweight
                self.grads[f"{self.name}.norm.bias"][...] = dbias
        else:
            dbias_ = self.grads[f"{self.name}.linear.bias"] if params else None
            self.ops.bias_relu_backward(dy, self.y, dbias_)
        if params:
            self.ops.matmul(self.x.T, dy, self.grads[f"{self.name}.linear.weight"])
        self.ops.matmul(dy, self._param("linear.weight").T, dx)


class Mlp:
    """A chain of hidden layers; gradients between them use two buffers in turn."""

    def __init__(
        self, inputs: int, hidden: tuple[int, ...], batch_norm: bool, rng: np.random.Generator, ops: CpuOps,
        params: Arrays, grads: Arrays, buffers: Arrays,
    ) -> None:  # fmt: skip
        self.ops, self.widths = ops, (inputs, *hidden)
        self.layers = [
            Hidden(i, self.widths[i], width, batch_norm, rng, ops, params, grads, buffers)
            for i, width in enumerate(hidden)
        ]

    def forward(self, x: Array, training: bool, update_stats: bool) -> Array:
        """Activations of the last layer."""
        for layer in self.layers:
            x = layer.forward(x, training, update_stats)
        return x

    def gradient_buffer(self, index: int, rows: int) -> Array:
        """The buffer for the gradient of layer `index`'s output."""
        return self.ops.workspace.take(f"mlp gradient {index % 2}", (rows, self.widths[index + 1]))

    def backward(self, dx: Array, params: bool) -> None:
        """From the gradient in ``gradient_buffer(last)`` to that of the input, written into `dx`."""
        for index in reversed(range(len(self.layers))):
            dy = self.gradient_buffer(index, len(dx))
            below = self.gradient_buffer(index - 1, len(dx)) if index else dx
            self.layers[index].backward(dy, below, params)
