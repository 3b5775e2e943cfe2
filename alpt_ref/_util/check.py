"""Argument checks at the boundary: each raises one `InputError` sentence, before anything changes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError

BITS = (2, 4, 8, 16)
ROUNDINGS = ("sr", "dr")
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_FLOAT32_TINY = float(np.finfo(np.float32).smallest_subnormal)


def whole_number(name: str, value: Any, low: int, high: int | None = None) -> int:
    """`value` as an int in ``[low, high)``."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
    if not whole or value < low or (high is not None and value >= high):
        rule = f"of at least {low}" if high is None else f"from {low} to {_last(high)}"
        found = int(value) if whole else repr(value)  # without NumPy's np.int64(...)
        raise InputError(f"{name} must be a whole number {rule}, got {found}")
    return int(value)


def _last(high: int) -> str:
    """The largest number below `high` as one reads it."""
    power = high.bit_length() - 1
    return f"2**{power} - 1" if high == 1 << power and power > 15 else str(high - 1)


def is_number(value: object) -> bool:
    """Whether `value` is a real number of Python or NumPy, no bool."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def number(name: str, value: Any, *, positive: bool = False, rule: str = "") -> float:
    """`value` as a float that is finite and non-negative (or positive), also after a conversion to float32."""
    if isinstance(value, (bool, np.bool_, str)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InputError(f"{name} must be a number, got {value!r}")
    wanted = rule or ("finite and positive" if positive else "finite and not negative")
    try:
        result = float(value)
    except OverflowError:  # a whole number beyond float64
        raise InputError(f"{name} must be {wanted} in float32, got a number of over 300 digits") from None
    if not math.isfinite(result) or result < 0 or (positive and result == 0):
        raise InputError(f"{name} must be {wanted}, got {result}")
    if result > _FLOAT32_MAX or (positive and result < _FLOAT32_TINY):  # the kernels would see infinity or zero
        raise InputError(f"{name} must be {wanted} in float32, got {result}")
    return result


def bits(value: Any) -> int:
    """A supported code width."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value not in BITS:
        raise InputError(f"bits must be 2, 4, 8 or 16, got {value!r}")
    return int(value)


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """One of a few words, whatever its case; returned in lower case."""
    if not isinstance(value, str) or value.lower() not in allowed:
        words = " or ".join(repr(word) for word in allowed)
        raise InputError(f"{name} must be {words}, got {value!r}")
    return value.lower()


def float32_matrix(
    name: str, value: Any, shape: tuple[int | None, int | None] = (None, None), xp: Any = np
) -> NDArray[np.float32]:
    """`value` as a C-contiguous native float32 array (rows, columns) of `xp`; never a silent change of precision."""
    if not isinstance(value, xp.ndarray):
        raise InputError(f"{name} must be a NumPy array of float32, got {type(value).__name__}")
    no_mask(name, value)
    if value.dtype.kind != "f" or value.dtype.itemsize != 4:
        raise InputError(f"{name} must be float32, got {value.dtype}; convert it with {name}.astype(np.float32)")
    if value.ndim != 2:
        raise InputError(f"{name} must have two dimensions (rows, columns), got shape {value.shape}")
    for axis, wanted in enumerate(shape):
        if wanted is not None and value.shape[axis] != wanted:
            wanted_shape = tuple("any" if size is None else size for size in shape)
            raise InputError(f"{name} must have shape {wanted_shape}, got {value.shape}")
    array: NDArray[np.float32] = xp.ascontiguousarray(value, dtype=np.float32)
    return array


def no_mask(name: str, value: Any) -> None:
    """InputError for a masked array, whose masked values would count as if they were none."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        count = int(np.ma.getmaskarray(value).sum())
        raise InputError(f"{name} must not be masked, got {count:,} masked values; leave them out, or fill them")


def as_array(name: str, value: Any) -> NDArray[Any]:
    no_mask(name, value)
    try:
        return np.asarray(value)
    except ValueError:  # lists of different lengths
        raise InputError(
            f"{name} must be a plain array of numbers, got nested sequences of different lengths"
        ) from None


def step_sizes(value: Any, rows: int, xp: Any = np) -> NDArray[np.float32]:
    """Step size(s) as float32 (1,) or (rows,) of `xp`: finite and positive, also after the conversion to float32."""
    if isinstance(value, (bool, np.bool_, str)):
        raise InputError(f"step_size must be a number or an array of numbers, got {value!r}")
    array = as_array("step_size", value) if xp is np else value
    if array.dtype.kind not in "fiu" or array.ndim > 1:
        raise InputError(
            f"step_size must be a number or an array (n,) of numbers, got {array.dtype} of shape {array.shape}"
        )
    if array.ndim == 1 and array.shape[0] != rows:
        raise InputError(f"step_size must be a number or have one value per row ({rows}), got {array.shape[0]} values")
    with np.errstate(over="ignore", under="ignore"):
        result: NDArray[np.float32] = xp.ascontiguousarray(xp.atleast_1d(array), dtype=np.float32)
    if xp is np and result.size and result.min() > 0 and result.max() < np.inf:  # quickly; false for NaN
        return result
    # CuPy's comparisons take subnormal numbers for 0; as integers the positive numbers are those above 0
    good = xp.isfinite(result) & (result.view(np.int32) > 0)
    if not good.all():
        where = int(xp.flatnonzero(~good)[0])
        at = f" at row {where}" if array.ndim == 1 else ""
        raise InputError(f"step_size must be finite and positive in float32, got {xp.atleast_1d(array)[where]}{at}")
    return result
