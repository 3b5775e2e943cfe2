"""R1 for the quantiser: stochastic rounding of a float32 weight between the values of two codes, in exact fractions.

Nothing here shares code with the kernels: values are products in float64, which hold them exactly, rounded once.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from alpt_ref.errors import InputError
from alpt_ref.scalar.code_range import code_range


def lattice_value(code: int, step_size: float) -> Fraction:
    """Value of a code, ``fl(code * step_size)``: the product with a float32 step size, rounded once to float32.

    Examples
    --------
    >>> lattice_value(3, 0.25)
    Fraction(3, 4)
    >>> float(lattice_value(3, 0.1))  # the float32 nearest to 3 * float32(0.1)
    0.30000001192092896
    """
    return Fraction(float(np.float32(code * float(np.float32(step_size)))))


def lattice_neighbours(w: float, step_size: float, bits: int) -> tuple[int, int]:
    """The codes c and c' of the values between which a float32 weight lies, c nearer to zero.

    A value itself, and a weight beyond the range, has c' as the code that it gets (or c, at zero).

    Examples
    --------
    >>> lattice_neighbours(-3276.6, 0.1, 16)
    (-32765, -32766)
    >>> lattice_neighbours(1e9, 0.1, 4)
    (6, 7)
    """
    low, high = code_range(bits)
    sign, last = (-1, -low) if w < 0 else (1, high)
    size = abs(Fraction(w))
    below, above = 0, last
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if lattice_value(middle, step_size) < size else (below, middle)
    return sign * below, sign * above


def lattice_words(w: float, step_size: float, bits: int, random_bits: int = 32) -> int:
    """R1: how many of the ``2**random_bits`` words round a float32 weight away from zero.

    ``ceil(p 2**random_bits)`` for the weight's place p between its two neighbours (see `lattice_bias`). Where the
    kernels' float64 comparison rounds a product up to the limit they count one less, which
    changes the mean by at most ``2**-53`` of the distance.

    Examples
    --------
    >>> lattice_words(0.75, 1.0, 4, random_bits=3)
    6
    """
    toward, away = lattice_neighbours(w, step_size, bits)
    start, end = lattice_value(abs(toward), step_size), lattice_value(abs(away), step_size)
    place = min(max((abs(Fraction(w)) - start) / (end - start), Fraction(0)), Fraction(1))
    words: int = math.ceil(place * 2**random_bits)
    return words


def lattice_bias(w: float, step_size: float, bits: int, words: int | None = None, random_bits: int = 32) -> Fraction:
    r"""R1: stochastic rounding is unbiased, up to the resolution of its random word.

    Statement
    ---------
    $\left|E\,v_{Q(w)} - w\right| \leq 2^{-r}\,(v_{c+1} - v_c)$ for $v_c \leq w \leq v_{c+1}$,
    $v_c = fl(c\,\Delta)$, with $r$ random bits

    In words
    --------
    |E v(Q(w)) - w| <= 2^-r (v(c+1) - v(c)) for v(c) <= w <= v(c+1), v(c) = c Delta rounded to float32, r random bits:
    the mean of the value that stands for w is w. A value of a code is not moved.

    Parameters
    ----------
    w : float
        A float32 number, inside the range.
    step_size : float
        Rounded to float32.
    bits : {2, 4, 8, 16}
        Width of the codes.
    words : int, optional
        How many of the words go away from zero; default: as defined, `lattice_words`.
    random_bits : int

    Returns
    -------
    Fraction
        The exact bias in units of the distance between the two values, positive where the mean is too far from zero.

    Raises
    ------
    InputError
        If w lies beyond the range: there is no mean of w there.

    Proof
    -----
    Let a = |w| lie between the neighbours ``u <= a <= u + g`` of the symmetric lattice, ``p = (a - u)/g``. The word k,
    uniform on ``0 .. 2^r - 1``, sends a to ``u + g`` iff ``k g < (a - u) 2^r``, that is iff ``k < p 2^r``: for ``N =
    ceil(p 2^r)`` words. ``E = u + g N 2^-r`` and ``0 <= N 2^-r - p < 2^-r``. At a value p is 0 or 1, hence N is 0 or
    2^r. In float64 ``k g`` is rounded, by less than ``2^-53 k g``, which can only turn the last ``<`` into ``=``: then
    ``N 2^-r >= p (1 - 2^-53)``.

    Source
    ------
    ours

    Examples
    --------
    >>> lattice_bias(0.75, 1.0, 4, random_bits=3)
    Fraction(0, 1)
    >>> 0 < lattice_bias(1234.56005859375, 0.1, 16) < Fraction(1, 2**32)
    True
    """
    toward, away = lattice_neighbours(w, step_size, bits)
    start, end = lattice_value(abs(toward), step_size), lattice_value(abs(away), step_size)
    place = (abs(Fraction(w)) - start) / (end - start)
    if place > 1:
        raise InputError(f"w must lie in the range of the codes, up to {float(end)} in magnitude, got {w}")
    count = lattice_words(w, step_size, bits, random_bits) if words is None else words
    return Fraction(count, 2**random_bits) - place
