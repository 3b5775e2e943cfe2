"""FBGEMM: its rule of int8 with stochastic rounding, written down in NumPy, and its row-wise 8 bits on the CPU.

Rows of int8 are rounded stochastically on a GPU only: `fbgemm_rule`, whose words come from NumPy's generator here. On a
CPU its training hands weights of fp32 alone to the function that rounds stochastically: there is nothing to round.
Scale and bias of a row are those of its values, so that nothing lies beyond them.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.testing import Uniform
from alpt_ref.testing.adapters import from_words

from .fbgemm_rule import COMMIT, uint8_rule
from .lattices import STEPS
from .peer import Case, Floats, Peer, module, on_tensors

F = np.float32
INSIDE = {
    "saturation": "a row's range is that of its values: nothing lies beyond it",
    "nan_policy": "NaN in a row leaves it without a range",
}


def _reenacted() -> list[Case]:
    def quantizer(x: Floats, words: NDArray[np.uint32], step: float) -> Floats:
        low, high = -128 * step, 127 * step
        codes = uint8_rule(np.clip(x, F(low), F(high)), words, step, low)
        return np.asarray(codes.astype(F) * F(step) + F(low))

    return [
        Case(
            f"stochastic_rounding_vector, uint8, scale {step:g}",
            "sr",
            Uniform(step, 8),
            from_words(functools.partial(quantizer, step=step), bits=23),
            "stochastic_rounding (bool): If True, apply stochastic rounding for weight type that is not "
            "`SparseType.FP32`",
            "docstring of `SplitTableBatchedEmbeddingBagsCodegen`",
            resolution=2.0**-23,
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
            on_tensors(functools.partial(round_trip, step=step)),
            "Convert float or half inputs to rowwise quantized (8-bit) outputs. Each row's Scale and Bias are stored "
            "in the row itself (fused) at the end",
            "`include/fbgemm/QuantUtils.h`, which states no rule of rounding",
            not_promised=INSIDE | {"beside_ties": "no rule of rounding is stated"},
        )
        for step in STEPS
    ]


RULE = Peer(
    "FBGEMM (GPU rule)",
    None,
    _reenacted,
    origin=f"commit {COMMIT[:10]}, re-enacted in NumPy",
)
CPU = Peer("FBGEMM (CPU)", "fbgemm_gpu-cpu", _row_wise)
