"""PyTorch itself: quantised tensors, fake quantisation, and conversion to narrow floats. All round to nearest."""

from __future__ import annotations

from functools import partial
from typing import Any

from alpt_ref.testing import Uniform

from .lattices import STEPS, bf16, fp8
from .peer import Case, Peer, module, on_tensors

LOW, HIGH = -128, 127


def cases() -> list[Case]:
    """8 bits, with both step sizes."""
    torch = module("torch")

    def quantized(x: Any, step: float) -> Any:
        return torch.quantize_per_tensor(x, step, 0, torch.qint8).dequantize()

    def fake(x: Any, step: float) -> Any:
        return torch.fake_quantize_per_tensor_affine(x, step, 0, LOW, HIGH)

    def narrow(x: Any, dtype: Any) -> Any:
        return x.to(dtype)

    found = []
    for step in STEPS:
        found += [
            Case(
                f"quantize_per_tensor, qint8, scale {step:g}",
                "dr",
                Uniform(step, 8),
                on_tensors(partial(quantized, step=step)),
                "Converts a float tensor to a quantized tensor with given scale and zero point: "
                "Q(x, scale, zero_point) = round(x / scale + zero_point)",
                "docstring of `torch.quantize_per_tensor`, page Quantization",
            ),
            Case(
                f"fake_quantize_per_tensor_affine, scale {step:g}",
                "dr",
                Uniform(step, 8),
                on_tensors(partial(fake, step=step)),
                "(min(quant_max, max(quant_min, nearby_int(input / scale) + zero_point)) - zero_point) * scale",
                "docstring of `torch.fake_quantize_per_tensor_affine`",
            ),
        ]
    for lattice, dtype in ((bf16(), torch.bfloat16), (fp8(), torch.float8_e4m3fn)):
        found.append(
            Case(
                f"Tensor.to({dtype})",
                "dr",
                lattice,
                on_tensors(partial(narrow, dtype=dtype)),
                "conversion to a narrower floating-point type",
                "`torch.Tensor.to`, which states no rule of rounding",
            )
        )
    return found


PEER = Peer("PyTorch", "torch", cases)
