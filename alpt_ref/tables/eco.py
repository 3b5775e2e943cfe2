"""ECO: error feedback without a float32 copy of the table (arXiv 2601.22101): what rounding takes, momentum returns.

One step on the batch's unique rows, with the momentum m of the row's optimiser after the gradient, b its decay::

    v = codes * step_size - lr * direction(m);   codes <- R(clip(v));   e = clip(v) - codes * step_size
    m <- m + (1/lr) (1 - 1/b) e                                                     lazy momentum
    m <- m + (1/lr) (1 - 1/b) e (sqrt(v^) + eps) / S_t                              lazy Adam, t-th update of the row

The momentum decays by b an update, so that the updates to come return e: the next one ``(1 - b) e``, the k-th
``(1 - b) b**(k - 1) e``. ``S_t`` undoes the bias correction of these updates (`tables.optimizers.adam_returns`). With R
to nearest nothing stalls: a small gradient moves a code after `theory.bounds.first_residual_move` updates. With either
rounding most of the noise of rounding cancels. No array is held that LPT with the same optimiser does not hold.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu import lowbit
from alpt_ref.kernels.cpu.lowbit import PendingRows
from alpt_ref.kernels.jit import run_rows
from alpt_ref.tables.base import GRAIN, TableSpec
from alpt_ref.tables.lpt import LowPrecisionTable
from alpt_ref.tables.optimizers import RowOptimizer, make_row_optimizer
from alpt_ref.tables.options import EcoOptions, check_optimizer
from alpt_ref.tables.unique_rows import UniqueRows


class EcoTable(LowPrecisionTable):
    """`LowPrecisionTable` whose rounding errors go into the momentum of its rows.

    Raises
    ------
    InputError
        The optimiser keeps no momentum (SGD, row-wise Adagrad).

    Examples
    --------
    >>> import numpy as np
    >>> from alpt_ref import make_table
    >>> weights = np.zeros((1, 1), np.float32)
    >>> table = make_table("eco", 1, 1, bits=8, rounding="dr", optimizer="momentum", lr=0.01, init_step=1.0,
    ...                    weights=weights)
    >>> for update in range(501):  # each asks for a hundredth of the step size
    ...     table.apply_gradients([0], np.ones((1, 1), np.float32))
    >>> table.codes().item()
    -1
    """

    method = "eco"
    Options: ClassVar[type[msgspec.Struct]] = EcoOptions

    def __init__(self, spec: TableSpec) -> None:
        check_optimizer(self.Options, self.method, spec.optimizer)
        super().__init__(spec)

    def _make_optimizer(self, rows: int, columns: int) -> RowOptimizer:
        return make_row_optimizer(self.spec.optimizer, self.backend, rows, columns, b1=float(self.spec.momentum))

    def _update(self, unique: UniqueRows, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        self._optimizer.updates(unique.rows, grads, lr)
        pending = self._pending(unique.rows, grads, lr)
        before = pending.codes.copy()
        _, stochastic, stream = self._rounding()
        arguments = (pending, pending.step_size, stochastic, stream)
        parts = run_rows(lowbit.requantize_rows, len(before), *arguments, grain=GRAIN)
        self._put(unique.rows, pending.codes)
        self._count(grads.size, parts)
        self._feed_back(pending, before, lr)

    def _feed_back(self, pending: PendingRows, before: NDArray[np.int32], lr: float) -> None:
        """Hand what was lost to the optimiser; `before` are the codes before. Overwrites the updates."""
        rows, errors, _ = pending.of
        run_rows(lowbit.rounding_errors, len(before), pending, before, pending.step_size, grain=GRAIN)
        self._optimizer.absorb(rows, errors, lr)
