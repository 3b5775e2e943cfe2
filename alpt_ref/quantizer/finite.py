"""Step sizes so large that a code has no finite value are refused, on either device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.scalar.code_range import largest_step_size, lowest_code


def check_grid(name: str, step_sizes: Any, bits: int, *, numbered: bool = True, first: int = 0, xp: Any = np) -> None:
    """Raise `InputError` if a code of `bits` bits has an infinite value under one of the step sizes.

    Parameters
    ----------
    name : str
        What the step sizes are called in the sentence.
    step_sizes : float32 array (k,) of `xp`
        Finite and positive.
    bits : {2, 4, 8, 16}
    numbered : bool
        Whether the sentence names the row, `first` and following.

    Examples
    --------
    >>> check_grid("step_size", np.array([1.0, 1e36], np.float32), 8)  # 128e36 is finite
    >>> check_grid("step_size", np.array([1.0, 1e37], np.float32), 8)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    alpt_ref.errors.InputError: step_size must be at most 2.658456e+36 at 8 bits, or code -128 has an infinite value ...
    """
    largest = largest_step_size(bits)
    if not len(step_sizes) or float(step_sizes.max()) <= largest:
        return
    where = int(xp.argmax(step_sizes > np.float32(largest)))
    raise InputError(
        f"{name} must be at most {largest:.7g} at {bits} bits, or code {lowest_code(bits)} has an infinite value in "
        f"float32, got {float(step_sizes[where]):.7g}" + (f" at row {first + where}" if numbered else "")
    )


def grid_step_sizes(step_size: Any, rows: int, bits: int, xp: Any = np) -> NDArray[np.float32]:
    """Step sizes (1,) or (rows,) under which every code of `bits` bits has a finite value, or `InputError`."""
    checked = _check.step_sizes(step_size, rows, xp)
    check_grid("step_size", checked, bits, numbered=np.ndim(step_size) == 1, xp=xp)
    return checked


def require_finite_values(values: Any, codes: Any, step_sizes: Any, xp: Any = np) -> None:
    """Raise `InputError` with the place of the first value that exceeds float32; looks only where there may be one."""
    if not values.size or float(step_sizes.max()) <= largest_step_size(8 * codes.dtype.itemsize):
        return
    finite = xp.isfinite(values)
    if not bool(finite.all()):
        row, column = (int(index[0]) for index in xp.nonzero(~finite))
        step_size = float(step_sizes[row if len(step_sizes) > 1 else 0])
        raise InputError(
            f"step_size times code must be finite in float32, got {step_size:.7g} times {int(codes[row, column])} at "
            f"row {row}, column {column}"
        )
