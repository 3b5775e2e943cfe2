"""A rounding function of the user's, as claims run it in place of stochastic rounding.

    fn(x, draw) -> values        x float32 (n, d), draw the number of the call, values float32 (n, d) on the lattice

The lattice is that of the package: values ``v_c = fl(c step_size)`` of the codes c of `bits` bits. What the function
returns is looked at in every call; what breaks the contract ends the measurement with a sentence that names the input
and the draw. Values of codes beyond the range are let through: that is for the theory to judge.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import inspect
import math
import secrets
import sys
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.check import is_number, whole_number
from alpt_ref._util.code_parts import parts_of
from alpt_ref._util.python_file import capture_error
from alpt_ref.errors import InputError
from alpt_ref.scalar.code_range import code_range, largest_step_size

Floats = NDArray[np.float32]
BITS = (2, 16)
"""Fewest and most bits of a lattice."""
CLOSE = 2.0**-22
"""Relative distance from ``c step_size`` that a value may have: two roundings to float32."""
DRAWS = 1 << 30
"""Draws lie below."""


@dataclass(frozen=True)
class UserQuantizer:
    """The function and its lattice; small and, without `given`, picklable: a worker loads the function by name.

    Attributes
    ----------
    name : ``module:function`` or ``file.py:function``, as the report calls it
    bits, step_size : of the lattice
    address : where it is loaded from, "" where `given` is the function itself
    digest : what stored cells depend on: the code behind the function; of `given`, whose variables nothing tells, a
        number used once
    """

    name: str
    bits: int
    step_size: float
    address: str = ""
    digest: str = ""
    given: Callable[..., Any] | None = None

    @property
    def function(self) -> Callable[..., Any]:
        """The function itself."""
        return self.given if self.given is not None else _loaded(self.address)

    @property
    def low(self) -> int:
        """Lowest code."""
        return code_range(self.bits)[0]

    @property
    def high(self) -> int:
        """Highest code."""
        return code_range(self.bits)[1]

    @property
    def lattice(self) -> str:
        """In words."""
        return f"{self.bits} bits, step size {self.step_size:g}"

    def values(self, codes: Any) -> Floats:
        """Values of codes: float32, the product with the float32 step size rounded once."""
        return np.asarray(np.asarray(codes, np.float64) * np.float64(np.float32(self.step_size)), np.float32)

    def raw(self, x: Floats, draw: int) -> Floats:
        """What the function returns: float32 of the shape of `x`, finite, perhaps off the lattice.

        Raises
        ------
        InputError
            The function raises, or returns something else.
        """
        with capture_error() as caught, redirect_stdout(sys.stderr):  # what it prints is no part of a report
            out = self.function(x.copy(), draw)
        if caught.message:
            raise InputError(f"{self._at(x, draw)} raised {caught.message}")
        shape = getattr(out, "shape", None)
        if not isinstance(out, np.ndarray) or out.dtype != np.float32 or shape != x.shape:
            got = f"{out.dtype} {shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise InputError(
                f"{self._at(x, draw)} must return a float32 array of the shape of x (values, not codes), got {got}"
            )
        finite = np.isfinite(out)
        if not finite.all():
            i = tuple(int(one) for one in np.argwhere(~finite)[0])
            raise InputError(f"{self.name} must return finite numbers, got {out[i]} for x = {x[i]:.9g} at draw {draw}")
        return out

    def __call__(self, x: Floats, draw: int) -> Floats:
        """Values of codes, of any size.

        Raises
        ------
        InputError
            As `raw` does, and for a value that is no multiple of the step size.
        """
        out = self.raw(x, draw)
        on = self.values(np.rint(out.astype(np.float64) / float(np.float32(self.step_size))))
        off = np.abs(out - on) > CLOSE * np.abs(on)
        if off.any():
            i = tuple(int(one) for one in np.argwhere(off)[0])
            raise InputError(
                f"{self.name} must return values c * step_size of the lattice ({self.lattice}), got {out[i]:.9g} for "
                f"x = {x[i]:.9g} at draw {draw}"
            )
        return out

    def _at(self, x: Floats, draw: int) -> str:
        span = f"from {x.min():.9g} to {x.max():.9g}" if x.size > 1 else f"{x.flat[0]:.9g}"
        return f"{self.name}(x, draw) with x of shape {x.shape}, {span}, and draw = {draw}"

    def try_out(self) -> None:
        """A few calls: InputError if the function keeps no contract at all, or two calls with one draw differ."""
        codes = np.linspace(self.low, self.high, 64).round()
        x = (self.values(codes) + self.values(np.linspace(0.0, 0.9, 64) * (codes < self.high))).reshape(16, 4)
        for draw in (0, 1, 12345678):
            first, again = self(x, draw), self(x, draw)
            if not np.array_equal(first, again):
                i = tuple(int(one) for one in np.argwhere(first != again)[0])
                raise InputError(
                    f"{self.name} must give the same result for the same x and draw, got {first[i]:.9g} and "
                    f"{again[i]:.9g} for x = {x[i]:.9g} at draw {draw}; let draw decide the seed"
                )


def user_quantizer(given: Any, bits: Any, step_size: Any) -> UserQuantizer:
    """The quantiser of ``verify(quantizer=, bits=, step_size=)``, loaded and tried out.

    Parameters
    ----------
    given : str or function
        ``module:function``, ``file.py:function``, or the function.
    bits : int
        2 to 16.
    step_size : float

    Raises
    ------
    InputError
        Something breaks its rule, cannot be loaded, or the function does not keep its contract.

    Examples
    --------
    >>> def nearest(x, draw):
    ...     codes = np.clip(np.rint(x / np.float32(0.5)), -8, 7)
    ...     return (codes * np.float32(0.5)).astype(np.float32)
    >>> user_quantizer(nearest, 4, 0.5).lattice
    '4 bits, step size 0.5'
    """
    if bits is None or step_size is None:
        missing = " and ".join(name for name, value in (("bits", bits), ("step_size", step_size)) if value is None)
        raise InputError(f"quantizer needs its lattice: give {missing} too")
    bits = whole_number("bits", bits, BITS[0])
    if bits > BITS[1]:
        raise InputError(f"bits must be from {BITS[0]} to {BITS[1]}, got {bits}")
    size = math.nan
    if is_number(step_size):
        with suppress(OverflowError):  # a whole number beyond float64
            size = float(step_size)
    most = largest_step_size(bits)
    if not (math.isfinite(size) and 1e-30 <= size <= min(most, 1e30)):
        raise InputError(f"step_size must be a number from 1e-30 to {min(most, 1e30):.3g}, got {step_size!r}")
    if callable(given):
        name = str(getattr(given, "__qualname__", type(given).__name__))
        made = UserQuantizer(name, int(bits), float(size), digest=secrets.token_hex(16), given=given)
    elif isinstance(given, str):
        address = _absolute(given)
        function = _loaded(address)
        made = UserQuantizer(given, int(bits), float(size), address, _digest(address, function))
    else:
        raise InputError(f"quantizer must be a function or the name of one, got {type(given).__name__}")
    made.try_out()
    return made


def _absolute(name: str) -> str:
    """The name with the path of its file, if it names one, from the root: a worker has another current folder."""
    place, colon, attribute = name.rpartition(":")
    return f"{Path(place).absolute()}:{attribute}" if colon and place.endswith(".py") else name


@functools.cache
def _loaded(address: str) -> Callable[..., Any]:
    from alpt_ref._util.named_function import load_function  # only where somebody names a function

    with redirect_stdout(sys.stderr):
        return load_function(address, "quantizer")


def _digest(address: str, function: Callable[..., Any]) -> str:
    """SHA-256 over the files behind the function: its own, the one that it was named in, and what they import."""
    place = address.rpartition(":")[0]
    files = [Path(place)] if place.endswith(".py") else _file_of_module(place)
    with capture_error():
        files += [Path(inspect.getfile(inspect.unwrap(function)))]
    python = {file.resolve() for file in files if file.suffix == ".py"}
    parts = parts_of(sorted(python), files=[file for file in files if file.suffix != ".py"])
    known = (address, parts.digest, metadata.version("numpy"), sys.version)
    return hashlib.sha256(repr(known).encode()).hexdigest()


def _file_of_module(name: str) -> list[Path]:
    spec = importlib.util.find_spec(name)
    return [Path(spec.origin)] if spec is not None and spec.origin and Path(spec.origin).is_file() else []
