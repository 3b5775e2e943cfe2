"""The lattices on which quantisers of other packages are checked."""

from __future__ import annotations

from typing import Any

STEPS = (2.0**-4, 3 / 64)
"""Every multiple up to 16 bits and every midpoint is a float32 number with both, so that it is beyond doubt which numbers
the lattice holds and where its ties are. With the second the reciprocal is none."""


def bf16() -> Any:
    """Numbers of bfloat16."""
    raise ImportError("no such lattice yet")


def fp8() -> Any:
    """Numbers of fp8 E4M3, which end at 448 and have no infinity."""
    raise ImportError("no such lattice yet")


def symmetric(step_size: float, bits: int) -> Any:
    """Uniform, without the lowest code."""
    raise ImportError("no such lattice yet")
