"""The dense operations on a batch that is cut into slices (`alpt_ref.models.slices`), on the GPU.

`ops_sliced` says what goes slice by slice; here everything is queued and nothing waits: a step that has run once can be
recorded in a CUDA graph, the exchanges of NCCL included.

The slices lie in the arrays as `slices_cuda.Layout` says, and the scratch memory of a slice is its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import Backend
from alpt_ref.kernels.cuda import dense, dense_backward, rows, steps
from alpt_ref.kernels.cuda import slices as kernels
from alpt_ref.kernels.cuda.reduce import THREADS
from alpt_ref.kernels.cuda.target import launch
from alpt_ref.models.ops_base import EPS, MOMENTUM, Norm, ScratchArrays
from alpt_ref.models.ops_cuda import CudaOps
from alpt_ref.models.ops_cuda_cross import Array, address
from alpt_ref.models.slices import Cut, SliceSums
from alpt_ref.models.slices_cuda import Layout, layout


class CudaSlicedOps(CudaOps):
    """`CudaOps` on the owned slices of a batch; every process queues the same exchanges in the same order.

    Parameters
    ----------
    dtype : float32
    backend : Backend
    sums : SliceSums
        Whose `gather` takes arrays of the device and queues.
    """

    least_rows = 0
    ordered, joins_layers = True, False  # the bits may not depend on how many slices a process has
    saw_gradient = False  # whether the gradient of the last pass was checked while it was written

    def __init__(self, dtype: np.dtype[Any], backend: Backend, sums: SliceSums) -> None:
        super().__init__(dtype, backend)
        self.sums = sums
        self._cut: Cut | None = None
        self.layout = Layout(0, [])
        self._scratches = [ScratchArrays(dtype, backend.empty, keep=True) for _ in sums.own]
        self._gradients: Array | None = None

    # --- the batch and its gradients ---------------------------------------------------------------------------------

    def begin(self, rows: int) -> Cut:
        """The next passes are on a batch of this many rows, of which the arrays hold the owned slices."""
        self._cut = self.sums.cut(rows)
        self.layout = layout(self._cut)
        return self._cut

    @property
    def cut(self) -> Cut:
        """Of the batch under way."""
        if self._cut is None:
            raise InputError("a model on slices must be told the rows of a batch before it; call ops.begin(rows)")
        return self._cut

    def hold_gradients(self, flat: Array, statistics: Array) -> None:
        """Gradients of the parameters are views of `flat` (`finish` writes it), running ones of `statistics`."""
        zeros = self.backend.zeros
        self._gradients, self._direct = flat, zeros(flat.size, np.float32)
        apart = -(-flat.size // 64) * 64  # so that the part of every slice begins on 256 bytes
        self._parts_of = zeros((len(self.sums.own), apart), np.float32)

    def finish(self) -> None:
        """After a backward pass: add the gradients of the parameters over all slices, in one exchange."""
        self._add(self.sums.gather(self._parts_of))

    def _add(self, every: Array) -> None:
        """The gradients are the sums of their parts, (k, apart), and what every process computes whole."""
        assert self._gradients is not None
        size = self._gradients.size
        given = (every.reshape(-1), len(every), every.shape[1], size, self._direct, self._gradients)
        self._each(kernels.add_slices, size, *given)

    def _place(self, out: Array) -> slice:
        """Where a gradient lies in `flat`."""
        assert self._gradients is not None
        first = (address(out) - address(self._gradients)) // 4
        if not 0 <= first <= self._gradients.size - out.size:
            raise InputError("gradients of a model on slices must lie in what ops.hold_gradients was given")
        return slice(first, first + out.size)

    def _part(self, i: int, out: Array) -> Array:
        """The part of owned slice `i` in a gradient."""
        return self._parts_of[i][self._place(out)].reshape(out.shape)

    def _whole_of(self, out: Array) -> Array:
        """Where to write a gradient that every process computes whole."""
        return self._direct[self._place(out)].reshape(out.shape)

    @contextmanager
    def _slice(self, i: int) -> Iterator[None]:
        """Scratch memory is that of owned slice `i` inside the block."""
        before, self.scratch = self.scratch, self._scratches[i]
        try:
            yield
        finally:
            self.scratch = before

    def _begin_parts(self) -> None:
        """Empty slices have no part in the gradients."""
        for i in set(range(len(self.sums.own))) - {i for i, *_ in self.layout.spans}:
            self._parts_of[i].fill(0)

    # --- rows of the table --------------------------------------------------------------------------------------------

    def placed(self, values: Array, name: str) -> Array:
        """Rows (b, ...) of this process's part of the batch where the passes take them."""
        if self.layout.compact:
            return values
        out = self.scratch.take(name, (self.layout.rows, *values.shape[1:]), values.dtype)
        for _, lo, hi, first in self.layout.spans:
            out[lo:hi] = values[first : first + hi - lo]
        return out

    def collected(self, values: Array, out: Array) -> Array:
        """The same back: rows without gaps, in `out` where that is needed."""
        if self.layout.compact:
            return values.reshape(out.shape)
        for _, lo, hi, first in self.layout.spans:
            out[first : first + hi - lo] = values[lo:hi].reshape(hi - lo, *out.shape[1:])
        return out

    def input_gradient_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """float32, which the ranks exchange."""
        return self.dtype

    # --- products ----------------------------------------------------------------------------------------------------

    def matmul(self, a: Array, b: Array, out: Array) -> Array:
        """See `Ops.matmul`; the rows of `a` are those of the batch."""
        for i, lo, hi, _ in self.layout.spans:
            with self._slice(i):
                super().matmul(a[lo:hi], b, out[lo:hi])
        return out

    def weight_gradient(self, x: Array, dz: Array, out: Array) -> None:
        """See `Ops.weight_gradient`."""
        for i, lo, hi, _ in self.layout.spans:
            super().weight_gradient(x[lo:hi], dz[lo:hi], self._part(i, out))

    # --- batch norm + ReLU -------------------------------------------------------------------------------------------

    def _entries(self, name: str, size: int) -> Array:  # float64 of each owned slice
        return self.scratch.take(name, (len(self.sums.own), size), np.float64)

    def _normalise(self, z: Array, norm: Norm, training: bool, update_stats: bool) -> Array:
        if not training:
            return super()._normalise(z, norm, training, update_stats)
        columns, own = z.shape[1], self._entries(f"{norm.name} moments", 2 * z.shape[1])
        for i, lo, hi, _ in self.layout.spans:
            with self._slice(i):
                part = z[lo:hi]
                flat, whole = part.reshape(-1), self._whole(columns, part)
                sums, squares = self._parts("sums", part.shape), self._parts("products", part.shape)
                blocks = self._columns(dense.column_sums, part.shape, flat, ..., whole, sums, squares)
                self._finish(kernels.slice_moments, columns, sums, squares, blocks, hi - lo, columns, flat, own[i])
        every, saved = self.sums.gather(own), self.scratch.take(f"{norm.name} saved", (6 * columns,))
        numbers = (norm.weight, norm.bias, norm.running_mean, norm.running_var, MOMENTUM, EPS, update_stats, saved)
        size = (len(every), self.cut.rows, columns)
        launch(kernels.join_moments, -(-columns // THREADS), THREADS, every.reshape(-1), *size, *numbers)
        return saved

    def _join_backward(self, own: Array, norm: Norm, saved: Array, params: bool) -> None:
        every, columns = self.sums.gather(own), own.shape[1] // 2
        grads = (params, self._whole_of(norm.dweight), self._whole_of(norm.dbias))
        size = (len(every), self.cut.rows, columns)
        launch(kernels.join_backward, -(-columns // THREADS), THREADS, every.reshape(-1), *size, saved, *grads)

    def norm_relu_backward(self, dy: Array, z: Array, norm: Norm, saved: Array, *, params: bool) -> None:
        """See `Ops.norm_relu_backward`."""
        columns, own = z.shape[1], self._entries(f"{norm.name} sums", 2 * z.shape[1])
        for i, lo, hi, _ in self.layout.spans:
            with self._slice(i):
                part, dpart = z[lo:hi], dy[lo:hi]
                flat, whole = (*self._flat(dpart), part.reshape(-1)), self._whole(columns, dpart, part)
                sums, products = self._parts("sums", part.shape), self._parts("products", part.shape)
                given = (*flat, saved, ..., whole, sums, products)
                blocks = self._columns(dense_backward.norm_backward_sums, part.shape, *given)
                self._finish(kernels.slice_sums, columns, sums, products, blocks, columns, own[i])
        self._join_backward(own, norm, saved, params)
        for _, lo, hi, _ in self.layout.spans:
            part, dpart = z[lo:hi], dy[lo:hi]
            flat, whole = (*self._flat(dpart), part.reshape(-1)), self._whole(columns, dpart, part)
            self._columns(dense_backward.norm_backward, part.shape, *flat, saved, ..., whole, *self._checks())

    def norm_relu_output_backward(
        self, dlogits: Array, z: Array, norm: Norm, weight: Array, saved: Array, dz: Array, dweight: Array | None
    ) -> None:
        """See `Ops.norm_relu_output_backward`."""
        columns, own = z.shape[1], self._entries(f"{norm.name} sums", 2 * z.shape[1])
        for i, lo, hi, _ in self.layout.spans:
            with self._slice(i):
                part, dpart, dlogit = z[lo:hi], dz[lo:hi], dlogits[lo:hi]
                whole = self._whole(columns, part, weight, dpart)
                sums, products, dweights = (self._parts(name, part.shape) for name in ("sums", "products", "weights"))
                out = (sums, products, dweight is not None, dweights)
                given = (dlogit, part.reshape(-1), saved, weight, ..., whole, *out)
                blocks = self._columns(dense_backward.output_backward_sums, part.shape, *given)
                self._finish(kernels.slice_sums, columns, sums, products, blocks, columns, own[i])
                if dweight is not None:
                    with self._aside():
                        self._finish(rows.finish_sums, columns, dweights, blocks, columns, self._part(i, dweight))
        self._join_backward(own, norm, saved, dweight is not None)
        for _, lo, hi, _ in self.layout.spans:
            part, dpart = z[lo:hi], dz[lo:hi]
            rest = (dlogits[lo:hi], part.reshape(-1), saved, weight)
            end = (*self._flat(dpart), *self._checks())
            whole = self._whole(columns, part, weight, dpart)
            self._columns(dense_backward.output_backward, part.shape, *rest, ..., whole, *end)

    # --- other sums over rows ----------------------------------------------------------------------------------------

    def bias_relu_backward(self, dy: Array, y: Array, dbias: Array | None) -> None:
        """See `Ops.bias_relu_backward`."""
        for i, lo, hi, _ in self.layout.spans:
            with self._slice(i):
                super().bias_relu_backward(dy[lo:hi], y[lo:hi], None if dbias is None else self._part(i, dbias))

    def output_backward(self, dlogits: Array, x: Array, weight: Array, dx: Array, dweight: Array | None) -> None:
        """See `Ops.output_backward`."""
        for i, lo, hi, _ in self.layout.spans:
            with self._slice(i):
                part = None if dweight is None else self._part(i, dweight)
                super().output_backward(dlogits[lo:hi], x[lo:hi], weight, dx[lo:hi], part)

    def sum(self, x: Array, out: Array) -> None:
        """See `Ops.sum`."""
        for i, lo, hi, _ in self.layout.spans:
            super().sum(x[lo:hi], self._part(i, out))

    def cross_prepare(self, x: Array, weight: Array, bias: Array, output: Array) -> None:
        """See `Ops.cross_prepare`: each slice does it in its own turn."""

    def cross_forward(self, x: Array, weight: Array, bias: Array, output: Array, logits: Array) -> Any:
        """See `Ops.cross_forward`."""
        found: list[Any] = [None] * len(self.sums.own)
        for i, lo, hi, _ in self.layout.spans:
            with self._slice(i):
                found[i] = super().cross_forward(x[lo:hi], weight, bias, output, logits[lo:hi])
        return found

    def _grads_of(self, i: int, grads: tuple[Array, Array, Array] | None) -> tuple[Array, Array, Array] | None:
        return None if grads is None else (self._part(i, grads[0]), self._part(i, grads[1]), self._part(i, grads[2]))

    def cross_begin(
        self, x: Array, saved: Any, dlogits: Array, weight: Array, grads: tuple[Array, Array, Array] | None
    ) -> bool:
        """See `Ops.cross_begin`."""
        self._joined, joins = None, False
        for i, lo, hi, _ in self.layout.spans:
            with self._slice(i):
                joins = super().cross_begin(x[lo:hi], saved[i], dlogits[lo:hi], weight, self._grads_of(i, grads))
        return joins

    def cross_backward(
        self, x: Array, saved: Any, dlogits: Array, dx: Array, grads: tuple[Array, Array, Array] | None
    ) -> None:
        """See `Ops.cross_backward`."""
        for i, lo, hi, _ in self.layout.spans:
            with self._slice(i):
                super().cross_backward(x[lo:hi], saved[i], dlogits[lo:hi], dx[lo:hi], self._grads_of(i, grads))
        self._checked = None

    # --- loss and checks of a training step --------------------------------------------------------------------------

    def loss(self, logits: Array, labels: Array, totals: Array, *, add: bool) -> Array:
        """See `CudaOps.loss`; `labels` are those of the own rows, without gaps, the loss that of the whole batch."""
        take, own, whole = self.scratch.take, self._entries("loss", 1), self.cut.rows
        dlogits = take("dlogits", (len(logits),))
        for i, lo, hi, first in self.layout.spans:
            with self._slice(i):
                count = hi - lo
                blocks = -(-count // THREADS)
                losses = self.scratch.take("losses", (blocks,), np.float64)
                given = (logits[lo:hi], labels[first : first + count], count, whole, losses, dlogits[lo:hi])
                launch(kernels.slice_losses, blocks, THREADS, *given)
                with self._aside():
                    launch(kernels.slice_loss, 1, THREADS, losses, blocks, own[i])
        with self._aside():  # no gradient depends on it
            every = self.sums.gather(own)
            end = (every.reshape(-1), len(every), whole, add, totals, self.guard, steps.BAD_LOSS)
            launch(kernels.join_losses, 1, 1, *end)
        if add:
            self._begin_parts()
        return dlogits

    def check_finite(self, gradient: Array) -> None:
        """The table's exchange sees to it."""
