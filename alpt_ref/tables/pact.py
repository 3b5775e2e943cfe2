"""PACT: quantisation-aware training with a learned clip (Choi et al., arXiv 1805.06085, 2018), for signed weights.

Choi et al. clip activations to ``[0, c]``; weights have both signs, so the range is ``[-c, c]`` with the codes
``-q_max..q_max`` and the step size ``c / q_max`` (at 2 bits: -1, 0 and 1). The clip's gradient is the sum of the
gradients above the range minus that of those below it; the rounding error does not enter it, unlike LSQ's. Weight decay
holds for the clip as well, as in the paper.

The first clip is ``q_max`` times the initial step size of the other methods, so that all start on the same grid, and
its floor ``q_max`` times theirs. It is in weight units, and so is its learning rate `clip_lr`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu import qat as kernels
from alpt_ref.kernels.jit import run_rows
from alpt_ref.tables.base import GRAIN, TableSpec
from alpt_ref.tables.options import PactOptions
from alpt_ref.tables.qat import FakeQuantizedTable


class PactTable(FakeQuantizedTable):
    """Float32 weights clipped to learned ``[-clip, clip]`` and read on ``2 q_max + 1`` levels."""

    method = "pact"
    Options = PactOptions
    learned_name = "clip"

    def _rule(self, spec: TableSpec) -> tuple[float, np.float32, int]:
        q_max = self.quantizer.q_max
        return float(spec.clip_lr), np.float32(q_max), -q_max

    def _gradient_scale(self, batch_size: int) -> float:
        return 1.0

    def _decay_learned(self, units: NDArray[np.int64], rate: float) -> NDArray[np.float32] | None:
        return np.float32(rate * self.spec.weight_decay) * self.learned[units]

    def _pass_back(self, rows: NDArray[np.int64], grads: NDArray[np.float32], out: NDArray[np.float32]) -> list[int]:
        at = kernels.TouchedRows(rows, self.weights, self._learned_of(rows))
        return run_rows(kernels.pact_gradients, len(rows), at, grads, out, grain=GRAIN)
