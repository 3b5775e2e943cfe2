"""Brevitas: `IntQuant` with its two ways from numbers to integers."""

from __future__ import annotations

from typing import Any

from alpt_ref.testing import Uniform

from .lattices import STEPS
from .peer import Case, Floats, Peer, Quantizer, module, on_tensors

PROMISE = (
    "uniform integer quantization of an input tensor, according to an input scale, zero-point and bit-width; "
    "float_to_int_impl performs the conversion from floating point to integer representation"
)


def cases() -> list[Case]:
    """8 and 16 bits; zero-point 0."""
    torch = module("torch")
    quant, wrappers = module("brevitas.core.quant"), module("brevitas.core.function_wrapper")

    def int_quant(rounding: Any, bits: int) -> Quantizer:
        layer = quant.IntQuant(
            narrow_range=False, signed=True, input_view_impl=wrappers.Identity(), float_to_int_impl=rounding
        )
        scale, zero, width = torch.tensor(STEPS[1]), torch.tensor(0.0), torch.tensor(float(bits))
        return on_tensors(lambda x: layer(scale, zero, width, x))

    def stochastic(bits: int) -> Quantizer:
        def quantizer(x: Floats, draw: int) -> Floats:
            return int_quant(wrappers.StochasticRoundSte(deterministic_inference=False, seed=draw), bits)(x, draw)

        return quantizer

    found = []
    for bits in (8, 16):
        lattice = Uniform(STEPS[1], bits)
        found += [
            Case(
                f"IntQuant, StochasticRoundSte, {bits} bits",
                "sr",
                lattice,
                stochastic(bits),
                PROMISE + "; StochasticRoundSte(seed=...)",
                "docstring of `brevitas.core.quant.IntQuant`",
                require=("repeatable",),
            ),
            Case(
                f"IntQuant, RoundSte, {bits} bits",
                "dr",
                lattice,
                int_quant(wrappers.RoundSte(), bits),
                PROMISE,
                "docstring of `brevitas.core.quant.IntQuant`",
            ),
        ]
    return found


PEER = Peer("Brevitas", "brevitas", cases)
