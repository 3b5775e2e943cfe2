"""The lattices on which quantisers of other packages are checked."""

from __future__ import annotations

from alpt_ref.testing import FloatFormat, Lattice, Uniform

STEPS = (2.0**-4, 3 / 64)
"""With both every multiple up to 16 bits and every midpoint is a float32 number, so that it is beyond doubt which
numbers the lattice holds and where its ties are. The reciprocal of the second is none."""


def bf16() -> Lattice:
    """Numbers of bfloat16; beyond them infinity or the largest."""
    return FloatFormat("bf16")


def fp8() -> Lattice:
    """Numbers of fp8 E4M3, which end at 448 and have no infinity."""
    return FloatFormat("e4m3")


def symmetric(step_size: float, bits: int) -> Lattice:
    """Uniform, without the lowest code."""
    return Uniform(step_size, bits, narrow=True)
