"""The dense operations of the models on the GPU: CuPy arrays, cuBLAS, kernels of `kernels.cuda`.

Parameters, their gradients, logits and the embeddings' gradients are float32. With precision "bf16" activations and
factors of matrix products are bfloat16 bits, the gradients between layers too; sums and statistics stay float32.

Every method queues work on CuPy's current stream and returns at once; none allocates once its buffers exist, so a step
that has run once can be recorded in a CUDA graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import Backend
from alpt_ref.kernels.cuda import dense, dense_backward, rows, steps
from alpt_ref.kernels.cuda.bf16 import convert
from alpt_ref.kernels.cuda.blas import matmul
from alpt_ref.kernels.cuda.reduce import FOLD, LANES, THREADS, row_span
from alpt_ref.kernels.cuda.streams import current_stream, new_event
from alpt_ref.kernels.cuda.target import blocks_for, launch
from alpt_ref.kernels.cuda.transpose import tiles, transpose
from alpt_ref.models.ops_base import EPS, MOMENTUM, Norm, ScratchArrays
from alpt_ref.models.ops_cuda_cross import Array, CudaCrossOps, address
from alpt_ref.scalar.bfloat16 import BF16


class CudaOps(CudaCrossOps):
    """See `Ops`.

    Attributes
    ----------
    precision : "float32", "tf32" or "bf16"
        Of matrix products; with tf32 they round their factors to 10 bits of mantissa.
    half_params : (float32 array, uint16 array), optional
        Parameters that lie in one array, and their bfloat16 bits in the same places; others are converted when used.
    sides : (stream, stream), optional
        Where everything runs that the dense optimiser alone waits for, gradients of parameters: products, and the rest.
    across : dict
        Address of a float32 matrix -> its transpose, which stands for it as second factor while it is there.
    guard : int32 array (2,)
        Set where a gradient of the embeddings is not finite (`alpt_ref.kernels.cuda.steps`).
    """

    gradients_in_turn = False

    def __init__(self, dtype: np.dtype[Any], backend: Backend) -> None:
        if dtype != np.float32:
            raise InputError(f"dtype must be float32 on device 'cuda', got {dtype}; float64 runs on --device cpu")
        self.dtype = dtype
        self.backend = backend
        self.scratch = ScratchArrays(dtype, backend.empty, keep=True)
        self.precision = "float32"
        self.sides: tuple[Any, Any] | None = None
        self.across: dict[int, Array] = {}
        self.half_params: tuple[Array, Array] | None = None
        self.guard: Array = backend.zeros(2, np.int32)
        self._checked: int | None = None  # address of a gradient that was checked while it was written
        self._saw_layers = False  # whether the layers' gradients were
        self._joined, self._joined_ready = None, None
        self._units_ready: Any = None
        self._cross_input, self._cross_ready = None, None
        self._loss_ready: Any = None

    def zeros(self, shape: tuple[int, ...]) -> Array:
        """See `Ops.zeros`."""
        return self.backend.zeros(shape, self.dtype)

    def from_host(self, array: Any) -> Array:
        """See `Ops.from_host`."""
        return self.backend.from_host(np.ascontiguousarray(array, self.dtype))

    def to_host(self, array: Array) -> Any:
        """See `Ops.to_host`."""
        return self.backend.to_host(array)

    def contiguous(self, array: Array) -> Array:
        """See `Ops.contiguous`."""
        return self.backend.xp.ascontiguousarray(array)

    @property
    def activation(self) -> np.dtype[Any]:
        """See `Ops.activation`."""
        return BF16 if self.precision == "bf16" else self.dtype

    def as_activation(self, x: Array, name: str) -> Array:
        """See `Ops.as_activation`."""
        return x if x.dtype == self.activation else self._convert(x, name)

    def _convert(self, x: Array, name: str) -> Array:
        half = self.scratch.take(name, x.shape, BF16)
        self._each(convert, -(-x.size // 4), x.reshape(-1), x.size, half.reshape(-1))
        return half

    def matmul(self, a: Array, b: Array, out: Array) -> Array:
        """See `Ops.matmul`."""
        if self.precision == "bf16":
            a, b = self._half(a), self._half(b)
        elif self.across and b.flags.c_contiguous and address(b) in self.across:
            b = self.across[address(b)].T
        matmul(a, b, out, tf32=self.precision == "tf32")
        return out

    def queue_across(self, weights: list[Array]) -> dict[int, Array]:
        """Transposed copies of these matrices, what `across` takes."""
        copies = {address(one): self.scratch.take(f"across {address(one)}", one.T.shape) for one in weights}
        for one in weights:
            end = (one.reshape(-1), *one.shape, copies[address(one)].reshape(-1))
            launch(transpose, tiles(*one.shape), THREADS, *end)
        return copies

    def weight_gradient(self, x: Array, dz: Array, out: Array) -> None:
        """See `Ops.weight_gradient`: on `side`, where that is set."""
        with self._aside(products=True):
            matmul(x.T, dz, out, tf32=self.precision == "tf32", beside=self.sides is not None)

    def _half(self, factor: Array) -> Array:
        """A factor of a matrix product as bfloat16 bits."""
        if factor.dtype == BF16:
            return factor
        if not factor.flags.c_contiguous:
            return self._half(factor.T).T
        place = address(factor)
        if self.half_params is not None:
            params, half = self.half_params
            first = (place - address(params)) // 4
            if 0 <= first < params.size:
                return half[first : first + factor.size].reshape(factor.shape)
        return self._convert(factor, f"half {place}")

    @staticmethod
    def _whole(columns: int, *arrays: Array) -> bool:
        """Whether all rows of `columns` elements start on 16 bytes."""
        return columns % 4 == 0 and all(address(array) % 16 == 0 for array in arrays)

    @staticmethod
    def _columns(function: Any, shape: tuple[int, ...], *args: Any) -> int:
        """Launch a column kernel; ``...`` in `args` stands for rows, columns and span. Returns the row blocks."""
        n_rows, columns = shape
        span, parts = row_span(n_rows, columns)
        where = next(place for place, arg in enumerate(args) if arg is ...)
        blocks = parts * -(-columns // (4 * LANES))
        launch(function, blocks, THREADS, *args[:where], n_rows, columns, span, *args[where + 1 :])
        return parts

    @staticmethod
    def _rows(function: Any, n_rows: int, *args: Any, each: int = 1) -> None:
        """Launch a kernel that gives `each` rows to every warp."""
        launch(function, blocks_for(-(-n_rows // each) * LANES, THREADS), THREADS, *args)

    @staticmethod
    def _finish(function: Any, columns: int, *args: Any) -> None:
        """Launch a kernel that combines partial sums, `FOLD` columns a block."""
        launch(function, -(-columns // FOLD), THREADS, *args)

    @staticmethod
    def _each(function: Any, size: int, *args: Any) -> None:
        """Launch a grid-stride kernel over `size` elements."""
        launch(function, blocks_for(size, THREADS), THREADS, *args)

    @staticmethod
    def _launch(function: Any, blocks: int, *args: Any) -> None:
        """Launch a kernel that says itself how many blocks it takes."""
        launch(function, blocks, THREADS, *args)

    def _parts(self, name: str, shape: tuple[int, ...]) -> Array:
        return self.scratch.take(f"parts {name}", (row_span(*shape)[1] * shape[1],))

    # --- batch norm + ReLU -------------------------------------------------------------------------------------------

    def _normalise(self, z: Array, norm: Norm, training: bool, update_stats: bool) -> Array:
        """Fill `saved` (see `kernels.cuda.dense`) for this batch or, in inference, from the running statistics."""
        n_rows, columns = z.shape
        saved = self.scratch.take(f"{norm.name} saved", (6 * columns,))
        running = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        if not training:
            launch(dense.running_scale, -(-columns // THREADS), THREADS, columns, *running, EPS, saved)
            return saved
        flat, sums, squares = z.reshape(-1), self._parts("sums", z.shape), self._parts("products", z.shape)
        parts = self._columns(dense.column_sums, z.shape, flat, ..., self._whole(columns, z), sums, squares)
        moments = (sums, squares, parts, n_rows, columns, flat, *running, MOMENTUM, EPS, update_stats, saved)
        self._finish(dense.finish_moments, columns, *moments)
        return saved

    def norm_relu(self, z: Array, norm: Norm, y: Array, *, training: bool, update_stats: bool) -> Array:
        """See `Ops.norm_relu`."""
        saved = self._normalise(z, norm, training, update_stats)
        whole = self._whole(z.shape[1], z, y)
        self._columns(dense.scale_shift_relu, z.shape, z.reshape(-1), saved, ..., whole, y.reshape(-1))
        return saved

    def norm_relu_backward(self, dy: Array, z: Array, norm: Norm, saved: Array, *, params: bool) -> None:
        """See `Ops.norm_relu_backward`."""
        flat, whole = (*self._flat(dy), z.reshape(-1)), self._whole(z.shape[1], dy, z)
        sums, products = self._parts("sums", z.shape), self._parts("products", z.shape)
        parts = self._columns(dense_backward.norm_backward_sums, z.shape, *flat, saved, ..., whole, sums, products)
        self._finish_backward(sums, products, parts, z.shape, norm, saved, params)
        self._columns(dense_backward.norm_backward, z.shape, *flat, saved, ..., whole, *self._checks())

    def _finish_backward(
        self, sums: Array, products: Array, parts: int, shape: tuple[int, ...], norm: Norm, saved: Array, params: bool
    ) -> None:
        grads = (params, norm.dweight, norm.dbias)
        self._finish(dense_backward.finish_backward, shape[1], sums, products, parts, *shape, saved, *grads)

    def norm_relu_output(
        self, z: Array, norm: Norm, weight: Array, bias: Array, logits: Array, *, training: bool, update_stats: bool
    ) -> Array:
        """See `Ops.norm_relu_output`."""
        more = self._cross_beside()
        saved = self._normalise(z, norm, training, update_stats)
        given = (z.reshape(-1), saved, weight, bias, *z.shape, self._whole(z.shape[1], z, weight))
        if more is not None:
            current_stream().wait_event(self._cross_ready)
        adds = logits if more is None else more, more is not None
        self._rows(dense.norm_relu_output, len(z), *given, *adds, logits, each=2)
        return saved

    def norm_relu_output_backward(
        self, dlogits: Array, z: Array, norm: Norm, weight: Array, saved: Array, dz: Array, dweight: Array | None
    ) -> None:
        """See `Ops.norm_relu_output_backward`."""
        given, whole = (dlogits, z.reshape(-1), saved, weight), self._whole(z.shape[1], z, weight, dz)
        sums, products, dweights = (self._parts(name, z.shape) for name in ("sums", "products", "weights"))
        out, params = (sums, products), dweight is not None
        parts = self._columns(dense_backward.output_backward_sums, z.shape, *given, ..., whole, *out, params, dweights)
        self._finish_backward(*out, parts, z.shape, norm, saved, params)
        if dweight is not None:
            with self._aside():
                self._finish(rows.finish_sums, z.shape[1], dweights, parts, z.shape[1], dweight)
        self._columns(dense_backward.output_backward, z.shape, *given, ..., whole, *self._flat(dz), *self._checks())

    def _checks(self) -> tuple[Array, int]:
        """What a kernel needs that sets the guard where a layer's gradient is not finite."""
        self._saw_layers = True
        self._wait_for_loss()
        return self.guard, steps.BAD_GRADIENT

    # --- bias + ReLU, output unit, sums ------------------------------------------------------------------------------

    def bias_relu(self, z: Array, bias: Array) -> None:
        """See `Ops.bias_relu`."""
        self._columns(rows.bias_relu, z.shape, z.reshape(-1), bias, ..., self._whole(z.shape[1], z, bias))

    def bias_relu_backward(self, dy: Array, y: Array, dbias: Array | None) -> None:
        """See `Ops.bias_relu_backward`."""
        sums, whole = self._parts("sums", y.shape), self._whole(y.shape[1], dy, y)
        parts = self._columns(rows.bias_relu_backward, y.shape, *self._flat(dy), y.reshape(-1), ..., whole, sums)
        if dbias is not None:
            self._finish(rows.finish_sums, y.shape[1], sums, parts, y.shape[1], dbias)

    def output(self, x: Array, weight: Array, bias: Array, logits: Array) -> None:
        """See `Ops.output`."""
        whole = self._whole(x.shape[1], x, weight)
        self._rows(rows.output, len(x), x.reshape(-1), weight, bias, *x.shape, whole, logits)

    def output_backward(self, dlogits: Array, x: Array, weight: Array, dx: Array, dweight: Array | None) -> None:
        """See `Ops.output_backward`."""
        sums, whole = self._parts("sums", x.shape), self._whole(x.shape[1], x, weight, dx)
        given = (dlogits, x.reshape(-1), weight)
        parts = self._columns(rows.output_backward, x.shape, *given, ..., whole, *self._flat(dx), sums)
        if dweight is not None:
            self._finish(rows.finish_sums, x.shape[1], sums, parts, x.shape[1], dweight)

    def sum(self, x: Array, out: Array) -> None:
        """See `Ops.sum`."""
        with self._aside():
            launch(rows.total_sum, 1, THREADS, x.reshape(-1), x.size, out)

    def row_sums(self, x: Array, bias: Array, out: Array) -> None:
        """See `Ops.row_sums`."""
        self._rows(rows.row_sums, len(x), x.reshape(-1), bias, *x.shape, out)

    def spread(self, dout: Array, dx: Array) -> None:
        """See `Ops.spread`."""
        self._each(rows.spread, dx.size, dout, dx.size, dx.shape[1], dx.reshape(-1))

    # --- loss and checks of a training step --------------------------------------------------------------------------

    def loss(self, logits: Array, labels: Array, totals: Array, *, add: bool) -> Array:
        """Gradient of the mean logloss by `logits`; with ``add`` the loss goes into `totals` (`kernels.cuda.steps`).

        The guard is set if the loss is not finite.
        """
        n_rows = len(logits)
        blocks = -(-n_rows // THREADS)
        take = self.scratch.take
        dlogits, losses = take("dlogits", (n_rows,)), take("losses", (blocks,), np.float64)
        launch(steps.bce_with_logits, blocks, THREADS, logits, labels, n_rows, losses, dlogits)
        self._loss_ready = new_event()
        with self._aside():
            launch(steps.finish_loss, 1, THREADS, losses, blocks, n_rows, add, totals, self.guard, steps.BAD_LOSS)
            self._loss_ready.record(current_stream())
        return dlogits

    def _wait_for_loss(self) -> None:
        """Before the guard is set or read again: the first reason to stop comes first."""
        if self._loss_ready is not None:
            current_stream().wait_event(self._loss_ready)
            self._loss_ready = None

    def check_finite(self, gradient: Array) -> None:
        """Set the guard if an element of `gradient` is not finite, unless that was seen to while it was written."""
        self._wait_for_loss()
        if self._checked != address(gradient):
            size = gradient.size
            self._each(steps.check_finite, size // 4, gradient.reshape(-1), size, self.guard, steps.BAD_GRADIENT)
        self._checked = None
