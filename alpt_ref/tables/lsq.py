"""LSQ: quantisation-aware training with a learned step size (Esser et al., ICLR 2020).

The step size's gradient is theory R5, ALPT's too; the difference is the float32 table behind it. Step sizes follow the
settings of ALPT (granularity, initial value, learning rate, gradient scale, domain, floor), so that the two compare.
Esser et al. scale the gradient by ``1 / sqrt(N q_max)`` for the N weights that share a step size: ``"dq"`` with one
step size per row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu import qat as kernels
from alpt_ref.kernels.jit import run_rows
from alpt_ref.tables.base import GRAIN, TableSpec
from alpt_ref.tables.options import LsqOptions
from alpt_ref.tables.qat import FakeQuantizedTable
from alpt_ref.tables.step_sizes import gradient_scale


class LsqTable(FakeQuantizedTable):
    """Float32 weights read as ``step_size * code`` with learned step sizes."""

    method = "lsq"
    Options = LsqOptions
    learned_name = "step_size"

    def _rule(self, spec: TableSpec) -> tuple[float, np.float32, int]:
        self.log_domain = spec.step_domain == "log"
        return float(spec.step_lr), np.float32(1.0), self.quantizer.q_min

    def _gradient_scale(self, batch_size: int) -> float:
        return gradient_scale(self.spec.grad_scale, batch_size, self.d, self.quantizer.q_max)

    def _pass_back(self, rows: NDArray[np.int64], grads: NDArray[np.float32], out: NDArray[np.float32]) -> list[int]:
        at = kernels.TouchedRows(rows, self.weights, self._learned_of(rows))
        return run_rows(kernels.lsq_gradients, len(rows), at, *self._range, grads, out, grain=GRAIN)
