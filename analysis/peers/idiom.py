"""``floor(x/s + rand)``: the line that is written where no library is at hand, in NumPy and in PyTorch."""

from __future__ import annotations

import numpy as np

from alpt_ref.testing import Uniform

from .lattices import STEPS
from .peer import Case, Floats, Peer, Quantizer, module, on_tensors

STEP = np.float32(STEPS[1])


def _case(bits: int, quantizer: Quantizer) -> Case:
    lattice = Uniform(float(STEP), bits)
    return Case(f"float32, {bits} bits", "sr", lattice, quantizer, PROMISE, "definition of SR", resolution=2.0**-24)


def in_numpy(bits: int) -> Case:
    """Float32 noise: with that of float64 the sum loses fewer bits."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def quantizer(x: Floats, draw: int) -> Floats:
        noise = np.random.default_rng(draw).random(x.shape, dtype=np.float32)
        return np.asarray(np.clip(np.floor(x / STEP + noise), low, high) * STEP)

    return _case(bits, quantizer)


def in_torch(bits: int) -> Case:
    """The same in PyTorch."""
    torch = module("torch")
    step, low, high = float(STEP), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    quantizer = on_tensors(lambda x: torch.floor(x / step + torch.rand_like(x)).clamp(low, high) * step)
    return _case(bits, quantizer)


PROMISE = "stochastic rounding: up with a probability equal to the fractional part"
NUMPY = Peer("floor(x/s + rand) (NumPy)", "numpy", lambda: [in_numpy(8), in_numpy(16)])
TORCH = Peer("floor(x/s + rand) (PyTorch)", "torch", lambda: [in_torch(8), in_torch(16)])
