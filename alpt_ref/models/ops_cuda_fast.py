"""The dense operations on the part of a batch that one of several GPUs has, where bits may depend on their number.

A process has one slice. Batch norm is over its rows alone, forward and backward, as in PyTorch's data-parallel training
by default, so that nothing is exchanged between two layers: one sum over the processes a step takes the gradients of
the parameters and the moments, whose mean goes into the running statistics of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda import slices as kernels
from alpt_ref.models.ops_base import MOMENTUM, Norm
from alpt_ref.models.ops_cuda import CudaOps
from alpt_ref.models.ops_cuda_cross import Array, address
from alpt_ref.models.ops_cuda_sliced import CudaSlicedOps


class CudaFastOps(CudaSlicedOps):
    """See `CudaSlicedOps`; `sums` has a slice a process."""

    ordered, joins_layers = False, True
    _statistics: Array
    _apart: int

    def hold_gradients(self, flat: Array, statistics: Array) -> None:
        """See `CudaSlicedOps.hold_gradients`; `finish` writes both."""
        super().hold_gradients(flat, statistics)
        self._statistics, self._apart = statistics, self._parts_of.shape[1]
        more = -(-statistics.size // 64) * 64
        self._parts_of = self.backend.zeros((1, self._apart + more), np.float32)

    def finish(self) -> None:
        """See `CudaSlicedOps.finish`; the running statistics move too, unless a process has less than two rows."""
        self.sums.reduce(self._parts_of)
        self._add(self._parts_of)
        counts, size = self.cut.counts, self._statistics.size
        shares, keep = (np.inf, 1.0) if counts.min() < 2 else (float(len(counts)), 1.0 - MOMENTUM)
        given = (self._parts_of[0][self._apart :], shares, size, keep, self._statistics)
        self._each(kernels.join_running, size, *given)

    def _own(self, norm: Norm) -> Norm:
        """The norm with this process's part of its gradients and running statistics."""
        moments = []
        for one in (norm.running_mean, norm.running_var):
            first = self._apart + (address(one) - address(self._statistics)) // 4
            moments.append(self._parts_of[0][first : first + one.size])
        gradients = self._part(0, norm.dweight), self._part(0, norm.dbias)
        return norm._replace(running_mean=moments[0], running_var=moments[1], dweight=gradients[0], dbias=gradients[1])

    @contextmanager
    def _slice(self, i: int) -> Iterator[None]:
        yield  # the scratch memory of the one slice is that of all else

    def cross_prepare(self, x: Array, weight: Array, bias: Array, output: Array) -> None:
        """See `Ops.cross_prepare`: as in one process."""
        if self.layout.spans:
            CudaOps.cross_prepare(self, x, weight, bias, output)

    def cross_backward(
        self, x: Array, saved: Any, dlogits: Array, dx: Array, grads: tuple[Array, Array, Array] | None
    ) -> None:
        """See `Ops.cross_backward`."""
        self._checked = None
        for i, lo, hi, _ in self.layout.spans:
            with self._slice(i):
                given = (x[lo:hi], saved[i], dlogits[lo:hi], dx[lo:hi], self._grads_of(i, grads))
                CudaOps.cross_backward(self, *given)  # says whether it has checked `dx`

    def check_finite(self, gradient: Array) -> None:
        """See `CudaSlicedOps.check_finite`."""
        self.saw_gradient, self._checked = self._checked == address(gradient), None

    # --- batch norm + ReLU of the own rows ---------------------------------------------------------------------------

    def _normalise(self, z: Array, norm: Norm, training: bool, update_stats: bool) -> Array:
        if not training:
            return CudaOps._normalise(self, z, norm, training, update_stats)
        if not self.layout.spans:
            return self.scratch.take(f"{norm.name} saved", (6 * z.shape[1],))
        return CudaOps._normalise(self, z, self._own(norm), training, update_stats)

    def norm_relu_backward(self, dy: Array, z: Array, norm: Norm, saved: Array, *, params: bool) -> None:
        """See `Ops.norm_relu_backward`."""
        if self.layout.spans:
            CudaOps.norm_relu_backward(self, dy, z, self._own(norm), saved, params=params)

    def norm_relu_output_backward(
        self, dlogits: Array, z: Array, norm: Norm, weight: Array, saved: Array, dz: Array, dweight: Array | None
    ) -> None:
        """See `Ops.norm_relu_output_backward`."""
        if self.layout.spans:
            part: Any = None if dweight is None else self._part(0, dweight)
            CudaOps.norm_relu_output_backward(self, dlogits, z, self._own(norm), weight, saved, dz, part)
