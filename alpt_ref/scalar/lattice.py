"""The quantiser: the code of a float32 weight on the lattice of a step size, nearest or by a random word.

The lattice of a step size D are the float32 numbers ``v_c = fl(c D)`` that `quantizer.decode` returns: the product of
code and step size, rounded once. (The real multiples ``c D`` are mostly no float32 numbers.) It is symmetric about
zero, and strictly increasing in c for every ``D >= 2**-149`` and ``|c| <= 2**15``. A weight w is rounded to one of the
two neighbours of its magnitude, ``v_k <= |w| <= v_{k+1}``:

* to nearest: away from zero iff ``|w| - v_k > v_{k+1} - |w|``, and in a tie upwards (so away from zero if w > 0);
* by a word, uniform on ``0 .. 2**32 - 1``: away from zero iff ``word * (v_{k+1} - v_k) < (|w| - v_k) * 2**32``, both
  sides in float64.

A weight beyond the range gets the code at its end, and the value of a code gets that code, whatever the word.

What is exact. ``v_{k+1} - v_k`` and ``|w| - v_k`` are exact in float32 (Sterbenz's lemma; for k = 0 there is nothing to
subtract), and ``v_{k+1} - |w|`` is exact, or w is far from the tie. So nearest rounding is nearest, and in a tie is up,
without exception. The two sides of the comparison are exact but for the rounding of ``word * gap``, which has up to
56 binary digits for float64's 53: monotone, so that of N words that go away, ``0 .. N - 1``,

    (N - 1) gap < rest 2**32   and   N gap >= rest 2**32 (1 - 2**-53),

``gap = v_{k+1} - v_k``, ``rest = |w| - v_k``. The mean value over all words differs from w by ``N gap 2**-32 - rest``,
away from zero: at least ``-2**-53 rest`` and less than ``2**-32 gap`` (theory R1).

How k is found. The float32 quotient ``|w| / D`` is never rounded down past a whole number, since these are float32
numbers: its whole part is the k of the real quotient, or k + 1 where it was rounded up, which ``|w| < v_{k+1}`` shows.
That k is right: w is a float32 number too, so that ``k D <= |w|`` implies ``v_k <= |w|``, and likewise above. Where
``|w| = v_{k+1}``, k and k + 1 give the same code. Nearest rounding needs no such care: a quotient that was rounded up
to k + 1 belongs to a weight next to ``v_{k+1}``, which it gets, since it lies below that and so is not sent beyond.

How it is done fast. Float64 halves the speed of a processor's vectors and is slow on most GPUs. The two sides in
float32, ``left = fl(fl(word) gap)`` and ``right = rest 2**32``, are right to ``2**-23`` and exact. Where they differ by
more than ``2**-22`` of the right one they compare as float64's do. `tried_code` compares so, and says where that is not
sure, about once in four million; `random_code` is asked then.
"""

from __future__ import annotations

import numpy as np

from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.rounding import truncated

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)
_WORDS = np.float64(4294967296.0)
_WORDS_32 = np.float32(4294967296.0)
_UNSURE = np.float32(2.0**-22)
SMALLEST_TRIED, LARGEST_TRIED = np.float32(2.0**-60), np.float32(2.0**60)
"""Step sizes for `tried_code`: no product leaves the range of float32's normal numbers on the left side."""
_I0 = np.int32(0)
_I1 = np.int32(1)


@scalar
def last_cell(negative: bool, low: np.float32, high: np.float32) -> np.float32:
    """The k of the range's last cell on the weight's side of zero: at its upper end and beyond, all go away."""
    return np.float32((-low if negative else high) - _ONE)


@scalar
def cell_near(size: np.float32, step_size: np.float32, last: np.float32) -> tuple[np.float32, np.int32]:
    """The k of ``v_k <= size <= v_{k+1}``, or k + 1 just below that end; at most `last`; as float32 and as int32."""
    return truncated(min(last, np.float32(size / step_size)))  # in this order NaN becomes `last`


