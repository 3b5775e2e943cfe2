"""A user's function of one point, called for many points: compiled where Numba can, else vectorised, else in a loop.

Which one it is, and why it is not compiled, is recorded. Compiled and NumPy results must agree to `AGREEMENT` at the
points tried, or the compiled one is not taken; a run may then differ in the last bits of its gradients, no more.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.kernels.jit import numba, run_rows

Floats: TypeAlias = NDArray[np.float64]
How: TypeAlias = Literal["compiled", "vectorised", "row by row"]
AGREEMENT = 1e-9
"""Largest relative difference of a compiled function from the same function in NumPy."""
_ROWS_A_THREAD = 16


@dataclass(frozen=True)
class RowFunction:
    """A function over the rows of an array.

    Attributes
    ----------
    how : {"compiled", "vectorised", "row by row"}
    why : str
        Why it is not compiled; empty where it is.
    call : function
        float64 (n, d) to float64 (n,), or to (n, d) for a gradient.
    """

    how: How
    why: str
    call: Callable[[Floats], Floats]

    def __str__(self) -> str:
        """In words."""
        words = {"vectorised": "vectorised NumPy", "row by row": "one row at a time in Python"}.get(self.how, self.how)
        return f"{words} ({self.why})" if self.why else words


def row_function(
    name: str, function: Callable[..., Any], points: Floats, *, gradient: bool, compiled: bool | None
) -> RowFunction:
    """The best way to call `function` for many points.

    Parameters
    ----------
    name : str
        For messages.
    function : callable
        Of one point float64 (d,), or of many, (n, d): a number, or (n,); for a gradient (d,), or (n, d).
    points : float64 array (n, d)
        Where it is tried.
    gradient : bool
    compiled : bool or None
        True: it must compile; False: it is not tried.

    Raises
    ------
    InputError
        If it takes neither one point nor many, or does not compile where it must.
    """
    tail = points.shape[1:] if gradient else ()
    rows, row_error = _tried(lambda: np.stack([_real(function(p.copy())) for p in points]), (len(points), *tail))
    batch, batch_error = _tried(lambda: _real(function(points.copy())), (len(points), *tail))
    if rows is None and batch is None:
        shapes = "(d,) for a point (d,), or (n, d) for points (n, d)" if gradient else "a number, or (n,) for (n, d)"
        raise InputError(
            f"{name} must return {shapes}, here d = {points.shape[1]}: for one point it {row_error}, for many it "
            f"{batch_error}"
        )
    why = "compiled=False" if compiled is False else "it takes many points only"
    if rows is not None and compiled is not False:
        made, why = _compiled(function, points, rows, gradient)
        if made is not None:
            return RowFunction("compiled", "", made)
    if compiled:
        raise InputError(f"{name} does not compile ({why}); leave compiled out to run it in NumPy")
    if batch is not None and (rows is None or _same(batch, rows)):
        return RowFunction("vectorised", why, lambda w: np.asarray(_real(function(_own(w))), dtype=np.float64))

    def one_by_one(w: Floats) -> Floats:
        return np.stack([np.asarray(function(p), dtype=np.float64) for p in _own(w)])

    return RowFunction("row by row", why, one_by_one)


def _own(w: Floats) -> Floats:
    """The points in memory of their own: a function that writes to them must not move the runs."""
    return np.array(w, dtype=np.float64, order="C")


def _real(value: Any) -> NDArray[Any]:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"a result of type {array.dtype} is no real number")
    return array


def _tried(call: Callable[[], NDArray[Any]], shape: tuple[int, ...]) -> tuple[Floats | None, str]:
    """What a call gives if it has the shape, and what it did otherwise."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = call()
    except Exception as error:
        return None, f"raised {type(error).__name__}: {_first_line(error)}"
    if found.shape != shape:
        return None, f"returned the shape {found.shape[1:] if found.ndim > len(shape) else found.shape}"
    return found.astype(np.float64), ""


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:160] if lines else "no message"


def _same(one: Floats, other: Floats) -> bool:
    scale = np.abs(other).max(initial=0.0, where=np.isfinite(other))
    return bool(np.allclose(one, other, rtol=AGREEMENT, atol=AGREEMENT * scale, equal_nan=True))


def _compiled(
    function: Callable[..., Any], points: Floats, wanted: Floats, gradient: bool
) -> tuple[Callable[[Floats], Floats] | None, str]:
    """The function over rows in machine code, or why there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one = function if hasattr(function, "py_func") else numba.njit(nogil=True, error_model="numpy")(function)
            loop = _gradient_loop(one) if gradient else _value_loop(one)
            out = np.empty(wanted.shape)
            loop(0, len(points), points.copy(), out)
    except Exception as error:  # Numba raises what it likes, a user's function too
        return None, f"Numba: {type(error).__name__}, {_reason(error)}"
    if not _same(out, wanted):
        return None, "it gives other numbers when compiled"

    def call(w: Floats) -> Floats:
        found = np.empty(w.shape if gradient else len(w))
        run_rows(loop, len(w), _own(w), found, grain=_ROWS_A_THREAD)
        return found

    return call, ""


def _reason(error: BaseException) -> str:
    """The line of Numba's message that says what it does not know."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Failed in", "During:", "File ", "[1", "[2", "-", ">>>"))]
    return (telling or lines or ["no message"])[0][:160]


def _value_loop(one: Any) -> Any:
    @numba.njit(nogil=True, error_model="numpy")
    def loop(lo: int, hi: int, w: Floats, out: Floats) -> None:
        for r in range(lo, hi):
            out[r] = one(w[r])

    return loop


def _gradient_loop(one: Any) -> Any:
    @numba.njit(nogil=True, error_model="numpy")
    def loop(lo: int, hi: int, w: Floats, out: Floats) -> None:
        for r in range(lo, hi):
            out[r, :] = one(w[r])

    return loop
