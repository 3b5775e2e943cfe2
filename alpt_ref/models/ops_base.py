"""Dense operations of a device for the models: arrays, matrix products, and everything between two matrix products.

Layers call only these methods, so another device is one more subclass of `Ops`. A method is one fused operation; each
device implements it with as few passes over memory as it can.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

EPS = 1e-5
"""Added to the variance in batch norm."""
MOMENTUM = 0.1
"""Weight of the newest batch in the running statistics."""


class ScratchArrays:
    """Named buffers that live from step to step; asking for a smaller shape returns the start of the same memory.

    `make(size, dtype)` allocates. With ``keep`` memory that became too small stays allocated, because a recorded
    step may still point to it.
    """

    def __init__(self, dtype: np.dtype[Any], make: Callable[[int, np.dtype[Any]], Any], *, keep: bool = False) -> None:
        self.dtype, self.keep = dtype, keep
        self._make = make
        self._memory: dict[str, Any] = {}
        self._outgrown: list[Any] = []

    def take(self, name: str, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """The buffer `name` with this shape; its contents are whatever was there."""
        kind = self.dtype if dtype is None else np.dtype(dtype)
        size = math.prod(shape)
        memory = self._memory.get(name)
        if memory is None or memory.size < size or memory.dtype != kind:
            if self.keep and memory is not None:
                self._outgrown.append(memory)
            memory = self._memory[name] = self._make(size, kind)
        return memory[:size].reshape(shape)


class Norm(NamedTuple):
    """A batch norm layer over n columns by name: parameters, running statistics and gradients, arrays (n,)."""

    name: str
    weight: Array
    bias: Array
    running_mean: Array
    running_var: Array
    dweight: Array
    dbias: Array


class Ops(ABC):
    """The dense operations of one device in one dtype. Arrays are C-contiguous unless stated otherwise.

    What a forward method returns is for the matching backward method alone.
    """

    dtype: np.dtype[Any]
    scratch: ScratchArrays
    least_rows: int = 1
    """Rows that a batch must have here."""

    @property
    def activation(self) -> np.dtype[Any]:
        """dtype of the arrays between two matrix products; another than `dtype` on a GPU alone."""
        return self.dtype

    def input_gradient_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """dtype of the gradient of a model's input, which is of `dtype`."""
        return dtype

    gradients_in_turn: ClassVar[bool] = True
    """Whether a layer's gradient may be overwritten by the next but one: `weight_gradient` has read it then."""

    def gradient_buffer(self, index: int, shape: tuple[int, int]) -> Array:
        """Scratch for the gradient of hidden layer `index`'s output."""
        number = index % 2 if self.gradients_in_turn else index
        buffer: Array = self.scratch.take(f"mlp gradient {number}", shape, self.activation)
        return buffer

    def input_gradient(self, dz: Array, weight: Array, dx: Array) -> None:
        """``dx = dz @ weight.T``."""
        self.matmul(dz, weight.T, dx)

    def as_activation(self, x: Array, name: str) -> Array:
        """`x` in the dtype of activations: itself, or a copy in the buffer `name`."""
        return x

    @abstractmethod
    def zeros(self, shape: tuple[int, ...]) -> Array:
        """A new array of zeros."""

    @abstractmethod
    def from_host(self, array: NDArray[Any]) -> Array:
        """A NumPy array as an array of this device and dtype (a copy)."""

    @abstractmethod
    def to_host(self, array: Array) -> NDArray[Any]:
        """A copy of `array` as a NumPy array."""

    @abstractmethod
    def contiguous(self, array: Array) -> Array:
        """`array`, or a C-contiguous copy of it."""

    @abstractmethod
    def matmul(self, a: Array, b: Array, out: Array) -> Array:
        """``out = a @ b``; either factor may be a transposed view."""

    def weight_gradient(self, x: Array, dz: Array, out: Array) -> None:
        """``out = x.T @ dz``: the gradient of a weight matrix, a sum over rows; no other operation reads it."""
        self.matmul(x.T, dz, out)

    # --- hidden layers, z (rows, n) ----------------------------------------------------------------------------------

    @abstractmethod
    def norm_relu(self, z: Array, norm: Norm, y: Array, *, training: bool, update_stats: bool) -> Any:
        """``y = max(BN(z), 0)`` by the batch's statistics in training, else by the running ones; `y` may be `z`.

        With ``update_stats`` the running statistics move; a batch of one row leaves the running variance alone.
        """

    @abstractmethod
    def norm_relu_backward(self, dy: Array, z: Array, norm: Norm, saved: Any, *, params: bool) -> None:
        """In place `dy` -> gradient of `z`; with ``params`` also write the gradients in `norm`."""

    @abstractmethod
    def norm_relu_output(
        self, z: Array, norm: Norm, weight: Array, bias: Array, logits: Array, *, training: bool, update_stats: bool
    ) -> Any:
        """``logits = bias + max(BN(z), 0) . weight``: the last hidden layer and the output unit. May overwrite `z`
        unless in training.
        """

    @abstractmethod
    def norm_relu_output_backward(
        self, dlogits: Array, z: Array, norm: Norm, weight: Array, saved: Any, dz: Array, dweight: Array | None
    ) -> None:
        """Write the gradient of `z` into `dz`; with `dweight` given also write it and the gradients in `norm`."""

    @abstractmethod
    def bias_relu(self, z: Array, bias: Array) -> None:
        """In place ``z = max(z + bias, 0)``."""

    @abstractmethod
    def bias_relu_backward(self, dy: Array, y: Array, dbias: Array | None) -> None:
        """In place `dy` -> gradient before the ReLU; its column sums into `dbias`."""

    # --- output unit and cross layers --------------------------------------------------------------------------------

    @abstractmethod
    def output(self, x: Array, weight: Array, bias: Array, logits: Array) -> None:
        """``logits = bias + x . weight``."""

    @abstractmethod
    def output_backward(self, dlogits: Array, x: Array, weight: Array, dx: Array, dweight: Array | None) -> None:
        """``dx[i] = dlogits[i] * weight`` and ``dweight = sum of dlogits[i] * x[i]``."""

    @abstractmethod
    def sum(self, x: Array, out: Array) -> None:
        """Sum of all elements of `x` into ``out[0]``."""

    @abstractmethod
    def row_sums(self, x: Array, bias: Array, out: Array) -> None:
        """``out[i] = bias + sum of x[i]``."""

    @abstractmethod
    def spread(self, dout: Array, dx: Array) -> None:
        """``dx[i] = dout[i]`` in every column: backward of `row_sums`."""

    def cross_prepare(self, x: Array, weight: Array, bias: Array, output: Array) -> None:  # noqa: B027 (may be empty)
        """Before the forward pass of the MLP: begin what `cross_forward` needs."""

    @abstractmethod
    def cross_forward(self, x: Array, weight: Array, bias: Array, output: Array, logits: Array) -> Any:
        """Add to `logits` the cross layers, weight and bias (L, n), and their part `output` (n,) of the output unit."""

    def cross_begin(
        self, x: Array, saved: Any, dlogits: Array, weight: Array, grads: tuple[Array, Array, Array] | None
    ) -> bool:
        """Begin `cross_backward`, before the backward pass of the MLP on x whose first layer has this `weight`.

        Whether `input_gradient` of that layer will add the cross layers' part: then nothing is left to
        `cross_backward`.
        """
        return False

    @abstractmethod
    def cross_backward(
        self, x: Array, saved: Any, dlogits: Array, dx: Array, grads: tuple[Array, Array, Array] | None
    ) -> None:
        """Add the gradient of x to `dx`; write those of weight, bias and output into `grads` if given."""

    # --- factorisation machine: x and dx (rows, fields * (k + 1)), a field's k factors and then its linear weight ----

    @abstractmethod
    def fm_forward(self, x: Array, fields: int, sums: Array, out: Array) -> None:
        """Add linear and pairwise term to `out` (rows,); leaves the sum of each row's factors in `sums` (rows, k)."""

    @abstractmethod
    def fm_backward(self, x: Array, fields: int, sums: Array, dout: Array, dx: Array) -> None:
        """Write the gradient of x into `dx`, from that of the logits, `dout` (rows,), and `sums` of `fm_forward`."""

    @abstractmethod
    def fm_factors(self, x: Array, fields: int, out: Array) -> None:
        """Copy the factors of x, without the linear weights, into `out` (rows, fields * k)."""

    @abstractmethod
    def fm_add_factors(self, dfactors: Array, fields: int, dx: Array) -> None:
        """Add a gradient of the factors, `dfactors` (rows, fields * k), to `dx`."""
