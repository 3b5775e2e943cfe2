"""What the models need of a device: arrays, matrix products and the fused passes between them.

Layers call only these methods, so that another device is one more class with the same methods. `CpuOps` runs NumPy
arrays through `alpt_ref.linalg` and the kernels of `alpt_ref.kernels.cpu.dense`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._jit import run_rows
from .._memory import aligned_empty
from ..errors import InputError
from ..kernels.cpu import dense as kernels
from ..linalg import matmul

Array = NDArray[np.floating[Any]]


class Workspace:
    """Named buffers that live from step to step; asking for a smaller shape returns the start of the same memory."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._memory: dict[str, Array] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> Array:
        """The buffer `name` with this shape; its contents are whatever was there."""
        size = int(np.prod(shape))
        memory = self._memory.get(name)
        if memory is None or memory.size < size:
            memory = self._memory[name] = aligned_empty(size, self.dtype)
        return memory[:size].reshape(shape)


class CpuOps:
    """The dense operations on NumPy arrays of one dtype (float32; float64 for gradient checks)."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.workspace = Workspace(dtype)

    def zeros(self, shape: tuple[int, ...]) -> Array:
        """A new array of zeros."""
        return np.zeros(shape, self.dtype)

    def from_host(self, array: NDArray[Any]) -> Array:
        """A NumPy array as an array of this device and dtype (a copy)."""
        return np.array(array, self.dtype, order="C")

    def to_host(self, array: Array) -> NDArray[Any]:
        """A copy of `array` as a NumPy array."""
        return np.array(array)

    def matmul(self, a: Array, b: Array, out: Array) -> Array:
        """``out = a @ b``; either factor may be a transposed view."""
        return matmul(a, b, out, scratch=self._scratch)

    def _scratch(self, shape: tuple[int, ...]) -> Array:
        return self.workspace.take("matmul parts", shape)

    def _parts(self, name: str, rows: int, *columns: int) -> Array:
        return self.workspace.take(f"parts {name}", (kernels.block_count(rows), *columns))

    @staticmethod
    def _sum(parts: Array, out: Array) -> None:
        kernels.sum_parts(0, out.size, parts.reshape(len(parts), -1), out.reshape(-1))

    # --- batch norm + ReLU -----------------------------------------------------------------------------------------

    def column_moments(self, z: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and biased variance of every column of `z` (rows, n): two float64 arrays (n,)."""
        rows, columns = z.shape
        means, squares = self._parts("means", rows, columns), self._parts("squares", rows, columns)
        run_rows(kernels.column_moments, len(means), z, means, squares, grain=1)
        mean, variance = np.empty(columns), np.empty(columns)
        kernels.combine_moments(rows, means, squares, mean, variance)
        return mean, variance

    def scale_shift_relu(self, z: Array, scale: Array, shift: Array, y: Array) -> None:
        """``y = max(scale * z + shift, 0)``; `y` may be `z`."""
        run_rows(kernels.scale_shift_relu, len(z), z, scale, shift, y)

    def norm_relu_backward(
        self, dy: Array, z: Array, scale: Array, shift: Array, mean: Array, inverse_std: Array
    ) -> tuple[Array, Array]:
        """In place `dy` -> gradient of `z` through batch norm (batch statistics) and ReLU.

        Returns the gradients of the norm's weight and bias.
        """
        rows, columns = z.shape
        sums, products = self._parts("means", rows, columns), self._parts("squares", rows, columns)
        run_rows(kernels.norm_relu_backward_sums, len(sums), dy, z, scale, shift, mean, sums, products, grain=1)
        dbias, dweight = np.empty_like(mean), np.empty_like(mean)
        self._sum(sums, dbias)
        self._sum(products, dweight)
        dweight *= inverse_std
        rows_ = self.dtype.type(rows)
        offset, slope = scale * (dbias / rows_), scale * inverse_std * (dweight / rows_)
        run_rows(kernels.norm_relu_backward, rows, dy, z, scale, shift, mean, offset, slope)
        return dweight, dbias

    # --- bias + ReLU -----------------------------------------------------------------------------------------------

    def bias_relu(self, z: Array, bias: Array) -> None:
        """In place ``z = max(z + bias, 0)``."""
        run_rows(kernels.bias_relu, len(z), z, bias)

    def bias_relu_backward(self, dy: Array, y: Array, dbias: Array | None) -> None:
        """In place `dy` -> gradient before the ReLU; its column sums into `dbias`."""
        sums = self._parts("means", *y.shape)
        run_rows(kernels.bias_relu_backward, len(sums), dy, y, sums, grain=1)
        if dbias is not None:
            self._sum(sums, dbias)

    # --- output unit and cross layers ------------------------------------------------------------------------------

    def add_row_dots(self, x: Array, w: Array, out: Array) -> None:
        """``out[i] += x[i] . w``."""
        dots = self.workspace.take("row dots", (len(x), 1))
        out += self.matmul(x, w[:, None], dots)[:, 0]

    def row_dots_backward(self, dout: Array, x: Array, w: Array, dx: Array, dw: Array | None) -> None:
        """``dx[i] = dout[i] * w`` and ``dw = sum of dout[i] * x[i]``."""
        sums = self._parts("means", *x.shape)
        run_rows(kernels.row_dots_backward, len(sums), dout, x, w, dx, sums, grain=1)
        if dw is not None:
            self._sum(sums, dw)

    def sum(self, x: Array, out: Array) -> None:
        """Sum of all elements of `x` into ``out[0]`` (NumPy's pairwise order, one thread)."""
        out[0] = x.sum(dtype=np.float64)

    def cross_forward(self, x: Array, vectors: Array, constants: Array, dots: Array, out: Array) -> None:
        """Cross layers with their output unit added to `out` (rows,); leaves ``x @ vectors.T`` in `dots`."""
        self.matmul(x, vectors.T, dots)
        run_rows(kernels.cross_forward, len(x), dots, constants, out)

    def cross_backward(
        self, x: Array, vectors: Array, constants: Array, dots: Array, dout: Array, dx: Array, *, params: bool
    ) -> tuple[Array, Array]:
        """Add the gradient of x to `dx`; return those of vectors (L + 1, n) and constants (L + 1,)."""
        rows, units = dots.shape
        dvectors, dconstants = self._parts("vectors", rows, *vectors.shape), self._parts("constants", rows, units)
        alphas, ddots = self._parts("alphas", rows, units), self._parts("ddots", rows, units)
        run_rows(
            kernels.cross_backward, len(dvectors), x, vectors, constants, dots, dout, alphas, ddots, dx,
            dvectors, dconstants, params, grain=1,
        )  # fmt: skip
        dvector, dconstant = np.empty_like(vectors), np.empty_like(constants)
        if params:
            self._sum(dvectors, dvector)
            self._sum(dconstants, dconstant)
        return dvector, dconstant


def make_ops(device: str, dtype: np.dtype[Any]) -> CpuOps:
    """The operations of a device; raises `InputError` for an unknown one."""
    if device != "cpu":
        raise InputError(f"device must be 'cpu', got {device!r}")
    if dtype not in (np.float32, np.float64):
        raise InputError(f"dtype must be float32 or float64, got {dtype}")
    return CpuOps(dtype)
