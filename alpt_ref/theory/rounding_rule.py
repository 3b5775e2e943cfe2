"""The roundings of the Monte Carlo drivers: by name, with few random bits, or a user's function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.check import is_number
from alpt_ref.errors import InputError
from alpt_ref.theory.setting import told

NamedRounding = Literal["full", "sr", "dr"]
RoundingFunction: TypeAlias = Callable[[NDArray[np.float32], int], Any]
"""``fn(x float32 (runs, d), draw int) -> (runs, d)``: decoded values on the grid; same x and draw, same result."""


@dataclass(frozen=True)
class FewBits:
    """Stochastic rounding that sees `bits` random bits: ``floor(2^bits p)`` of the ``2^bits`` words go away from zero.

    Parameters
    ----------
    bits : int
        r, 1 to 32; with 32 it is ``"sr"``. Theorem R8 is about this rule.

    Raises
    ------
    InputError
        If `bits` is out of range.

    Examples
    --------
    >>> from alpt_ref.theory import Grid, Schedule, quadratic, simulate
    >>> grid, rates = Grid(0.25, 6), Schedule("constant", 0.01)
    >>> simulate(quadratic(1.0, 0.0), grid, rates, steps=500, runs=2, start=9, rounding=FewBits(3)).final.max()
    np.float32(2.25)
    """

    bits: int

    def __post_init__(self) -> None:
        """Reject a number out of range."""
        if not is_number(self.bits) or not 1 <= self.bits <= 32 or self.bits != int(self.bits):
            raise InputError(f"random bits must be a whole number from 1 to 32, got {told(self.bits)}")
        object.__setattr__(self, "bits", int(self.bits))

    def __str__(self) -> str:
        """A short label."""
        return f"sr, {self.bits} random bits"


Rounding: TypeAlias = NamedRounding | FewBits | RoundingFunction
