"""torchao: stochastic rounding to bfloat16 and to int8 rows, and its affine quantisation."""

from __future__ import annotations

import itertools
from typing import Any, Literal

from alpt_ref.testing import Uniform

from .lattices import STEPS, bf16, symmetric
from .peer import Case, Peer, module, on_tensors

ROWS = (
    "The probability of rounding up is equal to x - floor(x), which indicates how close the value is to the next "
    "integer value. Thus, stochastic rounding also approximates the floating point value exactly."
)
DIVIDED = "AQT uses `input * (1 / scale)`, while this function performs `input / scale`"
INSIDE = {
    "saturation": "a row's scale is that of its largest value: nothing lies beyond it",
    "nan_policy": "NaN in a row leaves it without a scale",
}


def _rows() -> list[Case]:
    torch = module("torch")
    quantize = module("torchao.prototype.quantized_training.int8").quantize_int8_rowwise
    found = []
    roundings: tuple[Literal["sr", "dr"], ...] = ("sr", "dr")
    for rounding, step in itertools.product(roundings, STEPS):

        def round_trip(x: Any, *, stochastic: bool = rounding == "sr", high: float = 127 * step) -> Any:
            rows = torch.cat([torch.clamp(x, -high, high), torch.full((len(x), 1), high)], 1)
            codes, scale = quantize(rows, stochastic_rounding=stochastic)
            return (codes * scale.view(-1, 1))[:, :-1]

        found.append(
            Case(
                f"quantize_int8_rowwise, stochastic_rounding={rounding == 'sr'}, scale {step:g}",
                rounding,
                symmetric(step, 8),
                on_tensors(round_trip),
                ROWS if rounding == "sr" else DIVIDED,
                "docstring of `quantize_int8_rowwise`",
                resolution=2.0**-24,
                not_promised=INSIDE,
            )
        )
    return found


def _affine() -> list[Case]:
    torch = module("torch")
    primitives = module("torchao.quantization.quant_primitives")
    found = []
    for step in STEPS:

        def round_trip(x: Any, step: float = step) -> Any:
            block, scale, zero = tuple(x.shape), torch.tensor([step]), torch.tensor([0])
            codes = primitives.quantize_affine(x, block, scale, zero, torch.int8)
            return primitives.dequantize_affine(codes, block, scale, zero, torch.int8)

        found.append(
            Case(
                f"quantize_affine, int8, scale {step:g}",
                "dr",
                Uniform(step, 8),
                on_tensors(round_trip),
                "quantized_val = (float_val / scale) (integer) + zero_point (integer)",
                "docstring of `quantize_affine`",
            )
        )
    return found


def cases() -> list[Case]:
    """Of all three."""
    to_bf16 = module("torchao.optim.quant_utils")._fp32_to_bf16_sr
    stochastic = Case(
        "_fp32_to_bf16_sr (bf16_stochastic_round of its optimisers)",
        "sr",
        bf16(),
        on_tensors(to_bf16),
        "we round away from zero with the probability of [a15, ..., a0] / 2^16",
        "comment in `torchao.optim.quant_utils`",
        not_promised={"saturation": "its comment names the overflow of the largest numbers as undefined"},
    )
    return [stochastic, *_rows(), *_affine()]


PEER = Peer("torchao", "torchao", cases)
