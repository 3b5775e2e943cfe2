"""Where the GPU's quantisers do otherwise than `scalar.lattice`, with its bits: the cell, and SR in float32.

The comparison of SR is in float64, which most GPUs do slowly. Its two sides in float32, ``left = fl(fl(word) gap)`` and
``right = rest * 2**32``, are exact to ``2**-23`` and exact: where they differ by more than ``2**-22`` of the right one,
they compare as float64's do. The other elements, about one in four million, are compared in float64 afterwards. That
holds for gaps from ``2**-60`` to ``2**60``, where no product leaves the range of float32's normal numbers; an infinite
``right`` is never sure.
"""

from __future__ import annotations

import numpy as np

from alpt_ref.kernels.cuda.division import LARGEST, SMALLEST, quotient
from alpt_ref.kernels.cuda.target import device, whole_part
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.lattice import cell_below, goes_away, last_cell, rest_and_gap, signed_code

_ZERO = np.float32(0.0)
_WORDS = np.float32(4294967296.0)
_UNSURE = np.float32(2.0**-22)


@device
def compare(word, rest, gap):  # type: ignore[no-untyped-def]
    """`goes_away` in float32, and whether that is not sure; for gaps from `SMALLEST` to `LARGEST`."""
    left = np.float32(mul(np.float32(word), gap))
    right = np.float32(mul(rest, _WORDS))
    return left < right, not abs(np.float32(left - right)) > np.float32(mul(right, _UNSURE))


@device
def random_code(w, step_size, low, high, word):  # type: ignore[no-untyped-def]
    """`scalar.lattice.random_code`."""
    negative, size = w < _ZERO, np.float32(abs(w))
    whole, count = cell_below(size, step_size, last_cell(negative, low, high))
    rest, gap = rest_and_gap(size, whole, step_size)
    away, unsure = compare(word, rest, gap)
    if unsure or gap < SMALLEST or gap > LARGEST:
        away = goes_away(word, rest, gap)
    return signed_code(negative, count, away)


@device
def known_cell(size, negative, low, high, step_size, inverse, rest):  # type: ignore[no-untyped-def]
    """`cell_below` under a step size whose reciprocal is known, for magnitudes up to `known_step_size`'s limit."""
    return whole_part(min(last_cell(negative, low, high), quotient(size, step_size, inverse, rest)))
