"""The dense operations on a batch that is cut into slices (`alpt_ref.models.slices`), on the CPU.

A backbone made of `Ops` alone needs no change: its arrays hold the rows of the owned slices one below the other, and
here is what does not go row by row.

    products                one a slice, in the shapes of the slice
    batch norm              moments of every slice, put together in slice order: those of the whole batch
    its backward            the two sums of every slice, added in slice order
    gradients of weights    one part a slice, kept until `finish` adds all of them in one exchange

So batch norm is over the whole batch, and a forward or backward pass is staged layer by layer over all processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.kernels.cpu.dense import NormColumns
from alpt_ref.models.ops import CpuOps, SavedCross
from alpt_ref.models.ops_base import Array
from alpt_ref.models.slices import Cut, SliceSums


class SlicedOps(CpuOps):
    """`CpuOps` on the owned slices of a batch; every process makes the same calls in the same order.

    Parameters
    ----------
    dtype : float32 or float64
    sums : SliceSums

    Examples
    --------
    The bits of a pass are those of the cut, not of who computes it:

    >>> import numpy as np
    >>> from alpt_ref import make_model
    >>> from alpt_ref.models.slices import OneProcess
    >>> ops = SlicedOps(np.dtype(np.float32), OneProcess(4))
    >>> model = make_model("dnn", 2, 3, hidden=(5,), device=ops)
    >>> ops.begin(10)
    Cut(rows=10, bounds=array([ 0,  2,  5,  7, 10]), own=range(0, 4))
    >>> logits = model.forward(np.ones((10, 6), np.float32), training=True)
    >>> _ = model.backward(np.ones(10, np.float32))
    >>> ops.finish()
    >>> model.grads["output.bias"].tolist()
    [10.0]
    """

    least_rows = 0  # a rank may have none of a short last batch

    def __init__(self, dtype: np.dtype[Any], sums: SliceSums) -> None:
        super().__init__(dtype)
        self.sums = sums
        self._cut: Cut | None = None
        self._later: list[tuple[Array, Callable[[Array], None]]] = []

    def begin(self, rows: int) -> Cut:
        """The next passes are on a batch of this many rows, of which the arrays hold the owned slices."""
        self._cut = self.sums.cut(rows)
        self._later.clear()
        return self._cut

    @property
    def cut(self) -> Cut:
        """Of the batch under way."""
        if self._cut is None:
            raise InputError("a model on slices must be told the rows of a batch before it; call ops.begin(rows)")
        return self._cut

    def finish(self) -> None:
        """After a backward pass: add the gradients of the weights over all slices, in one exchange."""
        if not self._later:
            return
        sizes = [parts[0].size for parts, _ in self._later]
        flat = np.concatenate([parts.reshape(len(parts), -1) for parts, _ in self._later], axis=1)
        total = self.sums.total(flat)
        bounds = np.cumsum([0, *sizes])
        for (parts, write), lo, hi in zip(self._later, bounds[:-1], bounds[1:], strict=True):
            write(total[lo:hi].reshape(parts.shape[1:]))
        self._later.clear()

    def _zeros(self, *shape: int, dtype: Any = None) -> Array:
        """One part an owned slice; those of empty slices stay 0."""
        return np.zeros((len(self.cut.own), *shape), self.dtype if dtype is None else dtype)

    def _add_later(self, parts: Array, out: Array) -> None:
        def write(total: Array) -> None:
            out[...] = total

        self._later.append((parts, write))

    # --- products ----------------------------------------------------------------------------------------------------

    def matmul(self, a: Array, b: Array, out: Array) -> Array:
        """See `Ops.matmul`; the rows of `a` are those of the batch."""
        for _, lo, hi in self.cut.local:
            super().matmul(a[lo:hi], b, out[lo:hi])
        return out

    def weight_gradient(self, x: Array, dz: Array, out: Array) -> None:
        """See `Ops.weight_gradient`."""
        parts = self._zeros(*out.shape)
        for i, lo, hi in self.cut.local:
            super().matmul(x[lo:hi].T, dz[lo:hi], parts[i])
        self._add_later(parts, out)

    # --- batch norm + ReLU -------------------------------------------------------------------------------------------

    def batch_rows(self, z: Array) -> int:
        """See `CpuOps.batch_rows`: those of all slices."""
        return self.cut.rows

    def column_moments(self, z: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See `CpuOps.column_moments`: of all slices, put together in slice order (Chan, Golub, LeVeque 1983)."""
        parts = self._zeros(2, z.shape[1], dtype=np.float64)
        for i, lo, hi in self.cut.local:
            parts[i] = super().column_moments(z[lo:hi])
        mean, square = np.zeros(z.shape[1]), np.zeros(z.shape[1])
        before = 0
        for count, (own_mean, own_variance) in zip(self.cut.counts.tolist(), self.sums.gather(parts), strict=True):
            if count == 0:
                continue
            share = count / (before + count)
            delta = own_mean - mean
            mean += delta * share
            square += own_variance * count + delta * delta * (before * share)
            before += count
        return mean, square / before

    def norm_sums(self, dy: Array, z: Array, how: NormColumns) -> tuple[Array, Array]:
        """See `CpuOps.norm_sums`."""
        parts = self._zeros(2, z.shape[1])
        for i, lo, hi in self.cut.local:
            parts[i] = super().norm_sums(dy[lo:hi], z[lo:hi], how)
        dbias, dweight = self.sums.total(parts.reshape(len(parts), -1)).reshape(2, -1)
        return dbias, dweight

    # --- other sums over rows ----------------------------------------------------------------------------------------

    def bias_relu_backward(self, dy: Array, y: Array, dbias: Array | None) -> None:
        """See `Ops.bias_relu_backward`."""
        parts = self._zeros(y.shape[1])
        for i, lo, hi in self.cut.local:
            super().bias_relu_backward(dy[lo:hi], y[lo:hi], parts[i])
        if dbias is not None:
            self._add_later(parts, dbias)

    def output_backward(self, dlogits: Array, x: Array, weight: Array, dx: Array, dweight: Array | None) -> None:
        """See `Ops.output_backward`."""
        parts = self._zeros(x.shape[1])
        for i, lo, hi in self.cut.local:
            super().output_backward(dlogits[lo:hi], x[lo:hi], weight, dx[lo:hi], parts[i])
        if dweight is not None:
            self._add_later(parts, dweight)

    def sum(self, x: Array, out: Array) -> None:
        """See `Ops.sum`."""
        parts = self._zeros(1)
        for i, lo, hi in self.cut.local:
            super().sum(x[lo:hi], parts[i])
        self._add_later(parts, out)

    def cross_backward(
        self, x: Array, saved: SavedCross, dlogits: Array, dx: Array, grads: tuple[Array, Array, Array] | None
    ) -> None:
        """See `Ops.cross_backward`."""
        vectors, constants = self._zeros(*saved.vectors.shape), self._zeros(*saved.constants.shape)
        for i, lo, hi in self.cut.local:
            own = saved._replace(dots=saved.dots[lo:hi])
            sums = None if grads is None else (vectors[i], constants[i])
            super().cross_sums(x[lo:hi], own, dlogits[lo:hi], dx[lo:hi], sums)
        if grads is None:
            return
        size = saved.vectors.size
        into = grads

        def write(total: Array) -> None:
            dvector = total[:size].reshape(saved.vectors.shape)
            self.cross_gradients(saved, dvector, total[size:], into)

        flat = np.concatenate((vectors.reshape(len(vectors), -1), constants), axis=1)
        self._later.append((flat, write))
