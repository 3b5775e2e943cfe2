"""A quantiser in plain NumPy that is right, for any lattice, with places at which it can be made wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.quantizer.lattice import require_lattice
from alpt_ref.quantizer.lattices import Lattice, Uniform

Floats = NDArray[np.float32]
Words = NDArray[np.uint32]
Quantizer = Callable[[Any, int], Any]


def words_of(draw: int, shape: tuple[int, ...], seed: int = 0) -> Words:
    """One 32-bit word for each element, from Philox under the key (seed, draw)."""
    bits = np.random.Generator(np.random.Philox(key=[seed, draw]))
    return bits.integers(0, 1 << 32, size=shape, dtype=np.uint32)


def cells_of(lattice: Lattice, x: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Values of the cell ``lower <= x < upper`` and the column of its lower one; both are the end from the ends on."""
    if isinstance(lattice, Uniform):
        code = _uniform_code(lattice, x)
        lower, upper = code * lattice.step_size, (code + np.float32(1)) * lattice.step_size
        column = (code - np.float32(lattice.lowest)).astype(np.int64)
    else:
        column = np.clip(lattice.below(x), 0, lattice.size - 2)
        lower, upper = lattice.take(column), lattice.take(column + 1)
    return np.where(x >= upper, upper, lower), np.where(x < lower, lower, upper), column


def _uniform_code(lattice: Uniform, x: Floats) -> Floats:
    """The lower code by division, and by comparison with the values where the quotient was rounded."""
    lowest = np.float32(lattice.lowest)
    last = np.float32(lattice.size - 2) + lowest
    with np.errstate(all="ignore"):
        code = np.clip(np.floor(x / lattice.step_size), lowest, last)
    code -= code * lattice.step_size > x
    code += (code + np.float32(1)) * lattice.step_size <= x
    return np.asarray(np.clip(np.where(np.isnan(code), lowest, code), lowest, last))


def reference(
    lattice: Lattice,
    rounding: str = "sr",
    *,
    seed: int = 0,
    words: Callable[[int, tuple[int, ...]], Words] | None = None,
    chance: Callable[[NDArray[np.float64], Floats, NDArray[np.int64]], NDArray[np.float64]] | None = None,
) -> Quantizer:
    """A correct quantiser ``fn(x, draw)``, or one with other random words or another probability of going up.

    Parameters
    ----------
    lattice : Lattice
    rounding : {"sr", "dr"}
        Ties go up.
    seed : int
    words : callable ``words(draw, shape)``, optional
        32-bit words in place of `words_of`.
    chance : callable ``chance(p, x, column)``, optional
        Probability of the upper neighbour in place of p.

    Examples
    --------
    >>> fn = reference(Uniform(0.5, 4), "dr")
    >>> fn(np.array([[0.3, 0.25, -9.0]], np.float32), 0)
    array([[ 0.5,  0.5, -4. ]], dtype=float32)
    """
    require_lattice(lattice)
    rounding = _check.choice("rounding", rounding, _check.ROUNDINGS)
    draw_words = words or (lambda draw, shape: words_of(draw, shape, seed))

    def quantize(x: Any, draw: int) -> Floats:
        x = np.asarray(x, np.float32)
        lower, upper, column = cells_of(lattice, x)
        low, gap = lower.astype(np.float64), upper.astype(np.float64) - lower
        with np.errstate(all="ignore"):
            p = np.where(gap > 0, (x - low) / gap, 0.0)
        p = chance(p, x, column) if chance is not None else p
        up = p >= 0.5 if rounding == "dr" else draw_words(draw, x.shape) * 2.0**-32 < p
        result = np.where(up & (gap > 0), upper, lower)
        return np.where(np.isnan(x), x, result)

    return quantize
