"""The dense operations of the models on the CPU: NumPy arrays, `alpt_ref.kernels.linalg`, kernels of `kernels.cpu`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.kernels.cpu import cross as cross_kernels
from alpt_ref.kernels.cpu import dense as kernels
from alpt_ref.kernels.cpu import fm as fm_kernels
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.linalg import matmul
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.models.ops_base import EPS, MOMENTUM, Array, Norm, Ops, ScratchArrays

__all__ = ["Array", "CpuOps", "Ops", "make_ops"]


class SavedNorm(NamedTuple):
    """How a batch was normalised: ``BN(z) = scale z + shift``; `y` only of the last layer."""

    scale: Array
    shift: Array
    mean: Array
    inverse_std: Array
    y: Array


class SavedCross(NamedTuple):
    """Cross layers and output unit as `alpt_ref.models.cross` writes them: vectors (L + 1, n), beta, c, x . vectors."""

    vectors: Array
    betas: NDArray[np.float64]
    constants: Array
    dots: Array


class CpuOps(Ops):
    """The dense operations on NumPy arrays of one dtype (float32; float64 for gradient checks)."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.scratch = ScratchArrays(dtype, aligned_empty)

    def zeros(self, shape: tuple[int, ...]) -> Array:
        """See `Ops.zeros`."""
        return np.zeros(shape, self.dtype)

    def from_host(self, array: NDArray[Any]) -> Array:
        """See `Ops.from_host`."""
        return np.array(array, self.dtype, order="C")

    def to_host(self, array: Array) -> NDArray[Any]:
        """See `Ops.to_host`."""
        return np.array(array)

    def contiguous(self, array: Array) -> Array:
        """See `Ops.contiguous`."""
        return np.ascontiguousarray(array)

    def matmul(self, a: Array, b: Array, out: Array) -> Array:
        """See `Ops.matmul`."""
        return matmul(a, b, out, scratch=self._scratch)

    def _scratch(self, shape: tuple[int, ...]) -> Array:
        scratch: Array = self.scratch.take("matmul parts", shape)
        return scratch

    def _parts(self, name: str, rows: int, *columns: int) -> Array:
        parts: Array = self.scratch.take(f"parts {name}", (kernels.block_count(rows), *columns))
        return parts

    @staticmethod
    def _sum(parts: Array, out: Array) -> None:
        kernels.sum_parts(0, out.size, parts.reshape(len(parts), -1), out.reshape(-1))

    # --- batch norm + ReLU -------------------------------------------------------------------------------------------

    def norm_relu(self, z: Array, norm: Norm, y: Array, *, training: bool, update_stats: bool) -> SavedNorm:
        """See `Ops.norm_relu`."""
        mean, variance = self._statistics(z, norm, training, update_stats)
        inverse_std = 1.0 / np.sqrt(variance + EPS)
        scale = norm.weight * inverse_std
        shift = norm.bias - mean * scale
        kept = [array.astype(self.dtype) for array in (scale, shift, mean, inverse_std)]
        saved = SavedNorm(kept[0], kept[1], kept[2], kept[3], y)
        run_rows(kernels.scale_shift_relu, len(z), z, saved.scale, saved.shift, y)
        return saved

    def _statistics(
        self, z: Array, norm: Norm, training: bool, update_stats: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and variance (float64) to normalise with."""
        running_mean, running_var = norm.running_mean, norm.running_var
        if not training:
            return running_mean.astype(np.float64), running_var.astype(np.float64)
        mean, variance = self.column_moments(z)
        rows = self.batch_rows(z)
        if update_stats:
            running_mean[...] = (1.0 - MOMENTUM) * running_mean + MOMENTUM * mean
            if rows > 1:
                unbiased = variance * (rows / (rows - 1))
                running_var[...] = (1.0 - MOMENTUM) * running_var + MOMENTUM * unbiased
        return mean, variance

    def batch_rows(self, z: Array) -> int:
        """Rows of the batch that `z` belongs to."""
        return len(z)

    def column_moments(self, z: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and biased variance of every column of `z` (rows, n): two float64 arrays (n,)."""
        rows, columns = z.shape
        means, squares = self._parts("means", rows, columns), self._parts("squares", rows, columns)
        run_rows(kernels.column_moments, len(means), z, means, squares, grain=1)
        mean, variance = np.empty(columns), np.empty(columns)
        kernels.combine_moments(rows, means, squares, mean, variance)
        return mean, variance

    def norm_relu_backward(self, dy: Array, z: Array, norm: Norm, saved: SavedNorm, *, params: bool) -> None:
        """See `Ops.norm_relu_backward`."""
        how = kernels.NormColumns(saved.scale, saved.shift, saved.mean)
        dbias, dweight = self.norm_sums(dy, z, how)
        dweight *= saved.inverse_std
        rows_ = self.dtype.type(self.batch_rows(z))
        offset, slope = saved.scale * (dbias / rows_), saved.scale * saved.inverse_std * (dweight / rows_)
        run_rows(kernels.norm_relu_backward, len(z), dy, z, how, offset, slope)
        if params:
            norm.dweight[...] = dweight
            norm.dbias[...] = dbias

    def norm_sums(self, dy: Array, z: Array, how: kernels.NormColumns) -> tuple[Array, Array]:
        """Sums over rows of the gradient behind the ReLU, and of it times ``z - mean``: two new arrays (n,)."""
        rows, columns = z.shape
        sums, products = self._parts("means", rows, columns), self._parts("squares", rows, columns)
        run_rows(kernels.norm_relu_backward_sums, len(sums), dy, z, how, sums, products, grain=1)
        dbias, dweight = np.empty_like(how.mean), np.empty_like(how.mean)
        self._sum(sums, dbias)
        self._sum(products, dweight)
        return dbias, dweight

    def norm_relu_output(
        self, z: Array, norm: Norm, weight: Array, bias: Array, logits: Array, *, training: bool, update_stats: bool
    ) -> SavedNorm:
        """See `Ops.norm_relu_output`."""
        y = self.scratch.take("last layer", z.shape) if training else z
        saved = self.norm_relu(z, norm, y, training=training, update_stats=update_stats)
        self.output(y, weight, bias, logits)
        return saved

    def norm_relu_output_backward(
        self, dlogits: Array, z: Array, norm: Norm, weight: Array, saved: SavedNorm, dz: Array, dweight: Array | None
    ) -> None:
        """See `Ops.norm_relu_output_backward`."""
        self.output_backward(dlogits, saved.y, weight, dz, dweight)
        self.norm_relu_backward(dz, z, norm, saved, params=dweight is not None)

    # --- bias + ReLU -------------------------------------------------------------------------------------------------

    def bias_relu(self, z: Array, bias: Array) -> None:
        """See `Ops.bias_relu`."""
        run_rows(kernels.bias_relu, len(z), z, bias)

    def bias_relu_backward(self, dy: Array, y: Array, dbias: Array | None) -> None:
        """See `Ops.bias_relu_backward`."""
        sums = self._parts("means", *y.shape)
        run_rows(kernels.bias_relu_backward, len(sums), dy, y, sums, grain=1)
        if dbias is not None:
            self._sum(sums, dbias)

    # --- output unit and cross layers --------------------------------------------------------------------------------

    def output(self, x: Array, weight: Array, bias: Array, logits: Array) -> None:
        """See `Ops.output`."""
        logits[...] = bias
        logits += self.matmul(x, weight[:, None], self.scratch.take("row dots", (len(x), 1)))[:, 0]

    def output_backward(self, dlogits: Array, x: Array, weight: Array, dx: Array, dweight: Array | None) -> None:
        """See `Ops.output_backward`."""
        sums = self._parts("means", *x.shape)
        run_rows(kernels.row_dots_backward, len(sums), dlogits, x, weight, dx, sums, grain=1)
        if dweight is not None:
            self._sum(sums, dweight)

    def sum(self, x: Array, out: Array) -> None:
        """See `Ops.sum` (NumPy's pairwise order, one thread)."""
        out[0] = x.sum(dtype=np.float64)

    def row_sums(self, x: Array, bias: Array, out: Array) -> None:
        """See `Ops.row_sums`."""
        x.sum(axis=1, out=out)
        out += bias

    def spread(self, dout: Array, dx: Array) -> None:
        """See `Ops.spread`."""
        dx[...] = dout[:, None]

    def cross_forward(self, x: Array, weight: Array, bias: Array, output: Array, logits: Array) -> SavedCross:
        """See `Ops.cross_forward`."""
        take, units = self.scratch.take, len(weight) + 1
        vectors = take("cross.vectors", (units, x.shape[1]))
        vectors[:-1], vectors[-1] = weight, output
        betas = np.zeros_like(vectors, dtype=np.float64)
        np.cumsum(bias, axis=0, out=betas[1:])
        constants = (betas * vectors).sum(axis=1).astype(self.dtype)
        dots = take("cross.dots", (len(x), units))
        self.matmul(x, vectors.T, dots)
        run_rows(cross_kernels.cross_forward, len(x), dots, constants, logits)
        return SavedCross(vectors, betas, constants, dots)

    def cross_backward(
        self, x: Array, saved: SavedCross, dlogits: Array, dx: Array, grads: tuple[Array, Array, Array] | None
    ) -> None:
        """See `Ops.cross_backward`."""
        dvector, dconstant = np.empty_like(saved.vectors), np.empty_like(saved.constants)
        self.cross_sums(x, saved, dlogits, dx, None if grads is None else (dvector, dconstant))
        if grads is not None:
            self.cross_gradients(saved, dvector, dconstant, grads)

    def cross_sums(
        self, x: Array, saved: SavedCross, dlogits: Array, dx: Array, sums: tuple[Array, Array] | None
    ) -> None:
        """Add the gradient of x to `dx`; write into `sums`, if given, those of vectors and constants, over rows."""
        vectors, _, constants, dots = saved
        rows, units = dots.shape
        dvectors, dconstants = self._parts("vectors", rows, *vectors.shape), self._parts("constants", rows, units)
        alphas, ddots = self._parts("alphas", rows, units), self._parts("ddots", rows, units)
        layers = cross_kernels.CrossLayers(x, vectors, constants, dots)
        into = cross_kernels.CrossGradients(dx, dvectors, dconstants, alphas, ddots)
        run_rows(cross_kernels.cross_backward, len(dvectors), layers, dlogits, into, sums is not None, grain=1)
        if sums is not None:
            self._sum(dvectors, sums[0])
            self._sum(dconstants, sums[1])

    @staticmethod
    def cross_gradients(saved: SavedCross, dvector: Array, dconstant: Array, grads: tuple[Array, Array, Array]) -> None:
        """Write the gradients of weight, bias and output from the sums of `cross_sums`; `dvector` is overwritten."""
        dweight, dbias, doutput = grads
        dvector += dconstant[:, None] * saved.betas
        dweight[...], doutput[...] = dvector[:-1], dvector[-1]
        dbetas = dconstant[:, None] * saved.vectors
        # db_k sums dbeta_l over l > k: a running sum from the last layer down
        dbias[...] = np.cumsum(dbetas[:0:-1], axis=0)[::-1]

    # --- factorisation machine: x and dx (rows, fields * (k + 1)), a field's k factors and then its linear weight ----

    def fm_forward(self, x: Array, fields: int, sums: Array, out: Array) -> None:
        """Add linear and pairwise term to `out` (rows,); leaves the sum of each row's factors in `sums` (rows, k)."""
        pairs = self.scratch.take("fm pairs", sums.shape)
        run_rows(fm_kernels.fm_forward, len(x), x.reshape(len(x), fields, x.shape[1] // fields), sums, pairs, out)

    def fm_backward(self, x: Array, fields: int, sums: Array, dout: Array, dx: Array) -> None:
        """Write the gradient of x into `dx`, from that of the logits, `dout` (rows,), and `sums` of `fm_forward`."""
        shape = (len(x), fields, x.shape[1] // fields)
        run_rows(fm_kernels.fm_backward, len(x), x.reshape(shape), sums, dout, dx.reshape(shape))

    def fm_factors(self, x: Array, fields: int, out: Array) -> None:
        """Copy the factors of x, without the linear weights, into `out` (rows, fields * k)."""
        shape = (len(x), fields, x.shape[1] // fields)
        run_rows(fm_kernels.fm_factors, len(x), x.reshape(shape), out.reshape(len(x), fields, out.shape[1] // fields))

    def fm_add_factors(self, dfactors: Array, fields: int, dx: Array) -> None:
        """Add a gradient of the factors, `dfactors` (rows, fields * k), to `dx`."""
        factors = dfactors.reshape(len(dx), fields, dfactors.shape[1] // fields)
        run_rows(fm_kernels.fm_add_factors, len(dx), factors, dx.reshape(len(dx), fields, dx.shape[1] // fields))


def make_ops(device: str | Ops, dtype: np.dtype[Any]) -> Ops:
    """The operations of a device; raises `InputError` for an unknown one or a dtype that it does not have."""
    if isinstance(device, Ops):
        if device.dtype != dtype:
            raise InputError(f"dtype must be that of the operations, {device.dtype}, got {dtype}")
        return device
    _check.choice("device", device, ("cpu", "cuda"))
    if dtype not in (np.float32, np.float64):
        raise InputError(f"dtype must be float32 or float64, got {dtype}")
    if device == "cpu":
        return CpuOps(dtype)
    from alpt_ref.kernels.backend import get_backend

    backend = get_backend(device)  # before the import, which needs numba-cuda
    from alpt_ref.models.ops_cuda import CudaOps

    return CudaOps(dtype, backend)
