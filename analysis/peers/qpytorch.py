"""QPyTorch (distribution `qtorch`): fixed point and floating point. Its C++ is compiled when it is imported.

Its block floating point takes the exponent from the tensor and so has no lattice of its own: left out.
"""

from __future__ import annotations

from typing import Any, Literal

from alpt_ref.testing import Uniform

from .lattices import bf16
from .peer import Case, Peer, module, on_tensors

FIXED = (
    "Quantize a single precision Floating Point into low-precision Fixed Point; clamp input numbers into representable "
    'range; rounding mode, "stochastic" or "nearest"'
)
FLOAT = (
    "Quantize a single precision Floating Point into low-precision Floating Point; "
    'rounding mode, "stochastic" or "nearest"'
)
NO_SEED = {"repeatable": "its rounding draws from a generator in C++ that takes no seed, and nothing promises one"}
COMPARED = ("nan_policy", "layout", "row_prefix", "column_prefix", "threads", "monotone")
MODES: dict[Literal["sr", "dr"], str] = {"sr": "stochastic", "dr": "nearest"}


def cases() -> list[Case]:
    """Words of 8 bits with 4 fractional ones; the exponent and mantissa of bfloat16."""
    quant = module("qtorch.quant")
    found = []
    for rounding, mode in MODES.items():

        def fixed(x: Any, mode: str = mode) -> Any:
            return quant.fixed_point_quantize(x, wl=8, fl=4, rounding=mode)

        def floating(x: Any, mode: str = mode) -> Any:
            return quant.float_quantize(x, exp=8, man=7, rounding=mode)

        found += [
            Case(
                f"fixed_point_quantize, wl=8, fl=4, {mode}",
                rounding,
                Uniform(2.0**-4, 8),
                on_tensors(fixed),
                FIXED,
                "docstring of `qtorch.quant.fixed_point_quantize`",
                resolution=2.0**-24,
            ),
            Case(
                f"float_quantize, exp=8, man=7, {mode}",
                rounding,
                bf16(),
                on_tensors(floating),
                FLOAT,
                "docstring of `qtorch.quant.float_quantize`",
                not_promised=NO_SEED if rounding == "sr" else {},
                left_out=COMPARED if rounding == "sr" else (),
            ),
        ]
    return found


PEER = Peer("QPyTorch", "qtorch", cases)
