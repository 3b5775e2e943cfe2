"""pychop: fixed point (`Chopf`), integers (`Chopi`) and floating point (`Chop`), on NumPy arrays and on tensors.

`Chopi` on tensors takes its scale from each tensor anew: left out, as it has no lattice of its own.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from alpt_ref.testing import Uniform

from .lattices import bf16
from .peer import LOCK, Case, Floats, Peer, Quantizer, module, on_tensors

MODES: dict[Literal["sr", "dr"], tuple[int, str]] = {
    "sr": (5, "Stochastic rounding proportional to the fractional part"),
    "dr": (1, "Round to nearest value, ties to even (IEEE 754 default)"),
}
STE = "; on tensors: Quantize to fixed-point with specified rounding mode and STE"
STEP = 2.0**-4


def _numpy_seed(function: Any) -> Quantizer:
    """A function that draws from NumPy's global generator, which is seeded with the draw and put back."""

    def quantizer(x: Floats, draw: int) -> Floats:
        with LOCK:
            state = np.random.get_state()  # noqa: NPY002  (what it draws from)
            np.random.seed(draw % 2**32)  # noqa: NPY002
            try:
                return np.asarray(function(x), dtype=np.float32)
            finally:
                np.random.set_state(state)  # noqa: NPY002

    return quantizer


def _floating(package: Any, mode: int, *, tensors: bool) -> Quantizer:
    """A new `Chop` a draw: its seed is an argument of the constructor."""

    def quantizer(x: Floats, draw: int) -> Floats:
        chop = package.Chop(exp_bits=8, sig_bits=7, rmode=mode, random_state=draw)
        call = on_tensors(chop) if tensors else _numpy_seed(chop)
        return call(x, draw)

    return quantizer


def _cases(*, tensors: bool) -> list[Case]:
    package = module("pychop")
    if tensors:
        module("torch")
    found = []
    for rounding, (mode, promise) in MODES.items():
        fixed = package.Chopf(ibits=4, fbits=4, rmode=mode)
        found += [
            Case(
                f"Chopf(4, 4, rmode={mode})",
                rounding,
                Uniform(STEP, 8),
                on_tensors(fixed) if tensors else _numpy_seed(fixed),
                promise + (STE if tensors else ""),
                "docstrings of `pychop.Chopf` and its backend",
                require=("gradient",) if tensors else (),
                ties="even" if rounding == "dr" else None,
                resolution=2.0**-24,
            ),
            Case(
                f"Chop(8, 7, rmode={mode})",
                rounding,
                bf16(),
                _floating(package, mode, tensors=tensors),
                promise + "; random_state: random seed set for stochastic rounding settings",
                "docstring of `pychop.Chop`",
                require=("repeatable",),
                ties="even" if rounding == "dr" else None,
                resolution=2.0**-24,
            ),
        ]
    if not tensors:
        integers = package.Chopi(bits=8, symmetric=True)
        integers.quantize(np.array([-128 * STEP, 127 * STEP], np.float32))  # takes its scale from the first array
        found.append(
            Case(
                "Chopi(8, symmetric=True)",
                "dr",
                Uniform(STEP, 8),
                _numpy_seed(integers),
                "quantizes and immediately dequantizes the input (integer quantization)",
                "docstring of `pychop.Chopi`",
            )
        )
    return found


NUMPY = Peer("pychop (NumPy)", "pychop", lambda: _cases(tensors=False))
TORCH = Peer("pychop (PyTorch)", "pychop", lambda: _cases(tensors=True))
