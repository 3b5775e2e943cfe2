"""The cross layers' and the factorisation machine's operations on the GPU: part of `alpt_ref.models.ops_cuda`.

The cross layers' part of the gradient of x is ``sum_l ddots[i, l] vectors[l]``, a product with an inner dimension of
L + 1 beside the MLP's, ``dz @ weight.T``, with hundreds. Where shapes allow, one product makes both: `ddots` lie in
`TAIL` columns beside `dz`, the vectors in as many beside a copy of the weights, and no pass over x is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda import cross, cross_backward, fm, steps
from alpt_ref.kernels.cuda.reduce import THREADS, row_span
from alpt_ref.kernels.cuda.streams import current_stream, new_event
from alpt_ref.models.ops_base import Ops

Array = Any  # of CuPy (of NumPy in Numba's simulator)


def address(array: Array) -> int:
    """Where an array begins."""
    return int(array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr)


class CudaCrossOps(Ops):
    """See `alpt_ref.models.ops_cuda.CudaOps`, which launches the kernels."""

    sides: tuple[Any, Any] | None
    guard: Array
    gradients_in_turn = False
    joins_layers = True
    """Whether one product makes both parts, where shapes allow."""
    _checked: int | None
    _saw_layers: bool
    _joined_ready: Any
    _units_ready: Any
    _cross_input: tuple[Array, Array] | None
    """Input and weights of the cross layers, from `cross_prepare` until they are queued."""
    _cross_ready: Any
    """Behind the cross layers, where they were queued beside the MLP."""
    _joined: tuple[Array, Array] | None
    """Gradient of the first hidden layer with the tail, and the copy of its weights with the vectors."""

    _columns: Any
    _rows: Any
    _finish: Any
    _each: Any
    _launch: Any
    _wait_for_loss: Any
    _whole: Any

    # --- cross layers ------------------------------------------------------------------------------------------------

    def _cross_units(self, weight: Array) -> tuple[Array, Array, Array, int]:
        """Room for the units' vectors, betas and constants (`kernels.cuda.cross`), and how many there are."""
        take, (layers, columns) = self.scratch.take, weight.shape
        units = cross.UNITS * -(-(layers + 1) // cross.UNITS)
        betas = take("cross.betas", (units * columns,), np.float64)
        return take("cross.vectors", (units * columns,)), betas, take("cross.constants", (units,)), units

    def cross_prepare(self, x: Array, weight: Array, bias: Array, output: Array) -> None:
        """See `Ops.cross_prepare`: beside what comes before the cross layers."""
        self._prepare_units(weight, bias, output)
        self._cross_input, self._cross_ready = (x, weight), None

    def _prepare_units(self, weight: Array, bias: Array, output: Array) -> None:
        vectors, betas, constants, units = self._cross_units(weight)
        flat, self._units_ready = (weight.reshape(-1), bias.reshape(-1), output), new_event()
        with self._aside():
            self._launch(cross.cross_prepare, units, *flat, *weight.shape, vectors, betas, constants)
            self._units_ready.record(current_stream())

    def cross_forward(self, x: Array, weight: Array, bias: Array, output: Array, logits: Array) -> Any:
        """See `Ops.cross_forward`."""
        if self._cross_ready is None:  # else the output unit of the MLP has added what they give
            if self._units_ready is None:
                self._prepare_units(weight, bias, output)
            self._queue_cross(x, weight, logits, alone=False)
        self._cross_input = self._cross_ready = None
        vectors, betas, constants, units = self._cross_units(weight)
        return vectors, betas, constants, self.scratch.take("cross.dots", (len(x) * units,)), len(weight), units

    def _cross_beside(self) -> Array | None:
        """Begin the cross layers beside the output unit; what they add to the logits, once `_cross_ready` is reached.

        Here since the pass goes on with small kernels, each of which waits for the one before.
        """
        if self._cross_input is None:
            return None
        x, weight = self._cross_input
        part, self._cross_ready = self.scratch.take("cross.part", (len(x),)), new_event()
        with self._aside():
            self._queue_cross(x, weight, part, alone=True)
            self._cross_ready.record(current_stream())
        self._cross_input = None
        return part

    def _queue_cross(self, x: Array, weight: Array, out: Array, *, alone: bool) -> None:
        """Dot products of all units, and the rows' sums into `out`, or added to it."""
        layers, columns = weight.shape
        vectors, _, constants, units = self._cross_units(weight)
        current_stream().wait_event(self._units_ready)
        self._units_ready = None
        dots = self.scratch.take("cross.dots", (len(x) * units,))
        whole = self._whole(columns, x, vectors)
        for first in range(0, units, cross.UNITS):
            how = (*x.shape, whole, layers, units, first)
            end = (dots, out, alone)
            self._rows(cross.cross_forward, len(x), x.reshape(-1), vectors, constants, *how, *end, each=4)

    def cross_begin(
        self, x: Array, saved: Any, dlogits: Array, weight: Array, grads: tuple[Array, Array, Array] | None
    ) -> bool:
        """See `Ops.cross_begin`."""
        vectors, _, constants, dots, layers, units = saved
        (inputs, columns), n_rows, take = weight.shape, len(dlogits), self.scratch.take
        blocks, self._joined, self._saw_layers = -(-n_rows // THREADS), None, False
        ddots = take("cross.ddots", (n_rows * units,))
        dconstants = take("cross.dconstants", (blocks * units,), np.float64)
        fits = columns % 8 == inputs % 8 == 0 and units <= cross_backward.TAIL and address(weight) % 16 == 0
        joins = self.joins_layers and fits
        tail, lead = ddots, columns + cross_backward.TAIL
        if joins:
            tail = take("joined gradient", (n_rows, lead), self.activation)
            tail_weight = take("joined weight", (inputs, lead), self.activation)
            self._joined = tail, tail_weight
        given = (n_rows, layers, units, grads is not None, ddots, dconstants, joins, tail.reshape(-1), lead, columns)
        scalars = cross_backward.cross_scalars_four if units == cross.UNITS else cross_backward.cross_scalars
        if not joins:
            self._launch(scalars, blocks, dots, constants, dlogits, *given)
            return joins
        with self._aside():  # the last product of the backward pass waits for both
            self._launch(scalars, blocks, dots, constants, dlogits, *given)
            joined, shape = tail_weight.reshape(-1), (inputs, columns, units)
            self._each(cross_backward.join_weight, joined.size // 4, weight.reshape(-1), vectors, *shape, joined)
            self._joined_ready = new_event()
            self._joined_ready.record(current_stream())
            if grads is not None:
                parts, whole = row_span(*x.shape)[1], self._whole(inputs, x)
                dvectors = take("cross.dvectors", (units * parts * inputs,))
                for first in range(0, units, cross.UNITS):
                    how = (..., whole, units, first, parts, dvectors)
                    self._columns(cross_backward.cross_sums, x.shape, x.reshape(-1), ddots, *how)
                self._cross_finish(saved, dvectors, parts, n_rows, grads)
        return joins

    @contextmanager
    def _aside(self, *, products: bool = False) -> Iterator[None]:
        """Queue what is inside on one of `sides`, where they are set, after what is queued so far.

        For what the dense optimiser alone waits for (or waits for an event): it runs beside the rest of the pass.
        """
        if self.sides is None:
            yield
            return
        ready, side = new_event(), self.sides[0 if products else 1]
        ready.record(current_stream())
        side.wait_event(ready)
        with side:
            yield

    def gradient_buffer(self, index: int, shape: tuple[int, int]) -> Array:
        """See `Ops.gradient_buffer`; the first layer's lies in a wider array where its product makes both parts."""
        if index == 0 and self._joined is not None:
            return self._joined[0][:, : shape[1]]
        return super().gradient_buffer(index, shape)

    def input_gradient(self, dz: Array, weight: Array, dx: Array) -> None:
        """See `Ops.input_gradient`; with the cross layers' part where `cross_begin` has made room for it."""
        if self._joined is None or address(dz) != address(self._joined[0]):
            super().input_gradient(dz, weight, dx)
            return
        current_stream().wait_event(self._joined_ready)
        self.matmul(self._joined[0], self._joined[1].T, dx)

    def _flat(self, gradient: Array) -> tuple[Array, int]:
        """The flat array in which a layer's gradient lies, and the elements from row to row."""
        if self._joined is not None and address(gradient) == address(self._joined[0]):
            return self._joined[0].reshape(-1), self._joined[0].shape[1]
        return gradient.reshape(-1), gradient.shape[1]

    def cross_backward(
        self, x: Array, saved: Any, dlogits: Array, dx: Array, grads: tuple[Array, Array, Array] | None
    ) -> None:
        """See `Ops.cross_backward`. It also sees to it that `dx` was checked, for `check_finite`."""
        vectors, _, _, _, _, units = saved
        n_rows, columns = x.shape
        parts, whole = row_span(n_rows, columns)[1], self._whole(columns, x, vectors, dx)
        ddots = self.scratch.take("cross.ddots", (n_rows * units,))
        dvectors = self.scratch.take("cross.dvectors", (units * parts * columns,))
        self._wait_for_loss()
        for first in range(0, units if self._joined is None else 0, cross.UNITS):
            how, checks = (..., whole, units, first), (self.guard, steps.BAD_GRADIENT)
            if grads is None:
                self._columns(cross_backward.cross_add, x.shape, vectors, ddots, *how, dx.reshape(-1), *checks)
            else:
                end = (parts, dx.reshape(-1), dvectors, *checks)
                self._columns(cross_backward.cross_apply, x.shape, x.reshape(-1), vectors, ddots, *how, *end)
        if self._joined is None and grads is not None:
            with self._aside():
                self._cross_finish(saved, dvectors, parts, n_rows, grads)
        if self._joined is None or self._saw_layers:  # finite factors; should the product overflow, the table sees it
            self._checked = address(dx)
        self._joined = None

    def _cross_finish(
        self, saved: Any, dvectors: Array, parts: int, n_rows: int, grads: tuple[Array, Array, Array]
    ) -> None:
        vectors, betas, _, _, layers, units = saved
        blocks, columns = -(-n_rows // THREADS), len(grads[2])
        dconstants = self.scratch.take("cross.dconstants", (blocks * units,), np.float64)
        sums = (vectors, betas, dvectors, parts, dconstants, blocks)
        flat = [array.reshape(-1) for array in grads]
        self._finish(cross_backward.cross_finish, columns, *sums, layers, units, columns, *flat)

    # --- factorisation machine ---------------------------------------------------------------------------------------

    def fm_forward(self, x: Array, fields: int, sums: Array, out: Array) -> None:
        """See `Ops.fm_forward`."""
        shape = (len(x), fields, sums.shape[1])
        self._rows(fm.fm_forward, len(x), x.reshape(-1), *shape, sums.reshape(-1), out)

    def fm_backward(self, x: Array, fields: int, sums: Array, dout: Array, dx: Array) -> None:
        """See `Ops.fm_backward`."""
        shape = (x.size, fields, sums.shape[1])
        self._each(fm.fm_backward, x.size, x.reshape(-1), *shape, sums.reshape(-1), dout, dx.reshape(-1))

    def fm_factors(self, x: Array, fields: int, out: Array) -> None:
        """See `Ops.fm_factors`."""
        self._each(fm.fm_factors, out.size, x.reshape(-1), out.size, out.shape[1] // fields, out.reshape(-1))

    def fm_add_factors(self, dfactors: Array, fields: int, dx: Array) -> None:
        """See `Ops.fm_add_factors`."""
        size = dfactors.size
        self._each(fm.fm_add_factors, size, dfactors.reshape(-1), size, dfactors.shape[1] // fields, dx.reshape(-1))
