"""FBGEMM: its rule of int8 with stochastic rounding, written down in NumPy, and its row-wise 8 bits on the CPU.

Rows of int8 are rounded stochastically on a GPU only (on a CPU weights of fp32 are the only ones that its training rounds
so, which leaves nothing to round): `fbgemm_rule`. Its words come from NumPy's
generator here. Scale and bias of a row are those of its values, so that nothing lies beyond them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.testing import Uniform

from .fbgemm_rule import COMMIT, uint8_rule
from .lattices import STEPS
from .peer import Case, Floats, Peer, module, on_tensors

F = np.float32
INSIDE = {
    "saturation": "a row's range is that of its values: nothing lies beyond it",
    "nan_policy": "NaN in a row leaves it without a range",
}

def _reenacted() -> list[Case]:
    def quantizer(x: Floats, draw: int, step: float) -> Floats:
        low, high = -128 * step, 127 * step
        words = np.random.default_rng(draw).integers(0, 2**32, x.shape, dtype=np.uint32)
        codes = uint8_rule(np.clip(x, F(low), F(high)), words, step, low)
        return np.asarray(codes.astype(F) * F(step) + F(low))

    return [
        Case(
            f"stochastic_rounding_vector, uint8, scale {step:g}",
            "sr",
            Uniform(step, 8),
            lambda x, draw, step=step: quantizer(x, draw, step),
            "stochastic_rounding (bool): If True, apply stochastic rounding for weight type that is not "
            "`SparseType.FP32`",
            "docstring of `SplitTableBatchedEmbeddingBagsCodegen`",
            not_promised=INSIDE,
        )
        for step in STEPS
    ]


def _row_wise() -> list[Case]:
    torch = module("torch")
    module("fbgemm_gpu.sparse_ops")
    ops = torch.ops.fbgemm

    def round_trip(x: Any, step: float) -> Any:
        low, high = -128 * step, 127 * step
        ends = torch.tensor([[low, high]]).expand(len(x), 2)
        rows = torch.cat([torch.clamp(x, low, high), ends], 1).contiguous()
        return ops.Fused8BitRowwiseQuantizedToFloat(ops.FloatToFused8BitRowwiseQuantized(rows))[:, :-2]

    return [
        Case(
            f"FloatToFused8BitRowwiseQuantized, scale {step:g}",
            "dr",
            Uniform(step, 8),
            on_tensors(lambda x, step=step: round_trip(x, step)),
            "Convert float or half inputs to rowwise quantized (8-bit) outputs. Each row's Scale and Bias are stored in the row",
            "`include/fbgemm/QuantUtils.h`, which states no rule of rounding",
            not_promised=INSIDE,
        )
        for step in STEPS
    ]


RULE = Peer(
    "FBGEMM, GPU rule in NumPy",
    None,
    _reenacted,
    reenacted=f"re-enacted from stochastic_rounding.cuh of pytorch/FBGEMM at {COMMIT[:12]}",
)
CPU = Peer("FBGEMM, CPU", "fbgemm_gpu-cpu", _row_wise)