@scalar
def cell_below(size: np.float32, step_size: np.float32, last: np.float32) -> tuple[np.float32, np.int32]:
    """The k of ``v_k <= size <= v_{k+1}``, at most `last`, as float32 and as int32; `size` is a magnitude."""
    whole, count = cell_near(size, step_size, last)
    rounded_up = size < np.float32(mul(whole, step_size))
    return np.float32(whole - (_ONE if rounded_up else _ZERO)), np.int32(count - (_I1 if rounded_up else _I0))


@scalar
def rest_and_gap(size: np.float32, whole: np.float32, step_size: np.float32) -> tuple[np.float32, np.float32]:
    """``size - v_k`` and ``v_{k+1} - v_k`` for ``k = whole``."""
    lower = np.float32(mul(whole, step_size))
    return np.float32(size - lower), np.float32(np.float32(mul(np.float32(whole + _ONE), step_size)) - lower)


@scalar
def goes_away(word: np.uint32, rest: np.float32, gap: np.float32) -> bool:
    """Whether the word sends a magnitude `rest` above its lower neighbour to the upper one, `gap` higher."""
    return bool(np.float64(word) * np.float64(gap) < np.float64(rest) * _WORDS)


@scalar
def tried(word: np.uint32, rest: np.float32, gap: np.float32) -> tuple[bool, bool]:
    """`goes_away` in float32, and whether that is not sure (so where `rest` is NaN or beyond 2**96); `rest` >= 0."""
    left = np.float32(mul(np.float32(word), gap))
    right = np.float32(mul(rest, _WORDS_32))
    sure = abs(np.float32(left - right)) > np.float32(mul(right, _UNSURE))
    return bool(left < right), not sure


@scalar
def signed_code(negative: bool, count: np.int32, away: bool) -> np.int32:
    """The code `count` from zero, or one more if `away`."""
    count = np.int32(count + (_I1 if away else _I0))
    return np.int32(-count) if negative else count


@scalar
def nearest_in_cell(
    negative: bool, size: np.float32, whole: np.float32, count: np.int32, step_size: np.float32
) -> np.int32:
    """Code of the neighbour of `size` that is nearer, given its cell ``k = whole = count`` by `cell_near`."""
    below = np.float32(size - np.float32(mul(whole, step_size)))
    above = np.float32(np.float32(mul(np.float32(whole + _ONE), step_size)) - size)
    return signed_code(negative, count, bool(below > above if negative else below >= above))


@scalar
def random_in_cell(
    negative: bool, size: np.float32, whole: np.float32, count: np.int32, step_size: np.float32, word: np.uint32
) -> np.int32:
    """Code of the neighbour of `size` that the word chooses, given its cell ``k = whole = count``."""
    rest, gap = rest_and_gap(size, whole, step_size)
    return signed_code(negative, count, goes_away(word, rest, gap))


@scalar
def nearest_code(w: np.float32, step_size: np.float32, low: np.float32, high: np.float32) -> np.int32:
    """Code of `w` by nearest rounding, in ``[low, high]``; ``-low * step_size`` must be finite, NaN gives any code."""
    negative, size = bool(w < _ZERO), np.float32(abs(w))
    whole, count = cell_near(size, step_size, last_cell(negative, low, high))
    return nearest_in_cell(negative, size, whole, count, step_size)


@scalar
def random_code(w: np.float32, step_size: np.float32, low: np.float32, high: np.float32, word: np.uint32) -> np.int32:
    """Code of `w` by stochastic rounding with one uniform 32-bit word; otherwise as `nearest_code`."""
    negative, size = bool(w < _ZERO), np.float32(abs(w))
    whole, count = cell_below(size, step_size, last_cell(negative, low, high))
    return random_in_cell(negative, size, whole, count, step_size, word)


@scalar
def tried_code(
    w: np.float32, step_size: np.float32, low: np.float32, high: np.float32, word: np.uint32
) -> tuple[np.int32, bool]:
    """`random_code` in float32 alone, and whether it is not sure; step sizes `SMALLEST_TRIED` to `LARGEST_TRIED`."""
    negative, size = bool(w < _ZERO), np.float32(abs(w))
    whole, count = cell_near(size, step_size, last_cell(negative, low, high))
    rest, gap = rest_and_gap(size, whole, step_size)
    away, unsure = tried(word, rest, gap)
    return signed_code(negative, count, away), bool(unsure or rest < _ZERO)
