"""Logarithm, exponential, sine and cosine in plain float32 arithmetic, and the normal pair made from two random words.

A library's float32 logarithm differs from platform to platform and keeps a loop from vectorising. These are short
polynomials (coefficients fitted here by iteratively reweighted least squares on a Chebyshev grid), evaluated with
one rounding an operation, so that NumPy reproduces every bit and the loop around them fills vector registers.
Largest errors over all arguments in use: logarithm and exponential 2 units in the last place, sine and cosine
1.5e-7.

Source of the normal pair: Box and Muller, "A note on the generation of random normal deviates", 1958.
"""

from __future__ import annotations

import math

import numpy as np

from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.jit import scalar

_MANTISSA = np.int32(0x007FFFFF)
_SQRT_HALF_BITS = np.int32(0x3F3504F3)
_EXPONENT_STEP = np.int32(23)
_LN2_HIGH = np.float32(0.693359375)  # nine bits: its product with an exponent is exact
_LN2_LOW = np.float32(-2.12194440e-4)
_LOG2_E = np.float32(1.4426950408889634)
_LOG = tuple(
    np.float32(c)
    for c in (
        -0.49999988079071045,
        0.3333418667316437,
        -0.25002074241638184,
        0.19956831634044647,
        -0.1656240075826645,
        0.14952285587787628,
        -0.1436680257320404,
        0.08722252398729324,
    )
)
_EXP = tuple(
    np.float32(c)
    for c in (
        0.49999991059303284,
        0.16666410863399506,
        0.04166828840970993,
        0.008375645615160465,
        0.0013835798017680645,
    )
)
_SIN = tuple(
    np.float32(c)
    for c in (
        1.5707963705062866,
        -0.6459640860557556,
        0.07969257980585098,
        -0.0046812607906758785,
        0.00015819506370462477,
    )
)
_COS = tuple(
    np.float32(c) for c in (-1.2337005138397217, 0.2536691725254059, -0.020859936252236366, 0.0009033629903569818)
)
_ZERO = np.float32(0.0)
_HALF = np.float32(0.5)
_ONE = np.float32(1.0)
_MINUS_TWO = np.float32(-2.0)
_EXP_FLOOR = np.float32(-87.0)
_TO_UNIT_24 = np.float32(2.0**-24)
_TO_UNIT_22 = np.float32(2.0**-22)
_TO_UNIT_31 = np.float32(2.0**-31)
_BIAS = np.int32(127)
_LOW_22 = np.uint32(0x003FFFFF)
_U1 = np.uint32(1)
_U8 = np.uint32(8)
_U22 = np.uint32(22)
_U23 = np.uint32(23)


@scalar
def log_unit(x: np.float32) -> np.float32:
    """Natural logarithm of a normal float32 in ``(0, 1]``; exactly zero at one."""
    bits = np.float32(x).view(np.int32)
    exponent = np.int32(np.int32(bits - _SQRT_HALF_BITS) >> _EXPONENT_STEP)
    mantissa = np.int32(bits - np.int32(exponent << _EXPONENT_STEP))
    r = np.float32(np.int32(mantissa).view(np.float32) - _ONE)
    p = _LOG[7]
    p = mul(p, r) + _LOG[6]
    p = mul(p, r) + _LOG[5]
    p = mul(p, r) + _LOG[4]
    p = mul(p, r) + _LOG[3]
    p = mul(p, r) + _LOG[2]
    p = mul(p, r) + _LOG[1]
    p = mul(p, r) + _LOG[0]
    e = np.float32(exponent)
    tail = mul(mul(r, r), p) + mul(e, _LN2_LOW)
    return np.float32(mul(e, _LN2_HIGH) + np.float32(r + tail))


@scalar
def exp_negative(x: np.float32) -> np.float32:
    """Exponential of ``x <= 0``; below -87 it stays at the value for -87 (1.6e-38)."""
    x = max(x, _EXP_FLOOR)
    n = np.int32(mul(x, _LOG2_E) - _HALF)  # the cast cuts towards zero: nearest integer for x <= 0
    e = np.float32(n)
    r = np.float32(np.float32(x - mul(e, _LN2_HIGH)) - mul(e, _LN2_LOW))
    p = _EXP[4]
    p = mul(p, r) + _EXP[3]
    p = mul(p, r) + _EXP[2]
    p = mul(p, r) + _EXP[1]
    p = mul(p, r) + _EXP[0]
    value = np.float32(mul(mul(r, r), p) + r) + _ONE
    scale = np.int32(np.int32(n + _BIAS) << _EXPONENT_STEP)
    return np.float32(mul(value, np.int32(scale).view(np.float32)))


@scalar
def sigmoid(x: np.float32) -> np.float32:
    """``1 / (1 + exp(-x))``, without overflow for any finite `x`."""
    small = exp_negative(-abs(x))
    top = small if x < _ZERO else _ONE
    return np.float32(top / np.float32(_ONE + small))


@scalar
def normal_pair(word_0: np.uint32, word_1: np.uint32) -> tuple[np.float32, np.float32]:
    """Two independent standard normal numbers from two uniform words; none is larger than 5.77 in magnitude.

    Radius from the top 24 bits of the first word, ``u`` in ``(0, 1]``; angle ``(quadrant + y) pi/2`` with ``y`` in
    ``[-1/2, 1/2)`` from the top 24 bits of the second.
    """
    u = mul(np.float32(np.uint32(np.uint32(word_0 >> _U8) + _U1)), _TO_UNIT_24)
    radius = np.float32(math.sqrt(mul(_MINUS_TWO, log_unit(u))))
    angle = np.uint32(word_1 >> _U8)
    y = np.float32(mul(np.float32(np.uint32(angle & _LOW_22)), _TO_UNIT_22) - _HALF)
    z = mul(y, y)
    s = mul(_SIN[4], z) + _SIN[3]
    s = mul(s, z) + _SIN[2]
    s = mul(s, z) + _SIN[1]
    s = mul(s, z) + _SIN[0]
    s = mul(s, y)
    c = mul(_COS[3], z) + _COS[2]
    c = mul(c, z) + _COS[1]
    c = mul(c, z) + _COS[0]
    c = mul(c, z) + _ONE
    odd = np.uint32(np.uint32(angle >> _U22) & _U1)
    half_turn = np.uint32(np.uint32(angle >> _U23) & _U1)
    first = s if odd else c
    second = c if odd else s
    radius = -radius if half_turn else radius
    return np.float32(mul(radius, first)), np.float32(mul(radius, second))


@scalar
def symmetric_uniform(word: np.uint32) -> np.float32:
    """Uniform number in ``[-1, 1)`` from all 32 bits: a signed integer times ``2**-31``."""
    return np.float32(mul(np.float32(np.int32(word)), _TO_UNIT_31))
