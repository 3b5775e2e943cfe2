"""This package: `alpt_ref.quantize` and `alpt_ref.dequantize`."""

from __future__ import annotations

from typing import Literal

from alpt_ref import QuantSpec, __version__, dequantize, quantize
from alpt_ref.testing import Uniform

from .peer import Case, Floats, Peer, Quantizer


def rounded(step_size: float, bits: int, rounding: Literal["sr", "dr"]) -> Quantizer:
    """Codes and back."""
    spec = QuantSpec(bits, rounding)

    def quantizer(x: Floats, draw: int) -> Floats:
        return dequantize(quantize(x, step_size, spec, seed=0, counter=draw), step_size)

    return quantizer


PROMISES = {
    "sr": "each weight gets one of the two codes between whose values it lies; with SR the mean value differs from a "
    "weight inside the range by less than 2^-32 of the distance between the two values",
    "dr": "each weight gets one of the two codes between whose values it lies; with DR no value of a code is nearer; "
    "nearest, ties up",
}


def cases() -> list[Case]:
    """8 and 16 bits with a step size that is no power of two."""
    found = []
    roundings: tuple[Literal["sr", "dr"], ...] = ("sr", "dr")
    for rounding in roundings:
        for bits in (8, 16):
            found.append(
                Case(
                    f"quantize, {rounding}, {bits} bits",
                    rounding,
                    Uniform(0.1, bits),
                    rounded(0.1, bits, rounding),
                    PROMISES[rounding],
                    "docstring of `quantize`, docs/numerics.md",
                    require=("row_prefix", "column_prefix", "threads", "layout"),
                    ties="up" if rounding == "dr" else None,
                )
            )
    return found


PEER = Peer("alpt_ref", None, cases, origin=__version__)
