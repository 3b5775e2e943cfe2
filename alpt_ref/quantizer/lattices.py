"""Lattices: which float32 numbers a quantiser may return, for any kind of quantiser.

`Uniform`, `PerRow` and `Affine` compute it from step sizes, `alpt_ref.quantizer.float_formats.FloatFormat` from a
format of floating-point numbers, and `Levels` takes the values as they are. Every value is rounded once to float32,
as `alpt_ref.dequantize` does; docs/numerics.md says what that means.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.quantizer.lattice import Floats, Lattice

__all__ = ["Affine", "Lattice", "Levels", "PerRow", "Uniform"]

MOST_BITS = 16


def code_bits(value: Any) -> int:
    """A code width of 1 to 16 bits, or `InputError`."""
    return _check.whole_number("bits", value, 1, MOST_BITS + 1)


def _signed_codes(bits: int, narrow: bool) -> NDArray[np.int64]:
    lowest = -(1 << (bits - 1))
    return np.arange(lowest + bool(narrow), -lowest, dtype=np.int64)


def _products(step_sizes: Floats, codes: NDArray[np.int64]) -> Floats:
    with np.errstate(over="ignore"):
        return np.asarray(np.multiply.outer(step_sizes, codes.astype(np.float32)))


class Uniform(Lattice):
    """Values ``fl(c * step_size)`` of codes ``-2**(bits-1)`` to ``2**(bits-1) - 1``, as `alpt_ref.dequantize` has them.

    Parameters
    ----------
    step_size : float
        Positive; rounded to float32.
    bits : int
        1 to 16.
    narrow : bool
        Leave out the lowest code, so that the range is symmetric.

    Raises
    ------
    InputError
        A value is not finite, or an argument is none of these.

    Examples
    --------
    >>> Uniform(0.5, 2).table
    array([[-1. , -0.5,  0. ,  0.5]], dtype=float32)
    """

    def __init__(self, step_size: float, bits: int, *, narrow: bool = False) -> None:
        _check.number("step_size", step_size, positive=True)
        self.step_size, self.bits = np.float32(step_size), code_bits(bits)
        codes = _signed_codes(self.bits, narrow)
        tail = ", narrow" if narrow else ""
        super().__init__(
            _products(np.array([self.step_size], np.float32), codes),
            int(codes[0]),
            f"uniform, step size {float(self.step_size):.9g}, {self.bits} bits{tail}",
        )


class PerRow(Lattice):
    """`Uniform` with a step size for each row; arrays on it have as many rows as there are step sizes.

    Parameters
    ----------
    step_sizes : array (n,)
        Positive.
    bits : int
        1 to 16.
    narrow : bool
        Leave out the lowest code.

    Raises
    ------
    InputError
        As for `Uniform`, or there is no step size.

    Examples
    --------
    >>> PerRow([0.5, 2.0], 2).table
    array([[-1. , -0.5,  0. ,  0.5],
           [-4. , -2. ,  0. ,  2. ]], dtype=float32)
    """

    def __init__(self, step_sizes: ArrayLike, bits: int, *, narrow: bool = False) -> None:
        self.step_sizes = _row_numbers("step_sizes", step_sizes)
        _check.step_sizes(self.step_sizes, len(self.step_sizes))
        self.bits = code_bits(bits)
        codes = _signed_codes(self.bits, narrow)
        name = f"uniform by row, {len(self.step_sizes)} step sizes, {self.bits} bits"
        super().__init__(_products(self.step_sizes, codes), int(codes[0]), name)


class Affine(Lattice):
    """Unsigned codes 0 to ``2**bits - 1`` with a step size and an offset, or a zero point.

    A value is ``fl(fl(c * step_size) + offset)``, or ``fl((c - zero_point) * step_size)``.

    Parameters
    ----------
    step_size : float or array (n,)
        Positive: one, or one for each row.
    offset : float or array (n,)
        Value of code 0.
    bits : int
        1 to 16.
    zero_point : int, optional
        In place of `offset`: the code whose value is 0.

    Raises
    ------
    InputError
        A value is not finite, or an argument is none of these.

    Examples
    --------
    >>> Affine(0.5, -1.0, 2).table
    array([[-1. , -0.5,  0. ,  0.5]], dtype=float32)
    >>> Affine(0.5, bits=2, zero_point=1).table
    array([[-0.5,  0. ,  0.5,  1. ]], dtype=float32)
    """

    def __init__(
        self, step_size: ArrayLike, offset: ArrayLike = 0.0, bits: int = 8, *, zero_point: int | None = None
    ) -> None:
        self.step_sizes, offsets = _row_numbers("step_size", step_size), _row_numbers("offset", offset)
        _check.step_sizes(self.step_sizes, len(self.step_sizes))
        self.bits, rows = code_bits(bits), max(len(self.step_sizes), len(offsets))
        if {len(self.step_sizes), len(offsets)} - {1, rows}:
            raise InputError(
                f"step_size and offset must have one length, got {len(self.step_sizes)} and {len(offsets)}"
            )
        if not np.isfinite(offsets).all():
            raise InputError("offset must be finite")
        if zero_point is not None and offsets.any():
            raise InputError(f"offset and zero_point exclude one another, got {offsets[0]:.9g} and {zero_point!r}")
        first = 0 if zero_point is None else _check.whole_number("zero_point", zero_point, -(1 << 24), 1 << 24)
        codes = np.arange(1 << self.bits, dtype=np.int64)
        products = _products(np.broadcast_to(self.step_sizes, (rows,)), codes - first)
        table = products if zero_point is not None else np.add(products, offsets[:, None], dtype=np.float32)
        shift = f"zero point {first}" if zero_point is not None else f"offset {float(offsets[0]):.9g}"
        many = "" if rows == 1 else f" … of {rows} rows"
        super().__init__(
            table, 0, f"affine, step size {float(self.step_sizes[0]):.9g}, {shift}{many}, {self.bits} bits unsigned"
        )


class Levels(Lattice):
    """Values as they are given: for a quantiser whose values no other lattice has.

    Parameters
    ----------
    values : array (K,)
        Finite and increasing in float32.
    lowest : int
        Code of the first one.

    Raises
    ------
    InputError
        They are fewer than two, not finite or do not increase.

    Examples
    --------
    >>> Levels([-1.0, 0.0, 3.0]).neighbours(np.array([[1.0]], np.float32))
    (array([[0.]], dtype=float32), array([[3.]], dtype=float32))
    """

    def __init__(self, values: ArrayLike, lowest: int = 0) -> None:
        table = _row_numbers("values", values)
        if len(table) < 2 or not (np.diff(table.astype(np.float64)) > 0).all():
            raise InputError("values must be at least two numbers that increase in float32")
        super().__init__(table[None], lowest, f"{len(table)} given values")


def _row_numbers(name: str, value: ArrayLike) -> Floats:
    """One number or several as a float32 array of one dimension, at least one."""
    array = np.atleast_1d(_check.as_array(name, value))
    if array.ndim != 1 or not len(array) or array.dtype.kind not in "fiu":
        raise InputError(f"{name} must be a number or an array (n,) of numbers, got {array.dtype} {array.shape}")
    with np.errstate(over="ignore"):
        return np.asarray(array, np.float32)
