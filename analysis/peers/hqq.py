"""HQQ: its rule of rounding, without the search for a better zero-point (`optimize=False`), a row a group."""

from __future__ import annotations

import functools
from typing import Any

from alpt_ref.testing import Uniform

from .fbgemm import INSIDE
from .lattices import STEPS
from .peer import Case, Peer, module, on_tensors

FORMULA = {"beside_ties": "what is stated is a formula in float32, and it is computed as stated"}


def cases() -> list[Case]:
    """8 bits. Scale and zero-point of a row are those of its values, among which are the ends of the lattice."""
    torch = module("torch")
    quantizer = module("hqq.core.quantize").Quantizer

    def round_trip(x: Any, step: float) -> Any:
        low, high = -128 * step, 127 * step
        ends = torch.tensor([[low, high]]).expand(len(x), 2)
        rows = torch.cat([torch.clamp(x, low, high), ends], 1)
        codes, meta = quantizer.quantize(
            rows, nbits=8, optimize=False, axis=1, group_size=rows.shape[1], device="cpu", compute_dtype=torch.float32
        )
        return quantizer.dequantize(codes, {**meta, "compute_dtype": torch.float32})[:, :-2]

    return [
        Case(
            f"Quantizer.quantize, nbits=8, optimize=False, scale {step:g}",
            "dr",
            Uniform(step, 8),
            on_tensors(functools.partial(round_trip, step=step)),
            "(W * scale + zero).round().clamp(0, max), the inverse of which is (W_q - zero) / scale",
            "comments in `hqq.core.quantize.Quantizer`",
            not_promised=INSIDE | FORMULA,
        )
        for step in STEPS
    ]


PEER = Peer("HQQ", "hqq", cases)
