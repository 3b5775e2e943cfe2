"""Formats of floating-point numbers as lattices: bfloat16, float16, and those of 8, 6 and 4 bits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.quantizer.lattice import Lattice

__all__ = ["FloatFormat"]


class _Layout(NamedTuple):
    exponent: int
    mantissa: int
    reserved: int
    """Bit patterns at the top of each sign that are no numbers: infinity and NaN."""


def _ieee(exponent: int, mantissa: int) -> _Layout:
    return _Layout(exponent, mantissa, 1 << mantissa)


_LAYOUTS = {
    "bf16": _ieee(8, 7),
    "fp16": _ieee(5, 10),
    "e5m2": _ieee(5, 2),
    "e4m3": _Layout(4, 3, 1),
    "e3m2": _Layout(3, 2, 0),
    "e2m3": _Layout(2, 3, 0),
    "e2m1": _Layout(2, 1, 0),
}
_OTHER_NAMES = {"bfloat16": "bf16", "float16": "fp16", "half": "fp16", "e4m3fn": "e4m3"}


class FloatFormat(Lattice):
    """All finite numbers of a floating-point format, with its subnormals.

    Parameters
    ----------
    name : {"bf16", "fp16", "e5m2", "e4m3", "e3m2", "e2m3", "e2m1"}
        ``"fp8 e4m3"``, ``"fp8_e4m3fn"`` and the like are understood. e4m3 is OCP's, with 448 as its largest number.
    overflow : {"saturate", "inf"}, optional
        What a number beyond the ends may become. By default ``"inf"`` (infinity, or the end) where the format has
        infinities, else ``"saturate"``.

    Raises
    ------
    InputError
        No such format.

    Examples
    --------
    >>> FloatFormat("fp8 e4m3").high
    array([[448.]], dtype=float32)
    >>> FloatFormat("e2m1").table[0, 7:]
    array([0. , 0.5, 1. , 1.5, 2. , 3. , 4. , 6. ], dtype=float32)
    """

    def __init__(self, name: str, overflow: str | None = None) -> None:
        word = str(name).lower().replace("_", " ").split()[-1] if str(name).split() else ""
        self.format = _OTHER_NAMES.get(word, word)
        layout = _LAYOUTS.get(self.format)
        if layout is None:
            raise InputError(f"format must be one of {', '.join(_LAYOUTS)}, got {name!r}")
        default = "inf" if layout.reserved > 1 else "saturate"
        if overflow not in (None, "saturate", "inf"):
            raise InputError(f"overflow must be 'saturate' or 'inf', got {overflow!r}")
        positive = _numbers(layout)
        table = np.concatenate([-positive[:0:-1], positive])[None]
        super().__init__(table, 1 - len(positive), f"floating-point format {self.format}", overflow or default)

    def special(self) -> NDArray[np.int64]:
        """Columns of the codes at which rounding goes wrong first: powers of two, where the gap of values changes."""
        values = np.abs(self.table[0])
        powers = np.flatnonzero(np.frexp(values)[0] == 0.5)
        return np.union1d(super().special(), powers)


def _numbers(layout: _Layout) -> NDArray[np.float32]:
    """Numbers from 0 up, in the order of their bit patterns."""
    bias = (1 << (layout.exponent - 1)) - 1
    patterns = np.arange((1 << (layout.exponent + layout.mantissa)) - layout.reserved)
    exponent, mantissa = patterns >> layout.mantissa, patterns & ((1 << layout.mantissa) - 1)
    significand = np.where(exponent > 0, mantissa + (1 << layout.mantissa), mantissa)
    numbers = np.ldexp(significand.astype(np.float64), np.maximum(exponent, 1) - bias - layout.mantissa)
    return np.asarray(numbers, np.float32)
