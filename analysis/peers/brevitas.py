"""Brevitas: `IntQuant` with its two ways from numbers to integers."""

from __future__ import annotations

from typing import Any

from alpt_ref.testing import Uniform

from .lattices import STEPS
from .peer import Case, Peer, Quantizer, module, on_tensors

PROMISE = (
    "uniform integer quantization of an input tensor, according to an input scale, zero-point and bit-width; "
    "float_to_int_impl performs the conversion from floating point to integer representation"
)

LAST_BIT = {"gradient": "it comes as g * scale / scale, each rounded to float32, and differs in the last bit"}


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

    def drawn(x: Any) -> Any:
        seed = torch.initial_seed()  # the number of the draw
        return wrappers.StochasticRoundSte(deterministic_inference=False, seed=seed)(x)

    found = []
    for bits in (8, 16):
        lattice = Uniform(STEPS[1], bits)
        found += [
            Case(
                f"IntQuant, StochasticRoundSte, {bits} bits",
                "sr",
                lattice,
                int_quant(drawn, bits),
                PROMISE + "; StochasticRoundSte(seed=...); Ste: straight-through estimator",
                "docstring of `brevitas.core.quant.IntQuant`",
                not_promised=LAST_BIT,
                require=("repeatable",),
                resolution=2.0**-24,
            ),
            Case(
                f"IntQuant, RoundSte, {bits} bits",
                "dr",
                lattice,
                int_quant(wrappers.RoundSte(), bits),
                PROMISE + "; Ste: straight-through estimator",
                "docstring of `brevitas.core.quant.IntQuant`",
                not_promised=LAST_BIT,
            ),
        ]
    return found


PEER = Peer("Brevitas", "brevitas", cases)
