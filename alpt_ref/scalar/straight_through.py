"""Quantisation-aware training of one number: the value that is read, and the straight-through derivatives.

A float32 weight `w` is read as ``step_size * round(clip(w / step_size, low, high))``, rounding the float32 quotient to
nearest. (Beside a tie this may differ from the public quantiser, `scalar.lattice`. What is exported is what is read.)
Backwards the rounding counts as the identity and only the clipping as what it is, so that

* the weight's derivative is 1 inside the range and 0 outside it, for LSQ and PACT alike;
* LSQ's derivative by the step size is `scalar.quantizer.step_derivative` (Esser et al., ICLR 2020, equation 3);
* PACT's derivative by the clip is that of ``clip(w, -c, c)`` (Choi et al. 2018, equation 3, here for both signs).

An end of the range belongs to the inside, for all three: so does automatic differentiation of a clamp. (Choi et al.
count it outside for the clip's derivative; a weight is there exactly only by chance.)
"""

from __future__ import annotations

import numpy as np

from alpt_ref.scalar.jit import scalar
from alpt_ref.scalar.quantizer import decode, encode_dr

_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


@scalar
def fake_quantized(w: np.float32, step_size: np.float32, low: np.float32, high: np.float32) -> np.float32:
    """`w` on the grid of `step_size`, limited to codes ``[low, high]``; NaN stays NaN and so is seen in the loss."""
    value = decode(encode_dr(np.float32(w / step_size), low, high), step_size)
    return value if w == w else w


@scalar
def passed_gradient(gradient: np.float32, x: np.float32, low: np.float32, high: np.float32) -> np.float32:
    """`gradient` where `x` lies in ``[low, high]``, else 0."""
    return np.float32(gradient) if x >= low and x <= high else _ZERO


@scalar
def clip_derivative(w: np.float32, clip: np.float32) -> np.float32:
    """Derivative of ``min(max(w, -clip), clip)`` by `clip`: 1 above the range, -1 below it, else 0."""
    if w > clip:
        return _ONE
    if w < -clip:
        return np.float32(-_ONE)
    return _ZERO
