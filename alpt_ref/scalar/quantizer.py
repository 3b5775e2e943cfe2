"""Codes in training: bounds, values, moves on the grid, the step-size derivative, sign extension of a packed code.

With ``m`` bits the codes are the integers ``q_min = -2**(m-1)`` to ``q_max = 2**(m-1) - 1`` and the value of a code is
``step_size * code``. Training rounds in grid units, ``x = w / step_size``: a division, never a product with a
reciprocal. (How the public quantiser rounds a weight is `lattice`.)

What is exact in a table's update. Its weights are the real numbers ``step_size * code``. A row moves by
``update / step_size``, rounded to float32 (a relative ``2**-24``; with weight decay a sum of two such terms), and `sr`
of the move has the mean of that float32 number to ``2**-32`` of a step. The code is added as a whole number: no update,
no move. Where the step size changes by the factor ``1 / ratio``, the old weight in new steps, ``code * ratio``, is
formed in float32 from a rounded ratio: off by at most ``2**-23 |code ratio|`` of a step, ``2**-8`` at 16 bits and
``2**-16`` at 8 inside the range, at each change; what is left of it beside a whole number and the move are added in
float32, a relative ``2**-24`` of the sum. The forward pass reads `decode`, off the real weight by the rounding of one
product, at most ``2**-24 |code|`` of a step: ``2**-9`` at 16 bits, ``2**-17`` at 8. That never enters the codes.
"""

from __future__ import annotations

import numpy as np

from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.code_range import highest_code, lowest_code
from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.rounding import dr, saturate, sr
from alpt_ref.scalar.types import Int

_highest, _lowest = scalar(highest_code), scalar(lowest_code)
_FAR = np.float32(4194304.0)
_ZERO = np.float32(0.0)


@scalar
def q_max(bits: Int) -> np.int32:
    """Largest code of `bits` bits."""
    return np.int32(_highest(bits))


@scalar
def q_min(bits: Int) -> np.int32:
    """Smallest code of `bits` bits."""
    return np.int32(_lowest(bits))


@scalar
def encode_dr(x: np.float32, low: np.float32, high: np.float32) -> np.int32:
    """Code of the grid-unit value `x` by nearest rounding, saturated to ``[low, high]`` (quantisation-aware training).

    Where x is a quotient rounded to float32, a weight within ``2**-24 |x|`` of a step of a tie may get the other code.
    """
    return dr(saturate(x, low, high))


@scalar
def decode(code: np.int32, step_size: np.float32) -> np.float32:
    """Value of a code: ``step_size * code`` in float32, rounded before it is added to anything."""
    return np.float32(mul(np.float32(code), step_size))


@scalar
def step_derivative(x: np.float32, low: np.float32, high: np.float32) -> np.float32:
    """Derivative of the nearest-rounded value by the step size, straight through (theory R5; Esser et al., LSQ, 2020).

    ``round(x) - x`` inside the range (ends included), `low` below it, `high` above it, for ``x = w / step_size``.
    """
    if x < low:
        return low
    if x > high:
        return high
    return np.float32(np.float32(dr(x)) - x)


@scalar
def grid_shift(
    code: np.int32, ratio: np.float32, update: np.float32, step_size: np.float32, decay: np.float32
) -> np.float32:
    """``update / step_size + decay * code * ratio``: an update in weight units and decoupled decay, in grid units."""
    kept = np.float32(np.float32(code) * ratio)
    return np.float32(np.float32(update / step_size) + mul(decay, kept))


@scalar
def moved_parts(code: np.int32, ratio: np.float32, shift: np.float32) -> tuple[np.int32, np.float32]:
    """``code * ratio - shift`` as a whole number and what is left: see `moved_code`."""
    base = saturate(np.float32(np.float32(code) * ratio), -_FAR, _FAR)
    whole = dr(base)
    rest = np.float32(base - np.float32(whole))
    return whole, saturate(np.float32(rest - shift), -_FAR, _FAR)


@scalar
def moved_code(code: np.int32, ratio: np.float32, shift: np.float32, stochastic: bool, word: np.uint32) -> np.int32:
    """``code * ratio - shift``, all in units of the new step size, rounded but not yet limited to the code range.

    `ratio` is old over new step size. The whole part of ``code * ratio`` is set aside before rounding, so that an
    update far smaller than the code's own float32 spacing still counts, and an element with no update and an
    unchanged step size keeps its code exactly. Magnitudes are limited to 2**22, far outside every code range.
    """
    whole, x = moved_parts(code, ratio, shift)
    return np.int32(whole + (sr(x, word) if stochastic else dr(x)))


@scalar
def shifted_code(code: np.int32, shift: np.float32, stochastic: bool, word: np.uint32) -> np.int32:
    """`moved_code` where the step size stays: a ratio of 1 leaves the code, which is within ``2**22``, as it is."""
    x = saturate(np.float32(_ZERO - shift), -_FAR, _FAR)
    return np.int32(code + (sr(x, word) if stochastic else dr(x)))


@scalar
def rounding_error(
    code: np.int32, after: np.int32, ratio: np.float32, shift: np.float32, low: np.int32, high: np.int32
) -> np.float32:
    """``code * ratio - shift`` less the code `after` that it was rounded to, in new step sizes, to 2**-24 of one.

    Zero beyond the range ``[low, high]``: what was clipped is no rounding error.
    """
    whole, x = moved_parts(code, ratio, shift)
    beyond = x > np.float32(high - whole) or x < np.float32(low - whole)
    return _ZERO if beyond else np.float32(x - np.float32(after - whole))


@scalar
def moved_step_derivative(code: np.int32, shift: np.float32, low: np.float32, high: np.float32) -> np.float32:
    """`step_derivative` at ``x = code - shift`` without the cancellation of forming `x` first."""
    x = np.float32(np.float32(code) - shift)
    if x < low:
        return low
    if x > high:
        return high
    return np.float32(np.float32(dr(-shift)) + shift)


@scalar
def sign_extend(field: np.uint32, unused: np.uint32) -> np.int32:
    """Signed code from a 32-bit word that has been shifted so that the code's top bit is bit 31."""
    return np.int32(np.int32(field) >> np.int32(unused))
